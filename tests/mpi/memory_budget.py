"""A run within run.memory has the bits of one that keeps everything, says what it computes again or sends elsewhere, and
goes on from a checkpoint with any other budget.

usage: memory_budget.py PROGRAM SOURCE MPIEXEC"""

import json
import re
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import checkpoint, same_state, untimed

STEPS, EVERY = 8, 4
MODEL = {"layers": 6, "width": 64, "heads": 2, "context": 64}
TOKENS = 16 * 64  # of a step
# Name, stages, settings.  Stages of a pipeline hold several micro-batches; the probe has activations of its own.
# Each could save 7 MB or more: what the system gives a program differs by 0.8 MB from one start to another, and what is
# chosen within a budget must not turn on that.
RUNS = (
    ("bp", 1, ["rule.name=bp", "run.alignment_steps=4"]),
    ("dfa-bf16", 1, ["rule.name=dfa", "optim.precision=bf16"]),
    ("bp-zb", 2, ["rule.name=bp", "parallel.schedule=zb-h2", "parallel.micro_batches=4"]),
    ("dfa", 2, ["rule.name=dfa", "parallel.micro_batches=2"]),
)
# A store that is taken to hide all its transfers, whatever the disk does: runs then offload.
OFFLOADED = ("dfa-bf16", "bp-zb", "dfa")
STORE = ["run.offload=scratch", "run.offload_gb_per_s=1e5"]


class Runs:
    def __init__(self, work, program, name, stages, settings):
        self.work, self.program, self.stages = work, program, stages
        self.name, self.settings = name, [*settings, f"parallel.pp={stages}"]

    def said(self, expected, name, *settings, dry=False):
        """What a run says; stops the test at another exit code than expected."""
        args = ["train", "deck.toml", "--set", f"run.name={self.name}-{name}", *(["--dry-run"] if dry else [])]
        for one in (*self.settings, *settings):
            args += ["--set", one]
        code, said, _ = self.program.run(args, self.work, self.stages if self.stages > 1 else 0)
        if code != expected:
            sys.exit(f"{self.name}-{name}: exit code {code}, expected {expected}\n{said}")
        return said

    def folder(self, name):
        return self.work / "runs" / f"{self.name}-{name}"


def in_all(said):
    """Bytes that a run says it will take of a rank."""
    return 1e6 * float(re.search(r"in all +([0-9.]+) MB", said).group(1))


def budgets(runs):
    """Three between all and the least."""
    most = in_all(runs.said(0, "kept", dry=True))
    least = float(re.search(r"needs at least (\d+) bytes", runs.said(2, "kept", "run.memory=1MB", dry=True)).group(1))
    return [int(least + share * (most - least)) for share in (0.75, 0.6, 0.3)]


def within_budgets(checks, runs):
    runs.said(0, "kept")
    kept = runs.folder("kept")
    roomy, middle, tight = budgets(runs)
    for budget in (roomy, tight):
        name = f"within-{budget}"
        said = runs.said(0, name, f"run.memory={budget}")
        what = f"{runs.name} within {budget / 1e6:.0f} MB"
        checks.that("recomputed " in said and "more FLOP" in said, f"{what}: says what is computed again")
        checks.that("recomputed " in runs.said(0, name, f"run.memory={budget}", dry=True), f"{what}: so does --dry-run")
        checks.that(in_all(said) <= budget + 5e4, f"{what}: takes {in_all(said) / 1e6:.1f} MB")
        checks.that(untimed(runs.folder(name)) == untimed(kept), f"{what}: metrics but for timing are equal")
        checks.that(same_state(checkpoint(runs.folder(name), STEPS), checkpoint(kept, STEPS)), f"{what}: the same bits")
        if (kept / "alignment.csv").exists():
            probed = (runs.folder(name) / "alignment.csv").read_bytes()
            checks.that(probed == (kept / "alignment.csv").read_bytes(), f"{what}: the probe finds the same")
    if runs.name in OFFLOADED:
        offloaded(checks, runs, kept, middle)
    # From the middle, with less, then with more.
    name = f"within-{roomy}"
    for memory in (str(tight), ""):
        runs.said(0, name, f"run.memory={memory}", f"run.restart={EVERY}")
        checks.that(same_state(checkpoint(runs.folder(name), STEPS), checkpoint(kept, STEPS)),
                    f"{runs.name}: the same bits after a restart with run.memory = \"{memory}\"")


def offloaded(checks, runs, kept, budget):
    name = "offloaded"
    said = runs.said(0, name, f"run.memory={budget}", *STORE)
    what = f"{runs.name} with a store"
    checks.that(re.search(r"recomputed .*offloaded on \d+.* 0.0 % more FLOP.* GB to and from scratch", said) is not None,
                f"{what}: says what is offloaded")
    checks.that("offload         scratch: " in said, f"{what}: and how fast that is")
    checks.that(in_all(said) <= budget + 5e4, f"{what}: takes {in_all(said) / 1e6:.1f} MB")
    checks.that(untimed(runs.folder(name)) == untimed(kept), f"{what}: metrics but for timing are equal")
    checks.that(same_state(checkpoint(runs.folder(name), STEPS), checkpoint(kept, STEPS)), f"{what}: the same bits")
    checks.that(not list((runs.work / "scratch").iterdir()), f"{what}: leaves nothing behind")


def memory_falls(checks, program, work):
    """What is predicted to be saved is saved: the resident memory of steps whose activations are most of it."""
    def bench(*settings):
        args = ["bench", "step", "deck.toml", "--steps", 1, "--peak-seconds", 0.02, "--json", "steps.json"]
        for one in ("model.layers=8", "model.context=512", "run.memory=", *settings):
            args += ["--set", one]
        code, said, _ = program.run(args, work)
        if code != 0:
            sys.exit(f"bench step {settings}: exit code {code}\n{said}")
        return json.loads((work / "steps.json").read_text())["rules"][0]
    kept = bench()
    budget = int(kept["predicted_bytes"] * 0.6)
    sent = bench(f"run.memory={budget}", *STORE)
    saved = kept["predicted_bytes"] - sent["predicted_bytes"]
    seen = kept["peak_resident_bytes"] - sent["peak_resident_bytes"]
    checks.that("offloaded on" in sent["recomputed"] and sent["predicted_bytes"] <= budget, "bench step offloads within its budget")
    checks.that(abs(seen - saved) < 0.15 * saved, f"of {saved / 1e6:.0f} MB that it saves {seen / 1e6:.0f} are seen")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60, train=TOKENS * STEPS + 1, valid=64 * 8 + 1)
        write(work / "deck.toml", deck(model=MODEL, optim={"tokens": TOKENS * STEPS, "batch_sequences": 16},
                                       run={"checkpoint_steps": EVERY, "keep": 10}))
        (work / "scratch").mkdir()
        memory_falls(checks, program, work)
        for name, stages, settings in RUNS:
            within_budgets(checks, Runs(work, program, name, stages, settings))
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

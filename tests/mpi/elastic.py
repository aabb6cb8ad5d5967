"""A run goes on with other numbers of ranks, stages and shards: what each start reads has the bits that were saved, and
what comes out agrees with a run that stayed on one rank.

usage: elastic.py PROGRAM SOURCE MPIEXEC"""

import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import checkpoint, column, relative_difference, same_state

STEPS, EVERY = 40, 10
# (replicas, stages, zero): each takes the run ten steps further than the one before.
LAYOUTS = ((4, 1, 1), (1, 2, 0), (2, 2, 1), (1, 1, 0))
AGREEMENT = 1e-3  # relative, of losses at step 40: the order of float32 sums, grown by training
RULES = {"bp": ["model.tied=true"], "dfa": ["model.tied=false", "optim.clip=block", "parallel.schedule=unlocked"]}


class Runs:
    def __init__(self, work, program, rule, settings):
        self.work, self.program, self.rule, self.settings = work, program, rule, settings

    def folder(self, name):
        return self.work / "runs" / f"{self.rule}-{name}"

    def train(self, name, layout, *settings):
        dp, pp, zero = layout
        schedule = [one for one in self.settings if pp > 1 or not one.startswith("parallel.schedule")]
        args = ["train", "deck.toml", "--set", f"run.name={self.rule}-{name}"]
        for one in (f"rule.name={self.rule}", f"parallel.dp={dp}", f"parallel.pp={pp}", f"parallel.zero={zero}",
                    f"parallel.micro_batches={8 // dp // 2}", *schedule, *settings):
            args += ["--set", one]
        code, said, _ = self.program.run(args, self.work, dp * pp if dp * pp > 1 else 0)
        if code != 0:
            sys.exit(f"{name}: exit code {code}\n{said}")
        return self.folder(name)


def elastic(checks, runs):
    straight = runs.train("straight", (1, 1, 0))
    for at, layout in enumerate(LAYOUTS):
        step, what = at * EVERY, f"{runs.rule}, from step {at * EVERY} on dp {layout[0]}, pp {layout[1]}, zero {layout[2]}"
        if step:
            saved = checkpoint(runs.folder("elastic"), step)
            # No step is left to do: what was read is written again.
            read = runs.train(f"read-{step}", layout, f"run.restart={saved}", f"optim.tokens={64 * step}")
            checks.that(same_state(saved, checkpoint(read, step)), f"{what}: the bits that were saved")
        runs.train("elastic", layout, *([f"run.restart={step}"] if step else []))
    for name in ("train_loss", "val_loss"):
        ours, theirs = column(runs.folder("elastic"), name), column(straight, name)
        checks.below(relative_difference({STEPS: ours[STEPS]}, {STEPS: theirs[STEPS]}), AGREEMENT,
                     f"{runs.rule}: {name} of step {STEPS} as on one rank all the time")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60)
        write(work / "deck.toml", deck(optim={"tokens": 64 * STEPS}, run={"checkpoint_steps": EVERY, "keep": 10}))
        for rule, settings in RULES.items():
            elastic(checks, Runs(work, program, rule, settings))
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

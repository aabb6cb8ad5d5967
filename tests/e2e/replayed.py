"""The program as it is built for GPUs, over a fake of CUDA (tests/support/replayed): what graphs replay has the bits of what
is launched, by every rule, in both precisions, through restarts, probes, validation and layouts.

usage: replayed.py PROGRAM SOURCE MPIEXEC REPLAYED"""

import pathlib
import re
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import checkpoint, same_state, untimed

RULES = ("bp", "dfa", "dfa-canonical", "shallow")
STEPS = 10


class Runs:
    """Trains the deck, and says how much of it was replayed."""

    def __init__(self, program, checks, work):
        self.program, self.checks, self.work = program, checks, work

    def run(self, arguments, ranks=0):
        """(launches, replays) of all ranks together."""
        code, said, _ = self.program.run(arguments, self.work, ranks, variables={"FAKE_CUDA_REPORT": "1"})
        self.checks.that(code == 0, f"{' '.join(map(str, arguments))}{'' if code == 0 else f': {code}: {said}'}")
        reports = re.findall(r"fake CUDA: (\d+) launches, \d+ recorded, (\d+) replays", said)
        return [sum(map(int, column)) for column in zip(*reports)]

    def train(self, name, graphs, *settings, ranks=0):
        arguments = ["train", "deck.toml", "--set", f"run.name={name}", "--set", f"run.graphs={str(graphs).lower()}"]
        for setting in settings:
            arguments += ["--set", setting]
        return self.run(arguments, ranks)

    def same(self, what, *settings, ranks=0):
        """Trains with and without graphs."""
        name = re.sub("[^a-z0-9]", "-", what)
        launches, replays = self.train(f"{name}-launched", False, *settings, ranks=ranks)
        self.checks.that(launches > 0 and replays == 0, f"{what}: launched, {launches} times")
        fewer, replays = self.train(f"{name}-replayed", True, *settings, ranks=ranks)
        self.checks.that(fewer < launches / 2 and replays > 0, f"{what}: {replays} replays leave {fewer} launches")
        self.same_bits(what, f"{name}-launched", f"{name}-replayed")
        return f"{name}-replayed"

    def same_bits(self, what, one, other):
        one, other = self.work / "runs" / one, self.work / "runs" / other
        self.checks.that(untimed(one) == untimed(other), f"{what}: the same metrics")
        self.checks.that((one / "alignment.csv").read_bytes() == (other / "alignment.csv").read_bytes(),
                         f"{what}: the same alignment")
        self.checks.that(same_state(checkpoint(one, STEPS), checkpoint(other, STEPS)),
                         f"{what}: the same parameters and moments")


def refused(program, checks, work):
    """CUDA refuses graphs: the run says what it was about and ends; without graphs it goes on."""
    for graphs, wanted in (("true", 6), ("false", 0)):
        code, said, _ = program.run(["train", "deck.toml", "--set", "run.name=refused", "--set", f"run.graphs={graphs}"], work,
                                    variables={"FAKE_CUDA_REFUSES_GRAPHS": "1"})
        told = all(words in said for words in ("the CUDA graph of ", "cudaGraphInstantiate failed", "run.graphs = false"))
        fine = code == wanted and told == (wanted != 0)
        checks.that(fine, f"graphs refused, run.graphs = {graphs}{'' if fine else f': {code}: {said}'}")


def main():
    program, checks = Program(sys.argv[4], sys.argv[3]), Checks()
    source = pathlib.Path(sys.argv[2]).resolve()
    with work_folder() as work:
        runs = Runs(program, checks, work)
        runs.run(["verify", source / "tests/golden/tied_l3.h5", "--micro-batches", 2])
        runs.run(["verify", source / "tests/golden/untied_l2.h5"])
        corpus(work / "data", 60)
        write(work / "deck.toml", deck(run={"alignment_steps": 3}, parallel={"micro_batches": 2}))
        for rule in RULES:
            for precision in ("f32", "bf16"):
                runs.same(f"{rule} {precision}", f"rule.name={rule}", f"optim.precision={precision}")
        runs.same("bp, two replicas", "parallel.zero=1", ranks=2)
        runs.same("dfa, two stages", "rule.name=dfa", "parallel.pp=2", "optim.clip=block", ranks=2)
        # Half the way and on from a checkpoint: recorded anew.
        runs.train("half", True)
        late = checkpoint(work / "runs/half", STEPS)
        late.unlink()
        runs.train("half", True, "run.restart=required")
        runs.same_bits("restarted", "half", "bp-f32-launched")
        _, replays = runs.run(["eval", "runs/half", "data"])
        checks.that(replays > 0, "eval replays too")
        refused(program, checks, work)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

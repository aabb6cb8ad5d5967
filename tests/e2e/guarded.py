"""The program over a device whose memory the host cannot touch (tests/support/guarded): as on a GPU, whatever reads or
writes it but kernels, products and copies ends it with a segmentation fault.  One rank with one stage: messages between
stages go by MPI here, which touches arrays as NCCL does not.

usage: guarded.py PROGRAM SOURCE MPIEXEC GUARDED"""

import pathlib
import re
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import checkpoint, same_state, untimed

RULES = ("bp", "dfa", "dfa-canonical", "shallow")


def recomputed(checks, program, work):
    """A run that computes activations again; its budget is near the least, which it asks the program for."""
    write(work / "again.toml", deck(model={"layers": 5, "width": 32, "context": 32}, data={"valid_sequences": 4},
                                    optim={"tokens": 512}, run={"validate_points": 0}))

    def train(name, memory):
        code, said, _ = program.run(["train", "again.toml", "--set", f"run.name={name}", "--set", f"run.memory={memory}"],
                                    work, limit=300)
        return code, said

    least = re.search(r"needs at least (\d+) bytes", train("refused", "1MB")[1])
    checks.that(least is not None, "too small a budget is refused with the least that is possible")
    for name, memory in (("kept", 0), ("again", int(least.group(1)) + 800_000)):
        code, said = train(name, memory)
        fine = code == 0 and ("recomputed " in said) == (name == "again")
        checks.that(fine, f"run.memory = {memory}{'' if fine else f': {code}: {said}'}")
    checks.that(untimed(work / "runs/again") == untimed(work / "runs/kept"), "what is computed again has the same bits")


def main():
    program, checks = Program(sys.argv[4]), Checks()
    source = pathlib.Path(sys.argv[2]).resolve()

    def runs(arguments, folder, wanted=0):
        code, said, _ = program.run(arguments, folder, limit=300)
        checks.that(code == wanted, f"{' '.join(map(str, arguments))}{'' if code == wanted else f': {code}: {said}'}")

    with work_folder() as work:
        for golden in ("tied_l3", "untied_l2"):
            runs(["verify", source / f"tests/golden/{golden}.h5"], work)
            runs(["verify", source / f"tests/golden/{golden}.h5", "--precision", "bf16"], work)
        runs(["verify", source / "tests/golden/tied_l3.h5", "--micro-batches", 2], work)
        corpus(work / "data", 60)
        write(work / "deck.toml", deck(run={"alignment_steps": 3}))
        for rule in RULES:
            train = ["train", "deck.toml", "--set", f"rule.name={rule}"]
            runs([*train, "--set", f"run.name={rule}"], work)
            runs([*train, "--set", f"run.name={rule}-bf16", "--set", "optim.precision=bf16"], work)
            checks.that(untimed(work / f"runs/{rule}-bf16") != untimed(work / f"runs/{rule}"), f"{rule} in bf16 has other losses")
        # Half the way and on from a checkpoint: the same bits.
        half = ["train", "deck.toml", "--set", "run.name=half"]
        runs([*half, "--set", "run.checkpoint_steps=5"], work)
        late = checkpoint(work / "runs/half", 10)
        late.unlink()
        runs([*half, "--set", "run.restart=required"], work)
        checks.that(untimed(work / "runs/half") == untimed(work / "runs/bp"), "a restarted run has the same metrics")
        checks.that(same_state(late, checkpoint(work / "runs/bp", 10)), "and the same parameters and moments")
        for run in ("bp", "bp-bf16"):
            runs(["eval", f"runs/{run}", "data"], work)
        recomputed(checks, program, work)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

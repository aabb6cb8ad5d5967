"""A store of activations that fails (failing_io.c): all ranks end with the reason, none waits, and nothing is left on the
disk; a write or read cut short once loses nothing.

usage: offload.py PROGRAM SOURCE MPIEXEC FAILING_IO"""

import errno
import os
import signal
import sys

from program import Checks, Program, corpus, deck, preloadable, work_folder, write
from runs import checkpoint, same_state

STEPS = 3
USAGE, DEVICE = 2, 6  # exit codes
HANGS_AFTER = 60  # seconds
FILE = "dfascale-activations"  # every file of a store is called so until it has no name


class Lab:
    def __init__(self, program, work, library):
        self.program, self.work, self.library = program, work, preloadable(library, work)

    def run(self, name, ranks, settings, variables):
        args = ["train", "deck.toml"]
        for one in (f"run.name={name}", f"parallel.pp={max(ranks, 1)}", *settings):
            args += ["--set", one]
        code, said, _ = self.program.run(args, self.work, ranks, limit=HANGS_AFTER, variables=variables)
        return code, said

    def everything(self, name, ranks):
        """A run that keeps everything, and a budget without half of what its activations take."""
        code, said = self.run(name, ranks, ["run.offload="], {})
        if code != 0:
            sys.exit(f"{name}: exit code {code}\n{said}")
        activations, in_all = (float(said.partition(what)[2].split()[0]) for what in ("activations and workspace", "in all"))
        return int(1e6 * (in_all - activations / 2))

    def train(self, name, ranks, budget, *settings, fault="", **variables):
        """(exit code, what it said) of a run with offload."""
        if fault:
            variables = {"LD_PRELOAD": self.library, "DFASCALE_FAULT": f"{fault} {FILE}", **variables}
        return self.run(name, ranks, [f"run.memory={budget}", *settings], variables)

    def state(self, name):
        return checkpoint(self.work / "runs" / name, STEPS)


def same_bits(checks, lab, ranks, budget):
    """A run that offloads; which rank does."""
    code, said = lab.train(f"offloaded-{ranks}", ranks, budget)
    checks.that(code == 0 and same_state(lab.state(f"offloaded-{ranks}"), lab.state(f"kept-{ranks}")),
                f"{max(ranks, 1)} rank(s): a run that offloads has the same bits {said if code else ''}")
    by_stage = said.partition("recomputed ")[2].partition("\n")[0].split("; ")
    offload = [stage for stage, text in enumerate(by_stage) if "offloaded on" in text]
    checks.that(bool(offload), f"{max(ranks, 1)} rank(s): something is offloaded")
    return offload[0] if offload else 0


def failures(checks, lab, ranks, budget, rank):
    for call, number, error in (("write", 1, errno.EIO), ("write", 3, errno.ENOSPC), ("read", 2, errno.EIO)):
        where = {"DFASCALE_FAULT_RANK": str(rank)} if ranks else {}
        code, said = lab.train(f"failed-{ranks}-{call}-{number}", ranks, budget, fault=f"{call} {number} {error}", **where)
        fine = code == DEVICE and os.strerror(error) in said and 'run.offload = "scratch"' in said and "free" in said
        checks.that(fine, f"{max(ranks, 1)} rank(s), {errno.errorcode[error]} from {call} {number} {'' if fine else (code, said)}")


def cut_short(checks, lab, budget):
    for call in ("write", "read"):
        code, said = lab.train(f"short-{call}", 0, budget, fault=f"{call} 1 short")
        checks.that(code == 0 and same_state(lab.state(f"short-{call}"), lab.state("kept-0")),
                    f"a {call} cut short {'' if code == 0 else said}")


def killed(checks, lab, budget):
    code, said = lab.train("killed", 0, budget, fault="write 2 kill-half")
    checks.that(code == -signal.SIGKILL, f"killed while it writes {'' if code == -signal.SIGKILL else (code, said)}")
    checks.that(not list((lab.work / "scratch").iterdir()), "nothing is left on the disk by any of these")


def places(checks, lab, budget):
    (lab.work / "file").write_text("")
    for where in ("missing", "file"):
        for speed in (0, 1e5):  # measured, or opened for the run itself
            code, said = lab.train(where, 0, budget, f"run.offload={where}", f"run.offload_gb_per_s={speed}")
            checks.that(code == USAGE and f'run.offload = "{where}"' in said, f"a folder that is none: {where} {said if code != USAGE else ''}")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        lab = Lab(program, work, sys.argv[4])
        tokens = 8 * 64
        corpus(work / "data", 60, train=tokens * STEPS + 1, valid=64 * 8 + 1)
        (work / "scratch").mkdir()
        write(work / "deck.toml", deck(
            model={"layers": 8, "width": 64, "heads": 2, "context": 64},
            optim={"tokens": tokens * STEPS, "batch_sequences": 8}, parallel={"micro_batches": 2},
            run={"offload": "scratch", "offload_gb_per_s": 1e5, "memory": 1 << 40}))
        for ranks in (2, 0):
            budget = lab.everything(f"kept-{ranks}", ranks)
            failures(checks, lab, ranks, budget, same_bits(checks, lab, ranks, budget))
        cut_short(checks, lab, budget)
        killed(checks, lab, budget)
        places(checks, lab, budget)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

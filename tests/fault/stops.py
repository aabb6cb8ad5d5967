"""Stop signals: whichever comes, when and how often, a run ends with a checkpoint and exit code 75, or is done with 0.

usage: stops.py PROGRAM SOURCE MPIEXEC"""

import contextlib
import json
import os
import pathlib
import random
import signal
import sys
import time

from program import Checks, Program, corpus, deck, descendants, work_folder, write

STOPPED = 75
ENDS_WITHIN = 120  # seconds, on a busy machine
BETWEEN_SIGNALS = 0.003
ENDLESS = {"tokens": 64_000_000}
KINDS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]


def wait_until(holds, process):
    """False where the process ends before."""
    limit = time.monotonic() + ENDS_WITHIN
    while not holds():
        if process.poll() is not None or time.monotonic() > limit:
            return False
        time.sleep(0.002)
    return True


def hears(pid, kind):
    """Whether the process has a handler for the signal."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (kind - 1) & 1)


def send_until_the_end(process, kind, receivers=None):
    """Again and again, to the process or to those that receivers() names; returns the exit code and what was said."""
    while process.poll() is None:
        for pid in receivers() if receivers else [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kind)
        time.sleep(BETWEEN_SIGNALS)
    return process.returncode, process.communicate()[0].decode(errors="replace")


class Lab:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def start(self, name, ranks=0, **sections):
        sections.setdefault("optim", ENDLESS)
        run = {"name": name, "checkpoint_steps": 0, **sections.pop("run", {})}
        write(self.work / f"{name}.toml", deck(data={"epochs": 1e6}, run=run, **sections))
        return self.program.start(["train", f"{name}.toml"], self.work, ranks)

    def has_rows(self, name):
        try:
            return len((self.work / "runs" / name / "metrics.csv").read_text().splitlines()) > 3
        except OSError:
            return False

    def checkpoints(self, name):
        return list((self.work / "runs" / name / "checkpoints").glob("step_*.h5"))

    def outcome(self, name):
        return json.loads((self.work / "runs" / name / "run.json").read_text())["outcome"]


def every_kind(lab, checks):
    for kind in KINDS:
        name = kind.name
        process = lab.start(name)
        wait_until(lambda: lab.has_rows(name), process)
        process.send_signal(kind)
        code = process.wait(ENDS_WITHIN)
        checks.that(code == STOPPED and lab.checkpoints(name) and lab.outcome(name) == "stopped", f"{name}: exit code {code}")


def repeated(lab, checks):
    for number in range(4):
        name = f"repeated-{number}"
        process = lab.start(name)
        wait_until(lambda: lab.has_rows(name), process)
        code, said = send_until_the_end(process, KINDS[number])
        # Of SIGINT the second may come before the run has decided to stop, and then ends it.
        good = code == STOPPED and lab.checkpoints(name) or KINDS[number] == signal.SIGINT and code == -signal.SIGINT
        checks.that(good, f"{KINDS[number].name} again and again: exit code {code} {said if not good else ''}")


def from_the_first_line(lab, checks):
    for number in range(3):
        name = f"early-{number}"
        process = lab.start(name)
        wait_until(lambda: hears(process.pid, signal.SIGUSR1), process)
        code, said = send_until_the_end(process, signal.SIGUSR1)
        good = code == STOPPED and ("before the first step" in said or lab.checkpoints(name))
        checks.that(good, f"SIGUSR1 while the program starts: exit code {code} {said if not good else ''}")


def at_the_end(lab, checks):
    name = "at-the-end"
    process = lab.start(name, optim={"tokens": 640})
    wait_until(lambda: lab.checkpoints(name), process)
    code, said = send_until_the_end(process, signal.SIGTERM)
    checks.that(code == 0 and lab.outcome(name) == "done", f"SIGTERM after the last checkpoint: exit code {code} {said if code else ''}")


def under_mpirun(lab, checks):
    process = lab.start("mpirun", ranks=2, parallel={"dp": 2})
    wait_until(lambda: lab.has_rows("mpirun"), process)
    ranks = [pid for pid in descendants(process.pid) if hears(pid, signal.SIGUSR2)]
    process.send_signal(signal.SIGUSR1)  # once: at its own end mpirun hears no more
    code, said = send_until_the_end(process, signal.SIGUSR1, lambda: ranks)
    good = code == STOPPED and len(ranks) == 2 and lab.checkpoints("mpirun")
    checks.that(good, f"SIGUSR1 at mpirun and its {len(ranks)} ranks: exit code {code} {said if not good else ''}")


def stopped_and_continued(lab, checks):
    process = lab.start("paused", optim={"tokens": 6400})
    wait_until(lambda: lab.has_rows("paused"), process)
    process.send_signal(signal.SIGTSTP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    code = process.wait(ENDS_WITHIN)
    checks.that(code == 0 and lab.outcome("paused") == "done", f"SIGTSTP and SIGCONT: exit code {code}")


def nobody_reads(lab, checks):
    """`dfascale train ... | head`: the run does not end with its reader."""
    process = lab.start("unread", optim={"tokens": 6400})
    process.stdout.close()
    code = process.wait(ENDS_WITHIN)
    checks.that(code == 0 and lab.outcome("unread") == "done", f"a closed pipe: exit code {code}")


def study(lab, checks):
    text = deck(data={"epochs": 1e6}, run={"name": None, "checkpoint_steps": 0}, model={"layers": None}, optim={"tokens": None},
                rule={"name": None}).replace("[rule]\n", "")
    text += """[study]
name = "both"
workers = 2
[[size]]
layers = 1
optim.tokens = "64M"
[[rule]]
name = "bp"
[[rule]]
name = "shallow"
"""
    write(lab.work / "study.toml", text)
    process = lab.program.start(["study", "study.toml"], lab.work)
    begun = wait_until(lambda: len(list(lab.work.glob("**/both/**/metrics.csv"))) > 1, process)
    code, said = send_until_the_end(process, signal.SIGTERM, lambda: [process.pid, *descendants(process.pid)])
    good = begun and code == STOPPED and "failed" not in said
    checks.that(good, f"a study and its runs: exit code {code} {said if not good else ''}")


def prepare(lab, checks):
    """Its unfinished files go, and the signal ends it."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(20000)]
    write(lab.work / "text.txt", "\n".join(" ".join(draw.choices(words, k=12)) for _ in range(150_000)))
    write(lab.work / "valid.txt", "a few words\n" * 100)
    staging = lab.work / "prepared" / ".prepare-partial"
    process = lab.program.start(["prepare", "--train", "text.txt", "--valid", "valid.txt", "--out", "prepared", "--vocab", "5000"],
                                lab.work)
    begun = wait_until(staging.exists, process)
    code, _ = send_until_the_end(process, signal.SIGTERM)
    checks.that(begun and code == -signal.SIGTERM and not staging.parent.exists(), f"prepare: exit code {code}")


def main():
    program = Program(sys.argv[1], sys.argv[3])
    checks = Checks()
    with work_folder() as work:
        corpus(work / "data", 60)
        lab = Lab(program, work)
        for check in (every_kind, repeated, from_the_first_line, at_the_end, under_mpirun, stopped_and_continued, nobody_reads,
                      study, prepare):
            check(lab, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

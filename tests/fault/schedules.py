"""One rank is killed, or fails, in the middle of training under every schedule: all ranks end soon and say why.

usage: schedules.py PROGRAM SOURCE MPIEXEC FAILING_STAGES"""

import dataclasses
import json
import os
import pathlib
import signal
import sys
import time

from program import Checks, Program, corpus, deck, descendants, work_folder, write

DATA, NUMERICAL, DEVICE = 3, 5, 6
ENDS_WITHIN = 10  # seconds after the fault
START_UP = 5  # seconds of mpirun and MPI, on a loaded machine
COMES_SO_FAR = 30  # seconds
STEPS_BEFORE = 5


@dataclasses.dataclass
class Layout:
    schedule: str
    rule: str
    dp: int
    pp: int
    victim: int  # rank
    zero: int = 0

    @property
    def ranks(self):
        return self.dp * self.pp

    @property
    def name(self):
        return f"{self.rule} {self.schedule} {self.dp}x{self.pp}, rank {self.victim}"


# First, middle and last ranks; shallow's frozen stages only go forward.
LAYOUTS = (
    Layout("gpipe", "bp", 1, 3, 1),
    Layout("1f1b", "bp", 1, 4, 3),
    Layout("interleaved", "bp", 1, 2, 0),
    Layout("zb-h1", "bp", 1, 3, 2),
    Layout("zb-h2", "bp", 1, 3, 0),
    Layout("zb-v", "bp", 1, 2, 1),
    Layout("unlocked", "dfa", 1, 4, 1),
    Layout("unlocked", "shallow", 1, 3, 0),
    Layout("unlocked", "dfa", 2, 2, 3, zero=1),
    Layout("1f1b", "bp", 2, 2, 0, zero=1),
)


def is_alive(process):
    """Whether a process still runs (a zombie does not)."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def left_of(processes, until):
    """Those that still run then; ranks outlive their launcher for a moment."""
    left = processes
    while left and time.monotonic() < until:
        time.sleep(0.02)
        left = [one for one in left if is_alive(one)]
    return left


def rank_of(process):
    """The rank that a process is; None for what is no rank."""
    try:
        variables = pathlib.Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
            return int(variable.partition(b"=")[2])
    return None


def steps_done(folder):
    table = folder / "metrics.csv"
    return max(table.read_text().count("\n") - 2, 0) if table.exists() else 0


def killed(checks, program, work, layout):
    """SIGKILL to one rank of a run; what a user sees is the launcher's message."""
    name = f"killed-{layout.name}".replace(" ", "-").replace(",", "")
    settings = {"run.name": name, "rule.name": layout.rule, "parallel.schedule": layout.schedule,
                "parallel.dp": layout.dp, "parallel.pp": layout.pp, "parallel.zero": layout.zero}
    arguments = ["train", "deck.toml"]
    for key, value in settings.items():
        arguments += ["--set", f"{key}={value}"]
    process = program.start(arguments, work, layout.ranks)
    end = time.monotonic() + COMES_SO_FAR
    while steps_done(work / "runs" / name) < STEPS_BEFORE and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    family = descendants(process.pid)
    victims = [one for one in family if rank_of(one) == layout.victim]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    at = time.monotonic()
    said = process.communicate(timeout=60)[0].decode(errors="replace")
    seconds = time.monotonic() - at
    left = left_of(family, at + ENDS_WITHIN)
    outcome = json.loads((work / "runs" / name / "run.json").read_text())["outcome"]
    told = f"process rank {layout.victim}" in said and "signal 9" in said
    good = (len(victims) == 1 and process.returncode != 0 and told and not left and seconds < ENDS_WITHIN
            and outcome == "running")
    checks.that(good, f"{layout.name} killed: exit code {process.returncode} after {seconds:.1f} s, "
                      f"{len(victims)} killed, {len(left)} left, outcome {outcome}")
    if not good:
        print(said)


def failing(checks, stages, work, layout, how, victim, code, says):
    """A rank throws; its words are said once, by rank 0 or by itself."""
    arguments = [layout.rule, layout.schedule, layout.dp, layout.pp, how, victim]
    process = stages.start(arguments, work, layout.ranks)
    begun = time.monotonic()
    family = set()
    while process.poll() is None and time.monotonic() < begun + ENDS_WITHIN + START_UP:
        family.update(descendants(process.pid))
        time.sleep(0.05)
    hangs = process.poll() is None
    if hangs:
        os.killpg(process.pid, signal.SIGKILL)
    said = process.communicate()[0].decode(errors="replace")
    seconds = time.monotonic() - begun
    left = left_of(list(family), begun + ENDS_WITHIN + START_UP)
    lines = [line for line in said.splitlines() if line.startswith("dfascale: ")]
    told = len(lines) == 1 and f"rank {victim}" in lines[0] and says in lines[0]
    good = not hangs and process.returncode == code and told and not left
    checks.that(good, f"{layout.name.rpartition(',')[0]}, rank {victim} fails ({how}): exit code {process.returncode} "
                      f"after {seconds:.1f} s, {len(left)} left, says {lines}")
    if not good:
        print(said)


def main():
    program, stages, checks = Program(sys.argv[1], sys.argv[3]), Program(sys.argv[4], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60, train=64 * 200000)
        # More steps than could be done in the time that a hang is given.
        write(work / "deck.toml", deck(model={"layers": 6, "tied": False},
                                       optim={"tokens": 48 * 200000, "batch_sequences": 24, "clip": "block"},
                                       parallel={"micro_batches": 6},
                                       run={"checkpoint_steps": 0, "validate_points": 0}))
        for layout in LAYOUTS:
            killed(checks, program, work, layout)
            failing(checks, stages, work, layout, "values", layout.victim, NUMERICAL, "not finite")
            # Tokens are read by the first and the last stage; in a V rank 0 holds both.
            reader = 0 if layout.schedule == "zb-v" else layout.ranks - 1
            how, code, says = ("tokens", DATA, "cannot be read") if layout.dp == 1 else \
                ("exception", DEVICE, "not an Error")
            failing(checks, stages, work, layout, how, reader, code, says)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

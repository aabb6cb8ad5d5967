"""The CPU job script under a real Slurm: stopped by the end of its time, by scancel --signal, by a killed rank, and put
back into the queue each time. What comes out has the bits of a run that was left alone.

usage: jobs.py PROGRAM SOURCE MPIEXEC"""

import contextlib
import os
import pathlib
import signal
import sys
import time

import cluster
from program import SKIPPED, Checks, Program, corpus, deck, work_folder, write
from runs import checkpoint, same_state, untimed

STEPS, EVERY, RANKS = 2000, 200, 2
WAITS = 90  # seconds for whatever has to happen next
RUNS = "my runs"  # a folder with a space


class Job:
    """A run trained by the job script."""

    def __init__(self, slurm, work, source, name, options=(), variables=None, settings=()):
        self.slurm, self.work, self.name = slurm, work, name
        self.output = work / f"{name}.out"
        self.number = slurm.submit(
            source / "jobs/slurm_cpu.sh", ["deck.toml", "--set", f"run.name={name}", *settings], work,
            ["--output", str(self.output), *options], {"DFASCALE_JOBS": str(source / "jobs"), **(variables or {})})

    def said(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def folder(self):
        return self.work / RUNS / self.name

    def steps(self):
        table = self.folder() / "metrics.csv"
        return max(table.read_text().count("\n") - 2, 0) if table.exists() else 0

    def state(self):
        return self.slurm.job(self.number).get("JobState", "?")

    def until(self, condition, what):
        end = time.monotonic() + WAITS
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: no {what} within {WAITS} s; job: {self.slurm.job(self.number)}\n{self.said()}")
            time.sleep(0.02)

    def ranks(self):
        """Processes of this run, by their command line."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                is_rank = words[0].endswith(b"/dfascale") and b"train" in words
                if is_rank and f"run.name={self.name}".encode() in words and os.readlink(entry / "cwd") == str(self.work):
                    found.append(int(entry.name))
        return found

    def again(self):
        """Until it is done. Slurm waits two minutes before it runs a requeued job: not here."""
        self.until(lambda: self.state() == "PENDING", "requeued job")
        # What holds the first start's steps ends a moment later; steps of the same numbers cannot begin before.
        spool = self.slurm.folder / "spool"
        self.until(lambda: not [*spool.glob(f"*_{self.number}.*"), *spool.glob(f"stepd.*.{self.number}.*")],
                   "end of the first start's steps")
        time.sleep(2)  # slurmd tells a new start from the one it has ended by their whole seconds
        while self.state() == "PENDING":
            self.slurm.ask("scontrol", "update", f"JobId={self.number}", "StartTime=now")
            self.until(lambda: self.state() not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"), "end")


def check_end(checks, job, what, code, reference):
    """It ended once with this exit code, ran again, and is what it would have been."""
    job.again()
    facts, said = job.slurm.job(job.number), job.said()
    checks.that(f"ended with exit code {code}; the newest checkpoint" in said and "asks to run again" in said,
                f"{what}: exit code {code}, and back into the queue")
    checks.that(facts["JobState"] == "COMPLETED" and int(facts["Restarts"]) >= 1 and "restarting from" in said,
                f"{what}: the second start goes on and completes ({facts['JobState']}, restarts {facts['Restarts']})")
    same = untimed(job.folder()) == untimed(reference) and same_state(checkpoint(job.folder(), STEPS), checkpoint(reference, STEPS))
    checks.that(same, f"{what}: metrics, parameters and moments as if it had not been stopped")
    if not same or facts["JobState"] != "COMPLETED":
        print(said, facts, (job.slurm.folder / "slurmd.log").read_text()[-3000:], sep="\n")


def pause(job):
    for rank in job.ranks():
        os.kill(rank, signal.SIGSTOP)


def go_on(job):
    for rank in job.ranks():
        os.kill(rank, signal.SIGCONT)


def begin_time_limit(slurm, work, source):
    """A job of two minutes that is told 105 seconds before its end; its ranks are held until then, so that the run is
    short and yet not over."""
    job = Job(slurm, work, source, "limit", ["--time=2", "--signal=B:USR1@105"])
    job.until(lambda: job.steps() > EVERY, "first steps")
    pause(job)
    return job


def end_time_limit(checks, job, reference):
    job.until(lambda: "passes a signal on" in job.said(), "signal before the end of the job's time")
    go_on(job)
    check_end(checks, job, "time limit", 75, reference)


def signalled(checks, slurm, work, source, reference, name, launcher, scancel):
    """`scancel` with a signal; with mpirun there are no job steps, so it goes to the script."""
    job = Job(slurm, work, source, name, ["--time=10"], {"DFASCALE_LAUNCHER": launcher})
    job.until(lambda: job.steps() > EVERY, "first steps")
    said = slurm.ask("scancel", *scancel, str(job.number))
    check_end(checks, job, f"{launcher}, scancel {' '.join(scancel)}{said}", 75, reference)


def killed_rank(checks, slurm, work, source, reference):
    job = Job(slurm, work, source, "killed", ["--time=10"])
    job.until(lambda: job.steps() > 2 * EVERY, "first checkpoint")
    os.kill(job.ranks()[-1], signal.SIGKILL)
    check_end(checks, job, "a killed rank", 137, reference)


SEEDS = (1, 2, 3, 4)
STUDY = """[model]
width = 16
heads = 2
context = 8
vocab = 60
[data]
train = "data"
valid_sequences = 8
[optim]
learning_rate = 1e-3
batch_sequences = 8
tokens = 12800
[run]
validate_points = 3
peak_seconds = 0
seed = %s
[[size]]
layers = 2
[[rule]]
name = "dfa"
""" % list(SEEDS)


def shared_study(checks, slurm, work, source):
    """The tasks of an array share a study's runs; each run is trained once."""
    write(work / "shared.toml", STUDY)
    number = slurm.submit(source / "jobs/slurm_study.sh", ["shared.toml"], work,
                          ["--array=1-2", "--cpus-per-task=1", "--time=10", f"--output={work}/task_%a.out"],
                          {"DFASCALE_JOBS": str(source / "jobs")})
    end = time.monotonic() + WAITS
    while slurm.ask("squeue", "-h", "-j", str(number)).strip() and time.monotonic() < end:
        time.sleep(0.2)
    said = [(work / f"task_{task}.out").read_text() for task in (1, 2)]
    trained = [line.split(":")[0] for text in said for line in text.splitlines() if "validation loss" in line]
    runs = [*(work / "studies/shared/runs").glob("*/run.json")]
    done = [run for run in runs if '"outcome": "done"' in run.read_text()]
    good = len(done) == len(runs) == len(trained) == len(SEEDS)
    checks.that(good, f"array of two tasks: {len(done)} of {len(SEEDS)} runs done, trained once each")
    if not good:
        print(*said, sep="\n---\n")


def wrong(checks, slurm, work, source):
    """A mistake that running again would repeat ends the job."""
    job = Job(slurm, work, source, "wrong", ["--time=10"], settings=["--set", "data.train=nowhere"])
    job.until(lambda: job.state() in ("COMPLETED", "FAILED"), "end")
    facts = slurm.job(job.number)
    checks.that(facts["JobState"] == "FAILED" and facts["ExitCode"] == "3:0" and "would repeat it" in job.said(),
                f"no data: fails with {facts['ExitCode']}, and not again")


def main():
    reason = cluster.why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    program, source, checks = Program(sys.argv[1], sys.argv[3]), pathlib.Path(sys.argv[2]).resolve(), Checks()
    os.environ.update(program.environment(), DFASCALE=program.path)
    with work_folder() as folder, cluster.Cluster(folder / "slurm") as slurm:
        work = folder / "work"
        corpus(work / "data", 60, train=64 * STEPS + 8001)
        write(work / "deck.toml", deck(optim={"tokens": 64 * STEPS, "learning_rate": 0.003},
                                       run={"dir": RUNS, "checkpoint_steps": EVERY, "validate_points": 20}))
        limited = begin_time_limit(slurm, work, source)
        code, said, _ = program.run(["train", "deck.toml", "--set", "run.name=whole"], work, RANKS)
        if code != 0:
            sys.exit(f"exit code {code}\n{said}")
        reference = work / RUNS / "whole"
        signalled(checks, slurm, work, source, reference, "steps", "srun", ["--signal=USR1"])
        killed_rank(checks, slurm, work, source, reference)
        signalled(checks, slurm, work, source, reference, "batch", "mpirun", ["--batch", "--signal=TERM"])
        end_time_limit(checks, limited, reference)
        wrong(checks, slurm, work, source)
        shared_study(checks, slurm, work, source)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

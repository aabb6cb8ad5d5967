"""A run that is stopped or killed, and goes on, ends with the bits of one that was left alone.

usage: restarts.py PROGRAM SOURCE MPIEXEC"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time

from program import Checks, Program, contents, corpus, deck, descendants, work_folder, write
from runs import checkpoint, rows, same_state, untimed

STOPPED = 75
STEPS = 3000
WAITS = 60  # seconds for a run to come so far


def kill_with_descendants(pid):
    """The ranks first: they would outlive mpirun for a moment, in which a tiny model takes many steps."""
    for process in [*descendants(pid), pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


class Scene:
    def __init__(self, work, program, rule):
        self.work, self.program, self.rule = work, program, rule

    def arguments(self, name):
        return ["train", "deck.toml", "--set", f"run.name={name}", "--set", f"rule.name={self.rule}"]

    def folder(self, name):
        return self.work / "runs" / name

    def whole(self, name, ranks):
        code, said, _ = self.program.run(self.arguments(name), self.work, ranks)
        if code != 0:
            sys.exit(f"{name}: exit code {code}\n{said}")
        return self.folder(name)

    def steps_done(self, name):
        table = self.folder(name) / "metrics.csv"
        return max(table.read_text().count("\n") - 2, 0) if table.exists() else 0

    def until(self, name, steps, process):
        """Waits until a run has taken so many steps; false if it ended before."""
        end = time.monotonic() + WAITS
        while self.steps_done(name) < steps:
            if process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def wait_until_free(self, name):
        """Ranks outlive a killed mpirun for a moment."""
        with open(self.folder(name) / "lock", "r", encoding="utf-8") as lock:
            end = time.monotonic() + WAITS
            while time.monotonic() < end:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    time.sleep(0.05)
        sys.exit(f"{name}: its ranks live on after mpirun was killed")

    def interrupted(self, name, ranks, steps, how):
        """Starts or continues a run and sends it a signal after some more steps; (exit code, what it said)."""
        process = self.program.start(self.arguments(name), self.work, ranks)
        came = self.until(name, steps, process)
        if how == signal.SIGKILL:
            kill_with_descendants(process.pid)
        else:
            process.send_signal(how)
        said = process.communicate(timeout=WAITS)[0].decode()
        if how == signal.SIGKILL:
            self.wait_until_free(name)
        if not came:
            sys.exit(f"{name}: did not come to step {steps} to be sent {how.name}:\n{said}")
        return process.returncode, said


def same_run(checks, what, ours, theirs):
    checks.that(untimed(ours) == untimed(theirs), f"{what}: metrics but for timing are equal")
    checks.that(same_state(checkpoint(ours, STEPS), checkpoint(theirs, STEPS)), f"{what}: parameters and moments are equal")
    record = json.loads((ours / "run.json").read_text())
    checks.that(record["outcome"] == "done" and "val_loss" in record["results"] and "finished" in record,
                f"{what}: run.json is complete")


def stop_and_go(checks, scene, ranks, signals, reference):
    """One run, interrupted by each signal in turn, against one that was not."""
    name = f"interrupted-{scene.rule}-{ranks}"
    for turn, how in enumerate(signals):
        code, said = scene.interrupted(name, ranks, 150 + 200 * turn, how)
        outcome = json.loads((scene.folder(name) / "run.json").read_text())["outcome"]
        what = f"{scene.rule}, {max(ranks, 1)} rank(s), {how.name}"
        if how == signal.SIGKILL:
            checks.that(code != 0 and outcome == "running", f"{what}: killed in its steps (exit code {code})")
        else:
            checks.that(code == STOPPED and outcome == "stopped", f"{what}: exit code {code}, outcome {outcome}")
            done = scene.steps_done(name)
            checks.that(done < STEPS and checkpoint(scene.folder(name), done).exists(),
                        f"{what}: a checkpoint of its last step, {done}")
    same_run(checks, f"{scene.rule}, {max(ranks, 1)} rank(s), stopped {len(signals)} times", scene.whole(name, ranks),
             reference)


def out_of_time(checks, scene):
    """run.walltime stops a run after the step in which it passes, as a signal does."""
    arguments = [*scene.arguments("timed"), "--set", "run.walltime=0.001"]
    code, _, _ = scene.program.run(arguments, scene.work)
    found = checkpoint(scene.folder("timed"), 1).exists()
    checks.that(code == STOPPED and scene.steps_done("timed") == 1 and found, f"walltime: exit code {code} after a step")


def nothing_twice(checks, scene, folder, ranks):
    """A run that is done is left as it is."""
    before = contents(folder)
    scene.whole(folder.name, ranks)
    checks.that(contents(folder) == before, f"{max(ranks, 1)} rank(s): a run that is done is not repeated, records stay")


def records_completed(checks, scene, reference):
    """Killed after the last checkpoint, before its records were complete: they are completed."""
    folder = scene.folder("unfinished")
    shutil.copytree(reference, folder, symlinks=True)
    record = json.loads((folder / "run.json").read_text())
    last = rows(folder)[-1]
    del record["results"], record["finished"]
    record["outcome"] = "running"
    (folder / "run.json").write_text(json.dumps(record))
    scene.whole(folder.name, 0)
    record = json.loads((folder / "run.json").read_text())
    checks.that(record["outcome"] == "done" and abs(record["results"]["val_loss"] - float(last["val_loss"])) < 1e-6,
                "records cut short at the end are completed")
    checks.that(untimed(folder) == untimed(reference), "and its metrics stay")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60, train=64 * STEPS + 8001)
        write(work / "deck.toml", deck(optim={"tokens": 64 * STEPS, "learning_rate": 0.003},
                                       run={"checkpoint_steps": 100, "validate_points": 20, "alignment_steps": 250}))
        alone = Scene(work, program, "dfa")
        reference = alone.whole("whole-1", 0)
        stop_and_go(checks, alone, 0, [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGKILL], reference)
        nothing_twice(checks, alone, reference, 0)
        records_completed(checks, alone, reference)
        out_of_time(checks, alone)
        two = Scene(work, program, "bp")
        reference = two.whole("whole-2", 2)
        # Open MPI passes USR1 on to the ranks; TERM and INT it turns into a kill.
        stop_and_go(checks, two, 2, [signal.SIGUSR1, signal.SIGKILL], reference)
        nothing_twice(checks, two, reference, 2)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

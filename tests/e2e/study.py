#!/usr/bin/env python3
"""A study survives kill -9 of itself and of a run, and ends with the same losses as an undisturbed one; runs that are
done are not repeated; a failed run is reported while the others go on; a stop by SIGTERM exits with 75.

    study.py DFASCALE SOURCE MPIRUN
"""
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM, FOLDER = Path(sys.argv[1]).resolve(), Path(tempfile.mkdtemp(prefix="dfascale-study-"))
STUDY = """[model]
width = 32
heads = 2
context = 32
[data]
train = "corpus"
epochs = 1000
valid_sequences = 4
[optim]
batch_sequences = 4
tokens = "150K"
[run]
validate_points = 4
[[size]]
layers = 1
[[size]]
layers = 2
[[rule]]
name = "bp"
[[rule]]
name = "shallow"
"""
RUNS = 4
WAIT = 60  # seconds, for what takes one or two


def expect(condition, message):
    if not condition:
        sys.exit(f"study.py: {message}")


def text(seed):
    words = ["the", "cat", "dog", "sat", "on", "a", "mat", "and", "looked", "at", "some", "birds", "that", "sang"]
    draw = random.Random(seed)
    return "\n".join(" ".join(draw.choice(words) for _ in range(12)) + "." for _ in range(400))


def prepare():
    (FOLDER / "study.toml").write_text(STUDY)
    for split, seed in (("train", 1), ("valid", 2)):
        (FOLDER / f"{split}.txt").write_text(text(seed))
    done = subprocess.run([PROGRAM, "prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "corpus",
                           "--vocab", "300"], cwd=FOLDER, capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)


def start(folder, *options):
    command = [PROGRAM, "study", "study.toml", "--set", f"study.dir={folder}", *options]
    return subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder, code, *options):
    study = start(folder, *options)
    said = study.communicate(timeout=4 * WAIT)[0]
    expect(study.returncode == code, f"exit code {study.returncode} instead of {code}:\n{said}")
    return said


def rows(folder):
    return [path for path in (FOLDER / folder).glob("runs/*/metrics.csv") if path.read_text().count("\n") > 20]


def wait_until(condition, what):
    end = time.monotonic() + WAIT
    while not condition():
        expect(time.monotonic() < end, f"waited {WAIT} s for {what}")
        time.sleep(0.02)


def training_in(folder):
    """Processes that train a deck of this study."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"train\0{folder}/decks/".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has ended
            pass
    return found


def losses(folder):
    """All but the timing columns, which come last and as `seconds`."""
    table = {}
    for path in sorted((FOLDER / folder).glob("runs/*/metrics.csv")):
        with open(path) as file:
            table[path.parent.name] = [[row[key] for key in ("step", "tokens", "train_loss", "val_loss", "flops")]
                                       for row in csv.DictReader(file)]
    return table


def main():
    prepare()
    study = start("disturbed")
    wait_until(lambda: rows("disturbed"), "a run to train")
    os.kill(training_in("disturbed")[0], signal.SIGKILL)  # a run, then the study itself
    os.kill(study.pid, signal.SIGKILL)
    study.wait()
    said = finish("disturbed", 0)
    expect(f"{RUNS} of {RUNS} runs done" in said, said)

    study = start("undisturbed")
    wait_until(lambda: rows("undisturbed"), "a run to train")
    study.send_signal(signal.SIGTERM)
    said = study.communicate(timeout=WAIT)[0]
    expect(study.returncode == 75, f"after SIGTERM: exit code {study.returncode}\n{said}")
    wait_until(lambda: not training_in("undisturbed"), "the runs to stop")
    said = finish("undisturbed", 0)
    expect(losses("disturbed") == losses("undisturbed"), "the disturbed study has other losses")

    said = finish("disturbed", 0)
    expect(f"{RUNS} done before" in said, f"runs were repeated:\n{said}")
    said = finish("disturbed", 4, "--set", "optim.tokens=160K")
    expect("optim.tokens: 160000, was 150000" in said, said)

    shutil.rmtree(FOLDER / "disturbed/runs/bp-1x32")
    (FOLDER / "disturbed/runs/bp-1x32").write_text("in the way\n")
    shutil.rmtree(FOLDER / "disturbed/runs/bp-2x32")
    said = finish("disturbed", 4)
    expect("FAILED bp-1x32: exit code 4" in said and f"{RUNS - 1} of {RUNS} runs done" in said, said)
    print("a study survives kill -9, signals and failed runs")


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)

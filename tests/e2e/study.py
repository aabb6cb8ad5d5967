#!/usr/bin/env python3
"""A study survives kill -9 of itself and of its runs at any moment, alone and as one of several tasks, and ends with the
same losses and the same fit.json as an undisturbed one; runs that are done are not repeated; a failed run is tried once
more and reported while the others go on; a run that diverges is stopped and stays so; searches settle the runs' values;
a stop by SIGTERM exits with 75; packed results are a finished study.

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

PROGRAM, SOURCE, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(tempfile.mkdtemp(prefix="dfascale-study-"))
FIT = PROGRAM.parent / "dfascale-fit"
COMMON = """[model]
width = 32
heads = 2
context = 32
[data]
train = "corpus"
epochs = 1000
valid_sequences = 4
[optim]
batch_sequences = 4
[run]
peak_seconds = 0
"""
STUDY = COMMON + """validate_points = 4
[[size]]
layers = 1
optim.tokens = "150K"
[[size]]
layers = 2
optim.tokens = "150K"
[[rule]]
name = "bp"
[[rule]]
name = "shallow"
"""
# Two seeds, two sizes; the searched rates are far too small, so that the grid has to grow.
SEARCH = COMMON + """validate_points = 40
checkpoint_steps = 100
seed = [1, 2]
[[size]]
layers = 1
width = 16
optim.tokens = "60K"
[[size]]
layers = 2
optim.tokens = "60K"
[[rule]]
name = "bp"
optim.learning_rate.search = [3e-4, 1e-3]
"""
DIVERGING = COMMON + """validate_points = 40
[[size]]
layers = 2
optim.tokens = "3M"
[[rule]]
name = "bp"
optim.learning_rate = [10, 100]
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
    for name, study in (("study", STUDY), ("search", SEARCH), ("diverging", DIVERGING)):
        (FOLDER / f"{name}.toml").write_text(study)
    for split, seed in (("train", 1), ("valid", 2)):
        (FOLDER / f"{split}.txt").write_text(text(seed))
    done = subprocess.run([PROGRAM, "prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "corpus",
                           "--vocab", "300"], cwd=FOLDER, capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)


def start(folder, *options, study="study"):
    command = [PROGRAM, "study", f"{study}.toml", "--set", f"study.dir={folder}", *options]
    return subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process, code):
    said = process.communicate(timeout=4 * WAIT)[0]
    expect(process.returncode == code, f"exit code {process.returncode} instead of {code}:\n{said}")
    return said


def finish(folder, code, *options, study="study"):
    return ended(start(folder, *options, study=study), code)


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
    for path in sorted((FOLDER / folder).glob("*/*/metrics.csv")):
        with open(path) as file:
            table[f"{path.parent.parent.name}/{path.parent.name}"] = [[row[key] for key in ("step", "tokens", "train_loss", "val_loss", "flops")]
                                       for row in csv.DictReader(file)]
    return table


def fit(folder):
    done = subprocess.run([FIT, "runs", "--out", "fit", "--loss", "val", "--accounting", "exact", "--bootstrap", "20",
                           "--min-span", "0.1", "--no-surface"], cwd=FOLDER / folder, capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)
    return (FOLDER / folder / "fit/fit.json").read_text()


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended by itself
        pass


def test_kill_and_stop():
    study = start("disturbed")
    wait_until(lambda: rows("disturbed"), "a run to train")
    kill(training_in("disturbed")[0])  # a run, then the study itself
    kill(study.pid)
    study.wait()
    said = finish("disturbed", 0)
    expect(f"{RUNS} of {RUNS} runs done" in said, said)

    study = start("undisturbed")
    wait_until(lambda: rows("undisturbed"), "a run to train")
    second = subprocess.run([PROGRAM, "study", "study.toml", "--set", "study.dir=undisturbed"], cwd=FOLDER,
                            capture_output=True, text=True)
    expect(second.returncode == 4 and "in use by process" in second.stderr, second.stderr)
    said = finish("undisturbed", 0, "--status")
    expect(" running " in said and f"of {RUNS} runs done" in said, said)
    study.send_signal(signal.SIGTERM)
    ended(study, 75)
    wait_until(lambda: not training_in("undisturbed"), "the runs to stop")
    said = finish("undisturbed", 0)
    expect(losses("disturbed") == losses("undisturbed"), "the disturbed study has other losses")

    said = finish("disturbed", 0)
    expect(f"{RUNS} done before" in said, f"runs were repeated:\n{said}")
    said = finish("disturbed", 4, "--set", "optim.tokens=160K")
    expect("optim.tokens: 160000, was 150000" in said, said)


def test_failed_runs():
    study = start("killed", "--set", "study.workers=1")
    wait_until(lambda: rows("killed"), "a run to train")
    kill(training_in("killed")[0])
    said = ended(study, 0)
    expect("it is tried once more" in said and "retried bp-2x32: killed by signal 9" in said, said)
    expect(losses("killed") == losses("undisturbed"), "the killed run has other losses")

    shutil.rmtree(FOLDER / "disturbed/runs/bp-1x32")
    (FOLDER / "disturbed/runs/bp-1x32").write_text("in the way\n")
    shutil.rmtree(FOLDER / "disturbed/runs/bp-2x32")
    said = finish("disturbed", 4)
    expect("FAILED bp-1x32: exit code 4" in said and f"{RUNS - 1} of {RUNS} runs done" in said, said)


def test_search_under_fire():
    """Kills at moments drawn at random: what is left is always enough to go on, and the result is the same."""
    said = finish("calm", 0, study="search")
    expect(said.count(" is the best of ") == 2 and "search bp-1x16: learning_rate" in said, said)
    expect(len(list((FOLDER / "calm/search").glob("bp-1x16-lr*"))) > 2, f"the grid did not grow:\n{said}")
    draw = random.Random(7)
    study = None
    for _ in range(12):
        if study is None or study.poll() is not None:
            study = start("fire", study="search")
        time.sleep(draw.uniform(0.05, 0.9))
        runs = training_in("fire")
        kill(draw.choice(runs) if runs and draw.random() < 0.6 else study.pid)
    if study.poll() is None:
        kill(study.pid)
    study.wait()
    finish("fire", 0, study="search")
    expect(losses("fire") == losses("calm"), "after kills the search has other losses")
    expect(fit("fire") == fit("calm"), "after kills the fit is another one")


def test_tasks():
    """Two tasks share a folder; one of them is killed and started again."""
    tasks = [start("shared", "--task", f"{i}/2", "--set", "study.workers=1", study="search") for i in (1, 2)]
    wait_until(lambda: rows("shared"), "a run to train")
    kill(tasks[0].pid)
    tasks[0].wait()
    tasks[0] = start("shared", "--task", "1/2", "--set", "study.workers=1", study="search")
    said = [ended(task, 0) for task in tasks]
    finish("shared", 0, study="search")
    expect(losses("shared") == losses("calm"), "the tasks have other losses:\n" + "\n".join(said))
    expect(fit("shared") == fit("calm"), "the tasks have another fit")
    results = [line.split(": ")[0].split("] ")[1] for text in said for line in text.splitlines()
               if line.startswith("[") and ": validation loss" in line]
    expect(len(results) == len(set(results)), f"a run was done twice: {sorted(results)}")
    said = subprocess.run([PROGRAM, "study", "search.toml", "--task", "3/2"], cwd=FOLDER, capture_output=True, text=True)
    expect(said.returncode == 2 and "expected I/N" in said.stderr, said.stderr)


def test_divergence():
    """One rate overflows, the other only makes the loss large: that run is stopped early."""
    said = finish("diverging", 5, study="diverging")
    expect("DIVERGED bp-2x32-lr100.0: a loss or gradient was not finite" in said, said)
    expect("DIVERGED bp-2x32-lr10.0: validation loss " in said, said)
    steps = (FOLDER / "diverging/runs/bp-2x32-lr10.0/metrics.csv").read_text().count("\n")
    expect(steps < 0.9 * 3e6 / 128, f"a diverged run went on for {steps} steps")
    said = finish("diverging", 5, study="diverging")
    expect("2 done before" in said, f"diverged runs were begun again:\n{said}")


def test_packed_results():
    """What jobs/study_results.sh packs is a study that is done, and packing it again makes the same bytes."""
    def script(name, *arguments):
        done = subprocess.run([SOURCE / "jobs" / name, *arguments], cwd=FOLDER, capture_output=True, text=True)
        expect(done.returncode == 0, f"{name} {arguments}: {done.stderr}")
        return done.stdout

    script("study_results.sh", "pack", "calm", "results")
    packed = (FOLDER / "results/runs.tar.xz").read_bytes()
    script("study_results.sh", "unpack", "results", "unpacked")
    said = finish("unpacked", 0, study="search")
    expect(": validation loss" not in said, f"runs that were packed are trained again:\n{said}")
    expect(losses("unpacked") == losses("calm"), "unpacked runs have other losses")
    expect(fit("unpacked") == fit("calm"), "unpacked runs have another fit")
    script("study_results.sh", "pack", "unpacked", "results")
    expect((FOLDER / "results/runs.tar.xz").read_bytes() == packed, "packing twice gives other bytes")
    script("study_results.sh", "pack", "--every", "4", "calm", "thinned")
    script("study_results.sh", "unpack", "thinned", "thin")
    whole, thin = ({run: list(csv.DictReader(run.open())) for run in sorted((FOLDER / name / "runs").glob("*/metrics.csv"))}
                   for name in ("calm", "thin"))
    expect([run.parent.name for run in whole] == [run.parent.name for run in thin] and whole, "thinned runs are all there")
    for all_rows, rows in zip(whole.values(), thin.values()):
        expect(rows == [row for row in all_rows if row["val_loss"] or int(row["step"]) % 4 == 0] and len(rows) < len(all_rows),
               "validations, and every fourth step")
    table = script("method_table.py", "calm")
    expect(table.count("| bp |") == 2 and table.count("| 2 |") == 2, f"two sizes of bp, two seeds each:\n{table}")


def main():
    prepare()
    test_kill_and_stop()
    test_failed_runs()
    test_search_under_fire()
    test_packed_results()
    test_tasks()
    test_divergence()
    print("a study survives kill -9, signals, failed and diverging runs, alone and shared")


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)

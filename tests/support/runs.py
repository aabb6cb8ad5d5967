"""Runs compared with each other: tables of metrics, arrays of checkpoints."""

import csv
import pathlib
import subprocess

TIMING = ("seconds", "step_seconds", "tokens_per_second", "mfu")


def rows(run):
    """metrics.csv as a list of dictionaries."""
    with open(pathlib.Path(run) / "metrics.csv", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def untimed(run):
    """metrics.csv without what a clock decides."""
    return [{key: value for key, value in row.items() if key not in TIMING} for row in rows(run)]


def column(run, name):
    """{step: value} of a column, where it has one."""
    return {int(row["step"]): float(row[name]) for row in rows(run) if row[name]}


def relative_difference(ours, theirs):
    """Largest of two columns' relative differences; they must have the same steps."""
    assert ours and ours.keys() == theirs.keys(), f"steps {list(ours)} and {list(theirs)}"
    return max(abs(ours[step] / theirs[step] - 1) for step in ours)


def checkpoint(run, step):
    return pathlib.Path(run) / f"checkpoints/step_{step:08}.h5"


def same_arrays(one, other, at):
    """Whether two checkpoints hold the same bits below a path (h5diff without tolerance)."""
    done = subprocess.run(["h5diff", "-q", str(one), str(other), at], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"h5diff {one} {other} {at}: {done.stdout}{done.stderr}")
    return done.returncode == 0


def same_state(one, other):
    """Parameters and both moments, bit by bit."""
    return all(same_arrays(one, other, at) for at in ("/params", "/adam"))


def arrays(file, group):
    """Names of the arrays of a group."""
    said = subprocess.run(["h5ls", f"{file}/{group}"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in said.splitlines()]

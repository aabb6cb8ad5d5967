"""dfascale plan: what it prints of a layout and of a sweep, its pictures, and what it refuses.

usage: plan.py PROGRAM SOURCE MPIEXEC"""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

from program import Checks, Program, deck, work_folder, write

USAGE = 2
P, M = 4, 8
UNTIED = {"layers": 8, "vocab": 64, "tied": False}


def machine(source):
    return ["--machine", source / "inputs/machines/laptop.toml", "--machine-set", f"ranks_per_node={P}"]


def plan(program, source, folder, *arguments):
    code, said, _ = program.run(["plan", "deck.toml", *machine(source), *arguments], folder)
    return code, said


def answer(program, source, folder, *arguments):
    code, said = plan(program, source, folder, *arguments, "--json")
    if code != 0:
        raise RuntimeError(f"{arguments}: exit code {code}: {said}")
    return json.loads(said[said.index("{"):said.rindex("}") + 1])


def layout(*more):
    return ["--set", f"parallel.pp={P}", "--set", f"parallel.micro_batches={M}", *more]


def test_times(program, source, folder, checks):
    """Equal stages and no network: the bubble is the formula's."""
    free = ["--machine-set", "inside.latency_us=0", "--machine-set", "inside.gb_per_s=1e8", "--machine-set",
            "memory_gb_per_s=1e8", "--set", "optim.clip=block", "--times", "10,10,10"]
    bubbles = {"gpipe": 90, "1f1b": 90, "zb-h1": 30, "zb-h2": 0}
    for schedule, milliseconds in bubbles.items():
        found = answer(program, source, folder, *layout(*free, "--set", f"parallel.schedule={schedule}"))
        # Messages and updates are not quite free.
        checks.that(abs(found["bubble"] - milliseconds / 1e3) < 1e-4 and
                    abs(found["bubble_in_theory"] - milliseconds / 1e3) < 1e-9,
                    f"{schedule} idles {milliseconds} ms: {found['bubble']}")
    dfa = answer(program, source, folder, *layout(*free, "--set", "rule.name=dfa"))
    checks.that(dfa["schedule"] == "unlocked" and dfa["bubble"] < 1e-4, "unlocked idles not at all")
    parts = sum(dfa[part] for part in ("computing", "imbalance", "communication", "bubble"))
    checks.that(abs(parts - dfa["step"]) < 1e-9, "a step is the sum of its parts")


def test_text(program, source, folder, checks):
    code, said = plan(program, source, folder, *layout("--svg", "a.svg", "--trace", "a.json", "--steps", 2))
    checks.that(code == 0, f"a plan is printed {said if code else ''}")
    rows = re.findall(r"^ +(\d+)  +(?:-- |~~ )*F0 ", said, re.M)
    checks.that(rows == [str(r) for r in range(P)], "the grid has a row for each rank")
    checks.that('optim.clip = "global": all stages meet' in said, "it says what ties stages together")
    svg = xml.parse(folder / "a.svg").getroot()
    checks.that(svg.tag.endswith("svg") and len(svg) > P * M, "the picture is SVG")
    events = json.loads((folder / "a.json").read_text())
    steps = {event["args"]["step"] for event in events}
    forwards = [event for event in events if event["cat"] == "forward"]
    checks.that(steps == {0, 1} and len(forwards) == 2 * P * M, "the trace has every forward of two steps")


def test_budget(program, source, folder, checks):
    long = layout("--set", "model.context=64")
    kept = answer(program, source, folder, *long)
    within = [*long, "--set", f"run.memory={int(0.85 * kept['memory'])}"]
    again = answer(program, source, folder, *within)
    checks.that(again["memory"] <= 0.85 * kept["memory"] and again["fits"], "a plan stays within run.memory")
    checks.that(again["recomputed"] and again["step"] > kept["step"] and not kept["recomputed"], "and says what that costs")
    said = plan(program, source, folder, *within)[1]
    checks.that("recomputed      stage 0: " in said, "in words, too")
    said = plan(program, source, folder, *layout("--set", "run.memory=1KB"))[1]
    checks.that("of 0.0: TOO MUCH" in said, "a budget that no layout keeps is told")


def test_sweep(program, source, folder, checks):
    found = answer(program, source, folder, "--sweep")
    names = [rule["rule"] for rule in found["rules"]]
    checks.that(names == ["bp", "dfa"], "a sweep compares bp and dfa")
    for rule in found["rules"]:
        steps = [row["step"] for row in rule["best"]]
        checks.that(steps == sorted(steps) and len(steps) == 5, f"{rule['rule']}: the best five in order")
        checks.that(all(row["fits"] and row["dp"] * row["pp"] <= P for row in rule["best"]),
                    f"{rule['rule']}: all of them fit")
    best = found["rules"][0]["best"][0]
    again = answer(program, source, folder, *[
        part for key in ("dp", "pp", "zero", "schedule", "virtual_stages", "micro_batches", "in_flight")
        for part in ("--set", f"parallel.{key}={best[key]}")])
    checks.that(abs(again["step"] / best["step"] - 1) < 1e-3, "its best layout costs the same by itself")
    code, said = plan(program, source, folder, "--sweep")
    checks.that(code == 0 and "exact FLOPs alone: 0.9" in said, "side by side")


def test_refusals(program, source, folder, checks):
    def refused(name, says, *arguments):
        code, said = plan(program, source, folder, *arguments)
        checks.that(code == USAGE and says in said, f"{name} is refused: {code} {said}")

    refused("a layout beyond the machine", "more than the 4 ranks", "--set", "parallel.dp=8")
    refused("a schedule that does not fit", "waits for the gradient", *layout("--set", "parallel.schedule=unlocked"))
    refused("odd times", "--times 10,x,10: expected", *layout("--times", "10,x,10"))
    refused("too few times", "given 2 times", *layout("--times", "1,1,1", "--times", "1,1,1"))
    refused("a figure out of range", "efficiency: expected a number from", "--machine-set", "efficiency=7")
    refused("an unknown figure", "did you mean", "--machine-set", "nods=7")
    refused("pictures of a sweep", "leave them out", "--sweep", "--svg", "a.svg")
    code, said, _ = program.run(["plan", "deck.toml", "--machine", "nowhere.toml"], folder)
    checks.that(code == USAGE and "nowhere.toml" in said, "a machine that is not there is refused")


STUDY = """[study]
search_share = 0.1
[model]
context = 128
vocab = 1024
[data]
train = "none"
[optim]
tokens = "1M"
[[size]]
name = "small"
layers = 3
width = 64
[[size]]
layers = 4
width = 128
heads = 2
optim.tokens = "2M"
[[rule]]
name = "bp"
optim.learning_rate.search = [1e-3, 3e-3]
[[rule]]
name = "shallow"
train_projector = true
optim.learning_rate = 1e-3
"""


def test_hours(program, source, folder, checks):
    """jobs/study_hours.py: each size and rule once, searches counted, hours that follow from the speed."""
    write(folder / "study.toml", STUDY)
    done = subprocess.run([sys.executable, source / "jobs/study_hours.py", "study.toml", "--machine", source / "inputs/machines/laptop.toml",
                           "--ranks", "2", "--program", program.path], cwd=folder, capture_output=True, text=True, check=False)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    checks.that([row[:2] for row in rows] == [[size, rule] for size in ("small", "4x128") for rule in ("bp", "shallow-projector")],
                f"study_hours: a row for each size and rule {done.stderr}")
    for row, tokens in zip(rows, (1e6, 1e6, 2e6, 2e6)):
        rate, hours = float(row[2].replace(",", "")), float(row[5])
        checks.that(abs(hours * rate * 3600 / tokens - 1) < 0.01, f"study_hours: {row[0]} {row[1]}: hours from tokens and speed")
    checks.that(all(abs(float(row[7]) / float(row[6]) - (1.2 if row[1] == "bp" else 1)) < 0.02 for row in rows),
                "study_hours: two search runs of a tenth each, for bp")
    checks.that("device-hours, " in done.stdout and "laptop.toml" in done.stdout, "study_hours: a sum, and the machine")


def main():
    program, source = Program(sys.argv[1], sys.argv[3]), pathlib.Path(sys.argv[2]).resolve()
    checks = Checks()
    with work_folder() as folder:
        write(folder / "deck.toml", deck(model=UNTIED, optim={"batch_sequences": M}))
        for test in (test_times, test_text, test_budget, test_sweep, test_hours, test_refusals):
            test(program, source, folder, checks)
        for description in sorted((source / "inputs/machines").glob("*.toml")):
            code, said, _ = program.run(["plan", "deck.toml", "--machine", description, "--set", "parallel.dp=1"], folder)
            checks.that(code == 0, f"{description.name} is a machine {said if code else ''}")
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

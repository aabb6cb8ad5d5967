#!/usr/bin/env python3
"""What a study will take of a machine: device-hours of each size and rule, as a Markdown table.

    jobs/study_hours.py inputs/paper.toml --machine inputs/machines/h100-64x8.toml --ranks 8 --micro-batches 4 > docs/paper_hours.md

Runs and their tokens, those of the searches among them, are those of `dfascale study --dry-run`; tokens per second those that
`dfascale plan` expects of one run on so many ranks of the machine, data-parallel. Wants Python 3.11.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from programs import find_program


def answer(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"study_hours.py: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def plain(table):
    """Keys with one value each: no search, no list, no table."""
    return {key: value for key, value in table.items() if not isinstance(value, (dict, list))}


def overrides(section, table):
    """Keys of a size or rule are those of its section unless they are tables, which are sections themselves."""
    found = {f"{section}.{key}": value for key, value in plain(table).items() if key != "name" or section == "rule"}
    for name, keys in table.items():
        if isinstance(keys, dict) and name != "at":
            found |= {f"{name}.{key}": value for key, value in plain(keys).items()}
    return found


def tokens_per_second(o, study, size, rule):
    settings = overrides("model", size) | overrides("rule", rule) | {"parallel.dp": o.ranks, "parallel.micro_batches": o.micro_batches}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as deck:
        for section in ("model", "optim"):
            deck.write(f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain(study.get(section, {})).items()))
        deck.flush()
        found = json.loads(answer([o.program, "plan", deck.name, "--machine", o.machine, *words, "--json"]))
    return found["tokens_per_second"], found["mfu"], found["memory"]


def runs_of(o):
    """Name and tokens of every run and search run."""
    rows = re.findall(r"^(\S+) +(\d+) +\d+ +\S+e[+-]\d+", answer([o.program, "study", o.study, "--dry-run"]), re.MULTILINE)
    return [(name, int(tokens)) for name, tokens in rows]


def method_of(rule):
    return rule.get("run", {}).get("method") or rule["name"] + ("-projector" if rule.get("train_projector") else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--machine", required=True)
    parser.add_argument("--ranks", type=int, default=1, help="of one run, on one node")
    parser.add_argument("--micro-batches", type=int, default=1)
    parser.add_argument("--program", default=find_program("dfascale"))
    o = parser.parse_args()
    study = tomllib.loads(Path(o.study).read_text())
    machine = tomllib.loads(Path(o.machine).read_text())
    runs, total = runs_of(o), 0.0
    print(f"# Device-hours of {o.study}\n\nWritten by `jobs/study_hours.py {o.study} --machine {o.machine} --ranks {o.ranks} "
          f"--micro-batches {o.micro_batches}`; do not edit. A prediction: {machine['peak_tflops']} TFLOP/s a device, of which products are "
          f"taken to reach {machine['efficiency']:.0%}; one run on {o.ranks} devices; searches counted without the runs that widen them.\n")
    print("| size | rule | tokens/s of a run | MFU | memory of a device, GB | hours of the run | device-hours of it | with its searches |")
    print("|---|---|---|---|---|---|---|---|")
    for size in study["size"]:
        size_name = size.get("name", f"{size['layers']}x{size['width']}")
        for rule in study["rule"]:
            name = f"{method_of(rule)}-{size_name}"
            rate, mfu, memory = tokens_per_second(o, study, size, rule)
            tokens = [count for run, count in runs if run == name or run.startswith(f"{name}-")]
            hours = max(tokens) / rate / 3600
            with_searches = sum(tokens) / rate / 3600 * o.ranks
            total += with_searches
            print(f"| {size_name} | {method_of(rule)} | {rate:,.0f} | {mfu:.1%} | {memory / 1e9:.3g} | {hours:.3g} | {hours * o.ranks:.3g} | {with_searches:.3g} |")
    print(f"\nIn all {total:.4g} device-hours, {total / 24 / o.ranks:.3g} days of {o.ranks} devices.")


if __name__ == "__main__":
    main()

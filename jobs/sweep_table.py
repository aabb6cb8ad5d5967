#!/usr/bin/env python3
"""A sweep's results as Markdown: a table per method and size, best first, of a study's searches or else of its runs.

    jobs/sweep_table.py STUDY_FOLDER > docs/quickstart_sweep.md
"""
import json
import re
import sys
from pathlib import Path

SHOWN = ["learning_rate", "init_std", "block_lr_multiplier", "feedback_scale", "embedding"]


def deck_values(path):
    values = {}
    for line in path.read_text().splitlines():
        found = re.match(r"(\w+) = (.*)", line)
        if found:
            values.setdefault(found[1], found[2].strip('"'))
    return values


def runs_of(folder):
    records = sorted(folder.glob("search/*/run.json")) or sorted(folder.glob("runs/*/run.json"))
    for record in records:
        run = json.loads(record.read_text())
        deck = deck_values(record.parent / "deck.toml")
        is_good = run["outcome"] == "done" and not (record.parent / "diverged.txt").exists()
        loss = run.get("results", {}).get("val_loss") if is_good else None
        size = f"{deck['layers']} x {deck['width']}"
        yield run["method"], size, loss, deck


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    folder = Path(sys.argv[1])
    groups = {}
    for method, size, loss, deck in runs_of(folder):
        groups.setdefault((method, size), []).append((loss is None, loss, deck))
    if not groups:
        sys.exit(f"{folder}: no runs; expected the folder of a study, with runs/NAME/run.json")
    print(f"# {folder.name.replace('_', ' ').capitalize()}: what was tried\n")
    print(f"Written by `jobs/sweep_table.py` from the runs of `inputs/{folder.name}.toml`; do not edit. Validation loss "
          "in nats at the end of each run, best first.")
    for (method, size), runs in sorted(groups.items()):
        runs.sort(key=lambda run: (run[0], run[1]))
        keys = [key for key in SHOWN if key in runs[0][2]]
        tokens = int(runs[0][2]["tokens"])
        print(f"\n## {method}: {size}, {tokens:,} tokens\n")
        print("| " + " | ".join(keys) + " | loss |\n|" + "---|" * (len(keys) + 1))
        for failed, loss, deck in runs:
            print("| " + " | ".join(deck[key] for key in keys) + f" | {'diverged or not done' if failed else f'{loss:.4f}'} |")


if __name__ == "__main__":
    main()

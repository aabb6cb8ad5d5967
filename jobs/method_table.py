#!/usr/bin/env python3
"""A study's runs as a Markdown table: a row for each method and size with its settings, the mean of its seeds, best first.

Where runs have an alignment.csv also the cosine of the rule's gradient with backpropagation's: mean over the fed-back blocks (all
but the last), the last five probes and the seeds.

    jobs/method_table.py STUDY_FOLDER > methods.md
"""
import csv
import json
import math
import re
import statistics
import sys
from pathlib import Path

from sweep_table import deck_values

PROBES = 5
SETTINGS = ["learning_rate", "init_std", "block_lr_multiplier"]


def methods_of(folder):
    """By size and method: settings, FLOP per token, final validation losses of the seeds; None for one that diverged."""
    found = {}
    for record in sorted(folder.glob("runs/*/run.json")):
        run, deck = json.loads(record.read_text()), deck_values(record.parent / "deck.toml")
        diverged = (record.parent / "diverged.txt").exists()
        if run["outcome"] != "done" and not diverged:
            continue
        size = f"{deck['layers']} x {deck['width']}"
        method = found.setdefault((size, run["method"]), {"deck": deck, "flops": run["flops_per_token"], "losses": [], "cosines": []})
        method["losses"].append(None if diverged else run["results"]["val_loss"])
        method["cosines"] += cosines_of(record.parent, int(deck["layers"]))
    return found


def cosines_of(folder, layers):
    """Of the fed-back blocks at the last probes."""
    file = folder / "alignment.csv"
    if not file.exists():
        return []
    blocks = {}
    with open(file) as text:
        for line in csv.DictReader(text):
            if re.fullmatch(r"blocks\.\d+", line["tensor"]) and line["tensor"] != f"blocks.{layers - 1}":
                blocks.setdefault(line["tensor"], []).append(float(line["cosine"]))
    return [value for values in blocks.values() for value in values[-PROBES:] if math.isfinite(value)]


def row(method, one, reference, has_cosines):
    settings = " | ".join(one["deck"].get(key, "") if key != "block_lr_multiplier" or "dfa" in method else "–"
                          for key in SETTINGS)
    losses = [loss for loss in one["losses"] if loss is not None]
    lost = len(one["losses"]) - len(losses)
    mean = f"{statistics.mean(losses):.4f}" if losses else "diverged"
    spread = f"{max(losses) - min(losses):.4f}" if len(losses) > 1 else "–"
    return (f"| {method} | {settings} | {one['flops'] / reference:.3f} | {mean} | {spread} | {len(losses)}"
            + (f", {lost} diverged" if lost else "") + " |"
            + (f" {statistics.mean(one['cosines']):.2f} |" if one["cosines"] else " – |" if has_cosines else ""))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    found = methods_of(Path(sys.argv[1]))
    if not found:
        sys.exit(f"{sys.argv[1]}: no finished runs; expected the folder of a study, with runs/NAME/run.json")
    for size in sorted({size for size, _ in found}):
        methods = {method: one for (its_size, method), one in found.items() if its_size == size}
        reference = methods.get("bp", next(iter(methods.values())))["flops"]

        def order(item):
            losses = [loss for loss in item[1]["losses"] if loss is not None]
            return statistics.mean(losses) if losses else float("inf")

        print(f"## {size}\n")
        has_cosines = any(one["cosines"] for one in methods.values())
        columns = ["method", *SETTINGS, "FLOP against bp", "validation loss, nats", "largest - smallest", "seeds"]
        columns += ["cosine with bp's"] if has_cosines else []
        print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
        for method, one in sorted(methods.items(), key=order):
            print(row(method, one, reference, has_cosines))
        print()


if __name__ == "__main__":
    main()

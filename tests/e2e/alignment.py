#!/usr/bin/env python3
"""Alignment must be seen to happen: on real English, with init and learning rate swept for the rule, the gradients of
fed-back blocks turn towards backpropagation's, DFA beats training the last block alone, and backpropagation beats both.

    alignment.py DFASCALE FOLDER

The text is that of the licences which every Debian system carries; elsewhere the project's own documents stand in.
The sweep behind the settings is in docs/alignment.md.
"""
import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
PROJECT = Path(__file__).resolve().parents[2]
LICENCES = Path("/usr/share/common-licenses")

STEPS, PROBE_EVERY = 400, 20
COMMON = {
    "model.layers": 4, "model.width": 64, "model.heads": 2, "model.context": 64, "data.epochs": 40,
    "data.valid_sequences": 32, "optim.batch_sequences": 16, "optim.tokens": STEPS * 16 * 64,
    "run.validate_points": 4, "run.restart": "never",
}
# Each rule at the best of its sweep.
RULES = {
    "bp": {"model.init_std": 0.1, "optim.learning_rate": 3e-3},
    "dfa": {"rule.embedding": "direct", "model.init_std": 0.1, "optim.learning_rate": 3e-3,
            "rule.block_lr_multiplier": 0.1, "run.alignment_steps": PROBE_EVERY},
    "shallow": {"model.init_std": 0.1, "optim.learning_rate": 1e-2},
}
# Margins: half of the least that was seen over five seeds (docs/alignment.md).
ALIGNMENT_RISE, LOSS_MARGIN = 0.08, 0.3


def english():
    files = sorted({p.resolve() for p in LICENCES.glob("*")}) if LICENCES.is_dir() else []
    if not files:
        print(f"{LICENCES} is not here: using the project's own documents")
        files = [PROJECT / "LICENSE", *sorted(PROJECT.glob("docs/*.md")), *sorted(PROJECT.glob("*.md"))]
    return re.split(r"\n\s*\n", "\n\n".join(p.read_text(errors="replace") for p in files))


def prepare():
    paragraphs = english()
    (FOLDER / "train.txt").write_text("\n\n".join(p for i, p in enumerate(paragraphs) if i % 12))
    (FOLDER / "valid.txt").write_text("\n\n".join(paragraphs[::12]))
    run("prepare", "--train", FOLDER / "train.txt", "--valid", FOLDER / "valid.txt", "--out", FOLDER / "corpus",
        "--vocab", 512)


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}")


def train(rule, options):
    settings = {**COMMON, **options, "rule.name": rule, "data.train": FOLDER / "corpus", "run.dir": FOLDER / "runs",
                "run.name": rule}
    run("train", PROJECT / "inputs/tiny.toml", *(word for k, v in settings.items() for word in ("--set", f"{k}={v}")))
    with open(FOLDER / "runs" / rule / "metrics.csv") as table:
        return [float(row["val_loss"]) for row in csv.DictReader(table) if row["val_loss"]][-1]


def fed_back_cosines():
    """Mean cosine of the blocks below the last, by step."""
    last = f"blocks.{COMMON['model.layers'] - 1}"
    cosines = {}
    with open(FOLDER / "runs/dfa/alignment.csv") as table:
        for row in csv.DictReader(table):
            if re.fullmatch(r"blocks\.\d+", row["tensor"]) and row["tensor"] != last:
                cosines.setdefault(int(row["step"]), []).append(float(row["cosine"]))
    return [sum(c) / len(c) for _, c in sorted(cosines.items())]


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    prepare()
    loss = {rule: train(rule, options) for rule, options in RULES.items()}
    cosines = fed_back_cosines()
    start, end = sum(cosines[:2]) / 2, sum(cosines[-5:]) / 5
    print("validation loss:", ", ".join(f"{rule} {value:.3f}" for rule, value in loss.items()))
    print(f"mean cosine of fed-back blocks: {start:.3f} at the start, {end:.3f} at the end")
    failures = []
    if not end > start + ALIGNMENT_RISE: failures.append("the cosine does not rise")
    if not loss["bp"] + LOSS_MARGIN < loss["dfa"]: failures.append("bp is not below dfa")
    if not loss["dfa"] + LOSS_MARGIN < loss["shallow"]: failures.append("dfa is not below shallow")
    sys.exit("; ".join(failures) or 0)


main()

#!/usr/bin/env python3
"""What a step of each rule costs, measured, beside exact FLOP and what the paper assumes, as a Markdown table.

    taskset -c 0 dfascale bench step inputs/57m.toml --rule all --set ... --json 57m.json
    jobs/cost_table.py 57m.json 509m.json

Measured ND: device-seconds of a token times the peak of matrix products measured in the same run, over N: what 6, 4 and 2 stand for
in the paper, if all devices always ran at that peak.
"""
import json
import sys
from pathlib import Path

PAPER = {"bp": 6, "dfa": 4, "dfa-canonical": 4, "shallow": 2, "shallow-projector": 2}


def parameters(model):
    """Trained or not, a tied matrix counted once (the paper's N)."""
    width, vocab = model["width"], model["vocab"]
    return vocab * width + model["context"] * width + model["layers"] * (12 * width * width + 13 * width) + 2 * width


def rows(found):
    count, peak = parameters(found["model"]), found["peak_flops"]["per_rank"] * found["ranks"]
    first = found["rules"][0]
    for rule in found["rules"]:
        tokens = rule["step_tokens"]
        measured = rule["median_seconds"] * peak / tokens / count
        assumed = PAPER[rule["rule"]]
        yield (rule["rule"], f"{assumed} ND", f"{rule['flops_per_token'] / count:.2f} ND", f"{measured:.2f} ND", f"{assumed / 6:.3f}",
               f"{rule['flops_per_token'] / first['flops_per_token']:.3f}", f"{rule['median_seconds'] / first['median_seconds']:.3f}",
               f"{1e6 * rule['median_seconds'] / tokens:.0f}", f"{rule['mfu']:.1%}")


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if len(sys.argv) == 2 else 2)
    for name in sys.argv[1:]:
        found = json.loads(Path(name).read_text())
        model = found["model"]
        print(f"\n{parameters(model) / 1e6:.1f} million parameters ({model['layers']} × {model['width']}, V {model['vocab']:,}, T {model['context']}), "
              f"{found['precision']}, {found['ranks']} rank(s), {found['rules'][0]['step_tokens']:,} tokens a step; {found['machine']['cpu']}, "
              f"peak {found['peak_flops']['per_rank'] / 1e9:.1f} GFLOP/s a rank\n")
        print("| rule | paper | exact FLOP | measured | against bp: paper | exact | measured | µs a token | MFU |\n" + "|---" * 9 + "|")
        for row in rows(found):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()

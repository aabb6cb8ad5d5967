#!/usr/bin/env python3
"""Whether the program has become slower: ratios of today beside those stored for this kind of processor.

    cmake --build --preset release --target bench_guard      # or: jobs/bench_guard.py
    jobs/bench_guard.py --write                              # today's become the stored ones

Ratios only, of things measured in one run: a step to the peak of matrix products (MFU, by processor time), each rule's step to
backpropagation's, each kernel to a copy of as many bytes. Also checked, on any machine: no rule takes over 5 % more time than its
exact FLOP say. Wants a core to itself and about six minutes; not among the tests. Exit code 1 when something is slower than allowed.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BATCH = ["--set", "optim.batch_sequences=4", "--set", "parallel.micro_batches=1"]
OVER_EXACT_FLOP = 1.05


def bench(program, arguments):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        done = subprocess.run(["taskset", "-c", "0", program, "bench", *arguments, "--json", str(file)], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench_guard.py: bench {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(file.read_text())


def measure(program, deck, precisions, steps):
    """The processor's name, ratios by name (larger is better), and how much time rules take over their exact FLOP."""
    ratios, excess = {}, {}
    for precision in precisions:
        options = [deck, *BATCH, "--set", f"optim.precision={precision}"]
        found = bench(program, ["step", *options, "--rule", "all", "--steps", str(steps)])
        first = found["rules"][0]
        for rule in found["rules"]:
            name = f"{precision}: {rule['rule']}"
            ratios[f"{name}: MFU"] = rule["mfu_processor_time"]
            time = rule["processor_seconds"] / first["processor_seconds"]
            excess[name] = time / (rule["flops_per_token"] / first["flops_per_token"])
        for kernel in bench(program, ["kernels", *options])["by_kernel"]:
            ratios[f"{precision}: {kernel['kernel']}: of its limit"] = kernel["share_of_limit"]
    return found["machine"]["cpu"], ratios, excess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/dfascale"))
    parser.add_argument("--deck", default="inputs/57m.toml")
    parser.add_argument("--baseline", default=str(ROOT / "docs/bench_baseline.json"), type=Path)
    parser.add_argument("--precision", default="f32,bf16")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--mfu-drop", type=float, default=0.05, help="allowed, relative (default 0.05)")
    parser.add_argument("--kernel-drop", type=float, default=0.2, help="likewise, of kernels, which vary more (default 0.2)")
    parser.add_argument("--write", action="store_true", help="store today's figures for this processor")
    o = parser.parse_args()
    processor, ratios, excess = measure(o.program, o.deck, o.precision.split(","), o.steps)
    stored = json.loads(o.baseline.read_text()) if o.baseline.exists() else {}
    before = stored.get(processor, {})
    slower = []
    print(f"{processor}\n{'':<52}{'today':>8}{'stored':>8}")
    for name, ratio in ratios.items():
        allowed = before.get(name, 0) * (1 - (o.mfu_drop if name.endswith("MFU") else o.kernel_drop))
        is_slower = ratio < allowed
        print(f"{name:<52}{ratio:>8.3f}{before.get(name, float('nan')):>8.3f}{'  SLOWER' if is_slower else ''}")
        slower += [name] * is_slower
    print(f"\n{'time against bp, over the share of exact FLOP':<52}{'today':>8}{'allowed':>8}")
    for name, over in excess.items():
        is_slower = over > OVER_EXACT_FLOP
        print(f"{name:<52}{over:>8.3f}{OVER_EXACT_FLOP:>8.3f}{'  SLOWER' if is_slower else ''}")
        slower += [name] * is_slower
    if o.write:
        stored[processor] = {name: round(ratio, 4) for name, ratio in ratios.items()}
        o.baseline.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        print(f"stored in {o.baseline}")
    elif not before:
        print(f"{o.baseline} has no figures of this processor: nothing to compare with; --write stores today's")
    if slower:
        sys.exit(f"slower than allowed: {', '.join(slower)}")


if __name__ == "__main__":
    main()

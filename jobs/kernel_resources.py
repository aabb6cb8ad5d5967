#!/usr/bin/env python3
"""Registers, shared memory and spills of every GPU kernel, as a Markdown table.

usage: jobs/kernel_resources.py [BUILD]     (default: build/cuda, configured with the preset cuda; no GPU needed)
Compiles every kernel text once more with -Xptxas -v. Exits 1 if a kernel spills registers. docs/gpu_kernels.md holds what
it prints.
"""
import json
import re
import shlex
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path


def ptxas_lines(build):
    """What ptxas says of all kernel texts."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        command = shlex.split(entry["command"])
        if "nvcc" not in Path(command[0]).name and "nvcc" not in Path(command[1]).name:
            continue
        out = command.index("-o")
        command[out + 1] = "/dev/null"
        done = subprocess.run(command + ["-Xptxas", "-v"], cwd=entry["directory"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"kernel_resources.py: {entry['file']}:\n{done.stderr}")
        yield from done.stderr.splitlines()


def short_name(demangled):
    """'adamw (rows)' of a launched text, 'norm forward, bf16 (rows)' of one for several types of numbers,
    'attention_keys, bf16, heads up to 64' of a hand-tuned one."""
    text = re.search(r"launch::(\w+)_kernel<(.*)", demangled)
    if text:
        function = re.search(r"dfascale::(?:(\w+)::)?(\w+)(?:<([^()]*)>)?\(dfascale::Device", text[2])
        name = f"{function[1]} {function[2]}" if function[1] else function[2]
        types = [word.split("::")[-1].lower() for word in function[3].split(", ")] if function[3] else []
        place = re.findall(r"#(\d+)\}", text[2])
        number = f" {place[0]}" if place and place[0] != "1" else ""
        return f"{', '.join([name, *types])}{number} ({text[1]})"
    tiles = re.search(r"(\w+)<dfascale::flash::Tiles<(\d+)", demangled)
    if not tiles:
        return demangled
    stored = "bf16" if "dfascale::Bf16" in demangled else "float"
    return f"{tiles[1]}, {stored}, heads up to {tiles[2]}"


def kernels(build):
    """(name, architecture) -> {registers, shared, spills}; dynamic shared memory is in no listing."""
    found, current = OrderedDict(), None
    for line in ptxas_lines(build):
        entry = re.search(r"Compiling entry function '(\w+)' for 'sm_(\d+)'", line)
        if entry:
            current = found.setdefault((entry[1], int(entry[2])), {"registers": 0, "shared": 0, "spills": 0})
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if spills and current is not None:
            current["spills"] = int(spills[1]) + int(spills[2])
        used = re.search(r"Used (\d+) registers", line)
        if used and current is not None:
            current["registers"] = int(used[1])
            shared = re.search(r"(\d+) bytes smem", line)
            current["shared"] = int(shared[1]) if shared else 0
            current = None
    return found


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build/cuda")
    if not (build / "compile_commands.json").exists():
        sys.exit(f"kernel_resources.py: {build} has no compile_commands.json: configure it with cmake --preset cuda")
    found = kernels(build)
    names = subprocess.run(["c++filt"], input="\n".join(name for name, _ in found), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    rows, architectures = OrderedDict(), sorted({architecture for _, architecture in found})
    for demangled, ((_, architecture), facts) in sorted(zip(names, found.items())):
        rows.setdefault(short_name(demangled), {})[architecture] = facts
    print("| kernel | " + " | ".join(f"sm_{a}: registers | static shared bytes" for a in architectures) + " | spilled bytes |")
    print("|---|" + "---|---|" * len(architectures) + "---|")
    for name, of in rows.items():
        cells = [f"{of[a]['registers']} | {of[a]['shared']}" for a in architectures]
        print(f"| {name} | " + " | ".join(cells) + f" | {sum(of[a]['spills'] for a in architectures)} |")
    return 1 if any(facts["spills"] for facts in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

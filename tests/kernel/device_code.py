#!/usr/bin/env python3
"""Which kernels a program holds for which GPUs, read from its device code (compiled with --no-compress).

usage: device_code.py PROGRAM SOURCE ARCHITECTURE...
Fails unless every kernel that the texts in SOURCE/kernels launch is there for every architecture (80, 90, ...), in float and
bf16 where its text is for both.
"""
import re
import struct
import sys
from pathlib import Path

CUDA_MACHINE = 190  # EM_CUDA
ENTRY = 0x10  # STO_CUDA_ENTRY in st_other: a kernel, not a function within one
SYMBOL_TABLE = 2
TYPED = re.compile(r"class To?\b")  # how a text says that it is for several stored types


def mangled(name):
    return f"{len(name)}{name}"


HALF = mangled("Bf16")


def device_images(program):
    """(architecture, ELF image) of everything compiled for a GPU."""
    at = program.find(b"\x7fELF", 1)
    while at >= 0:
        machine, = struct.unpack_from("<H", program, at + 18)
        if machine == CUDA_MACHINE:
            flags, = struct.unpack_from("<I", program, at + 48)
            # From CUDA 13 on the architecture is in the second byte, before that in the first.
            yield (flags >> 8 & 0xFF if program[at + 8] >= 8 else flags & 0xFF), at
        at = program.find(b"\x7fELF", at + 4)


def kernels_of(program, at):
    """Mangled names of an image's kernels."""
    sections, = struct.unpack_from("<Q", program, at + 40)
    size, count = struct.unpack_from("<HH", program, at + 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", program, at + sections + i * size) for i in range(count)]
    for kind, offset, length, link in ((h[1], h[4], h[5], h[6]) for h in headers):
        if kind != SYMBOL_TABLE:
            continue
        names = at + headers[link][4]
        for symbol in range(at + offset, at + offset + length, 24):
            name, _, other = struct.unpack_from("<IBB", program, symbol)
            if other & ENTRY:
                yield program[names + name:program.index(b"\0", names + name)].decode()


def launches(folder):
    """{what kernels' names hold: [how many there are at least, of these how many for each stored type]}, from the texts'
    functions that launch, and from __global__ ones.  Templates on a type T, or To, are for float and for bf16."""
    found = {}

    def add(names, is_typed):
        entry = found.setdefault("".join(map(mangled, names)), [0, 0])
        entry[0] += 2 if is_typed else 1
        entry[1] += is_typed

    for file in sorted(folder.glob("*.cpp")):
        if (folder / "cuda" / file.with_suffix(".cu").name).exists():
            continue  # its twin is compiled instead
        inside, function, types = [], None, ""
        for line in file.read_text().splitlines():
            namespace = re.match(r"(}  // )?namespace (\w+)", line)
            if namespace and namespace[2] != "dfascale":
                inside = [] if namespace[1] else [namespace[2]]
            start = re.match(r"[A-Za-z_][\w:<>, ]*?\b(\w+)\(", line)
            if start:
                function, template = start[1], types
            types = line if line.startswith("template") else ""
            if re.match(r"  (each|rows|column_sums|total)\($", line):
                add([*inside, function], bool(TYPED.search(template)))
    for file in sorted(folder.glob("cuda/*.cu")):
        kernel = r"(template <.*>\n)?__global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\("
        for template, function in re.findall(kernel, file.read_text()):
            add([function], bool(TYPED.search(template)))
    return found


def main():
    program, source = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    wanted = launches(source / "kernels")
    held = {}
    for architecture, at in device_images(program):
        held.setdefault(architecture, set()).update(kernels_of(program, at))
    print("found", {a: len(names) for a, names in held.items()})
    failed = not wanted
    for architecture in map(int, sys.argv[3:]):
        names = held.get(architecture, set())
        for function, (launched, of_a_type) in wanted.items():
            found = [name for name in names if function in name]
            half = sum(HALF in name for name in found)
            if len(found) < launched or min(half, len(found) - half) < of_a_type:
                print(f"sm_{architecture}: {len(found)} kernels of {function}, {half} in bf16; wanted {launched}, {of_a_type} of each type")
                failed = True
        print(f"sm_{architecture}: {len(names)} kernels")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

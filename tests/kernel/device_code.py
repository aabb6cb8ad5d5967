#!/usr/bin/env python3
"""Which kernels a program holds for which GPUs, read from its device code (compiled with --no-compress).

usage: device_code.py PROGRAM SOURCE ARCHITECTURE...
Fails unless every kernel that the texts in SOURCE/kernels launch is there for every architecture (80, 90, ...).
"""
import re
import struct
import sys
from pathlib import Path

CUDA_MACHINE = 190  # EM_CUDA
ENTRY = 0x10  # STO_CUDA_ENTRY in st_other: a kernel, not a function within one
SYMBOL_TABLE = 2


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
    """Functions whose names kernels carry: those that launch texts, and __global__ ones; how many kernels each has."""
    found = {}
    for file in sorted(folder.glob("*.cpp")):
        if (folder / "cuda" / file.with_suffix(".cu").name).exists():
            continue  # its twin is compiled instead
        function = None
        for line in file.read_text().splitlines():
            start = re.match(r"[A-Za-z_][\w:<>, ]*?\b(\w+)\(", line)
            if start:
                function = start.group(1)
            if re.match(r"  (each|rows|column_sums|total)\($", line):
                found[function] = found.get(function, 0) + 1
    for file in sorted(folder.glob("cuda/*.cu")):
        for function in re.findall(r"__global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(", file.read_text()):
            found[function] = found.get(function, 0) + 1
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
        for function, launched in wanted.items():
            found = sum(f"{len(function)}{function}" in name for name in names)
            if found < launched:
                print(f"sm_{architecture}: {found} kernels of {function}, which launches {launched}")
                failed = True
        print(f"sm_{architecture}: {len(names)} kernels")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Checkpoints and golden files with mutated bytes and repaired digests: no crash, no hang, little memory.

usage: mutate_checkpoint.py PROGRAM SOURCE SECONDS [SEED]   (PYTHONPATH: tests/support)
Not part of ctest. What fails is kept in fuzz-found/, with the command in its name."""

import hashlib
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import sys
import time

from program import corpus, deck, work_folder, write

PIECE = 64 << 20
CPU_SECONDS, SECONDS, BYTES = 20, 200, 3 << 30  # that a command may take
GOOD_CODES = (0, 3, 4, 5)  # 3: a golden file; 5: a golden file whose numbers do not match
CRASH = "ended with signal"  # the child of a checkpoint tool crashed
SIGNATURES = (b"OHDR", b"OCHK", b"BTHD", b"BTLF", b"BTIN", b"FRHP", b"FHDB", b"FSHD", b"TREE", b"HEAP", b"SNOD", b"GCOL")
WORDS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def rotated(x, k):
    return ((x << k) | (x >> (32 - k))) & 0xFFFFFFFF


def lookup3(data):
    """Bob Jenkins's hash, which ends HDF5's headers."""
    m = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & m
    if not data:
        return c
    data, blocks = data + bytes(-len(data) % 12), (len(data) - 1) // 12 + 1
    for i in range(blocks):
        x, y, z = struct.unpack_from("<III", data, 12 * i)
        a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
        if i < blocks - 1:
            for k, l, n in ((4, 6, 8), (16, 19, 4)):
                a = ((a - c) & m) ^ rotated(c, k); c = (c + b) & m
                b = ((b - a) & m) ^ rotated(a, l); a = (a + c) & m
                c = ((c - b) & m) ^ rotated(b, n); b = (b + a) & m
    for left, right, k in (("c", "b", 14), ("a", "c", 11), ("b", "a", 25), ("c", "b", 16), ("a", "c", 4), ("b", "a", 14), ("c", "b", 24)):
        v = {"a": a, "b": b, "c": c}
        v[left] = ((v[left] ^ v[right]) - rotated(v[right], k)) & m
        a, b, c = v["a"], v["b"], v["c"]
    return c


def header_end(data, at):
    """Where the checksum of the object header at this place lies."""
    flags, place = data[at + 5], at + 6
    place += (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    return place + width + int.from_bytes(data[place:place + width], "little")


def headers(data):
    """(first byte, place of the checksum) of the superblock and of every object header."""
    found, at = [(0, 44)] if data[8] >= 2 else [], data.find(b"OHDR")
    while at >= 0:
        end = header_end(data, at)
        if end + 4 <= len(data):
            found.append((at, end))
        at = data.find(b"OHDR", at + 4)
    return found


def mutate(good, rng):
    data, ends, places = bytearray(good), headers(good), []
    for signature in SIGNATURES:
        at = good.find(signature)
        while at >= 0:
            places.append(at)
            at = good.find(signature, at + 4)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        kind = rng.randrange(8)
        at = rng.randrange(96) if kind == 0 else rng.randrange(len(data))
        if kind in (1, 2, 3, 4) and places:
            at = rng.choice(places) + rng.randrange(256)
        if kind in (5, 6) and ends:
            at = rng.randrange(*rng.choice(ends))
        at = min(at, len(data) - 9)
        how = rng.randrange(4)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.randrange(256)
        elif how == 2:
            width = rng.choice((1, 2, 4, 8))
            data[at:at + width] = (rng.choice(WORDS) & (2**(8 * width) - 1)).to_bytes(width, "little")
        else:
            size, source = rng.randrange(1, 64), rng.randrange(len(data) - 64)
            data[at:at + size] = data[source:source + size][:max(0, len(data) - at)]
    for first, end in ends:  # the good file's places: a header whose length was changed stays as it is
        data[end:end + 4] = struct.pack("<I", lookup3(bytes(data[first:end])))
    return bytes(data)


def write_with_digest(path, data):
    write(path, data)
    sums = "".join(hashlib.sha256(data[i:i + PIECE]).hexdigest() + "\n" for i in range(0, len(data), PIECE))
    write(str(path) + ".digest", f"dfascale digest 1: sha256 of pieces of {PIECE} bytes\n{len(data)} bytes\n{sums}")


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if not sanitized:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


def is_in_library(said):
    """Whether the innermost frame that a crash shows is HDF5's."""
    library, own = said.find("libhdf5"), said.find("dfascale::")
    return library >= 0 and (own < 0 or library < own)


def run(command, work):
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, timeout=SECONDS, preexec_fn=limits, check=False)
    except subprocess.TimeoutExpired:
        return "hang", ""
    said = (done.stdout + done.stderr).decode(errors="replace")
    if "Sanitizer" in said or "runtime error" in said:
        return "library" if is_in_library(said) else "sanitizer", said
    if done.returncode not in GOOD_CODES:
        return "library" if is_in_library(said) else f"exit {done.returncode}", said
    return ("library" if CRASH in said else ""), said


def targets(program, source, work):
    """(good bytes, name, commands)"""
    write(work / "deck.toml", deck())
    corpus(work / "data", 60)
    found = []
    for compress in (0, 1):
        subprocess.run([program, "train", "deck.toml", "--set", f"run.name=run{compress}", "--set", f"run.compress={compress}"],
                       cwd=work, check=True, capture_output=True)
        good = max((work / f"runs/run{compress}/checkpoints").glob("step_*.h5")).read_bytes()
        found.append((good, "step_00000001.h5", (["checkpoint", "verify", "step_00000001.h5"],
                                                 ["checkpoint", "convert", "step_00000001.h5", "out.safetensors", "--force"],
                                                 ["checkpoint", "list", "."],
                                                 ["inspect", "step_00000001.h5"])))
    for golden in ("tied_l1.h5", "curve.h5"):
        found.append(((pathlib.Path(source) / "tests/golden" / golden).read_bytes(), "golden.h5", (["verify", "golden.h5", "--variant", "bp"],)))
    return found


def main():
    program, source, seconds = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2], float(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
    os.environ["OMP_NUM_THREADS"] = "1"
    rng, end, runs, crashed, found = random.Random(seed), time.time() + seconds, 0, 0, {}
    global sanitized
    sanitized = b"__asan_init" in pathlib.Path(program).read_bytes()
    with work_folder() as work:
        all_targets = targets(program, source, work)
        while time.time() < end:
            good, name, commands = rng.choice(all_targets)
            data = mutate(good, rng)
            write_with_digest(work / name, data)
            command = rng.choice(commands)
            trouble, said = run([program, *command], work)
            runs += 1
            crashed += trouble == "library"
            if trouble:
                kept = pathlib.Path("fuzz-found") / f"{seed}-{runs}-{command[0]}-{command[1].partition('.')[0]}.h5"
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(data)
                found.setdefault(trouble, []).append(kept.name)
                print(f"{trouble}: {' '.join(command)}: {kept}\n{said[-2000:]}", flush=True)
    print(f"seed {seed}: {runs} runs; crashes inside HDF5: {crashed}; "
          f"others: { {what: len(names) for what, names in found.items() if what != 'library'} }")
    return 1 if set(found) - {"library"} else 0


if __name__ == "__main__":
    sanitized = False
    sys.exit(main())

"""dfascale verify on golden files: all variants pass, on other layouts too, and a tampered file does not.

usage: verify.py PROGRAM SOURCE MPIEXEC [FOLDER]
Without FOLDER: the files in tests/golden, in every way. With FOLDER: its files, on one rank; exits 77 if it is not
there."""

import json
import pathlib
import struct
import subprocess
import sys

from program import SKIPPED, Checks, Program, work_folder, write

NUMERICAL = 5
OF_LATER_RULES = "rules_"  # files of format version 2


def is_curve(file):
    """Files of loss curves take hundreds of steps."""
    return "curve" in file.name


def verify(checks, program, file, *args, ranks=0):
    code, said, seconds = program.run(["verify", file, *args], file.parent, ranks, limit=500)
    last = said.strip().splitlines()[-1] if said.strip() else ""
    checks.that(code == 0 and "variants pass" in said, f"{' '.join([file.name, *args])}  ({seconds:.1f} s)  {last}")
    if code != 0:
        print(said)


def as_json(checks, program, file):
    """What a script reads: every comparison with its error and what is allowed."""
    code, said, _ = program.run(["verify", file, "--json", "--precision", "f32"], file.parent)
    found = json.loads(said)
    comparisons = [row for variant in found["variants"] for row in variant["comparisons"]]
    good = all(row["passed"] == (row["error"] <= row["allowed"]) for row in comparisons)
    checks.that(code == 0 and found["passed"] and found["precision"] == "f32" and good and len(comparisons) > 20, f"{file.name} --json: {len(comparisons)} comparisons")


def batch_of(file):
    said = subprocess.run(["h5dump", "-a", "/batch", str(file)], capture_output=True, text=True, check=True).stdout
    return int(said.split("(0):")[1].split()[0])


def offset_of(file, array):
    """Where an array's first element lies in a file; vectors are stored contiguously, as float64."""
    said = subprocess.run(["h5dump", "-pH", "-d", array, str(file)], capture_output=True, text=True, check=True).stdout
    return int(said.split("OFFSET")[1].split()[0])


def tampered(checks, program, file, work, array, variant, named):
    """One element of an array moved: the variant fails and says which tensor."""
    data = bytearray(file.read_bytes())
    at = offset_of(file, array)
    struct.pack_into("<d", data, at, struct.unpack_from("<d", data, at)[0] + 0.01)
    copy = write(work / file.name, bytes(data))
    code, said, _ = program.run(["verify", copy, "--variant", variant], work)
    failing = [line for line in said.splitlines() if line.endswith("FAIL")]
    checks.that(code == NUMERICAL and len(failing) == 1 and named in failing[0],
                f"{file.name}, {array} tampered: exit code {code}, {failing}")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    if len(sys.argv) > 4:
        folder = pathlib.Path(sys.argv[4]).resolve()
        files = sorted(file for file in folder.glob("*.h5") if not file.name.startswith(OF_LATER_RULES))
        print(f"left out: {OF_LATER_RULES}*.h5, of rules that the program does not have yet")
        if not files:
            print(f"skipped: no golden files in {sys.argv[4]}")
            return SKIPPED
        for file in files:
            verify(checks, program, file)
        return checks.exit_code()
    files = sorted((pathlib.Path(sys.argv[2]) / "tests/golden").resolve().glob("*.h5"))
    for file in files:
        verify(checks, program, file)
        verify(checks, program, file, "--precision", "bf16")
        if not is_curve(file):
            parts = 2 if batch_of(file) % 2 == 0 else batch_of(file)
            verify(checks, program, file, "--micro-batches", str(parts))
            verify(checks, program, file, "--layout", f"{parts}x1", ranks=parts)
            verify(checks, program, file, "--precision", "bf16", "--layout", f"{parts}x1", ranks=parts)
            as_json(checks, program, file)
    with work_folder() as work:
        file = next(file for file in files if file.name == "tied_l1.h5")
        for array, named in (("/variants/bp/grads/blocks.0.mlp.fc1.bias", "blocks.0.mlp.fc1.bias"),
                             ("/variants/bp/after3/final_ln.bias", "after3 (worst)")):
            tampered(checks, program, file, work, array, "bp", named)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

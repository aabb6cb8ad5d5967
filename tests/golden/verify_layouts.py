"""dfascale verify on layouts of ranks: gradients and steps of deep golden files, whatever the schedule and sharding.

usage: verify_layouts.py PROGRAM SOURCE MPIEXEC [FOLDER]
FOLDER may hold more files; what it lacks is said."""

import pathlib
import sys

from program import Checks, Program, work_folder

# Layout, micro-batches, ZeRO, schedule ("" is each rule's own), split ("" is balanced), rule ("" is all).
DEEP = (
    ("2x1", 2, 0, "", "", ""),
    ("2x1", 2, 1, "", "", ""),
    ("4x1", 1, 1, "", "", ""),
    ("1x2", 4, 0, "", "", ""),
    ("1x2", 4, 0, "gpipe", "", ""),
    ("1x2", 8, 0, "interleaved", "", ""),
    ("1x2", 4, 0, "zb-v", "", "bp"),
    ("1x2", 2, 0, "", "8,0", ""),
    ("1x3", 4, 0, "1f1b", "4,3,1", ""),
    ("1x4", 4, 0, "", "", ""),
    ("1x4", 8, 0, "interleaved", "", ""),
    ("1x4", 8, 0, "zb-h1", "", "bp"),
    ("1x4", 8, 0, "zb-h2", "", "bp"),
    ("1x4", 8, 0, "zb-v", "", "bp"),
    ("2x2", 2, 0, "", "", ""),
    ("2x2", 2, 1, "", "", ""),
    ("2x2", 4, 1, "zb-h1", "", "bp"),
)
SHALLOW = (
    ("2x1", 1, 1, "", "", ""),
    ("1x2", 2, 0, "", "", ""),
    ("1x3", 2, 0, "", "", ""),
    ("1x3", 2, 0, "zb-h1", "", "bp"),
    ("2x2", 1, 1, "", "1,2", ""),
)


def arguments(layout, micro_batches, zero, schedule, split, rule):
    found = ["--layout", layout, "--micro-batches", micro_batches, "--zero", zero]
    for option, value in (("--schedule", schedule), ("--split", split), ("--variant", rule)):
        found += [option, value] if value else []
    return found


def verify(checks, program, work, file, row):
    dp, pp = map(int, row[0].split("x"))
    code, said, seconds = program.run(["verify", file, *arguments(*row)], work, dp * pp)
    last = said.strip().splitlines()[-1] if said.strip() else ""
    checks.that(code == 0 and "variants pass" in said,
                f"{file.name} {' '.join(map(str, arguments(*row)))}  ({seconds:.1f} s)  {last.rpartition('.h5: ')[2]}")
    if code != 0:
        print(said)


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    own = pathlib.Path(sys.argv[2]).resolve() / "tests/golden"
    tables = [(own / "untied_l8.h5", DEEP), (own / "tied_l3.h5", SHALLOW)]
    if len(sys.argv) > 4:
        more = pathlib.Path(sys.argv[4]).resolve() / "tied_l8.h5"
        if more.exists():
            tables.append((more, DEEP))
        else:
            print(f"not here, and left out: {more}")
    with work_folder() as work:
        for file, table in tables:
            for row in table:
                verify(checks, program, work, file, row)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

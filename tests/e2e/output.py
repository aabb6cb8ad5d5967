"""Output that cannot be written, names of runs that follow from decks, decks that come out of pipes.

usage: output.py PROGRAM SOURCE MPIEXEC"""

import os
import pathlib
import shutil
import subprocess
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import rows


def to(program, arguments, folder, where):
    """(exit code, stderr) with standard output opened on `where`, or closed where that is None."""
    stdout = open(where, "wb") if where else None
    try:
        done = subprocess.run(program.command(arguments), cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, env=program.environment(), timeout=60, check=False,
                              preexec_fn=None if where else lambda: os.close(1))
    finally:
        if stdout:
            stdout.close()
    return done.returncode, done.stderr.decode()


def test_full(program, source, folder, checks):
    run = "runs/run"
    code, _, _ = program.run(["train", "d.toml"], folder)
    checks.that(code == 0, "the deck trains")
    for arguments in (["--help"], ["--version"], ["deck"], ["deck", "d.toml"], ["deck", "--markdown"], ["train", "--help"],
                      ["train", "d.toml", "--dry-run"], ["eval", run, "data", "--json"], ["eval", run, "data"],
                      ["inspect", "d.toml"], ["inspect", run], ["checkpoint", "list", run], ["checkpoint", "verify", run],
                      ["checkpoint", "diff", run, run], ["checkpoint", "convert", run, "c.safetensors", "--force"],
                      ["plan", "d.toml", "--machine", source / "inputs/machines/laptop.toml"], ["verify", "golden.h5"], ["study", "s.toml", "--dry-run"],
                      ["study", "s.toml", "--status"]):
        code, said = to(program, arguments, folder, "/dev/full")
        words = " ".join(map(str, arguments))
        checks.that(code == 6 and "standard output" in said and "No space left" in said,
                    f"{words} > /dev/full ends with 6 and says so ({code}: {said.strip()})")
        code, said = to(program, arguments, folder, None)
        checks.that(code == 6 and "standard output" in said, f"{words} >&- too ({code}: {said.strip()})")


def test_training(program, _, folder, checks):
    for name, where in (("full", "/dev/full"), ("closed", None)):
        arguments = ["train", "d.toml", "--set", f"run.name={name}"]
        code, said = to(program, arguments, folder, where)
        run = folder / "runs" / name
        checks.that(code == 0, f"a training whose standard output is {name} ends with 0 ({code}: {said.strip()})")
        checks.that(said.count("standard output") == 1 and "log.txt" in said, "it says once where the lines are")
        checks.that(len(rows(run)) == len(rows(folder / "runs/run")), "its table is whole")
        whole = (folder / "runs/run/log.txt").read_text().count("\n")
        checks.that(abs((run / "log.txt").read_text().count("\n") - whole) <= 2, "so is its log")


def test_pipes(program, _, folder, checks):
    shell = [f"{program.path} deck <(cat d.toml) > from_pipe.txt && {program.path} deck d.toml > from_file.txt",
             f"(sleep 1; cat d.toml) | {program.path} deck /dev/stdin > from_stdin.txt"]
    for line in shell:
        done = subprocess.run(["bash", "-c", line], cwd=folder, env=program.environment(), timeout=60, check=False)
        checks.that(done.returncode == 0, line.replace(program.path, "dfascale"))
    checks.that((folder / "from_pipe.txt").read_text() == (folder / "from_file.txt").read_text(), "a deck from a pipe")
    checks.that((folder / "from_stdin.txt").read_text() == (folder / "from_file.txt").read_text(), "and from a slow one")


def named(program, folder, file, *settings):
    shutil.copy(folder / "unnamed.toml", folder / file)
    arguments = ["deck", file]
    for setting in settings:
        arguments += ["--set", setting]
    code, said, _ = program.run(arguments, folder)
    lines = [line for line in said.splitlines() if line.startswith("name = ") and "-bp" in line]
    return lines[0].split('"')[1] if code == 0 and lines else f"{code}: {said}"


def test_names(program, _, folder, checks):
    write(folder / "unnamed.toml", deck(run={"name": None}))
    files = {"é.toml": "é-bp", "ü.toml": "ü-bp", "a b.toml": "a+20b-bp", "a_b.toml": "a_b-bp", "a.b.toml": "a.b-bp",
             "a+20b.toml": "a+2B20b-bp", "x.deck": "x.deck-bp", "x": "x-bp", ".x.toml": "+2Ex-bp",
             "日本.toml": "日本-bp"}
    for file, name in files.items():
        found = named(program, folder, file)
        checks.that(found == name, f"the run of {file} is called {name} ({found})")
    for file in ("é.toml", "ü.toml"):
        code, said, _ = program.run(["train", file], folder)
        checks.that(code == 0 and "nothing to do" not in said, f"{file} trains {said if code else ''}")
    code, said, _ = program.run(["eval", "runs/é-bp", "data", "--json"], folder)
    checks.that(code == 0, "a run with such a name is evaluated")
    code, said, _ = program.run(["deck", "d.toml", "--set", " optim.tokens = 6400 ", "--set", 'run.dir = "a b "'], folder)
    checks.that(code == 0 and "tokens = 6400\n" in said and 'dir = "a b "' in said, "spaces around = do not count")
    code, said, _ = program.run(["deck", "d.toml", "--set", "data.train=" + 9 * "../" + "x"], folder)
    checks.that(code == 0, "a path of many dots is no key of many parts")


def test_folder_in_latin(program, _, folder, checks):
    """Where the current folder is not UTF-8, paths from there work."""
    latin = folder / "r\udce9sultats"
    latin.mkdir()
    shutil.copytree(folder / "data", latin / "data")
    shutil.copy(folder / "d.toml", latin)
    for arguments in (["train", "d.toml"], ["train", "d.toml", "--set", "optim.tokens=704"], ["checkpoint", "verify", "runs/run"],
                      ["checkpoint", "convert", "runs/run", "a.safetensors"], ["checkpoint", "convert", "a.safetensors", "b.h5"],
                      ["eval", "runs/run", "data", "--json"]):
        code, said, _ = program.run(arguments, latin)
        checks.that(code == 0, f"{' '.join(arguments)} in a folder in Latin-1 {said if code else ''}")


def main():
    program, source, checks = Program(sys.argv[1], sys.argv[3]), pathlib.Path(sys.argv[2]), Checks()
    with work_folder() as folder:
        corpus(folder / "data", 60)
        write(folder / "d.toml", deck())
        write(folder / "s.toml", '[study]\ndir = "study"\n[[size]]\nlayers = 1\nwidth = 16\nheads = 2\n[[rule]]\nname = "bp"\n'
                                 '[model]\ncontext = 8\nvocab = 60\n[data]\ntrain = "data"\n[optim]\ntokens = 640\n')
        shutil.copy(source / "tests/golden/tied_l1.h5", folder / "golden.h5")
        for test in (test_full, test_training, test_pipes, test_names, test_folder_in_latin):
            test(program, source, folder, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

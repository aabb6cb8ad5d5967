#!/usr/bin/env python3
"""The README's two commands in one clean copy of the source folder, in both orders, with small budgets: tests are built and run
after the quickstart, each command takes over what the other compiled, nothing but what was asked for is rebuilt. Then what may go
wrong: a stop, a missing study, folders that cannot be written, no git, and scripts that are installed.

    commands.py DFASCALE SOURCE MPIRUN DFASCALE_WERROR

The copy's path has a space. Its compilers' results come from ccache, where the build that runs this test has put them.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import program

NEEDED = ("ccache", "ninja", "shellcheck", "clang-format", "git")
STUDY = """[model]
heads = 2
context = 32
[data]
train = "data/quickstart"
epochs = 1000
valid_sequences = 4
[optim]
batch_sequences = 4
[run]
validate_points = 6
checkpoint_steps = 50
peak_seconds = 0
[[rule]]
name = "bp"
[[rule]]
name = "shallow"
"""
SIZE = '[[size]]\nlayers = {}\nwidth = {}\noptim.tokens = "{}"\n'
SMALL = STUDY + SIZE.format(1, 16, "20K") + SIZE.format(1, 32, "20K") + SIZE.format(2, 32, "20K")
LONG = STUDY + SIZE.format(1, 16, "50M")
TESTS = ["--no-install", "--target", "dfascale", "--target", "test_rate", "--", "--tests-regex"]
INSTALLED = {"slurm_cpu.sh", "slurm_gpu.sh", "slurm_gpu_nodes.sh", "slurm_lib.sh", "slurm_study.sh", "compare_peers.py", "cost_table.py",
             "method_table.py", "precision.sh", "programs.py", "programs.sh", "pytorch_gpt.py", "study_hours.py", "study_results.sh",
             "sweep_table.py", "two_ranks.py"}
PARTS = {"slurm_lib.sh", "programs.py", "programs.sh", "pytorch_gpt.py"}  # sourced or started by the others


class Copy:
    """A copy of the files that git tracks in `source`, or of all that are not built where there is no git."""

    def __init__(self, source, folder):
        self.source, self.folder = source, folder
        listed = subprocess.run(["bash", "-c", "source tests/support/sources.sh; source_files '*'"], cwd=source, capture_output=True,
                                text=True, check=True).stdout.split("\0")
        for name in filter(None, listed):
            if (source / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, folder / name)
        text = "".join(path.read_text() for path in sorted((source / "docs").glob("*.md")))
        for name, part in (("train.txt", text), ("valid.txt", text[:100_000]), ("sources.txt", "the documentation\n")):
            program.write(folder / "data/text" / name, part)
        program.write(folder / "small.toml", SMALL)
        program.write(folder / "long.toml", LONG)

    def commit(self):
        name = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        for words in (["init", "-q"], ["add", "-A"], [*name, "commit", "-qm", "A copy"]):
            subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True)

    def run(self, script, *words, cwd=None, limit=500, **variables):
        """Exit code and all that was said; from another folder than the copy's unless `cwd` says otherwise."""
        done = subprocess.run([str(self.folder / script), *words], cwd=cwd or self.folder.parent, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(variables), timeout=limit, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def objects(self):
        """What would be another file, or younger, after compiling again."""
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in (self.folder / "build/release").rglob("*.o")}


def environment(variables=None):
    """Without settings of the ctest around this; warnings are errors where they are in the build around this."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("CTEST_", "LSAN_", "PYTHON", "CMAKE_")) and name not in ("CI", "DESTDIR", "CCACHE_BASEDIR")}
    if sys.argv[4] == "ON":
        kept["CI"] = "true"
    return kept | {"OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} | (variables or {})


def quickstart(checks, copy, when, **variables):
    code, said = copy.run("jobs/quickstart.sh", "--no-install", "--study", str(copy.folder / "small.toml"), "--out", "my results", **variables)
    table = copy.folder.parent / "my results/table1.md"
    checks.that(code == 0 and table.exists() and "BP" in table.read_text(), f"quickstart {when}: exit code {code}, a table in 'my results'")
    if code != 0:
        print(said[-4000:])


def run_tests(checks, copy, when):
    code, said = copy.run("jobs/test.sh", *TESTS, r"^unit\.(rate|style)$")
    found = re.search(r"100% tests passed, 0 tests failed out of (\d+)", said)
    checks.that(code == 0 and found and int(found[1]) == 2, f"test.sh {when}: exit code {code}, {found[1] if found else 'no'} tests of 2 run")
    if code != 0:
        print(said[-4000:])
    return said


def is_kept(checks, before, after, what):
    checks.that(before and all(after.get(path) == state for path, state in before.items()),
                f"{what}: {len(before)} objects are those of before, {len(after) - len(before)} are new")


def quickstart_first(checks, copy):
    quickstart(checks, copy, "first")
    before = copy.objects()
    if os.geteuid() == 0:  # then git asks whether to trust a folder of somebody else's
        subprocess.run(["chown", "-R", "65534", str(copy.folder)], check=True)
    checks.that("no git checkout" not in run_tests(checks, copy, "after it"), "test.sh works with git in another user's checkout")
    checks.that(not re.search(r"revision +unknown", copy.run("build/release/bin/dfascale", "--version")[1]), "the revision is known there")
    built = copy.objects()
    is_kept(checks, before, built, "test.sh after quickstart")
    code, said = copy.run("jobs/test.sh", *TESTS, "^nothing$")
    checks.that(code == 1 and "No tests were found" in said, f"test.sh without a test: exit code {code}")
    quickstart(checks, copy, "after test.sh", CDPATH=str(copy.source))
    is_kept(checks, built, copy.objects(), "quickstart after test.sh")
    listed = subprocess.run(["ctest", "--test-dir", str(copy.folder / "build/release"), "-N"], capture_output=True, text=True, check=False)
    count = int((re.search(r"Total Tests: (\d+)", listed.stdout) or [0, 0])[1])
    checks.that(count > 50, f"after the quickstart ctest knows {count} tests")


def tests_first(checks, copy):
    """Without git, as from a tarball."""
    shutil.rmtree(copy.folder / ".git")
    shutil.rmtree(copy.folder / "build")
    said = run_tests(checks, copy, "first, without git")
    checks.that("no git checkout" in said, "test.sh says that there is no git checkout")
    before = copy.objects()
    quickstart(checks, copy, "after it")
    is_kept(checks, before, copy.objects(), "quickstart after test.sh in a new folder")
    checks.that(re.search(r"revision +unknown", copy.run("build/release/bin/dfascale", "--version")[1]), "without git the revision is unknown")


def stop(checks, copy):
    """TERM at the script alone stops the runs, and nothing is left running."""
    begin = [str(copy.folder / "jobs/quickstart.sh"), "--no-install", "--study", str(copy.folder / "long.toml"), "--out", str(copy.folder / "stopped")]
    with subprocess.Popen(begin, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()) as script:
        deadline = time.monotonic() + 120
        while not list((copy.folder / "stopped").glob("runs/*/metrics.csv")) and time.monotonic() < deadline:
            time.sleep(0.1)
        started = program.descendants(script.pid)
        script.send_signal(signal.SIGTERM)
        said = script.communicate(timeout=120)[0].decode(errors="replace")
        checks.that(script.returncode == 75 and "goes on where it stopped" in said, f"quickstart stopped by TERM: exit code {script.returncode}")
    left = [pid for pid in started if Path(f"/proc/{pid}/exe").exists()]
    checks.that(started and not left, f"of {len(started)} processes {len(left)} are left after the stop")
    checks.that(list((copy.folder / "stopped").glob("runs/*/checkpoints/step_*")), "the runs that were stopped have checkpoints")


def mistakes(checks, copy):
    for what, words, expected in (
            ("a study that is not there", ["--study", "no such.toml"], "no such.toml"),
            ("packages' folder that is not there", ["--debs", "no such folder"], "no such folder"),
            ("results in a place for no files", ["--out", "/proc/results"], "cannot write in the folder /proc/results"),
            ("an unknown option", ["--bogus"], "usage: jobs/quickstart.sh")):
        code, said = copy.run("jobs/quickstart.sh", "--no-install", *words)
        checks.that(code == 2 and expected in said, f"quickstart, {what}: exit code {code}")
    for script in "quickstart.sh", "test.sh":
        place = copy.folder.parent / "elsewhere/jobs"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(copy.folder / "jobs" / script, place)
        code, said = copy.run(place / script, "--no-install")
        checks.that(code == 2 and "is not dfascale's source folder" in said, f"{script} outside the source folder: exit code {code}")


def installed(checks, copy):
    prefix = copy.folder.parent / "install here"
    subprocess.run(["cmake", "--install", str(copy.folder / "build/release"), "--prefix", str(prefix)], check=True, capture_output=True)
    scripts = {path.name: path for path in (prefix / "share/dfascale/jobs").iterdir()}
    checks.that(scripts.keys() == INSTALLED, f"installed scripts: {' '.join(sorted(scripts))}")
    for name in sorted(scripts.keys() - PARTS):
        code, said = copy.run(scripts[name], "--help", PYTHONDONTWRITEBYTECODE="1")
        checks.that(code == 0 and len(said) > 100, f"installed {name} --help: exit code {code}")
    found = copy.run("/bin/bash", "-c", f'source "{scripts["programs.sh"]}" && find_program dfascale-fit "{scripts["programs.sh"].parent}"')[1]
    checks.that(found.strip() == str(prefix / "bin/dfascale-fit"), f"installed scripts start the installed program: {found.strip()}")


def main():
    source = Path(sys.argv[2]).resolve()
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        print(f"skipped: {', '.join(missing)} not installed; without them this would take long, or fail")
        return program.SKIPPED
    checks = program.Checks()
    with program.work_folder() as work:
        copy = Copy(source, work.resolve() / "a copy")
        copy.commit()
        quickstart_first(checks, copy)
        stop(checks, copy)
        mistakes(checks, copy)
        installed(checks, copy)
        tests_first(checks, copy)
    return checks.exit_code()


sys.exit(main())

"""Limits that a system or a user sets: threads, sizes of files, memory, memory that ranks share. What cannot be had is said, with
an exit code of the table; nothing is left out without a word.

usage: limits.py PROGRAM SOURCE MPIEXEC DFASCALE_FIT"""

import csv
import os
import random
import resource
import shutil
import subprocess
import sys

from program import Checks, Program, corpus, deck, work_folder, write

USAGE, DATA, CHECKPOINT, DEVICE = 2, 3, 4, 6
HANGS_AFTER = 120  # seconds, on a busy machine

# Products large enough for several threads.
WIDE = deck(model={"layers": 2, "width": 256, "heads": 4, "context": 64}, optim={"tokens": 3072, "batch_sequences": 16},
            run={"checkpoint_steps": 0})


class Lab:
    def __init__(self, program, work):
        self.program, self.work = program, work
        self.runs = 0

    def run(self, arguments, variables=None, ranks=0, limits=(), prefix=()):
        """(exit code, what it said); limits: pairs (resource, soft and hard limit)."""
        def limit():
            for kind, value in limits:
                resource.setrlimit(kind, (value, value))

        return self.run_command([*prefix, *self.program.command(arguments, ranks)], variables, limit)

    def run_command(self, command, variables=None, limit=None):
        environment = dict(self.program.environment(), **(variables or {}))
        try:
            done = subprocess.run(command, cwd=self.work, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  preexec_fn=limit, timeout=HANGS_AFTER, check=False)
        except subprocess.TimeoutExpired as hung:
            return None, (hung.stdout or b"").decode(errors="replace")
        return done.returncode, done.stdout.decode(errors="replace")

    def train(self, file, *settings, **how):
        """(exit code, what it said, the run's folder)"""
        self.runs += 1
        name = f"run-{self.runs}"
        command = ["train", file, "--set", f"run.name={name}"]
        for setting in settings:
            command += ["--set", setting]
        code, said = self.run(command, **how)
        return code, said, self.work / "runs" / name


def last_loss(folder):
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["train_loss"])


def threads(lab, checks):
    """Fewer threads than asked for: the same losses, and a warning."""
    wanted = last_loss(lab.train("wide.toml")[2])
    for variables, gives in (({}, 4), ({"OMP_THREAD_LIMIT": "1"}, 1), ({"OMP_THREAD_LIMIT": "2"}, 2), ({"OMP_THREAD_LIMIT": "3"}, 3),
                             ({"OMP_DYNAMIC": "true"}, 4), ({"OMP_MAX_ACTIVE_LEVELS": "0"}, 1), ({"KOKKOS_NUM_THREADS": "2"}, 4)):
        code, said, folder = lab.train("wide.toml", variables={"OMP_NUM_THREADS": "4", **variables})
        off = abs(last_loss(folder) - wanted) if code == 0 else None
        said_so = ("gives " + str(gives) in said) == (gives < 4) and all(name in said for name in variables if "KOKKOS" in name)
        good = code == 0 and off < 1e-5 and said_so
        checks.that(good, f"4 threads with {variables}: exit code {code}, loss off by {off} {said if not good else ''}")
    for number in ("abc", "-1", "0", "1.5", "99999999999", "1025"):
        code, said, _ = lab.train("wide.toml", variables={"OMP_NUM_THREADS": number})
        checks.that(code == USAGE and f'OMP_NUM_THREADS = "{number}"' in said, f"OMP_NUM_THREADS={number}: exit code {code}")
    code, said = lab.run(["prepare", "--train", "text.txt", "--valid", "valid.txt", "--out", "many", "--vocab", "300", "--threads",
                          "1024"], limits=[(resource.RLIMIT_AS, 400 << 20)])
    good = code == DEVICE and "--threads" in said and "ulimit" in said
    checks.that(good, f"prepare with more threads than can be started: exit code {code} {said if not good else ''}")


def file_sizes(lab, checks, fit):
    """ulimit -f: a message and the code of a full disk."""
    small, of_a_run = ([(resource.RLIMIT_FSIZE, size << 10)] for size in (200, 8000))  # MPI itself writes some megabytes
    code, said, folder = lab.train("wide.toml", limits=of_a_run)
    left = list((folder / "checkpoints").iterdir())
    good = code == CHECKPOINT and "File too large" in said and "failed" in (folder / "run.json").read_text() and not left
    checks.that(good, f"train: exit code {code} {said if not good else ''} {left}")
    code, said, folder = lab.train("wide.toml", "parallel.dp=2", ranks=2, limits=of_a_run)
    good = code == CHECKPOINT and "File too large" in said and "failed" in (folder / "run.json").read_text()
    checks.that(good, f"train on 2 ranks: exit code {code} {said if not good else ''}")
    code, said = lab.run(["prepare", "--train", "text.txt", "--valid", "valid.txt", "--out", "prepared", "--vocab", "300"], limits=small)
    good = code == DATA and "File too large" in said and not (lab.work / "prepared").exists()
    checks.that(good, f"prepare: exit code {code} {said if not good else ''}")
    _, _, whole = lab.train("wide.toml")
    code, said = lab.run(["checkpoint", "convert", str(whole / "checkpoints" / "latest"), "converted.safetensors"], limits=small)
    good = code == CHECKPOINT and "File too large" in said and not list(lab.work.glob("converted*"))
    checks.that(good, f"checkpoint convert: exit code {code} {said if not good else ''}")
    done = subprocess.run(["sh", "-c", f'ulimit -f 0 && exec {fit} {whole} --out fitted'], cwd=lab.work, capture_output=True,
                          text=True, check=False)
    checks.that(done.returncode > 0 and "fitted" in done.stderr, f"dfascale-fit: exit code {done.returncode} {done.stderr}")


def memory(lab, checks, golden):
    """ulimit -v, from what only just loads the program to more than enough: a message and a code of the table."""
    def limited(megabytes):
        return ["sh", "-c", f'ulimit -v {megabytes}000 && ulimit -c 0 && exec "$@"', "sh"]

    def unsaid(code, said):
        return code not in (0, CHECKPOINT, DEVICE) or (code != 0 and "dfascale: " not in said)

    if lab.run(["deck"], prefix=limited(600))[0] != 0:
        print("skipped: this build of the program does not start with 600 MB of address space")
        return
    steps = [m for m in range(75, 450, 25) if lab.run(["deck"], prefix=limited(m))[0] not in (127, -9)]
    trained = lab.train("good.toml")[2]
    for arguments in (["train", "good.toml"], ["verify", golden], ["inspect", trained], ["checkpoint", "verify", trained]):
        found = {m: lab.run(arguments, prefix=limited(m)) for m in steps}
        shutil.rmtree(lab.work / "runs" / "run", ignore_errors=True)
        wrong = [(m, code, said[-300:]) for m, (code, said) in found.items() if unsaid(code, said)]
        codes = [code for code, _ in found.values()]
        checks.that(not wrong and 0 in codes, f"{arguments[0]} with {steps[0]} to {steps[-1]} MB: exit codes {codes} {wrong or ''}")
    command = lab.program.command(["train", "good.toml", "--set", "parallel.dp=2"], ranks=2)
    at = command.index(lab.program.path)
    for megabytes in (m for m in steps if m % 2 == 0):  # fewer: each takes the launcher's time
        code, said = lab.run_command([*command[:at], *limited(megabytes), *command[at:]])
        checks.that(not unsaid(code, said), f"2 ranks with {megabytes} MB each: exit code {code}")


def shared_memory(lab, checks):
    """Little or no room in /dev/shm: two ranks do without it, and say so."""
    def small(size):
        return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"', "sh"]

    if subprocess.run([*small("1m"), "true"], capture_output=True, check=False).returncode != 0:
        print("skipped: a small /dev/shm cannot be had here")
        return
    for size in ("64k", "1m", "4m", "6m", "64m"):
        code, said, folder = lab.train("wide.toml", "parallel.dp=2", ranks=2, prefix=small(size))
        good = code == 0 and ("no room for shared memory" in said) == (size != "64m") and folder.exists()
        checks.that(good, f"/dev/shm of {size}: exit code {code} {said if not good else ''}")


def main():
    program = Program(sys.argv[1], sys.argv[3])
    checks = Checks()
    with work_folder() as work:
        corpus(work / "data", 60)
        write(work / "good.toml", deck())
        write(work / "wide.toml", WIDE)
        draw = random.Random(1)
        write(work / "text.txt", "\n".join("%030x" % draw.getrandbits(120) for _ in range(20000)))
        write(work / "valid.txt", "a few words\n" * 100)
        lab = Lab(program, work)
        threads(lab, checks)
        file_sizes(lab, checks, os.path.abspath(sys.argv[4]))
        memory(lab, checks, os.path.abspath(f"{sys.argv[2]}/tests/golden/tied_l1.h5"))
        shared_memory(lab, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

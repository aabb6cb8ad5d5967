"""What the end-to-end tests share: token files, decks, running the program, comparing folders."""

import array
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time

MAGIC, VERSION, HEADER_INTEGERS = 20240520, 1, 256
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def tokens(count, vocab, seed=1):
    """Text-like tokens: each depends on the one before, so that there is something to learn."""
    draw = random.Random(seed)
    found, last = [], 0
    for _ in range(count):
        last = (5 * last + 3) % vocab if draw.random() < 0.7 else draw.randrange(vocab)
        found.append(last)
    return found


def uint16(numbers):
    return array.array("H", numbers).tobytes()


def shard(numbers, magic=MAGIC, version=VERSION, count=None):
    """A token file of llm.c; magic, version and count can be made wrong."""
    header = [magic, version, len(numbers) if count is None else count]
    header += [0] * (HEADER_INTEGERS - len(header))
    return struct.pack(f"<{HEADER_INTEGERS}i", *header) + uint16(numbers)


def write(path, contents):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return path


def corpus(folder, vocab, train=8193, valid=1025, seed=1):
    """A prepared folder without corpus.json: the deck says model.vocab."""
    write(f"{folder}/train_000000.bin", shard(tokens(train, vocab, seed)))
    write(f"{folder}/valid_000000.bin", shard(tokens(valid, vocab, seed + 1)))


def deck(**sections):
    """A tiny deck; deck(model={"layers": 1}) changes keys, None removes one."""
    base = {
        "model": {"layers": 3, "width": 16, "heads": 2, "context": 8, "vocab": 60, "init_std": 0.05},
        "rule": {"name": "bp"},
        "data": {"train": "data", "valid_sequences": 8},
        "optim": {"learning_rate": 0.001, "tokens": 640, "batch_sequences": 8},
        "run": {"name": "run", "checkpoint_steps": 5, "validate_points": 3, "peak_seconds": 0},
    }
    for section, keys in sections.items():
        base.setdefault(section, {}).update(keys)
    lines = []
    for section, keys in base.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {toml(value)}" for key, value in keys.items() if value is not None]
    return "\n".join(lines) + "\n"


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


class Program:
    """dfascale, alone or under mpirun."""

    def __init__(self, path, mpiexec=None):
        self.path, self.mpiexec = str(pathlib.Path(path).resolve()), mpiexec

    def command(self, arguments, ranks=0, last_rank=None):
        """Under mpirun where ranks > 0; the last rank may have arguments of its own."""
        one = [self.path, *map(str, arguments)]
        if not ranks:
            return one
        launcher = [self.mpiexec, "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
        if last_rank is None:
            return [*launcher, "-n", str(ranks), *one]
        return [*launcher, "-n", str(ranks - 1), *one, ":", "-n", "1", self.path, *map(str, last_rank)]

    def environment(self, variables=None):
        # One thread each: the tests share the machine.
        return dict(os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", **(variables or {}))

    def start(self, arguments, folder, ranks=0, last_rank=None, variables=None):
        return subprocess.Popen(self.command(arguments, ranks, last_rank), cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=self.environment(variables), start_new_session=True)

    def run(self, arguments, folder, ranks=0, limit=120, last_rank=None, variables=None):
        """(exit code, stdout and stderr, seconds); exit code None where it hung."""
        begun = time.monotonic()
        process = self.start(arguments, folder, ranks, last_rank, variables)
        try:
            said, _ = process.communicate(timeout=limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, code = process.communicate()[0], None
        return code, said.decode(errors="replace"), time.monotonic() - begun


def descendants(pid):
    """Processes started by this one, and by those, as /proc has it."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended meanwhile
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


VOLATILE = ("lock", "log.txt")  # the lock names the last process, the log grows


def contents(folder):
    """{path: what it is} for everything below a folder that is to last."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in VOLATILE:
            continue
        if path.is_symlink():
            found[name] = "link to " + os.readlink(path)
        elif path.is_dir():
            found[name] = "folder"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "special"
    return found


class NoMount(Exception):
    """Why a small disk could not be had."""


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs of this size at a new folder; raises NoMount where that is not allowed."""
    path = pathlib.Path(folder)
    path.mkdir(parents=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        path.rmdir()
        raise NoMount(f"cannot mount a small tmpfs: {made.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        path.rmdir()


@contextlib.contextmanager
def work_folder():
    path = tempfile.mkdtemp(prefix="dfascale-e2e-")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path)


def preloadable(library, folder):
    """A copy of a library for LD_PRELOAD, where a space in its path would end the name; `folder` lies in one of work_folder()."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.copy(library, folder)


class Checks:
    """Counts what was checked, prints what failed."""

    def __init__(self):
        self.done = self.failed = 0

    def that(self, holds, what):
        self.done += 1
        if not holds:
            self.failed += 1
        print(f"{'pass' if holds else 'FAIL'}  {what}", flush=True)

    def below(self, value, bound, what):
        self.that(value <= bound, f"{what}: {value:.2e}, allowed {bound:.0e}")

    def exit_code(self):
        print(f"{self.done - self.failed} of {self.done} checks pass")
        return 1 if self.failed or self.done == 0 else 0

"""Token files that change: under a run they end it with what was found, before a restart they are noticed.

usage: tokens.py PROGRAM SOURCE MPIEXEC"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time

from program import Checks, Program, corpus, deck, tokens, uint16, work_folder, write
from runs import checkpoint

DATA, CHECKPOINT = 3, 4
HANGS_AFTER = 120  # seconds; on a busy machine
VOCAB, HEADER = 60, 1024
SHARD = "data/train_000000.bin"


def rewrite(path, contents, at=0):
    """In place: the file that the run has open."""
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(contents)


def cut(shard):
    os.truncate(shard, 5000)


def all_tokens(number):
    return lambda shard: rewrite(shard, uint16([number] * 8193), HEADER)


CHANGES = [
    ("cut short", cut, ["train_000000.bin", "cut short"]),
    ("emptied", lambda shard: os.truncate(shard, 0), ["train_000000.bin", "cut short"]),
    ("tokens far beyond the vocabulary", all_tokens(65535), ["train_000000.bin", "token 65535", "number ", "changed"]),
    ("tokens just beyond the vocabulary", all_tokens(VOCAB), ["train_000000.bin", "token 60", "model.vocab = 60"]),
]


def wait_for_rows(process, run, rows):
    end = time.monotonic() + HANGS_AFTER
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            if (run / "metrics.csv").read_text().count("\n") > rows:
                return
        time.sleep(0.01)


def under_a_run(program, work, checks, ranks):
    """The run ends with exit code 3, file and place, on any number of ranks."""
    for what, change, says in CHANGES:
        corpus(work / "data", VOCAB)
        name = f"{what.replace(' ', '-')}-{ranks}"
        process = program.start(["train", "deck.toml", "--set", f"run.name={name}", "--set", "optim.tokens=64e6",
                                 "--set", "data.epochs=1e6"], work, ranks)
        wait_for_rows(process, work / "runs" / name, 3)
        change(work / SHARD)
        try:
            said, code = process.communicate(timeout=HANGS_AFTER)[0].decode(), process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, code = process.communicate()[0].decode(), None
        outcome = json.loads((work / "runs" / name / "run.json").read_text())["outcome"]
        good = code == DATA and all(word in said for word in says) and outcome.startswith("failed: ")
        checks.that(good, f"{what}, {max(ranks, 1)} rank(s): exit code {code}, {outcome} {'' if good else said}")


class Restarts:
    """One run of ten steps, stopped at five, and what is done to its data before it goes on."""

    def __init__(self, program, work, checks):
        self.program, self.work, self.checks = program, work, checks
        self.shard, self.known = work / SHARD, work / "runs/again/tokens.json"

    def train(self, tokens_in_all, ranks=0):
        return self.program.run(["train", "deck.toml", "--set", "run.name=again", "--set", f"optim.tokens={tokens_in_all}",
                                 "--set", "run.checkpoint_steps=5"], self.work, ranks)

    def expect(self, what, wanted, says=(), steps=640, ranks=0):
        code, said, _ = self.train(steps, ranks)
        good = code == wanted and all(word in said for word in says)
        self.checks.that(good, f"{what}: exit code {code} {'' if good else said}")

    def good_again(self):
        corpus(self.work / "data", VOCAB)


def before_a_restart(program, work, checks):
    """A changed token is noticed wherever it is, whatever the file's times say."""
    run = Restarts(program, work, checks)
    run.good_again()
    run.expect("a run is trained", 0, steps=320)
    checks.that(run.known.exists(), "what was read is kept in tokens.json")
    other = ["other data", "the tokens differ"]
    for what, ranks in (("on one rank", 0), ("on two ranks", 2)):
        rewrite(run.shard, uint16(tokens(7500, VOCAB, 99)), HEADER + 1000)
        run.expect(f"92 % rewritten at the same size, {what}", CHECKPOINT, other, ranks=ranks)
        run.good_again()
    # Between the samples that older versions took, and with the old times put back.
    before = os.stat(run.shard)
    one = struct.unpack("<H", run.shard.read_bytes()[HEADER + 800:HEADER + 802])[0]
    rewrite(run.shard, uint16([(one + 1) % VOCAB]), HEADER + 800)
    os.utime(run.shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    run.expect("one token changed, the file's time put back", CHECKPOINT, other)
    run.good_again()
    run.expect("the same tokens in new files", 0)
    run.expect("a file that was only touched", 0, ["is done"])


def kept_knowledge(program, work, checks):
    """tokens.json saves the reading, and is neither trusted nor followed where it is not the run's."""
    run = Restarts(program, work, checks)
    run.good_again()
    run.expect("another run is trained", 0, steps=64)
    known = json.loads(run.known.read_text())
    known["train"]["fingerprint"] += 1
    run.known.write_text(json.dumps(known))
    run.expect("unchanged files are not read again: a made-up fingerprint counts", CHECKPOINT, ["the tokens differ"])
    for what, text in (("empty", ""), ("no JSON", "{"), ("of another kind", '{"format": 1, "train": [], "valid": 7}'),
                       ("deep", "[" * 100000), ("a list", "[1]"), ("null", '{"format": 1, "train": null}')):
        run.known.write_text(text)
        run.expect(f"tokens.json is {what}: every token is read", 0, steps=64)
    victim = write(work / "victim", "mine")
    run.known.unlink()
    run.known.symlink_to(victim)
    run.expect("tokens.json is a link", 0, steps=128)
    checks.that(victim.read_text() == "mine" and not run.known.is_symlink(), "the link's target is as before")
    run.known.unlink()
    os.mkfifo(run.known)
    run.expect("tokens.json is a pipe", 0, steps=192)


FNV_START, FNV_FACTOR = 14695981039346656037, 1099511628211


def older_fingerprint(folder):
    """As checkpoints had it before it covered every token: FNV-1a of names, sizes and 64 windows of each file."""
    found = {}
    for split in ("train", "valid"):
        value = FNV_START
        for path in sorted((folder / "data").glob(f"{split}_*.bin")):
            numbers = path.read_bytes()[HEADER:]
            size = len(numbers) // 2
            window = min(256, size)
            windows = [(size - window) * w // 63 for w in range(64)]
            data = path.name.encode() + struct.pack("<q", size)
            for byte in data + b"".join(numbers[2 * at:2 * (at + window)] for at in windows):
                value = ((value ^ byte) * FNV_FACTOR) % 2**64
        found[split] = value
    return (found["train"] * 0x9E3779B97F4A7C15 + found["valid"]) % 2**64


def older_checkpoint(program, work, checks):
    """A checkpoint of an older version goes on, with a warning of what could not be compared."""
    run = Restarts(program, work, checks)
    run.good_again()
    run.expect("a run to make older", 0, steps=64)
    made = checkpoint(work / "runs/again", 1)
    code, said, _ = program.run(["checkpoint", "convert", str(made), "old.safetensors", "--moments"], work)
    data = (work / "old.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    about = header["__metadata__"]
    about["dfascale.more"], about["dfascale.data_fingerprint"] = "", str(older_fingerprint(work))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write(work / "old.safetensors", struct.pack("<Q", len(text)) + text + data[8 + length:])
    code, said, _ = program.run(["checkpoint", "convert", "old.safetensors", "old.h5"], work)
    checks.that(code == 0, f"an older checkpoint is made {said if code else ''}")
    going_on = ["train", "deck.toml", "--set", "run.name=from-old", "--set", "run.restart=./old.h5"]
    code, said, _ = program.run(going_on, work)
    checks.that(code == 0 and "an older version" in said and "cannot be checked" in said,
                f"it goes on with a warning: exit code {code} {'' if code == 0 else said}")
    corpus(work / "data", VOCAB, seed=7)
    code, said, _ = program.run([*going_on, "--set", "run.name=from-old-2"], work)
    checks.that(code == CHECKPOINT and "the tokens differ" in said, f"on other data it does not: exit code {code}")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    for part in (lambda *lab: under_a_run(*lab, 0), lambda *lab: under_a_run(*lab, 2), before_a_restart, kept_knowledge,
                 older_checkpoint):
        with work_folder() as work:
            write(work / "deck.toml", deck(model={"layers": 2}, data={"epochs": 1000.0}, run={"checkpoint_steps": 1}))
            part(program, work, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

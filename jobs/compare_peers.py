#!/usr/bin/env python3
"""dfascale beside another trainer on CPUs: the same model, batch and number of threads, taking turns; prints ratios.

    jobs/compare_peers.py pytorch inputs/57m.toml --python /path/to/python/with/torch
    jobs/compare_peers.py llmc inputs/57m.toml --trainer /path/to/llm.c/train_gpt2

pytorch: eager and compiled, in float32 and bf16; install torch where you like, nothing else of dfascale needs it.
llmc: llm.c's trainer for CPUs, built by you with OpenMP; B 4 and T 64 are built into it, so dfascale gets them too, and GELU.
One that you built with another T in its main(): say so by --context.
A deck needs no data. On several threads dfascale runs a rank on each. Medians over all steps of all rounds.
"""
import argparse
import array
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from programs import find_program

HERE = Path(__file__).resolve().parent
LLMC_SEQUENCES, LLMC_VOCAB_MULTIPLE = 4, 128
LLMC_MOST_STEPS = 20  # then it samples for a long time


class Failed(Exception):
    pass


def environment(threads):
    """Nobody's libraries are held back by what this shell happens to set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS_", "MKL_", "KMP_", "OMP_", "DNNL_"))}
    return kept | {"OMP_NUM_THREADS": str(threads), "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Dfascale:
    """A rank on each core."""

    def __init__(self, options, precision):
        self.name, self.seconds = f"dfascale {precision}", []
        self.threads, self.steps = options.threads, options.steps
        sets = [f"optim.precision={precision}", f"optim.batch_sequences={options.sequences}", "parallel.micro_batches=1",
                *options.set]
        self.command = [options.program, "bench", "step", options.deck, "--rule", "bp", "--steps", str(self.steps),
                        "--peak-seconds", "0.1", *[word for one in sets for word in ("--set", one)]]
        if self.threads > 1:
            self.command = ["mpirun", "-n", str(self.threads), "--bind-to", "core", *self.command]

    def round(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "step.json"
            done = subprocess.run([*self.command, "--json", str(file)], env=environment(1), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"{' '.join(self.command)}: {done.stderr.strip()}")
            self.found = json.loads(file.read_text())
        self.seconds += self.found["rules"][0]["step_seconds"]

    def close(self):
        pass


class PyTorch:
    """One process that stays, as torch.compile wants."""

    def __init__(self, options, precision, mode, shape):
        self.name, self.seconds, self.steps = f"PyTorch {mode} {precision}", [], options.steps
        self.process = subprocess.Popen(
            [options.python, str(HERE / "pytorch_gpt.py"), "--shape", json.dumps(shape), "--sequences", str(options.sequences),
             "--threads", str(options.threads), "--precision", precision, "--mode", mode],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(options.threads))
        self.name = f"PyTorch {self.answer()['version']}, {mode}, {precision}"

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name}: ended with exit code {self.process.wait()}; see above")
        return json.loads(line)

    def round(self):
        print(self.steps, file=self.process.stdin, flush=True)
        self.seconds += self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def write_int32_header(file, *numbers):
    array.array("i", list(numbers) + [0] * (256 - len(numbers))).tofile(file)


def write_llmc_files(folder, shape):
    """A checkpoint of the shape with made-up values, and made-up tokens, as llm.c reads them (its own file formats)."""
    width, layers, context = shape["width"], shape["layers"], shape["context"]
    padded = -(-shape["vocab"] // LLMC_VOCAB_MULTIPLE) * LLMC_VOCAB_MULTIPLE
    block = 12 * width * width + 13 * width
    draw = random.Random(1)
    noise = array.array("f", [0.02 * draw.gauss(0, 1) for _ in range(width * 257)])
    with open(folder / "gpt2_124M.bin", "wb") as file:
        write_int32_header(file, 20240326, 3, context, shape["vocab"], layers, shape["heads"], width, padded)
        left = padded * width + context * width + layers * block + 2 * width
        while left > 0:
            noise[:min(left, len(noise))].tofile(file)
            left -= len(noise)
    data = folder / "dev/data/tinyshakespeare"
    data.mkdir(parents=True)
    for name in "train", "val":
        count = 32768
        with open(data / f"tiny_shakespeare_{name}.bin", "wb") as file:
            write_int32_header(file, 20240520, 1, count)
            array.array("H", [draw.randrange(shape["vocab"]) for _ in range(count)]).tofile(file)


class LlmC:
    def __init__(self, options, shape):
        self.name, self.seconds = "llm.c f32", []
        self.steps, self.threads = min(options.steps, LLMC_MOST_STEPS - 1), options.threads
        self.trainer = str(Path(options.trainer).resolve())
        self.folder = tempfile.TemporaryDirectory()
        write_llmc_files(Path(self.folder.name), shape)

    def round(self):
        """Its first step allocates and is left out."""
        process = subprocess.Popen(["stdbuf", "-oL", self.trainer], cwd=self.folder.name, stdout=subprocess.PIPE,
                                   env=environment(self.threads), text=True, errors="replace")
        found = []
        for line in process.stdout:
            took = re.match(r"step \d+: .*\(took ([0-9.]+) ms\)", line)
            if took:
                found.append(float(took[1]) / 1e3)
            if len(found) > self.steps:
                break
        process.kill()
        process.wait()
        if len(found) <= self.steps:
            raise Failed(f"{self.trainer}: {len(found)} steps instead of {self.steps + 1}; what does it say when run by itself?")
        self.seconds += found[1:]

    def close(self):
        self.folder.cleanup()


def trainers(options):
    """dfascale first in each group that is compared; a round of it tells the deck's sizes."""
    groups = []
    for precision in options.precision.split(","):
        ours = Dfascale(options, precision)
        ours.round()
        shape = ours.found["model"]
        others = [PyTorch(options, precision, mode, shape) for mode in ("eager", "compiled")] if options.peer == "pytorch" else [LlmC(options, shape)]
        groups.append([ours, *others])
    return groups


def report(groups, tokens):
    ours = groups[0][0].found
    for name, value in ours["machine"].items():
        print(f"{name:<12}{value}")
    shape = ours["model"]
    print(f"{'model':<12}{shape['layers']} x {shape['width']}, vocabulary {shape['vocab']}, context {shape['context']}; {tokens} tokens a step\n")
    print("| trainer | step, s: median (least, most) | tokens/s | dfascale is faster by |\n|---|---|---|---|")
    for group in groups:
        first = statistics.median(group[0].seconds)
        for one in group:
            median = statistics.median(one.seconds)
            factor = "" if one is group[0] else f"{median / first:.2f}"
            print(f"| {one.name} | {median:.4f} ({min(one.seconds):.4f}, {max(one.seconds):.4f}) | {tokens / median:.0f} | {factor} |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("pytorch", "llmc"))
    parser.add_argument("deck")
    parser.add_argument("--program", default=find_program("dfascale"))
    parser.add_argument("--python", default=sys.executable, help="pytorch: a Python that has torch")
    parser.add_argument("--trainer", default="train_gpt2", help="llmc: its program")
    parser.add_argument("--context", type=int, default=64, help="llmc: the T that is built into it (default 64)")
    parser.add_argument("--precision", default="f32", help="f32, bf16 or f32,bf16 (pytorch)")
    parser.add_argument("--sequences", type=int, default=4, help="of a step, all threads together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = parser.parse_args()
    if options.peer == "llmc":
        options.precision, options.sequences = "f32", LLMC_SEQUENCES
        options.set += [f"model.context={options.context}", "model.activation=gelu"]
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    groups = []
    try:
        groups = trainers(options)
        for group in groups:
            group[0].seconds.clear()
        for _ in range(options.rounds):
            for group in groups:
                for one in group:
                    one.round()
        report(groups, options.sequences * groups[0][0].found["model"]["context"])
    except Failed as problem:
        sys.exit(f"compare_peers.py: {problem}")
    finally:
        for group in groups:
            for one in group:
                one.close()


if __name__ == "__main__":
    main()

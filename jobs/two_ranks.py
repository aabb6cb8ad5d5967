#!/usr/bin/env python3
"""Real training on two ranks: what a second replica brings, and what a pipeline without a bubble brings.

In rounds, one after the other, on a core for each rank: two runs by themselves side by side; two replicas with the same
micro-batch each; two stages with backpropagation in 1F1B's order, with DFA in 1F1B's order, and with DFA unlocked. Prints
tokens/s (medians of the rounds) and, for the stages, what `dfascale plan` says of the same layout with the times of forward and
backward passes that the traces hold. In pipelines updates are clipped by block and the embedding is untied, since otherwise
stages wait for each other whatever the schedule.

    jobs/two_ranks.py --data data/quickstart > two_ranks.md
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from programs import find_program

MACHINE = """name = "two ranks, as measured"
nodes = 1
ranks_per_node = 2
peak_tflops = 1
efficiency = 1
memory_gib = 1000
memory_gb_per_s = 20
messages_move = "at_receive"

[inside]
latency_us = 5
gb_per_s = 5

[between]
latency_us = 5
gb_per_s = 5
"""


class Trainer:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.program = Path(options.program).resolve()
        self.environment = dict(os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                                OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    def settings(self, rule, sequences, micro_batches, **parallel):
        o = self.options
        values = {"rule.name": rule, "data.train": Path(o.data).resolve(), "data.valid_sequences": 1,
                  "optim.warmup_tokens": 0,
                  "optim.batch_sequences": sequences, "parallel.micro_batches": micro_batches,
                  "optim.tokens": o.steps * sequences * o.context, "run.validate_points": 0,
                  "run.trace": o.steps, "run.checkpoint_steps": 1_000_000, "run.peak_seconds": 0.2}
        values.update({f"parallel.{key}": value for key, value in parallel.items()})
        if "pp" in parallel:
            values.update({"model.tied": "false", "optim.clip": "block"})
        sets = [f"{key}={value}" for key, value in values.items()] + o.set
        return [word for one in sets for word in ("--set", one)]

    def start(self, name, words, ranks, core=None):
        """A run in a folder of its own; alone on `core`, or on all cores with a rank on each."""
        folder = self.folder / name
        command = ([] if ranks == 1 else ["mpirun", "-n", str(ranks), "--bind-to", "core"])
        command += [str(self.program), "train", self.options.deck, "--set", f"run.dir={folder}", *words]
        pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
        log = (self.folder / f"{name}.log").open("w")
        return subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, preexec_fn=pin), name

    def finish(self, started):
        """The trace of a run."""
        process, name = started
        if process.wait() != 0:
            sys.exit(f"two_ranks.py: {name} failed:\n{(self.folder / name).with_suffix('.log').read_text()[-3000:]}")
        return json.loads(next((self.folder / name).glob("*/trace.json")).read_text())


def seconds_per_step(trace):
    """From update to update, the first step left out: the pipeline's pace, without validation at the run's ends."""
    ends = {}
    for event in trace:
        if event.get("cat") == "update":
            ends.setdefault(event["tid"], []).append((event["ts"] + event["dur"]) * 1e-6)
    steps = [max(rank[step] for rank in ends.values()) for step in range(min(map(len, ends.values())))]
    return (steps[-1] - steps[0]) / (len(steps) - 1)


def stage_times(trace):
    """Median milliseconds of both stages' forward and backward passes."""
    times = {}
    for event in trace:
        if event.get("cat") in ("forward", "backward"):
            times.setdefault((event["tid"], event["cat"]), []).append(event["dur"] * 1e-3)
    return [tuple(statistics.median(times.get((rank, kind), [0.0])) for kind in ("forward", "backward"))
            for rank in (0, 1)]


def planned_step(trainer, words, times):
    """Seconds of a step by `dfascale plan`, with the measured times of both stages."""
    machine = trainer.folder / "machine.toml"
    machine.write_text(MACHINE)
    command = [str(trainer.program), "plan", trainer.options.deck, "--machine", str(machine), "--json", *words]
    for forward, backward in times:
        command += ["--times", f"{forward},{backward},0"]
    plan = subprocess.run(command, capture_output=True, text=True)
    if plan.returncode != 0:
        sys.exit(f"two_ranks.py: dfascale plan failed:\n{plan.stderr}")
    return json.loads(plan.stdout)


def measure(trainer, runs):
    """Rounds of all runs; what each took a step in each round, and the stage times of one trace each."""
    o = trainer.options
    seconds, times = {}, {}
    for turn in range(o.rounds):
        for name, (words, ranks) in runs.items():
            label = f"{name.replace(' ', '-')}-{turn}"
            if ranks == 1:  # two of them, on a core each
                both = [trainer.start(f"{label}-{core}", words, 1, core) for core in (0, 1)]
                ended = [trainer.finish(one) for one in both]
                seconds.setdefault(name, []).append(statistics.mean(map(seconds_per_step, ended)))
            else:
                ended = [trainer.finish(trainer.start(label, words, ranks))]
                seconds.setdefault(name, []).append(seconds_per_step(ended[0]))
            times.setdefault(name, []).append(stage_times(ended[0]))
            print(f"round {turn + 1}: {name}: {seconds[name][-1]:.3f} s a step", file=sys.stderr)
    return seconds, times


def median_times(rounds):
    return [tuple(statistics.median(one[stage][kind] for one in rounds) for kind in (0, 1)) for stage in (0, 1)]


def report(trainer, runs, seconds, times):
    o = trainer.options
    tokens = {name: o.context * o.sequences * (1 if name == "alone" else 2 if name == "dp 2" else o.micro_batches)
              for name in runs}
    middle = {name: statistics.median(values) for name, values in seconds.items()}

    print("| run | step, s (median) | all rounds | tokens/s |\n|---|---|---|---|")
    for name in runs:
        both = 2 if name == "alone" else 1
        shown = " ".join(f"{value:.2f}" for value in seconds[name])
        print(f"| {name} | {middle[name]:.2f} | {shown} | {both * tokens[name] / middle[name]:.0f} |")
    if "dp 2" in runs:
        ratios = [a / b for a, b in zip(seconds["alone"], seconds["dp 2"])]
        print(f"\ndp 2 against two runs by themselves: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")

    stages = [name for name in runs if name.startswith("pp 2")]
    if not stages:
        return
    # Plans have the times that each rule's own runs in 1F1B's order showed.
    planned = {name: planned_step(trainer, runs[name][0],
                                  median_times(times["pp 2 bp 1f1b" if " bp " in name else "pp 2 dfa 1f1b"]))["step"]
               for name in stages}
    base = stages[0]
    print(f"\n| run | step, s | planned, s | against {base} | planned |\n|---|---|---|---|---|")
    for name in stages:
        ratios = [a / b for a, b in zip(seconds[name], seconds[base])]
        print(f"| {name} | {middle[name]:.2f} | {planned[name]:.2f} | {statistics.median(ratios):.3f} | {planned[name] / planned[base]:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deck", default="inputs/57m.toml")
    parser.add_argument("--data", required=True, help="folder of `dfascale prepare`")
    parser.add_argument("--program", default=find_program("dfascale"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="steps of a run; the first is left out")
    parser.add_argument("--sequences", type=int, default=4, help="of a micro-batch")
    parser.add_argument("--micro-batches", type=int, default=4, help="of a pipeline's step")
    parser.add_argument("--context", type=int, default=512, help="the deck's")
    parser.add_argument("--only", choices=["dp", "pp"], help="only replicas, or only stages")
    parser.add_argument("--set", action="append", default=[], help="section.key=value, wins over the deck; repeatable")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="dfascale-two-ranks-") as folder:
        trainer = Trainer(options, folder)
        one, all_of = options.sequences, options.sequences * options.micro_batches
        runs = {}
        if options.only != "pp":
            runs["alone"] = trainer.settings("bp", one, 1), 1
            runs["dp 2"] = trainer.settings("bp", 2 * one, 1, dp=2), 2
        if options.only != "dp":
            for rule, schedule in (("bp", "1f1b"), ("dfa", "1f1b"), ("dfa", "unlocked")):
                runs[f"pp 2 {rule} {schedule}"] = trainer.settings(rule, all_of, options.micro_batches, dp=1, pp=2,
                                                                   schedule=schedule), 2
        report(trainer, runs, *measure(trainer, runs))


main()

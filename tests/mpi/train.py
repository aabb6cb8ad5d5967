"""Replicas and micro-batches: the same mathematics on every layout, the same bits on the same one.

usage: train.py PROGRAM SOURCE MPIEXEC"""

import re
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import arrays, checkpoint, column, relative_difference, same_arrays, same_state, untimed

RULES = ("bp", "dfa", "dfa-canonical", "shallow")
# (replicas, micro-batches); the first is what the others are compared with.
LAYOUTS = ((1, 1), (1, 2), (2, 1), (2, 2))
REASSOCIATION = 1e-6  # relative, over ten steps: the order of float32 sums
STEPS = 10


class Runs:
    """Trains the deck under a rule on a layout, each only once."""

    def __init__(self, work, program):
        self.work, self.program = work, program

    def train(self, rule, layout, name=None, *settings):
        replicas, micro_batches = layout
        name = name or f"{rule}-{replicas}x{micro_batches}"
        args = ["train", "deck.toml", "--set", f"run.name={name}", "--set", f"rule.name={rule}",
                "--set", f"parallel.micro_batches={micro_batches}"]
        for setting in settings:
            args += ["--set", setting]
        code, said, _ = self.program.run(args, self.work, replicas if replicas > 1 else 0)
        if code != 0:
            sys.exit(f"{name}: exit code {code}\n{said}")
        return self.work / "runs" / name


def same_losses(checks, run, rule):
    whole = run.train(rule, LAYOUTS[0])
    for layout in LAYOUTS[1:]:
        other = run.train(rule, layout)
        what = f"{rule}, {layout[0]} replica(s) x {layout[1]} micro-batch(es)"
        for name in ("train_loss", "val_loss", "grad_norm"):
            allowed = REASSOCIATION if name != "grad_norm" else 10 * REASSOCIATION
            checks.below(relative_difference(column(other, name), column(whole, name)), allowed, f"{what}, {name}")


def same_bits(checks, run, rule, layout):
    """Twice the same deck on the same layout."""
    one = run.train(rule, layout, f"{rule}-once-{layout[0]}x{layout[1]}")
    two = run.train(rule, layout, f"{rule}-again-{layout[0]}x{layout[1]}")
    what = f"{rule} twice, {layout[0]} replica(s) x {layout[1]} micro-batch(es)"
    checks.that(untimed(one) == untimed(two), f"{what}: metrics but for timing are equal")
    checks.that(same_state(checkpoint(one, STEPS), checkpoint(two, STEPS)), f"{what}: parameters and moments are equal")


def frozen(checks, run, rule_settings, trained):
    """Tensors that a rule does not train keep their bits; those that it trains do not."""
    name = "frozen-" + "-".join(rule_settings or ["plain"]).replace("=", "-").replace(".", "-")
    folder = run.train("shallow", (1, 1), name, *rule_settings)
    early, late = checkpoint(folder, STEPS // 2), checkpoint(folder, STEPS)
    for tensor in arrays(late, "params"):
        same = same_arrays(early, late, f"/params/{tensor}")
        checks.that(same != trained(tensor), f"{name}: {tensor} is {'trained' if trained(tensor) else 'frozen'}")


def probed(checks, run):
    """The probe's own backpropagation goes over any layout of any rule."""
    tied = ["model.tied=true", "run.alignment_steps=5"]
    for rule, *settings in (("shallow", "parallel.pp=2"),
                            ("dfa", "parallel.pp=2", "parallel.schedule=unlocked", "parallel.in_flight=1")):
        micro_batches = 2
        whole = run.train(rule, (1, micro_batches), f"{rule}-probed", *tied)
        stages = run.train(rule, (2, micro_batches), f"{rule}-probed-in-stages", *tied, *settings)
        if rule == "shallow":  # unlocked micro-batches have parameters of their own age
            difference = relative_difference(column(stages, "val_loss"), column(whole, "val_loss"))
            checks.below(difference, REASSOCIATION, f"{rule}, probed in two stages, val_loss")
        rows = [(folder / "alignment.csv").read_text().splitlines() for folder in (whole, stages)]
        checks.that(len(rows[0]) == len(rows[1]) > 1, f"{rule}, probed in two stages: {len(rows[1])} rows of alignment")


def bad_gradient(checks, run, zero):
    """Which replica's gradient was it?  The sum over replicas, or a shard of it, does not say."""
    name = f"bad-gradient-{zero}"
    code, said, _ = run.program.run(
        ["train", "deck.toml", "--set", f"run.name={name}", "--set", f"parallel.zero={zero}", "--set", "rule.name=bp",
         "--set", "optim.learning_rate=100", "--set", "optim.clip=none"], run.work, 2)
    checks.that(code == 5 and re.search(r"step \d+: rank \d, the gradient of \S+ is ", said) is not None,
                f"zero = {zero}: a bad gradient's rank is named {said.splitlines()[-1:]}")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60)
        # 7 validation sequences: no layout divides them.
        write(work / "deck.toml", deck(data={"valid_sequences": 7}, optim={"learning_rate": 0.003}))
        run = Runs(work, program)
        for rule in RULES:
            same_losses(checks, run, rule)
        for rule, layout in (("bp", (1, 1)), ("dfa", (2, 1)), ("dfa-canonical", (1, 2))):
            same_bits(checks, run, rule, layout)
        top = ("blocks.2.", "final_ln.")
        frozen(checks, run, [], lambda tensor: tensor.startswith(top))
        frozen(checks, run, ["rule.train_projector=true"],
               lambda tensor: tensor.startswith((*top, "token_embedding.")))
        probed(checks, run)
        for zero in (0, 1):
            bad_gradient(checks, run, zero)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

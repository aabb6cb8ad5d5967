"""Bad input, as a table: command, exit code, what the message must say, what must stay.

usage: bad_input.py PROGRAM SOURCE MPIEXEC [PART OF A CASE'S NAME]
All cases run in one folder. Afterwards all files of before must be there unchanged, and new ones only where a case says."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import cases_of_names
from cases import CHECKPOINT, DATA, DEVICE, NUMERICAL, USAGE, Case, deck_case, train
from cases_of_data import texts, token_files
from program import NoMount, Program, contents, corpus, deck, shard, small_disk, tokens, work_folder, write

HANGS_AFTER = 60  # seconds; on a busy machine
ENDS_WITHIN = 10  # seconds, all ranks after an error of one
START_UP = 10  # seconds that mpirun may need for itself on a busy machine
CRASHES = ("Segmentation fault", "terminate called", "Sanitizer", "Assertion", "signal 6", "signal 11")


def command_line():
    return [
        Case("no subcommand", [], USAGE, ["subcommand", "--help"]),
        Case("unknown subcommand", ["trian", "good.toml"], USAGE, ["trian"]),
        Case("unknown option", ["train", "good.toml", "--fast"], USAGE, ["--fast"]),
        Case("train without a deck", ["train"], USAGE, ["DECK", "required"]),
        train("override without a value", USAGE, ["--set model.layers", "section.key=value"], "model.layers"),
    ]


def decks():
    good = deck()
    return [
        Case("deck missing", ["train", "no.toml"], USAGE, ["no.toml", "No such file"]),
        Case("deck is a folder", ["train", "data"], USAGE, ["data", "folder", "expected a deck"]),
        deck_case("deck is not TOML", good + "[broken\n", USAGE, ["not TOML", f":{good.count(chr(10)) + 1}"]),
        deck_case("deck is not UTF-8", good.encode() + b"# \xff\xfe\n", USAGE, ["not TOML", f":{good.count(chr(10)) + 1}"]),
        deck_case("unknown key", good.replace("width", "widht"), USAGE, [":3", "widht", 'did you mean "width"']),
        deck_case("unknown section", good.replace("[optim]", "[optimizer]"), USAGE, ["optimizer", "sections are", "optim"]),
        deck_case("key outside sections", "layers = 2\n" + good, USAGE, [":1", "layers", "[model]"]),
        deck_case("key twice", good.replace("heads", "width"), USAGE, ["not TOML", "width"]),
        deck_case("wrong type", deck(model={"width": "wide"}), USAGE, [":3", "model.width", '"wide"', "expected"]),
        deck_case("real for whole", deck(model={"layers": 2.5}), USAGE, ["model.layers", "2.5", "expected"]),
        deck_case("width not a multiple of heads", deck(model={"heads": 3}), USAGE, ["model.width = 16", "heads = 3"]),
        deck_case("several mistakes", deck(model={"heads": 3, "layers": 0}, optim={"tokens": -1}), USAGE,
                  ["model.layers", "optim.tokens"]),
        train("zero layers", USAGE, ["model.layers = 0", "expected"], "model.layers=0"),
        train("negative learning rate", USAGE, ["optim.learning_rate", "-1"], "optim.learning_rate=-1"),
        train("learning rate NaN", USAGE, ["optim.learning_rate", "nan"], "optim.learning_rate=nan"),
        train("number beyond int64", USAGE, ["optim.tokens"], "optim.tokens=99999999999999999999"),
        train("vocabulary too large for token files", USAGE, ["model.vocab = 70000", "65535"], "model.vocab=70000"),
        train("unlocked backpropagation", USAGE, ["unlocked", "1f1b"], "parallel.pp=2", "parallel.schedule=unlocked",
              ranks=2),
        train("direct feedback split", USAGE, ["zb-h1", "rule bp"], "parallel.pp=2", "parallel.schedule=zb-h1",
              "rule.name=dfa", ranks=2),
        train("stages for other ranks", USAGE, ["parallel.pp = 2", "1 started", "mpirun -n 2"], "parallel.pp=2"),
        train("rule in capitals", USAGE, ["rule.name", "DFA", 'did you mean "dfa"'], "rule.name=DFA"),
        train("unknown rule", USAGE, ["rule.name", "bpp", "dfa-canonical", 'did you mean "bp"'], "rule.name=bpp"),
        train("option without meaning", USAGE, ["rule.error", "bp", "remove the key"], "rule.error=logits"),
        train("orthogonal feedback of logits", USAGE, ["rule.feedback", "preprojector", "gaussian"],
              "rule.name=dfa-canonical", "rule.feedback=orthogonal"),
        train("block embedding by layers", USAGE, ["rule.embedding", "direct or none"],
              "rule.name=dfa-canonical", "rule.embedding=block"),
        train("name of another rule", USAGE, ["run.method", "shallow", "remove the"], "run.method=shallow"),
        train("no run folder", USAGE, ["run.dir", "expected a folder"], "run.dir="),
        train("name with a slash", USAGE, ["run.name", "a/b"], "run.name=a/b"),
        train("batch not divisible", USAGE, ["batch_sequences = 8", "micro_batches", "3"], "parallel.micro_batches=3"),
        train("warm-up beyond the budget", USAGE, ["warmup_tokens = 1000000", "optim.tokens = 640"],
              "optim.warmup_tokens=1M"),
        train("restart neither word nor path", USAGE, ["run.restart", '"yes"', "required"], "run.restart=yes"),
        train("less than one step", USAGE, ["optim.tokens = 10", "64"], "optim.tokens=10"),
        train("memory in an odd unit", USAGE, ["run.memory", "8GX", "8 GiB"], "run.memory=8GX"),
        train("less memory than a rank needs", USAGE,
              ["run.memory = 1000000", "needs at least", "optimiser moments", "in all", "parallel.micro_batches"],
              "run.memory=1MB"),
        train("more replicas than ranks", USAGE, ["parallel.dp", "mpirun -n 2"], "parallel.dp=2"),
    ]


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def copied_run(work, name):
    """A copy of the finished run as runs/NAME."""
    shutil.copytree(work / "runs/good", work / f"runs/{name}", symlinks=True)
    return work / f"runs/{name}"


def broken_checkpoint(name):
    def setup(work):
        run = copied_run(work, name)
        flip(run / "checkpoints/step_00000010.h5", 5000)
    return setup


def both_broken(name):
    def setup(work):
        run = copied_run(work, name)
        for step in (5, 10):
            flip(run / f"checkpoints/step_{step:08}.h5", 5000)
    return setup


def without_digest(name):
    return lambda work: (copied_run(work, name) / "checkpoints/step_00000010.h5.digest").unlink()


def other_data(work):
    corpus(work / "cases/other-data", 60, seed=9)


@contextlib.contextmanager
def locked(work):
    with open(work / "runs/good/lock", "r+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def full_disk(name, size):
    return lambda work: small_disk(work / f"cases/{name}", size)


@contextlib.contextmanager
def read_only_disk(work):
    with small_disk(work / "cases/read-only", "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield


def checkpoints():
    latest = "runs/good/checkpoints/latest"
    again = "run.name=good"
    from_good = [f"run.restart={latest}", "run.name=new"]
    new = ("runs/new",)
    return [
        train("required, none there", CHECKPOINT, ["required", "runs/new", "no good checkpoint"],
              "run.name=new", "run.restart=required", makes=new),
        train("step of no checkpoint", CHECKPOINT, ["run.restart", '"7"', "steps 5, 10"], again, "run.restart=7"),
        train("step where there is none", CHECKPOINT, ["run.restart", "runs/new", "no checkpoints"], "run.name=new",
              "run.restart=7", makes=new),
        train("path of no checkpoint", CHECKPOINT, ["runs/no.h5", "no such checkpoint"], "run.name=new",
              "run.restart=runs/no.h5", makes=new),
        train("path of a folder", CHECKPOINT, ["runs/good", "folder", "latest"], "run.name=new",
              "run.restart=runs/good/checkpoints", makes=new),
        train("path of another file", CHECKPOINT, ["good.toml", "digest", "not a checkpoint"], "run.name=new",
              "run.restart=./good.toml", makes=new),
        train("path of a broken checkpoint", CHECKPOINT, ["step_00000010.h5", "digest"], "run.name=new",
              "run.restart=runs/broken1/checkpoints/latest", setup=broken_checkpoint("broken1"), makes=new),
        train("all checkpoints broken", CHECKPOINT, ["runs/broken2", "none of them is good", "nothing was changed"],
              "run.name=broken2", "run.restart=required", setup=both_broken("broken2")),
        train("all checkpoints broken, auto", CHECKPOINT, ["runs/broken5", "none of them is good", "run.name"],
              "run.name=broken5", setup=both_broken("broken5")),
        train("newest checkpoint without digest", CHECKPOINT, ["step_00000010.h5.digest is missing", "not say", "move it"],
              "run.name=undigested", setup=without_digest("undigested"), ranks=2),
        train("newest checkpoint broken", 0, ["step_00000010.h5", "broken", "at step 5 of 10"], "run.name=broken3",
              setup=broken_checkpoint("broken3"), makes=("runs/broken3",)),
        train("checkpoint of another model", CHECKPOINT, ["another run", "model.layers", "run.name"], *from_good,
              "model.layers=2", makes=new),
        train("checkpoint of another rule", CHECKPOINT, ["another run", "rule.name"], *from_good, "rule.name=shallow",
              makes=new),
        train("checkpoint of another feedback", CHECKPOINT, ["another run", "rule.feedback_scale"],
              "run.restart=runs/dfa/checkpoints/latest", "run.name=new", "rule.name=dfa", "rule.feedback_scale=2",
              makes=new),
        train("checkpoint of another seed", CHECKPOINT, ["another run", "run.seed"], *from_good, "run.seed=2", makes=new),
        train("checkpoint of other data", CHECKPOINT, ["other data", "cases/other-data"], *from_good, "data.train=cases/other-data",
              setup=other_data, makes=new),
        train("own run, other model", CHECKPOINT, ["another run", "model.width"], again, "model.width=32"),
        train("own run, smaller budget", CHECKPOINT, ["step 10", "optim.tokens = 320"], again, "optim.tokens=320"),
        train("never, run is there", CHECKPOINT, ["runs/good", "never", "run.name"], again, "run.restart=never"),
        train("run folder in use", CHECKPOINT, ["runs/good", "in use"], again, setup=locked),
        train("run folder below a file", CHECKPOINT, ["good.toml/runs", "cannot make the folder"],
              "run.dir=good.toml/runs"),
        train("read-only disk", CHECKPOINT, ["cases/read-only", "Read-only file system"], "run.dir=cases/read-only",
              setup=read_only_disk),
        train("disk too small for checkpoints", CHECKPOINT, ["cases/full1", "MiB free", "run.dir"],
              "run.dir=cases/full1", setup=full_disk("full1", "400k"), makes=("cases/full1",)),
        train("disk full on the way", CHECKPOINT, ["cases/full2", "No space left"], "run.dir=cases/full2",
              "run.keep=1000", "run.checkpoint_steps=1", setup=full_disk("full2", "2500k"), makes=("cases/full2",)),
        Case("disk full in prepare", ["prepare", "--train", "long.txt", "--valid", "valid.txt", "--out", "cases/full3",
                                      "--vocab", "300"], DATA, ["cases/full3", "No space left"],
             setup=full_disk("full3", "64k")),
    ]


def golden_copy(name, change):
    def setup(work):
        data = bytearray((work / "golden.h5").read_bytes())
        write(work / f"cases/{name}.h5", bytes(change(work, data)))
    return setup


def tampered(work, data):
    """Adds to one element of a stored gradient; h5dump says where it lies."""
    said = subprocess.run(["h5dump", "-pH", "-d", "/variants/bp/grads/final_ln.weight", str(work / "golden.h5")],
                          capture_output=True, text=True, check=True).stdout
    at = int(said.split("OFFSET")[1].split()[0])
    value = struct.unpack_from("<d", data, at)[0]
    struct.pack_into("<d", data, at, value + 0.01)
    return data


def goldens():
    def verify(name, code, says, *args, change=None, **more):
        file = f"cases/{name}.h5" if change else "golden.h5"
        return Case(name, ["verify", file, *args], code, says, setup=change and golden_copy(name, change), **more)

    return [
        Case("golden missing", ["verify", "no.h5"], DATA, ["no.h5", "No such file"]),
        Case("golden is a folder", ["verify", "data"], DATA, ["data", "folder", ".h5"]),
        Case("golden is a deck", ["verify", "good.toml"], DATA, ["good.toml", "HDF5"]),
        Case("golden is a checkpoint", ["verify", "runs/good/checkpoints/step_00000010.h5"], DATA, ["format_version"]),
        verify("golden truncated", DATA, ["cases/golden truncated.h5"], change=lambda work, data: data[:40000]),
        verify("golden tampered", NUMERICAL, ["final_ln.weight", "FAIL"], "--variant", "bp", change=tampered),
        verify("unknown precision", USAGE, ["--precision", "f64", "f32"], "--precision", "f64"),
        verify("unknown variant", USAGE, ["--variant bpp", "bp"], "--variant", "bpp"),
        verify("micro-batches do not divide", USAGE, ["golden.h5", "sequences", "3"], "--micro-batches", "3"),
        verify("layout does not divide", USAGE, ["2 sequences", "3 replica"], "--layout", "3x1", ranks=3),
        verify("layout for other ranks", USAGE, ["2x1", "mpirun -n 2"], "--layout", "2x1"),
        verify("unknown schedule", USAGE, ["1f2b", "unlocked"], "--schedule", "1f2b"),
        verify("more stages than blocks", USAGE, ["1 blocks", "2 * 1", "head alone"], "--layout", "1x2", ranks=2),
        verify("split of other blocks", USAGE, ['"1,2"', "3 block(s)"], "--layout", "1x2", "--split", "1,2", ranks=2),
        verify("split without a block", USAGE, ['"0,1"', "stage 0"], "--layout", "1x2", "--split", "0,1", ranks=2),
        verify("split is nonsense", USAGE, ['"one,1"', '"one"'], "--layout", "1x2", "--split", "one,1", ranks=2),
        verify("layout is nonsense", USAGE, ["two", "DPxPP"], "--layout", "two"),
    ]


def tools():
    run = "runs/good"
    return [
        Case("eval without a checkpoint", ["eval", "runs/none", "data"], CHECKPOINT, ["runs/none", "no such checkpoint"]),
        Case("eval of a deck", ["eval", "good.toml", "data"], CHECKPOINT, ["good.toml", "not a checkpoint"]),
        Case("eval on missing data", ["eval", run, "nowhere"], DATA, ["nowhere", "dfascale prepare"]),
        Case("eval on another vocabulary", ["eval", run, "cases/wide.bin"], DATA, ["cases/wide.bin", "token 99"],
             setup=lambda work: write(work / "cases/wide.bin", shard(tokens(500, 60) + [99]))),
        Case("eval of too few sequences", ["eval", run, "data", "--sequences", "-1"], USAGE, ["--sequences", "-1"]),
        Case("eval of more sequences than there are", ["eval", run, "data", "--sequences", "1000"], USAGE,
             ["--sequences 1000", "data", "128"]),
        Case("sample at no temperature", ["sample", run, "--temperature", "nan"], USAGE, ["--temperature", "nan"]),
        Case("sample of a negative seed", ["sample", run, "--seed", "-1"], USAGE, ["--seed", "-1"]),
        Case("sample after no text", ["sample", run, "--prompt", "ab\udcff"], USAGE, ["ab\\xFF", "byte 3", "UTF-8"]),
        Case("sample without a tokenizer", ["sample", run], DATA, ["corpus.json", "--tokenizer"]),
        Case("sample too cold", ["sample", run, "--temperature", "-1"], USAGE, ["--temperature", "-1"]),
        Case("inspect of an empty checkpoint", ["inspect", "cases/empty.h5"], CHECKPOINT, ["cases/empty.h5", "digest"],
             setup=lambda work: write(work / "cases/empty.h5", "")),
        Case("inspect of a latest that is gone", ["inspect", "runs/none/checkpoints/latest"], CHECKPOINT,
             ["runs/none/checkpoints/latest", "no such checkpoint"]),
        Case("inspect of nothing", ["inspect", "nothing"], USAGE, ["nothing", "No such file"]),
        Case("study missing", ["study", "none.toml"], USAGE, ["none.toml", "No such file"]),
        Case("study is a deck", ["study", "good.toml"], USAGE, ["good.toml:", "run.name"]),
    ]


def numbers_and_memory():
    wild = ["optim.learning_rate=100", "optim.weight_decay=100", "optim.warmup_tokens=0", "optim.tokens=6400",
            "optim.schedule=constant", "run.name=wild", "optim.clip=none", "run.checkpoint_steps=1"]

    def diverges(name, says, *settings, **more):
        return train(name, NUMERICAL, ["step ", "rank 0", *says, "learning_rate", "checkpoint of step"], *wild, *settings,
                     makes=("runs/wild",), **more)
    return [
        diverges("training diverges", ["block"], "optim.clip=global"),
        diverges("gradients without a square in float diverge", ["the gradient of ", "too large to be squared"]),
        diverges("training diverges on two ranks", [], ranks=2),
        train("a batch beyond the memory", DEVICE, ["memory", "smaller micro-batch"],
              "optim.batch_sequences=1000000000", "model.context=8192", "optim.tokens=1e15"),
        train("more memory than there is", DEVICE, ["no memory for", "smaller model"],
              "model.width=65536", "model.heads=1", "model.layers=400", makes=("runs/run",)),
    ]


def ranks():
    def only_on_last(name, code, says, *settings, **more):
        """Rank 0 has the good command line and waits for rank 1, which fails."""
        case = train(name, code, ["rank 1", *says], *settings, **more)
        return dataclasses.replace(case, args=["train", "good.toml"], last_rank=case.args, ranks=2)

    return [
        only_on_last("data mistake on the last rank only", DATA, ["nowhere"], "data.train=nowhere",
                     makes=("runs/run",)),
        only_on_last("deck mistake on the last rank only", USAGE, ["model.layers"], "model.layers=0",
                     makes=("runs/run",)),
        train("ranks unlike the deck", USAGE, ["parallel.dp", "mpirun -n 4"], "parallel.dp=4", ranks=2),
        only_on_last("validation text too short on the last rank only", DATA, ["cases/short.bin", "8 tokens"],
                     "data.valid=cases/short.bin", makes=("runs/run",),
                     setup=lambda work: write(work / "cases/short.bin", shard(tokens(8, 60)))),
        train("no whole validation sequence on two ranks", DATA, ["rank 0", "cases/short.bin", "8 tokens"],
              "data.valid=cases/short.bin", setup=lambda work: write(work / "cases/short.bin", shard(tokens(8, 60))),
              ranks=2),
        train("deck mistake on two ranks", USAGE, ["rank 0", "model.layers"], "model.layers=0", ranks=2),
        train("data mistake on two ranks", DATA, ["rank 0", "nowhere"], "data.train=nowhere", ranks=2),
        train("batch not divisible by ranks", USAGE, ["batch_sequences = 9"], "optim.batch_sequences=9", ranks=2),
        train("run folder below a file, two ranks", CHECKPOINT, ["rank 0", "cannot make the folder"],
              "run.dir=good.toml/runs", ranks=2),
        train("checkpoint broken, two ranks", CHECKPOINT, ["rank 0", "step_00000010.h5"], "run.name=new",
              "run.restart=runs/broken4/checkpoints/latest", setup=broken_checkpoint("broken4"), makes=("runs/new",),
              ranks=2),
    ]


def all_cases():
    return [*command_line(), *decks(), *token_files(), *texts(), *checkpoints(), *goldens(), *tools(), *numbers_and_memory(), *ranks(),
            *cases_of_names.cases()]


def good_things(work, program, source):
    """What the cases spoil: a corpus, texts, a golden file and two finished runs."""
    corpus(work / "data", 60)
    sentence = "The quick brown fox jumps over the lazy dog, number {}.\n"
    write(work / "train.txt", "".join(sentence.format(i) for i in range(400)))
    write(work / "valid.txt", "".join(sentence.format(-i) for i in range(40)))
    write(work / "long.txt", "".join(sentence.format(7 * i) for i in range(10000)))
    shutil.copy(source / "tests/golden/tied_l1.h5", work / "golden.h5")
    write(work / "good.toml", deck())
    (work / "cases").mkdir()
    for name, rule in (("good", "bp"), ("dfa", "dfa")):
        code, said, _ = program.run(["train", "good.toml", "--set", f"run.name={name}", "--set", f"rule.name={rule}"],
                                    work)
        if code != 0:
            sys.exit(f"the good deck does not train: {said}")


def lost_or_new(before, after, makes):
    """Paths that changed, went or came although the case may not touch them."""
    def may(path):
        return any(path == made or path.startswith(made + "/") for made in makes)
    return [path for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path) and not may(path)]


def faults(case, work, program):
    """What is wrong with a case's outcome; empty: nothing."""
    before = contents(work)
    code, said, seconds = program.run(case.args, work, case.ranks, HANGS_AFTER, case.last_rank)
    found = []
    if code is None:
        found.append(f"hangs: not ended after {HANGS_AFTER} s")
    elif code != case.code:
        found.append(f"exit code {code} instead of {case.code}")
    if case.ranks and seconds > ENDS_WITHIN + START_UP:
        found.append(f"ended only after {seconds:.1f} s")
    found += [f"{part!r} is not said" for part in case.says if part not in said]
    found += [f"{part!r} is said" for part in CRASHES if part in said]
    found += [f"{path} is not as before" for path in lost_or_new(before, contents(work), case.makes)]
    return found, said, seconds


def run_case(case, work, program):
    """Sets up, runs, cleans up; (faults, what was said, seconds)."""
    try:
        with contextlib.ExitStack() as stack:
            made = case.setup(work) if case.setup else None
            if hasattr(made, "__enter__"):
                stack.enter_context(made)
            result = faults(case, work, program)
    finally:
        for made in case.makes:
            if not os.path.ismount(work / made):
                shutil.rmtree(work / made, ignore_errors=True)
    return result


def main():
    program, source = Program(sys.argv[1], sys.argv[3]), pathlib.Path(sys.argv[2])
    wanted = sys.argv[4] if len(sys.argv) > 4 else ""
    failed = passed = skipped = 0
    with work_folder() as work:
        good_things(work, program, source)
        for case in (case for case in all_cases() if wanted in case.name):
            try:
                found, said, seconds = run_case(case, work, program)
            except NoMount as reason:
                skipped += 1
                print(f"skip  {case.name}: {reason}", flush=True)
                continue
            print(f"{'FAIL' if found else 'pass'}  {case.name}  ({seconds:.1f} s)", flush=True)
            if found or wanted:
                print("".join(f"      {fault}\n" for fault in found) +
                      "".join(f"      | {line}\n" for line in said.splitlines()), flush=True)
            failed, passed = failed + bool(found), passed + (not found)
    print(f"{passed} cases pass, {failed} fail, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

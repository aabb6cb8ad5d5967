"""inspect, eval and sample: what they print about a deck and about a run that was just trained."""

import array
import json
import os
import pathlib
import random
import sys

from program import Checks, Program, deck, work_folder, write
from runs import column

VOCAB = 300
WORDS = "one two three four five six seven eight nine ten and then comes a rest of words".split()


def text(documents, seed):
    draw = random.Random(seed)
    each = (" ".join(draw.choice(WORDS) for _ in range(60)) + "\n" for _ in range(documents))
    return "<|endoftext|>\n".join(each)


def prepare_and_train(program, folder, checks):
    write(folder / "a.txt", text(200, 1))
    write(folder / "b.txt", text(30, 2))
    code, said, _ = program.run(["prepare", "--train", "a.txt", "--valid", "b.txt", "--out", "data",
                                 "--vocab", VOCAB], folder)
    checks.that(code == 0, f"a corpus is prepared {said if code else ''}")
    write(folder / "deck.toml", deck(model={"vocab": None, "context": 16}, data={"epochs": 4.0},
                                     optim={"tokens": 12800, "learning_rate": 0.01}))
    code, said, _ = program.run(["train", "deck.toml"], folder)
    checks.that(code == 0, f"a run is trained {said if code else ''}")


def answer(program, arguments, folder, ranks=0):
    code, said, _ = program.run([*arguments, "--json"], folder, ranks)
    if code != 0:
        raise RuntimeError(f"{arguments}: exit code {code}: {said}")
    return json.loads(said[said.index("{"):said.rindex("}") + 1])


def test_inspect(program, source, folder, checks):
    found = answer(program, ["inspect", source / "inputs/57m.toml", "--tensors"], folder)
    layers, width, context, vocab = 7, 576, 512, 51200
    blocks = layers * (12 * width**2 + 13 * width)  # matrices; biases 9 D, norms 4 D
    count = blocks + 2 * width + (vocab + context) * width
    checks.that(found["parameters"] == count == 57708864, f"N of the 57M deck is {count}")
    checks.that(found["parameters_without_embeddings"] == blocks + 2 * width, "N without embeddings")
    checks.that(sum(tensor["count"] for tensor in found["tensors"]) == count, "tensors sum up to N")
    rules = {rule["rule"]: rule for rule in found["rules"]}
    checks.that([round(rule["paper_ratio"], 3) for rule in rules.values()] == [1, 0.667, 0.667, 0.333, 0.333],
                "the paper's 6, 4 and 2 N")
    checks.that(abs(rules["shallow"]["ratio"] - 0.541) < 0.001, "exact FLOP of shallow are 0.541 of bp's")
    checks.that(rules["shallow"]["trained"] == 12 * width**2 + 13 * width + 2 * width,
                "shallow trains a block and the final norm")
    memory = {row["what"]: row["bytes"] for row in found["memory"]}
    checks.that(0 <= memory["gradients"] - 4 * count < 4096, "gradients take 4 bytes per parameter")
    run = answer(program, ["inspect", "runs/run"], folder)["checkpoint"]
    checks.that(run["step"] == run["steps"] == 100 and run["tokens"] == 12800, "a checkpoint's place in its run")


def fields(message):
    """(number, value) of each field of a protocol buffer."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(message):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        else:
            length = number() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            yield key >> 3, message[at:at + length]
            at += length


def bytes_of_tokens(model):
    """Bytes of text behind each token of a SentencePiece model; 0 for marks."""
    unknown, control, byte = 2, 3, 6
    found = []
    for field, piece in fields(model.read_bytes()):
        if field == 1:
            about = dict(fields(piece))
            kind = about.get(3, 1)
            text = about[1].replace("\u2581".encode(), b" ")
            found.append(0 if kind in (unknown, control) else 1 if kind == byte else len(text))
    return found


def bytes_of_sequences(data, sequences, context=16):
    """Bytes behind the targets of evenly spread sequences of the validation split."""
    each = bytes_of_tokens(data / "tokenizer.model")
    numbers = array.array("H", b"".join(path.read_bytes()[1024:] for path in sorted(data.glob("valid_*.bin"))))
    samples = (len(numbers) - 1) // context
    starts = [i * samples // sequences * context + 1 for i in range(sequences)]
    return sum(each[token] for start in starts for token in numbers[start:start + context])


def test_repeats(program, folder, checks):
    """Text that is used twice is named in a warning."""
    def says(what, words, arguments):
        code, said, _ = program.run(arguments, folder)
        good = code == 0 and any("warn" in line and all(word in line for word in words) for line in said.splitlines())
        checks.that(good, f"{what} is warned of {'' if good else said}")
    write(folder / "a2.txt", (folder / "a.txt").read_bytes())
    write(folder / "b2.txt", (folder / "b.txt").read_bytes())
    says("a text given twice", ["a2.txt", "the same text as a.txt"],
         ["prepare", "--train", "a.txt", "a2.txt", "--valid", "b.txt", "--out", "twice", "--vocab", VOCAB])
    says("validation text that is training text", ["b2.txt", "training text too", "b.txt"],
         ["prepare", "--train", "a.txt", "b.txt", "--valid", "b2.txt", "--out", "both", "--vocab", VOCAB])
    says("a zero byte", ["zero.txt", "1 zero byte(s)"],
         ["prepare", "--train", write(folder / "zero.txt", text(200, 1).replace("one", "o\0e", 1)), "--valid", "b.txt", "--out",
          "zero", "--vocab", VOCAB])
    check = ["train", "deck.toml", "--dry-run", "--set", "data.epochs=20"]
    says("a corpus made so", ["both/valid_000000.bin", "training text too"], [*check, "--set", "data.train=both"])
    shard = folder / "data/train_000000.bin"
    os.link(shard, folder / "valid.bin")
    says("training tokens as validation tokens", ["valid.bin", "training tokens too"], [*check, "--set", "data.valid=valid.bin"])
    (folder / "shards").mkdir()
    for name in ("a.bin", "b.bin"):
        (folder / "shards" / name).symlink_to(shard)
    says("a token file given twice", ["shards/b.bin", "shards/a.bin", "the same file"],
         [*check, "--set", "data.train=shards/*.bin", "--set", "data.valid=data", "--set", f"model.vocab={VOCAB}"])


def test_eval(program, folder, checks):
    trained = list(column(folder / "runs/run", "val_loss").values())[-1]
    found = answer(program, ["eval", "runs/run", "data", "--sequences", 8], folder)
    checks.below(abs(found["loss"] / trained - 1), 1e-6, "eval repeats the run's val_loss")
    everything = answer(program, ["eval", "runs/run/checkpoints/latest", "data"], folder)
    shared = answer(program, ["eval", "runs/run", "data"], folder, 2)
    checks.that(everything["sequences"] > 8 and everything["tokens"] == 16 * everything["sequences"],
                "all sequences by default")
    checks.below(abs(shared["loss"] / everything["loss"] - 1), 1e-6, "two ranks share the sequences")
    for said, ranks in ((found, 0), (everything, 0), (answer(program, ["eval", "runs/run", "data", "--sequences", 5], folder, 2), 2)):
        bits = said["loss"] * said["tokens"] / 0.6931471805599453 / bytes_of_sequences(folder / "data", said["sequences"])
        checks.below(abs(said["bits_per_byte"] / bits - 1), 1e-12,
                     f"bits per byte of {said['sequences']} sequences, {max(ranks, 1)} rank(s)")
    corpus = json.loads((folder / "data/corpus.json").read_text())
    (folder / "data/tokenizer.model").rename(folder / "tokenizer.away")
    without = answer(program, ["eval", "runs/run", "data", "--sequences", 5], folder)
    (folder / "tokenizer.away").rename(folder / "data/tokenizer.model")
    bits = without["loss"] / 0.6931471805599453 / corpus["valid"]["bytes_per_token"]
    checks.that(abs(without["bits_per_byte"] / bits - 1) < 1e-12 and without["bytes_are_of"] == "the whole split",
                "without the tokenizer bits per byte are said to be of the whole split")
    files = answer(program, ["eval", "runs/run", "data/valid_*.bin"], folder)
    checks.that(files["loss"] == everything["loss"] and files["bits_per_byte"] is None,
                "a glob gives the same loss, and no bits per byte")
    program.run(["prepare", "--train", "a.txt", "--valid", "b.txt", "--out", "other", "--vocab", VOCAB + 20], folder)
    code, said, _ = program.run(["eval", "runs/run", "other"], folder)
    checks.that(code == 3 and "vocabulary" in said, "another vocabulary is refused")


def test_sample(program, folder, checks):
    def sample(*options):
        code, said, _ = program.run(["sample", "runs/run", "--tokens", 40, "--past-end", *options], folder)
        checks.that(code == 0, f"sample {options}")
        return said
    one = sample("--prompt", "one  two\n", "--seed", 5)
    checks.that(one == sample("--prompt", "one  two\n", "--seed", 5), "the same seed gives the same text")
    checks.that(one != sample("--prompt", "one  two\n", "--seed", 6), "another seed gives another")
    checks.that(one.startswith("one  two\n") and len(one) > 30, "the prompt comes back, and goes on")
    greedy = sample("--temperature", 0, "--seed", 1)
    checks.that(greedy == sample("--temperature", 0, "--seed", 2), "temperature 0 is greedy")
    checks.that(greedy == sample("--top-k", 1, "--seed", 3), "so is top-k 1")
    model = folder / "data/tokenizer.model"
    own = model.read_bytes()
    model.write_bytes((folder / "other/tokenizer.model").read_bytes())
    code, said, _ = program.run(["sample", "runs/run"], folder)
    checks.that(code == 3 and "corpus.json" in said, "another tokenizer in the place of the corpus' own is refused")
    model.write_bytes(own)
    (folder / "data/corpus.json").rename(folder / "data/corpus.away")
    code, said, _ = program.run(["sample", "runs/run"], folder)
    checks.that(code == 3 and "--tokenizer" in said, "without a tokenizer the cure is said")
    checks.that(sample("--tokenizer", "data/tokenizer.model", "--temperature", 0) == greedy, "a named tokenizer")
    code, said, _ = program.run(["sample", "data"], folder)
    checks.that(code == 4 and "no good checkpoint" in said, "a folder without checkpoints")


def main():
    program, source = Program(sys.argv[1], sys.argv[3]), pathlib.Path(sys.argv[2]).resolve()
    checks = Checks()
    with work_folder() as folder:
        prepare_and_train(program, folder, checks)
        test_inspect(program, source, folder, checks)
        test_eval(program, folder, checks)
        test_repeats(program, folder, checks)
        test_sample(program, folder, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

"""dfascale checkpoint: list, verify, diff and convert, against files read without the program's help.

Safetensors files are parsed here by struct and json alone; what lies in HDF5 files h5dump tells."""

import array
import json
import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

from program import Checks, Program, corpus, deck, work_folder, write
from runs import arrays, checkpoint, same_state, untimed

STEPS, HALF = 10, 5
CHECKPOINT, USAGE = 4, 2


def safetensors(path):
    """(metadata, {name: (shape, bytes)}, names in the order of the values) by the format's description."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    metadata, values = header.pop("__metadata__"), data[8 + length:]
    names, end, found = sorted(header, key=lambda name: header[name]["data_offsets"]), 0, {}
    for name in names:
        entry = header[name]
        first, last = entry["data_offsets"]
        if entry["dtype"] != "F32" or first != end or last - first != 4 * math.prod(entry["shape"]):
            raise ValueError(f"{path}: {name}: {entry}, the one before ends at {end}")
        found[name], end = (entry["shape"], values[first:last]), last
    if end != len(values) or length % 8:
        raise ValueError(f"{path}: values end at {end} of {len(values)}, header of {length} bytes")
    return metadata, found, names


def write_safetensors(path, header, values, length=None):
    text = json.dumps(header).encode()
    return write(path, struct.pack("<Q", len(text) if length is None else length) + text + values)


def raw(file, at, work):
    """The bytes of an array, as the HDF5 tools see them."""
    out = work / "raw.bin"
    subprocess.run(["h5dump", "-d", at, "-b", "LE", "-o", str(out), str(file)], capture_output=True, check=True)
    return out.read_bytes()


def train(program, work, name, *settings):
    arguments = ["train", "deck.toml", "--set", f"run.name={name}"]
    for setting in settings:
        arguments += ["--set", setting]
    code, said, _ = program.run(arguments, work)
    if code != 0:
        sys.exit(f"{name}: exit code {code}\n{said}")
    return work / "runs" / name


def answer(program, work, *arguments):
    code, said, _ = program.run(["checkpoint", *arguments], work)
    return code, said


def test_list(program, work, checks):
    code, said = answer(program, work, "list", "runs/bp", "--json")
    found = json.loads(said)
    checks.that(code == 0 and [entry["step"] for entry in found] == [HALF, STEPS], "list: both steps")
    checks.that([entry["latest"] for entry in found] == [False, True] and all(entry["good"] for entry in found),
                "list: good, and which is the latest")
    checks.that(found[0]["tokens"] == 64 * HALF and found[0]["layout"].startswith("dp 1"), "list: tokens and layout")
    checks.that(answer(program, work, "list", "runs/bp/checkpoints", "--json")[1] == said, "list: the folder inside a run")
    code, said = answer(program, work, "list", "data")
    checks.that(code == CHECKPOINT and "no checkpoints here" in said, "list: a folder without checkpoints")


def test_verify(program, work, checks):
    code, said = answer(program, work, "verify", "runs/bp")
    checks.that(code == 0 and "2 of 2 good" in said, "verify: all of a run")
    shutil.copytree(work / "runs/bp", work / "runs/damaged", symlinks=True)
    file = checkpoint(work / "runs/damaged", HALF)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    code, said = answer(program, work, "verify", "runs/damaged")
    checks.that(code == CHECKPOINT and "1 of 2 good" in said and f"broken  {file.resolve()}" in said,
                "verify: a flipped bit is named")
    code, said = answer(program, work, "verify", str(file))
    checks.that(code == CHECKPOINT and "0 of 1 good" in said, "verify: a single file")
    code, said = answer(program, work, "list", "runs/damaged")
    checks.that(code == 0 and "broken: " in said and "good, latest" in said, "list: shows it as broken")
    code, said = answer(program, work, "diff", str(file), "runs/bp")
    checks.that(code == CHECKPOINT and "digest" in said, "diff: of a broken file is trouble, not a difference")


def norm(values):
    return math.sqrt(sum(value * value for value in values))


def test_diff(program, work, checks):
    one, other = (checkpoint(work / "runs/bp", step) for step in (HALF, STEPS))
    code, said = answer(program, work, "diff", str(other), "runs/bp")
    checks.that(code == 0 and "0 of " in said, "diff: a file and the newest of its run are the same")
    code, said = answer(program, work, "diff", str(one), str(other), "--json")
    found = json.loads(said)
    checks.that(code == 1 and not found["same"], "diff: two steps differ")
    worst = 0.0
    for entry in found["arrays"]:
        a, b = (array.array("f", raw(file, entry["array"], work)) for file in (one, other))
        apart = [x - y for x, y in zip(a, b)]
        expected = (sum(x != y for x, y in zip(a, b)), max(map(abs, apart)), norm(apart) / norm(a))
        if entry["differing"] != expected[0]:
            worst = math.inf
        for value, truth in zip((entry["largest"], entry["relative"]), expected[1:]):
            worst = max(worst, abs(value - truth) / max(truth, 1e-30))
    checks.below(worst, 1e-12, "diff: counts, largest differences and norms of all arrays")
    checks.that(len(found["arrays"]) == sum(len(arrays(one, group)) for group in ("params", "adam/m", "adam/v")),
                "diff: no array is left out")
    code, said = answer(program, work, "diff", str(one), str(other), "--params", "--json")
    checks.that(code == 1 and all(entry["array"].startswith("/params/") for entry in json.loads(said)["arrays"]),
                "diff: parameters only")
    code, said = answer(program, work, "diff", "runs/bp", "runs/shallow")
    checks.that(code == 1 and "missing in B" in said and "/adam/m/token_embedding.weight" in said,
                "diff: moments that one rule does not have")
    code, said = answer(program, work, "diff", "runs/bp", "runs/nothing")
    checks.that(code == CHECKPOINT and "no such checkpoint" in said, "diff: a missing file is trouble")


def test_export(program, work, checks):
    file = checkpoint(work / "runs/bp", HALF)
    code, said = answer(program, work, "convert", str(file), "small.safetensors")
    checks.that(code == 0, f"convert: parameters {said if code else ''}")
    metadata, tensors, _ = safetensors(work / "small.safetensors")
    checks.that(set(tensors) == set(arrays(file, "params")), "convert: parameters by their own names, nothing else")
    checks.that(metadata["dfascale.step"] == str(HALF) and "[model]" in metadata["dfascale.deck"],
                "convert: step and deck are in the metadata")
    code, said = answer(program, work, "convert", str(file), "whole.safetensors", "--moments")
    _, tensors, names = safetensors(work / "whole.safetensors")
    places = {"params": "", "adam/m": "adam.m.", "adam/v": "adam.v."}
    expected = {prefix + name: f"/{group}/{name}" for group, prefix in places.items() for name in arrays(file, group)}
    checks.that(set(tensors) == set(expected), "convert: with moments")
    checks.that(all(raw(file, at, work) == tensors[name][1] for name, at in expected.items()),
                "convert: every value has the bits that h5dump shows")
    checks.that(not names[0].startswith("adam.") and names[-1].startswith("adam.v."), "convert: parameters come first")


def test_import(program, work, checks):
    file = checkpoint(work / "runs/bp", HALF)
    code, said = answer(program, work, "convert", "whole.safetensors", "again.h5")
    checks.that(code == 0 and answer(program, work, "verify", "again.h5")[0] == 0, f"convert back {said if code else ''}")
    checks.that(answer(program, work, "diff", str(file), "again.h5")[0] == 0, "convert back: the same bits")
    meta = [subprocess.run(["h5dump", "-g", "/meta", str(path)], capture_output=True, text=True, check=True)
            .stdout.partition("\n")[2] for path in (file, work / "again.h5")]
    checks.that(meta[0] == meta[1], "convert back: the same meta data")
    train(program, work, "resumed", "run.restart=./again.h5")
    checks.that(same_state(checkpoint(work / "runs/resumed", STEPS), checkpoint(work / "runs/bp", STEPS)),
                "training goes on from it to the same bits")
    code, said = answer(program, work, "convert", "small.safetensors", "small.h5")
    checks.that(code == 0 and "no moments" in said, "convert back without moments: a warning")
    code, said, _ = program.run(["eval", "small.h5", "data"], work)
    checks.that(code == 0, "eval of parameters alone")
    code, said, _ = program.run(["train", "deck.toml", "--set", "run.name=headless", "--set", "run.restart=./small.h5"], work)
    checks.that(code == CHECKPOINT and "/adam/m/" in said, "training without moments is refused")
    code, said = answer(program, work, "verify", "small.h5")
    checks.that(code == CHECKPOINT and "/adam/m/" in said and "missing" in said, "verify: moments are missing")


def test_restart_at_step(program, work, checks):
    """An earlier step of one's own run: what came later is set aside, and comes again."""
    shutil.copytree(work / "runs/bp", work / "runs/back", symlinks=True)
    train(program, work, "back", f"run.restart={HALF}")
    last = checkpoint(work / "runs/back", STEPS)
    checks.that(last.with_name(last.name + ".abandoned").exists(), "restart at a step: the later checkpoint is set aside")
    checks.that(same_state(last, checkpoint(work / "runs/bp", STEPS)) and untimed(work / "runs/back") == untimed(work / "runs/bp"),
                "restart at a step: the same bits and metrics again")


def refused(program, work, checks, what, code, words, *arguments):
    found, said = answer(program, work, "convert", *arguments)
    checks.that(found == code and all(word in said for word in words), f"{what}: exit code {found}, {said.strip()}")


def test_bad_files(program, work, checks):
    whole = (work / "whole.safetensors").read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header, values = json.loads(whole[8:8 + length]), whole[8 + length:]
    other = json.loads(json.dumps(header))
    other["final_ln.bias"]["dtype"] = "BF16"
    bare = {name: entry for name, entry in header.items() if name != "__metadata__"}
    lost = json.loads(json.dumps(header))
    del lost["__metadata__"]["dfascale.seed"]
    gap = json.loads(json.dumps(header))
    gap["final_ln.bias"]["data_offsets"] = [4, 68]
    huge = json.loads(json.dumps(header))
    huge["final_ln.bias"]["shape"] = [2**32, 2**32, 2**32]
    unresolved, deeper = json.loads(json.dumps(header)), json.loads(json.dumps(header))
    unresolved["__metadata__"]["dfascale.deck"] = "[model]\nvocab = 60\n"
    deck_in = deeper["__metadata__"]["dfascale.deck"]
    deeper["__metadata__"]["dfascale.deck"] = re.sub(r"(?m)^layers *= *\d+", "layers = 9", deck_in)
    first = min(bare, key=lambda name: bare[name]["data_offsets"])
    not_a_number = bytes(4) + struct.pack("<f", math.nan) + values[8:]
    cases = {
        "empty": (b"", ["less than 8 bytes"]),
        "text": (b"not a file of tensors", ["not a safetensors file"]),
        "header beyond the end": (struct.pack("<Q", 2**62) + whole[8:], ["its header would have"]),
        "header that is not JSON": (whole[:9] + b"\xff" + whole[10:], ["header: not valid JSON", "column 2"]),
        "cut short": (whole[:-1], ["do not fit"]),
        "longer": (whole + b"\0", ["bytes of values"]),
        "another type": (write_safetensors(work / "x", other, values).read_bytes(), ["final_ln.bias", "BF16", "F32"]),
        "an overlap": (write_safetensors(work / "x", gap, values).read_bytes(), ["not a safetensors file", "begins at byte"]),
        "an impossible shape": (write_safetensors(work / "x", huge, values).read_bytes(), ["final_ln.bias", "do not fit"]),
        "no metadata": (write_safetensors(work / "x", bare, values).read_bytes(), ["was not made of a checkpoint"]),
        "a member missing": (write_safetensors(work / "x", lost, values).read_bytes(), ["seed is missing"]),
        "a deck that no run resolved": (write_safetensors(work / "x", unresolved, values).read_bytes(), ["parallel.dp", "not a run's"]),
        "another model's deck": (write_safetensors(work / "x", deeper, values).read_bytes(), ["params = ", "the model of its deck has"]),
        "NaN": (write_safetensors(work / "x", header, not_a_number).read_bytes(), ["NaN or Inf", first]),
    }
    for what, (contents, words) in cases.items():
        write(work / "bad.safetensors", contents)
        code = 5 if what == "NaN" else CHECKPOINT
        refused(program, work, checks, what, code, words, "bad.safetensors", "bad.h5")
    checks.that(not list(work.glob("bad.h5*")), "nothing is left of a refused file")
    refused(program, work, checks, "a target that exists", USAGE, ["--force"], "runs/bp", "whole.safetensors")
    refused(program, work, checks, "a target without an ending", USAGE, [".safetensors"], "runs/bp", "whole")
    code, _ = answer(program, work, "convert", "runs/bp", "whole.safetensors", "--force")
    checks.that(code == 0, "--force replaces it")


def foreign_headers(header):
    """Headers that somebody else may have written, and what is said of them."""
    def changed(change):
        other = json.loads(json.dumps(header))
        change(other)
        return json.dumps(other).encode()

    def meta(**members):
        return changed(lambda other: other["__metadata__"].update({f"dfascale.{name}": text for name, text in members.items()}))

    def with_shape(shape):
        return changed(lambda other: other["final_ln.bias"].update(shape=shape))

    def with_deck(pattern, text):
        return meta(deck=re.sub(pattern, text, header["__metadata__"]["dfascale.deck"], count=1))

    text = json.dumps(header).encode()
    return {
        "a negative step": (meta(step="-5"), ["step = -5"]),
        "a step that does not fit its tokens": (meta(step="3"), ["tokens = ", "so many steps"]),
        "a step behind the deck's last": (meta(step="11"), ["step = 11", "ends after 10"]),
        "another next sample": (meta(next_sample="1"), ["next_sample = 1"]),
        "seconds that are no number": (meta(seconds="nan"), ["seconds = nan"]),
        "endless FLOP": (meta(flops="inf"), ["flops = inf"]),
        "a text for a number": (meta(tokens="\x1b[2J" * 1000), ["tokens = ", "is not a number"]),
        "another seed": (meta(seed="77"), ["seed = 77", "run.seed"]),
        "another N": (meta(params="5"), ["params = 5"]),
        "control characters": (meta(layout="\x1b[2J"), ["layout", "control characters"]),
        "deep JSON in more": (meta(more="[" * 200000), ["more", "64 deep"]),
        "a deck of many dots": (with_deck("^", "a." * 200000 + "a = 1\n"), ["deck", "more than 16 parts"]),
        "a deck of many brackets": (with_deck("^", "a = " + "[" * 200000), ["deck", "not TOML"]),
        "a deck of 2 MB": (with_deck("^", "#" * 2000000 + "\n"), ["deck has", "at most"]),
        "a deck without end": (with_deck(r"(?m)^width *= *\d+", "width = 1048576"), ["needs", "the file has"]),
        "a deep header": (b'{"a":' + b"[" * 200000, ["header: not valid JSON", "64 deep"]),
        "a name twice": (text[:-1] + b', "final_ln.bias": ' + json.dumps(header["final_ln.bias"]).encode() + b"}", ["comes twice"]),
        "a name with control characters": (text.replace(b'"final_ln.bias"', b'"\\u001b[2J"'), ["control characters"]),
        "a shape that is no count": (with_shape([1e300]), ["do not fit"]),
        "a shape of many dimensions": (with_shape([1] * 100000), ["do not fit"]),
    }


def test_foreign_files(program, work, checks):
    whole = (work / "whole.safetensors").read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    for what, (text, words) in foreign_headers(json.loads(whole[8:8 + length])).items():
        write(work / "bad.safetensors", struct.pack("<Q", len(text)) + text + whole[8 + length:])
        refused(program, work, checks, what, CHECKPOINT, words, "bad.safetensors", "bad.h5")
    os.mkfifo(work / "pipe.safetensors")
    os.mkfifo(work / "pipe.h5")
    refused(program, work, checks, "a pipe", CHECKPOINT, ["this is a pipe"], "pipe.safetensors", "bad.h5")
    refused(program, work, checks, "a pipe as checkpoint", CHECKPOINT, ["this is a pipe"], "pipe.h5", "bad.safetensors", "--force")
    file = work / "piped.h5"
    shutil.copy(checkpoint(work / "runs/bp", HALF), file)
    os.mkfifo(f"{file}.digest")
    refused(program, work, checks, "a pipe as digest", CHECKPOINT, ["digest", "this is a pipe"], str(file), "bad.safetensors", "--force")


def test_bench(program, work, checks):
    """Bytes and figures of the bench that writes checkpoints; it leaves nothing behind."""
    for ranks in (0, 2):
        code, said, _ = program.run(["bench", "io", "deck.toml", "--folder", "runs", "--pairs", 2, "--json", "io.json"], work, ranks)
        if code != 0:
            checks.that(False, f"bench io: exit code {code}: {said}")
            continue
        found = json.loads((work / "io.json").read_text())
        size = checkpoint(work / "runs/bp", STEPS).stat().st_size
        checks.that(found["ranks"] == max(ranks, 1) and abs(found["bytes"] - size) < 20000, "bench io: size of a checkpoint")
        checks.that(len(found["rounds"]) == 2 and all(0 < seconds < 60 for one in found["rounds"] for seconds in one.values()),
                    "bench io: every figure is a time")
        checks.that(not (work / "runs/dfascale-bench-io").exists(), "bench io: its files are removed")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        corpus(work / "data", 60)
        write(work / "deck.toml", deck())
        train(program, work, "bp")
        train(program, work, "shallow", "rule.name=shallow")
        for test in (test_list, test_verify, test_diff, test_export, test_import, test_restart_at_step, test_bad_files, test_foreign_files, test_bench):
            test(program, work, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

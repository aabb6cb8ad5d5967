#!/usr/bin/env python3
"""Small good files of every kind, from which the fuzzers begin, and the words that their languages know.

    seeds.py SOURCE OUT      writes OUT/KIND/NAME, and OUT/toml.dict
"""
import gzip
import hashlib
import json
import re
import struct
import sys
from pathlib import Path

SOURCE, OUT = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/support"))
import program  # noqa: E402  (found by the line above)


def seed(kind, name, contents):
    program.write(OUT / kind / name, contents)


def toml_files():
    for file in sorted((SOURCE / "inputs").rglob("*.toml")):
        kind = "machine" if file.parent.name == "machines" else "study" if "[[" in file.read_text() else "deck"
        seed(kind, file.name, file.read_bytes())
    seed("deck", "every_key.toml", program.deck(model={"layers": 2, "tied": False}, rule={"name": "dfa", "error": "logits"}))
    words = set(re.findall(r"`([a-z_0-9.-]{2,40})`", (SOURCE / "docs/deck.md").read_text() + (SOURCE / "docs/studies.md").read_text()))
    program.write(OUT / "toml.dict", "".join(f'"{word}"\n' for word in sorted(words)))


def token_files():
    numbers = program.tokens(40, 900)
    seed("shard", "llmc", b"\0" + program.shard(numbers))
    seed("shard", "raw", b"\1" + program.uint16(numbers))
    seed("shard", "cut_off", b"\0" + program.shard(numbers, count=50))
    split = {"tokens": 6, "documents": 1, "text_bytes": 12, "bytes_per_token": 2.0,
             "shards": [{"file": "train_000000.bin", "tokens": 6, "sha256": hashlib.sha256(b"a few tokens").hexdigest()}],
             "inputs": [{"file": "a.txt", "bytes": 12, "sha256": "0" * 64}]}
    seed("corpus", "corpus.json", json.dumps({"format": 1, "vocab": 1024, "end_of_text": 0, "tokenizer": {"file": "tokenizer.model",
         "sha256": "0" * 64, "given": False}, "train": split, "valid": split}, indent=2))


def safetensors(tensors, values, metadata=None):
    header = {} if metadata is None else {"__metadata__": metadata}
    at = 0
    for name, shape in tensors.items():
        count = 1
        for size in shape:
            count *= size
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack(f"<{values}f", *range(values))


def checkpoints():
    seed("safetensors", "one", safetensors({"wte": [2, 3]}, 6, {"deck": "[model]\nlayers = 1\n", "step": "5"}))
    seed("safetensors", "more", safetensors({"a": [], "b": [1, 1, 2], "c": [4]}, 7))
    seed("digest", "good", f"{hashlib.sha256(b'checkpoint').hexdigest()}  -\n")
    seed("digest", "two", f"{'0' * 64}  -\n{'f' * 64}  -\n")


def runs():
    csv = "method,run,params,tokens,compute,loss\nbp,a,1000,1e6,6e9,4.5\nbp,a,1000,2e6,1.2e10,4.25\n# said\ndfa,\"b\",2000,nan,,5\n"
    metrics = "step,tokens,train_loss,val_loss,flops,seconds\n1,1024,6.5,,1e9,0.5\n2,2048,6.25,6.3,2e9,1.0\n"
    record = json.dumps({"method": "bp", "name": "bp-a", "params": 1000, "outcome": "done", "flops_per_token": 6000.0,
                         "results": {"val_loss": 6.3}})
    seed("csv", "long", csv)
    seed("csv", "folder", f"{csv}\0{metrics}\0{record}")


def texts():
    text = "One document.\nOf two lines.\n<|endoftext|>\nAnother, with a \u00fc and a \u20ac.\n".encode()
    lines = b'{"text": "a \\u00fc and a pair \\ud83d\\ude00", "id": 1}\n{"text": ""}\n'
    for name, contents in (("text", b"\0" + text), ("lines", b"\1" + lines), ("text_gz", b"\0" + gzip.compress(text, mtime=0)),
                           ("lines_gz", b"\1" + gzip.compress(lines, mtime=0)), ("zst", b"\0\x28\xb5\x2f\xfd\x04\x00\x21\x00\x00text")):
        seed("text", name, contents)


toml_files()
token_files()
checkpoints()
runs()
texts()

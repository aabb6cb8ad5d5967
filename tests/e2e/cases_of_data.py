"""Bad input: token files and texts (rows of the table in bad_input.py)."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile

from cases import DATA, USAGE, Case, data_case, prepare, train
from program import corpus, shard, tokens, uint16, write


def make_pipe(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def zip_file():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.txt", "some text\n" * 100)
    return out.getvalue()


def tar_gz():
    out = io.BytesIO()
    text = b"some text\n" * 100
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        about = tarfile.TarInfo("a.txt")
        about.size = len(text)
        file.addfile(about, io.BytesIO(text))
    return out.getvalue()


def token_files():
    good = tokens(2000, 60)
    whole = shard(good)
    return [
        train("data missing", DATA, ["nowhere", "data.train", "dfascale prepare"], "data.train=nowhere"),
        train("folder without shards", DATA, ["cases/empty", "train_*.bin", "dfascale prepare"],
              "data.train=cases/empty", setup=lambda work: (work / "cases/empty").mkdir(parents=True)),
        train("glob without match", DATA, ["data/*.tokens", "no file matches"], "data.train=data/*.tokens",
              "data.valid=data"),
        train("no validation data", USAGE, ["data.valid"], "data.train=data/train_000000.bin"),
        train("device for a file", DATA, ["/dev/null", "expected a file"], "data.train=/dev/null", "data.valid=data"),
        data_case("wrong magic", shard(good, magic=1), ["first number", "20240520", 'data.format = "raw"']),
        data_case("Llama 3 tokens", struct.pack("<256i", 20240801, 7, 100, *[0] * 253) + bytes(400),
                  ["Llama 3", "20240801", "uint32", "65535"]),
        data_case("Llama 3 tokens as raw ones", struct.pack("<256i", 20240801, 7, 100, *[0] * 253) + bytes(400),
                  ["Llama 3", "uint32"], "data.format=raw"),
        data_case("tokens packed by gzip", gzip.compress(whole), ["gzip data", "gzip -dc"]),
        data_case("tokens in a NumPy file", b"\x93NUMPY\x01\x00v\x00" + uint16(good), ["NumPy", "uint16"],
                  "data.format=raw"),
        data_case("token beyond every vocabulary", shard([*good, 65535]), ["token 65535", "number 2000", "at most 65535"]),
        train("tokens from a pipe", DATA, ["cases/pipe.bin", "expected a file", "pipe"], "data.train=cases/pipe.bin",
              "data.valid=data", setup=lambda work: make_pipe(work / "cases/pipe.bin")),
        train("corpus.json is a pipe", DATA, ["cases/piped/corpus.json", "expected a file", "pipe"],
              "data.train=cases/piped",
              setup=lambda work: (corpus(work / "cases/piped", 60), make_pipe(work / "cases/piped/corpus.json"))),
        train("corpus.json is endless", DATA, ["cases/endless/corpus.json", "device"], "data.train=cases/endless",
              setup=lambda work: (corpus(work / "cases/endless", 60),
                                  (work / "cases/endless/corpus.json").symlink_to("/dev/zero"))),
        train("corpus.json is deep", DATA, ["cases/deep/corpus.json", "deep"], "data.train=cases/deep",
              setup=lambda work: (corpus(work / "cases/deep", 60),
                                  write(work / "cases/deep/corpus.json", "[" * 200000))),
        train("no whole validation sequence", DATA, ["cases/short.bin", "8 tokens in all"], "data.valid=cases/short.bin",
              setup=lambda work: write(work / "cases/short.bin", shard(good[:8]))),
        data_case("wrong version", shard(good, version=2), ["version 2", "expected version 1"]),
        data_case("truncated shard", whole[:-100], ["cut off", str(len(whole)), str(len(whole) - 100)]),
        data_case("truncated header", whole[:500], ["cut off", "500"]),
        data_case("trailing bytes", whole + b"xx", ["too long"]),
        data_case("empty file", b"", ["empty"]),
        data_case("zero tokens", shard([]), ["0 tokens"]),
        data_case("negative count", shard(good, count=-5), ["-5"]),
        data_case("token beyond the vocabulary", shard(good[:1500] + [60] + good[1500:]),
                  ["token 60", "number 1500", "model.vocab = 60", "at least 61"]),
        data_case("shorter than a sample", shard([1, 2, 3]), ["3 tokens", "model.context = 8"]),
        data_case("more tokens than there are", whole, ["optim.tokens = 640000", "data.epochs"], "optim.tokens=640K"),
        data_case("raw file of odd length", uint16(good)[:-1], ["odd", "uint16"], "data.format=raw"),
        data_case("header in a raw file", whole, ['data.format = "llmc"'], "data.format=raw"),
        train("too few validation sequences", DATA, ["data.valid_sequences = 1000", "128"],
              "data.valid_sequences=1000"),
        train("vocabulary unknown", USAGE, ["model.vocab", "corpus.json"], "model.vocab=0"),
        train("corpus.json broken", DATA, ["cases/broken/corpus.json"], "model.vocab=0", "data.train=cases/broken",
              setup=lambda work: (corpus(work / "cases/broken", 60), write(work / "cases/broken/corpus.json", "{"))),
    ]


def texts():
    line = '{"text": "one line of text"}\n'
    packed = gzip.compress(b"some text, packed\n" * 1000)
    out_is_a_file = ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "train.txt", "--vocab", "300"]
    return [
        Case("text missing", ["prepare", "--train", "no.txt", "--valid", "valid.txt", "--out", "cases/o", "--vocab",
                              "300"], DATA, ["no.txt", "No such file"]),
        Case("no vocabulary", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "cases/o"], USAGE,
             ["--vocab", "65535"]),
        Case("same text twice", ["prepare", "--train", "train.txt", "--valid", "train.txt", "--out", "cases/o",
                                 "--vocab", "300"], USAGE, ["train.txt", "one of the two"]),
        Case("same text by another path", ["prepare", "--train", "train.txt", "--valid", "./data/../train.txt", "--out",
                                           "cases/o", "--vocab", "300"], USAGE, ["train.txt", "one of the two"]),
        Case("text is a folder", ["prepare", "--train", "data", "--valid", "valid.txt", "--out", "cases/o", "--vocab",
                                  "300"], DATA, ["data", "folder", "data/*.txt"]),
        Case("text is a device", ["prepare", "--train", "/dev/null", "--valid", "valid.txt", "--out", "cases/o",
                                  "--vocab", "300"], DATA, ["/dev/null", "read twice"]),
        Case("output is a file", out_is_a_file, DATA, ["train.txt", "--out"]),
        Case("output holds a corpus", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "data",
                                       "--vocab", "300"], DATA, ["data", "--force"]),
        prepare("empty text", DATA, ["no text"], ""),
        prepare("invalid UTF-8", DATA, ["UTF-8", "byte 5"], b"good \xc3\x28 bad\n"),
        prepare("UTF-8 cut off", DATA, ["UTF-8", "byte 5"], b"good \xe2\x96"),
        prepare("UTF-16", DATA, ["UTF-16 text", "iconv -f UTF-16LE -t UTF-8"], "good\n".encode("utf-16")),
        prepare("UTF-16 without a mark", DATA, ["UTF-16 text", "iconv -f UTF-16BE"], "good\n".encode("utf-16-be")),
        prepare("UTF-16 converted as Windows text", DATA, ["zeros", "no text", "iconv -f UTF-16LE"],
                ("Grüße, Ünïcödé! " * 100).encode("utf-16-le").decode("latin-1")),
        prepare("xz", DATA, ["xz data", "xz -dc"], lzma.compress(b"some text\n"), ".txt.xz"),
        prepare("bzip2", DATA, ["bzip2 data", "bzip2 -dc"], bz2.compress(b"some text\n"), ".txt.bz2"),
        prepare("zip", DATA, ["zip archive", "take the text files out"], zip_file()),
        prepare("tar in gz", DATA, ["unpacked it is a tar archive", "tar -xf"], tar_gz(), ".tar.gz"),
        prepare("Parquet", DATA, ["Parquet file", "JSON lines"], b"PAR1\x15\x04\x15" + bytes(1000), ".parquet"),
        prepare("tokens for text", DATA, ["token file of llm.c", "data.train"], shard(tokens(2000, 60)), ".bin"),
        prepare("bytes behind gz", DATA, ["no gzip data", "gzip -dc"], packed + b"more", ".txt.gz"),
        prepare("half a surrogate in JSON", DATA, ["line 2", "column 17", "surrogate"], line + '{"text": "\\ud800"}\n',
                ".jsonl"),
        prepare("NaN in JSON", DATA, ["line 2", "column 20", "NaN"], line + '{"text": "a", "n": NaN}\n', ".jsonl"),
        prepare("deep JSON", DATA, ["line 2", "deep"], line + "[" * 200000 + "\n", ".jsonl"),
        Case("tokenizer is a pipe", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "cases/o",
                                     "--tokenizer", "cases/pipe.model"], DATA, ["cases/pipe.model", "pipe"],
             setup=lambda work: make_pipe(work / "cases/pipe.model")),
        prepare("broken JSON", DATA, ["line 3", "JSON"], line + line + '{"text": "cut\n', ".jsonl"),
        prepare("JSON without text", DATA, ["line 2", "text"], line + '{"body": "x"}\n', ".jsonl"),
        prepare("JSON in one long line", DATA, ["line 1", "longer than 64 MiB"],
                gzip.compress(b'{"text": "' + bytes(65 << 20)), ".json.gz"),
        prepare("JSON array", DATA, ["line 1", "array"], '[{"text": "a"}]\n', ".json"),
        prepare("JSON text is a number", DATA, ["line 1", "text"], '{"text": 5}\n', ".jsonl"),
        prepare("truncated gz", DATA, ["gz"], packed[:-20], ".txt.gz"),
        prepare("broken zst", DATA, ["zst"], b"\x28\xb5\x2f\xfd" + 100 * b"nonsense", ".txt.zst"),
        Case("vocabulary beyond uint16", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out",
                                          "cases/o", "--vocab", "70000"], USAGE, ["70000", "65535"]),
        Case("vocabulary too small", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "cases/o",
                                      "--vocab", "100"], USAGE, ["100", "259"]),
        Case("vocabulary beyond the text", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out",
                                            "cases/o", "--vocab", "60000"], DATA, ["60000"]),
        Case("tokenizer is a folder", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "cases/o",
                                       "--tokenizer", "data"], DATA, ["data", "folder", "tokenizer.model"]),
        Case("tokenizer is none", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", "cases/o",
                                   "--tokenizer", "valid.txt"], DATA, ["valid.txt", "SentencePiece"]),
    ]

"""Rows of bad_input.py about names, paths and values of --set, and about decks that are no files."""

import contextlib
import os

from cases import CHECKPOINT, USAGE, Case, deck_case, train
from program import deck, write

LATIN = "r\udce9sultats"  # é in Latin-1: no UTF-8


@contextlib.contextmanager
def pipe_without_writer(work):
    os.mkfifo(work / "cases/pipe.toml")
    yield
    os.unlink(work / "cases/pipe.toml")


def study(text):
    return ('[study]\ndir = "cases/study"\n[[size]]\nlayers = 1\nwidth = 16\nheads = 2\n[[rule]]\nname = "bp"\n' + text)


def study_case(name, text, says):
    file = f"cases/{name}.toml"
    return Case(name, ["study", file, "--dry-run"], USAGE, [file, *says], setup=lambda work: write(work / file, text))


def machine_case(name, text, says):
    file = f"cases/{name}.toml"
    return Case(name, ["plan", "good.toml", "--machine", file], USAGE, [file, *says],
                setup=lambda work: write(work / file, text))


def control_characters():
    escape, delete, next_line = "a\\u001bb", "a\\u007fb", "a\\u0085b"
    return [
        deck_case("folder with a NUL", deck(run={"dir": "a\\u0000b"}), USAGE,
                  [":", "run.dir", "control character U+0000 at byte 2"]),
        deck_case("folder with an escape", deck(run={"dir": escape}), USAGE, ["run.dir", "U+001B"]),
        deck_case("folder with a new line", deck(run={"dir": "a\\nb"}), USAGE, ["run.dir", "U+000A"]),
        deck_case("data with DEL", deck(data={"train": delete}), USAGE, ["data.train", "U+007F"]),
        deck_case("name with a C1 character", deck(run={"name": next_line}), USAGE, ["run.name", "U+0085"]),
        deck_case("restart with a NUL", deck(run={"restart": "./a\\u0000"}), USAGE, ["run.restart", "U+0000"]),
        deck_case("split with a tab", deck(parallel={"split": "1,\\t2"}), USAGE, ["parallel.split", "U+0009"]),
        deck_case("unknown key with an escape", deck() + '"a\\u001bb" = 1\n', USAGE, ["a\\u001Bb", "unknown key"]),
        train("override with an escaped NUL", USAGE, ["--set run.dir", "U+0000"], 'run.dir="a\\u0000b"'),
        train("override with a new line", USAGE, ["argument 4", "U+000A"], "run.dir=a\nb"),
        Case("deck's name with an escape", ["train", "a\x1bb.toml"], USAGE, ["argument 2", "a\\u001Bb", "U+001B"]),
        study_case("study in a folder with a NUL", study("").replace("cases/study", "cases/s\\u0000"),
                   ["study.dir", "U+0000"]),
        study_case("study of data with an escape", study('[data]\ntrain = "d\\u001b"\n'), ["data.train", "U+001B"]),
        machine_case("machine with an escape", 'name = "m\\u001b"\nnodes = 1\n', ["name", "U+001B"]),
    ]


def not_utf8():
    run = "runs/good"
    return [
        train("run folder in Latin-1", USAGE, ["argument 4", "r\\xE9sultats", "byte 10 is not UTF-8", "ln -s"],
              f"run.dir={LATIN}"),
        train("data in Latin-1", USAGE, ["r\\xE9sultats", "not UTF-8"], f"data.train={LATIN}"),
        train("run folder in Latin-1, two ranks", USAGE, ["r\\xE9sultats", "not UTF-8"], f"run.dir={LATIN}", ranks=2),
        Case("deck in Latin-1", ["train", f"{LATIN}.toml"], USAGE, ["r\\xE9sultats", "not UTF-8"]),
        Case("study in Latin-1", ["study", "good.toml", "--set", f"study.dir={LATIN}"], USAGE, ["not UTF-8"]),
        Case("prepare into Latin-1", ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--out", LATIN, "--vocab",
                                      "300"], USAGE, ["not UTF-8"]),
        Case("prepare of Latin-1", ["prepare", "--train", LATIN, "--valid", "valid.txt", "--out", "cases/o", "--vocab",
                                    "300"], USAGE, ["not UTF-8"]),
        Case("convert to Latin-1", ["checkpoint", "convert", run, f"{LATIN}.safetensors"], USAGE, ["not UTF-8"]),
        Case("list of Latin-1", ["checkpoint", "list", LATIN], USAGE, ["not UTF-8"]),
        Case("eval of Latin-1", ["eval", run, LATIN], USAGE, ["not UTF-8"]),
    ]


def names():
    long = 300 * "x"
    return [
        train("name above its folder", USAGE, ["run.name", '".."', "not beginning with a dot"], "run.name=.."),
        train("name of nothing", USAGE, ["run.name", '""', "letters"], "run.name="),
        deck_case("name with a space behind", deck(run={"name": "a "}), USAGE, ["run.name", '"a "']),
        deck_case("name with a space that is not seen", deck(run={"name": "a\\u200b"}), USAGE, ["run.name", "letters"]),
        train("name too long", USAGE, ["run.name", "300 bytes", "255"], f"run.name={long}"),
        train("method too long", USAGE, ["run.method", "300 bytes"], f"run.method={long}"),
        train("folder too long", USAGE, ["run.dir", "300 bytes", "255"], f"run.dir=a/{long}/b"),
        train("path too long", USAGE, ["run.dir", "6000 bytes", "4000"], "run.dir=" + 3000 * "a/"),
        Case("deck's name too long", ["train", long + ".toml"], USAGE, ["File name too long"]),
        study_case("runs of a study with long names", study(f'[run]\nmethod = "{200 * "m"}"\n'), ["bytes", "run.method"]),
        train("checkpoint of another deck", CHECKPOINT, ["another run", "rule.name"], "rule.name=dfa", "run.method=dfa",
              "run.name=good"),
    ]


def overrides():
    return [
        train("unknown key with spaces", USAGE, ["--set optim.tokns:", 'did you mean "tokens"'], "optim.tokns = 5"),
        train("override of no section", USAGE, ["section.key=value"], ".tokens=5"),
        train("override of no key", USAGE, ["section.key=value"], "optim. =5"),
        train("override of nothing", USAGE, ["section.key=value"], "="),
        train("value of nothing", USAGE, ["optim.tokens", '""'], "optim.tokens="),
        train("quote left open", USAGE, ["--set run.dir", "a quote"], 'run.dir="abc'),
        train("two values", USAGE, ["optim.tokens", "5 6"], "optim.tokens=5 6"),
        train("key of many parts", USAGE, ["optim", "unknown key"], "optim." + 5000 * "a." + "b=1"),
    ]


def special_files():
    return [
        Case("deck is a device", ["train", "/dev/zero"], USAGE, ["/dev/zero", "device"]),
        Case("deck is a pipe without a writer", ["train", "cases/pipe.toml"], USAGE, ["cases/pipe.toml", "nobody writes"],
             setup=pipe_without_writer),
        Case("study is a device", ["study", "/dev/zero"], USAGE, ["/dev/zero", "device"]),
        Case("machine is a device", ["plan", "good.toml", "--machine", "/dev/zero"], USAGE, ["/dev/zero", "device"]),
        deck_case("deck too large", deck() + "#" * (5 << 20), USAGE, ["larger than", "4194304"]),
        deck_case("deck of deep keys", deck() + 200000 * "a." + "b = 1\n", USAGE, ["16 parts"]),
    ]


def cases():
    return [*control_characters(), *not_utf8(), *names(), *overrides(), *special_files()]

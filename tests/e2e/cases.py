"""The cases of bad_input.py: what one is, and short ways to write the usual ones."""

import dataclasses
import typing

from program import deck, write

USAGE, DATA, CHECKPOINT, NUMERICAL, DEVICE = 2, 3, 4, 5, 6


@dataclasses.dataclass
class Case:
    name: str
    args: list
    code: int
    says: list
    makes: tuple = ()  # paths that may come into being or change, with what is below them
    setup: typing.Callable = None  # setup(work) -> None, or a context manager that lasts while the case runs
    ranks: int = 0
    last_rank: list = None  # other arguments of the last rank


def train(name, code, says, *settings, **more):
    """A case of dfascale train on the good deck with other settings."""
    args = ["train", "good.toml"]
    for setting in settings:
        args += ["--set", setting]
    return Case(name, args, code, says, **more)


def deck_case(name, text, code, says):
    """A case of a whole deck, written as cases/NAME.toml."""
    file = f"cases/{name}.toml"
    return Case(name, ["train", file], code, [file, *says], setup=lambda work: write(work / file, text))


def data_case(name, contents_of_shard, says, *settings, code=DATA):
    """A case of one training file; the validation data are good."""
    file = f"cases/{name}.bin"
    return train(name, code, [file, *says], f"data.train={file}", "data.valid=data/valid_000000.bin", *settings,
                 setup=lambda work: write(work / file, contents_of_shard))


def prepare(name, code, says, text, suffix=".txt", extra=("--vocab", "300"), **more):
    """A case of dfascale prepare on one training text."""
    file = f"cases/{name}{suffix}"
    args = ["prepare", "--train", file, "--valid", "valid.txt", "--out", f"cases/{name}-out", *extra]
    return Case(name, args, code, [file, *says], setup=lambda work: write(work / file, text), **more)

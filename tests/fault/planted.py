"""Files and links that somebody put where the program writes: nothing is written through a link, nothing removed that the
program did not make, and modes follow the umask.

usage: planted.py PROGRAM SOURCE MPIEXEC"""

import os
import shutil
import stat
import sys

from program import Checks, Program, contents, corpus, deck, work_folder, write

DATA, CHECKPOINT = 3, 4  # exit codes
HANGS_AFTER = 120  # seconds
VICTIM = "precious\n" * 100

STUDY = """[study]
dir = "mine"
[data]
train = "data"
valid_sequences = 4
[model]
heads = 2
context = 8
vocab = 60
[optim]
tokens = 640
batch_sequences = 8
[run]
peak_seconds = 0
[[size]]
layers = 2
width = 16
[[rule]]
name = "bp"
"""

# Names that a run opens, makes or replaces in its folder.
RUN_FILES = [".write-test", "lock", "log.txt", "run.json", "run.json.tmp", "deck.toml", "deck.toml.tmp", "metrics.csv",
             "metrics.csv.tmp", "alignment.csv", "trace.json", "trace.json.tmp", "tokens.json", "tokens.json.tmp", "lock.tmp", "log.txt.tmp",
             "checkpoints/.write-test", "checkpoints/latest", "checkpoints/latest.tmp",
             "checkpoints/step_00000005.h5", "checkpoints/step_00000005.h5.tmp", "checkpoints/step_00000005.h5.digest",
             "checkpoints/step_00000005.h5.digest.new", "checkpoints/step_00000005.h5.digest.new.tmp",
             "checkpoints/step_00000005.h5.tmp.part0.tmp", "checkpoints/step_00000005.h5.tmp.part0.tmp.tmp"]


class Lab:
    def __init__(self, program, work, checks):
        self.program, self.work, self.checks = program, work, checks
        corpus(work / "data", 60)
        write(work / "deck.toml", deck(rule={"name": "dfa"}, run={"alignment_steps": 5, "trace": 1}))
        write(work / "study.toml", STUDY)
        for name, lines in (("train", 400), ("valid", 40)):
            write(work / f"{name}.txt", "".join(f"The quick brown fox jumps over dog {i}.\n" for i in range(lines)))

    def run(self, *arguments, ranks=0):
        code, said, _ = self.program.run(arguments, self.work, ranks, HANGS_AFTER)
        return code, said

    def planted(self, place, target=None):
        """A link at this place to a file of somebody's."""
        write(self.work / "victim", VICTIM)
        path = self.work / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target or self.work / "victim")

    def is_untouched(self):
        return (self.work / "victim").read_text(encoding="utf-8") == VICTIM


def run_folders(lab):
    for name in RUN_FILES:
        shutil.rmtree(lab.work / "runs", ignore_errors=True)
        lab.planted(f"runs/run/{name}")
        code, said = lab.run("train", "deck.toml", "--set", f"run.compress={int('.part' in name)}")
        stays = lab.is_untouched()
        lab.checks.that(stays and code in (0, CHECKPOINT),
                        f"{name} is a link: what it points to stays, exit code {code} {'' if stays else said}")
    shutil.rmtree(lab.work / "runs")
    (lab.work / "scratch/checkpoints").mkdir(parents=True)
    (lab.work / "runs").symlink_to(lab.work / "scratch")
    (lab.work / "scratch/run").mkdir()
    (lab.work / "scratch/run/checkpoints").symlink_to(lab.work / "scratch/checkpoints")
    code, said = lab.run("train", "deck.toml")
    lab.checks.that(code == 0, f"folders that are links are their owner's wish {said if code else ''}")


def outputs(lab):
    """Files that the user names: a link is replaced, a file beside stays, a device is refused."""
    lab.planted("out/made.json")
    for name in ("made.json.tmp", "model.safetensors.tmp", "again.h5.tmp"):
        write(lab.work / f"out/{name}", "mine")
    before = {name: data for name, data in contents(lab.work / "out").items() if name.endswith(".tmp")}
    results = [lab.run("bench", "gemm", "deck.toml", "--json", "out/made.json"),
               lab.run("checkpoint", "convert", "runs/run", "out/model.safetensors", "--moments"),
               lab.run("checkpoint", "convert", "out/model.safetensors", "out/again.h5")]
    after = contents(lab.work / "out")
    lab.checks.that([code for code, _ in results] == [0, 0, 0], f"outputs are written {[said for code, said in results if code]}")
    lab.checks.that(lab.is_untouched() and all(after.get(name) == data for name, data in before.items()),
                    "through no link, over no *.tmp of somebody's")
    lab.checks.that(not [name for name in after if name.endswith(".tmp") and name not in before], "and leave no *.tmp")
    os.mkfifo(lab.work / "out/pipe.json")
    code, said = lab.run("bench", "gemm", "deck.toml", "--json", "out/pipe.json")
    lab.checks.that(code == CHECKPOINT and stat.S_ISFIFO((lab.work / "out/pipe.json").stat().st_mode),
                    f"a pipe is not replaced {said if code != CHECKPOINT else ''}")


def prepare(lab):
    arguments = ["prepare", "--train", "train.txt", "--valid", "valid.txt", "--vocab", "300", "--out"]
    write(lab.work / "p/.prepare-partial/notes.txt", "mine")
    write(lab.work / "p/.prepare-partial/train_000000.bin", "half")
    code, _ = lab.run(*arguments, "p")
    lab.checks.that(code == DATA and (lab.work / "p/.prepare-partial/notes.txt").exists(), "prepare removes no file that it did not make")
    (lab.work / "p/.prepare-partial/notes.txt").unlink()
    code, said = lab.run(*arguments, "p")
    lab.checks.that(code == 0 and not (lab.work / "p/.prepare-partial").exists(), f"what a killed one left goes {said if code else ''}")
    write(lab.work / "p/train_mine.bin", "mine")
    code, _ = lab.run(*arguments, "p", "--force")
    lab.checks.that(code == DATA and (lab.work / "p/train_mine.bin").exists(), "--force replaces no shards of another's")
    (lab.work / "p/train_mine.bin").unlink()
    write(lab.work / "p/train_000009.bin", "an old shard")
    code, said = lab.run(*arguments, "p", "--force")
    lab.checks.that(code == 0 and not (lab.work / "p/train_000009.bin").exists(), f"--force replaces a corpus {said if code else ''}")
    lab.planted("q/.prepare-partial", lab.work / "data")
    before = contents(lab.work / "data")
    code, _ = lab.run(*arguments, "q")
    lab.checks.that(code == DATA and contents(lab.work / "data") == before, "a planted folder is not written into")


def study(lab):
    write(lab.work / "mine/measure/notes.txt", "mine")
    code, said = lab.run("study", "study.toml", "--dry-run", "--measure")
    lab.checks.that(code == CHECKPOINT and "did not make" in said and (lab.work / "mine/measure/notes.txt").exists(),
                    f"--measure touches no folder that it did not make, exit code {code}")
    shutil.rmtree(lab.work / "mine")
    for attempt in range(2):
        code, said = lab.run("study", "study.toml", "--dry-run", "--measure")
        lab.checks.that(code == 0, f"--measure, time {attempt + 1} {said if code else ''}")
        measured = [path for path in (lab.work / "mine/measure/runs").iterdir() if not path.name.startswith(".")]
        for place in [lab.work / "mine/measure", *measured]:
            write(place / "notes.txt", "mine")
    lab.checks.that(all((path / "notes.txt").exists() for path in measured), "measuring anew keeps what else is there")
    lab.run("study", "study.toml")
    name = next(path.name for path in (lab.work / "mine/runs").iterdir() if not path.name.startswith("."))
    for place in ("lock", "log.txt", f"runs/.claims/{name}", f"logs/{name}.txt", f"decks/{name}.toml", f"decks/{name}.toml.tmp",
                  f"runs/{name}/diverged.txt.tmp"):
        shutil.rmtree(lab.work / "mine")
        lab.planted(f"mine/{place}")
        code, said = lab.run("study", "study.toml")
        lab.checks.that(lab.is_untouched(), f"study, {place} is a link: what it points to stays, exit code {code}")


def modes(lab):
    shutil.rmtree(lab.work / "scratch")
    (lab.work / "runs").unlink()
    before = os.umask(0o027)
    code, said = lab.run("train", "deck.toml")
    made, _ = lab.run("prepare", "--train", "train.txt", "--valid", "valid.txt", "--vocab", "300", "--out", "private")
    os.umask(before)
    files = [path for folder in ("runs", "private") for path in (lab.work / folder).rglob("*") if path.is_file()]
    wrong = [f"{path.name} {path.stat().st_mode:o}" for path in files if stat.S_IMODE(path.stat().st_mode) != 0o640]
    lab.checks.that(code == 0 and made == 0 and files and not wrong, f"modes follow the umask {wrong} {said if code else ''}")


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        lab = Lab(program, work, checks)
        for case in (run_folders, outputs, prepare, study, modes):
            case(lab)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

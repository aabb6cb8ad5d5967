"""Nothing that a run recorded is lost: checkpoints that cannot be read, records that a restart cuts, runs that begin over
others, tables that somebody edited, a run that is killed between its last checkpoint and its last validation.

usage: kept.py PROGRAM SOURCE MPIEXEC FAILING_IO"""

import os
import pathlib
import shutil
import signal
import sys
import time

from program import Checks, Program, contents, corpus, deck, work_folder, write
from runs import column, rows, same_state, untimed

CHECKPOINT, STOPPED = 4, 75  # exit codes
STEPS = 10
HANGS_AFTER = 60  # seconds


class Lab:
    """A finished run of ten steps, with checkpoints after steps 5 and 10, and copies of it."""

    def __init__(self, program, work, checks):
        self.program, self.work, self.checks = program, work, checks
        corpus(work / "data", 60)
        write(work / "deck.toml", deck())
        code, said = self.train("whole")
        if code != 0:
            sys.exit(f"the good run fails: {said}")

    def train(self, name, *settings, ranks=0, **variables):
        arguments = ["train", "deck.toml", "--set", f"run.name={name}"]
        for setting in settings:
            arguments += ["--set", setting]
        code, said, _ = self.program.run(arguments, self.work, ranks, HANGS_AFTER, variables=variables)
        return code, said

    def folder(self, name):
        return self.work / "runs" / name

    def copy(self, name):
        shutil.copytree(self.folder("whole"), self.folder(name), symlinks=True)
        return self.folder(name)

    def checkpoint(self, name, step):
        return self.folder(name) / f"checkpoints/step_{step:08}.h5"

    def refused(self, name, what, *says, settings=(), ranks=0):
        """Exit code 4, the words said, and no file changed."""
        before = contents(self.folder(name))
        code, said = self.train(name, *settings, ranks=ranks)
        self.checks.that(code == CHECKPOINT and all(part in said for part in says) and "changed" in said,
                         f"{what}: refused, {says} said (exit code {code}) {'' if code == CHECKPOINT else said}")
        self.checks.that(contents(self.folder(name)) == before, f"{what}: nothing is changed")


def digests_away(lab, ranks):
    """The digests cannot be found for a moment; afterwards all is as before."""
    name = f"away-{ranks}"
    folder = lab.copy(name)
    digests = sorted(folder.glob("checkpoints/*.digest"))
    for digest in digests:
        digest.rename(f"{digest}.away")
    lab.refused(name, f"no digest is there, {ranks} rank(s)", "digest is missing", ranks=ranks)
    for digest in digests:
        pathlib.Path(f"{digest}.away").rename(digest)
    code, said = lab.train(name, ranks=ranks)
    lab.checks.that(code == 0 and "nothing to do" in said and rows(folder) == rows(lab.folder("whole")),
                    "digests back: done, with all rows")


def newest_unreadable(lab):
    """To go back behind a checkpoint that may be good would throw work away; damage is another thing."""
    lab.copy("newest")
    os.remove(f"{lab.checkpoint('newest', 10)}.digest")
    lab.refused("newest", "the newest digest is missing", "step_00000010.h5", "not say that the checkpoint is damaged")
    lab.copy("eacces")
    os.remove(lab.checkpoint("eacces", 10))
    lab.checkpoint("eacces", 10).mkdir()
    lab.refused("eacces", "a checkpoint is a folder", "step_00000010.h5")


def newest_damaged(lab):
    """The one before is used, and the rows that come anew are kept."""
    folder = lab.copy("damaged")
    file = lab.checkpoint("damaged", 10)
    file.write_bytes(file.read_bytes()[:-10])
    later = [row for row in rows(folder) if int(row["step"]) > 5]
    code, said = lab.train("damaged")
    lab.checks.that(code == 0 and "broken checkpoint left aside" in said, f"a damaged checkpoint: the one before is used {code}")
    kept = (folder / "metrics.csv.before-step-5").read_text(encoding="utf-8").splitlines()
    lab.checks.that(kept[0].startswith("step,") and [line.split(",")[0] for line in kept[1:]] == [row["step"] for row in later],
                    "rows 6 to 10 are kept in metrics.csv.before-step-5")
    lab.checks.that(untimed(folder) == untimed(lab.folder("whole")), "and come again as they were")
    file.write_bytes(file.read_bytes()[:-10])
    code, _ = lab.train("damaged")
    lab.checks.that(code == 0 and (folder / "metrics.csv.before-step-5.2").exists()
                    and (folder / "metrics.csv.before-step-5").read_text(encoding="utf-8").splitlines() == kept,
                    "a second time under a second name")
    lab.checks.that(len(list(folder.glob("checkpoints/*.abandoned*.digest"))) == 2, "both set aside with their digests")


def none_good(lab):
    lab.copy("none")
    for step in (5, 10):
        lab.checkpoint("none", step).write_bytes(b"x")
    lab.refused("none", "all checkpoints are damaged", "none of them is good", "run.name")
    lab.refused("none", "all damaged, required", "none of them is good", settings=["run.restart=required"])


def checkpoints_gone(lab):
    folder = lab.copy("gone")
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").mkdir()
    lab.refused("gone", "a finished run without checkpoints", "run.json says", "run.name")


def begun_anew(lab):
    """A run that was killed before its first checkpoint begins again; what it recorded stays beside."""
    folder = lab.copy("anew")
    shutil.rmtree(folder / "checkpoints")
    record = (folder / "run.json").read_text(encoding="utf-8").replace('"outcome": "done"', '"outcome": "running"')
    write(folder / "run.json", record)
    old = (folder / "metrics.csv").read_bytes()
    code, said = lab.train("anew")
    lab.checks.that(code == 0 and "before-step-0" in said, f"a run begins over rows of another: said (exit code {code})")
    lab.checks.that((folder / "metrics.csv.before-step-0").read_bytes().splitlines()[1:] == old.splitlines()[1:],
                    "its rows are kept")
    lab.checks.that((folder / "run.json.before-step-0").read_text(encoding="utf-8") == record
                    and (folder / "deck.toml.before-step-0").exists(), "so are its deck and record")


def cut_only_after_a_good_start(lab):
    """A restart that fails on its way to the first step leaves the tables as they are."""
    folder = lab.copy("late")
    before = (folder / "metrics.csv").read_bytes()
    code, said = lab.train("late", "run.restart=5", "model.width=32")
    lab.checks.that(code == CHECKPOINT and (folder / "metrics.csv").read_bytes() == before,
                    f"another model: no row is cut {said if code != CHECKPOINT else ''}")
    lab.checks.that(lab.checkpoint("late", 10).exists(), "and no checkpoint is set aside")


def tables(lab):
    """What an editor or a full disk does to a table."""
    folder = lab.copy("end")
    table = folder / "metrics.csv"
    table.write_bytes(table.read_bytes()[:-1])
    code, _ = lab.train("end", "optim.tokens=704")
    lab.checks.that(code == 0 and [int(row["step"]) for row in rows(folder)] == list(range(12)),
                    "a last row without its end stays")
    folder = lab.copy("headless")
    table = folder / "metrics.csv"
    table.write_bytes(table.read_bytes().split(b"\n", 1)[1])
    before = contents(folder)
    code, said = lab.train("headless", "optim.tokens=704")
    lab.checks.that(code == CHECKPOINT and "metrics.csv: line 1" in said and contents(folder) == before,
                    f"no header: an error, and no row is lost {'' if code == CHECKPOINT else said}")
    folder = lab.copy("gap")
    table = folder / "metrics.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    write(table, "".join(lines[:4] + lines[6:9]))  # without the rows of steps 3, 4 and 8 to 10
    code, said = lab.train("gap", "optim.tokens=704")
    lab.checks.that(code == 0 and "rows of steps 3 to 4, 8 to 10 are missing" in said, f"missing rows are named, exit code {code}")


def latest_taken(lab):
    """The link is for people: what else has its name stays, and the run goes on."""
    for kind in ("folder", "file"):
        folder = lab.copy(f"latest-{kind}")
        link = folder / "checkpoints/latest"
        link.unlink()
        link.mkdir() if kind == "folder" else write(link, "mine")
        code, said = lab.train(f"latest-{kind}", "optim.tokens=704")
        stays = link.is_dir() if kind == "folder" else link.read_text(encoding="utf-8") == "mine"
        lab.checks.that(code == 0 and "warning" in said and "latest" in said and stays,
                        f"latest is a {kind}: a warning, exit code {code}")


def linked_copy(lab):
    """A copy with hard links, as `cp -al` and snapshots make it, goes on without a trace in the original."""
    folder, copied = lab.copy("original"), lab.folder("linked")
    shutil.copytree(folder, copied, copy_function=os.link, symlinks=True)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, said = lab.train("linked", "optim.tokens=1280")
    lab.checks.that(code == 0, f"a hard-linked copy goes on {said if code else ''}")
    lab.checks.that(all(path.read_bytes() == old for path, old in before.items()), "its original has the same bytes")


def held_original(lab):
    """While the original runs, its copy may run too; a second job in the original may not."""
    arguments = ["train", "deck.toml", "--set", "run.name=held", "--set", "optim.tokens=640000", "--set", "data.epochs=1000.0"]
    first = lab.program.start(arguments, lab.work)
    end = time.monotonic() + HANGS_AFTER
    while not list(lab.folder("held").glob("checkpoints/*.digest")) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)
    lab.folder("held-copy").mkdir()
    os.link(lab.folder("held") / "lock", lab.folder("held-copy") / "lock")
    code, said = lab.train("held")
    lab.checks.that(code == CHECKPOINT and f"process {first.pid} on" in said, "the original is in use")
    code, said = lab.train("held-copy")
    lab.checks.that(code == 0, f"its copy is not {said if code else ''}")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()


def killed_before_the_last_validation(lab, library):
    """The last checkpoint comes first; the restart does the validation."""
    code, said = lab.train("last", LD_PRELOAD=library,
                           DFASCALE_FAULT="rename 2 kill-after runs/last/checkpoints/step_00000010.h5.digest")
    lab.checks.that(code == -signal.SIGKILL and lab.checkpoint("last", 10).exists(),
                    f"killed with the last checkpoint on disk, exit code {code} {said if code == 0 else ''}")
    lab.checks.that(STEPS not in column(lab.folder("last"), "val_loss"), "but before the last validation")
    code, said = lab.train("last")
    lab.checks.that(code == 0 and untimed(lab.folder("last")) == untimed(lab.folder("whole"))
                    and same_state(lab.checkpoint("last", 10), lab.checkpoint("whole", 10)),
                    f"the restart validates: same records {said if code else ''}")


def stopped_at_validations(lab, ranks):
    """Stopped after a step that is to be validated and probed: the checkpoint comes first, the restart does the rest."""
    settings = ["optim.tokens=6400", "data.epochs=100.0", "run.validate_points=100", "run.alignment_steps=1",
                "rule.name=dfa", "run.checkpoint_steps=1000"]
    code, said = lab.train(f"straight-{ranks}", *settings, ranks=ranks)
    name, codes = f"stopped-{ranks}", []
    for _ in range(100):
        before = len(rows(lab.folder(name))) if (lab.folder(name) / "metrics.csv").exists() else 0
        arguments = ["train", "deck.toml", "--set", f"run.name={name}"]
        for setting in settings:
            arguments += ["--set", setting]
        process = lab.program.start(arguments, lab.work, ranks)
        while process.poll() is None:
            table = lab.folder(name) / "metrics.csv"
            if table.exists() and len(table.read_text(encoding="utf-8").splitlines()) > before + 15:
                process.send_signal(signal.SIGUSR1)
                break
            time.sleep(0.005)
        process.communicate(timeout=HANGS_AFTER)
        codes.append(process.returncode)
        if process.returncode != STOPPED:
            break
    ours, theirs = lab.folder(name), lab.folder(f"straight-{ranks}")
    lab.checks.that(code == 0 and codes[-1] == 0 and STOPPED in codes, f"stopped and continued, {ranks} rank(s): {codes} {said if code else ''}")
    lab.checks.that(untimed(ours) == untimed(theirs), "same records as without a stop")
    lab.checks.that((ours / "alignment.csv").read_text(encoding="utf-8") == (theirs / "alignment.csv").read_text(encoding="utf-8"),
                    "same alignment")


def tools_on_a_live_run(lab):
    """What a run removes between listing and opening is left out."""
    arguments = ["train", "deck.toml", "--set", "run.name=live", "--set", "optim.tokens=640000", "--set", "data.epochs=1000.0",
                 "--set", "run.checkpoint_steps=1", "--set", "run.keep=1"]
    process = lab.program.start(arguments, lab.work)
    end = time.monotonic() + HANGS_AFTER
    while not list(lab.folder("live").glob("checkpoints/*.digest")) and time.monotonic() < end:
        time.sleep(0.01)
    troubles = []
    for _ in range(6):
        for tool in (["checkpoint", "list", "runs/live"], ["checkpoint", "verify", "runs/live"], ["inspect", "runs/live"],
                     ["checkpoint", "diff", "runs/live", "runs/whole"]):
            code, said, _ = lab.program.run(tool, lab.work)
            if code not in ((0, 1) if "diff" in tool else (0,)):
                troubles.append(f"{tool}: exit code {code}: {said}")
    lab.checks.that(process.poll() is None and not troubles, f"list, verify, inspect and diff while checkpoints go {troubles}")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def main():
    program, checks = Program(sys.argv[1], sys.argv[3]), Checks()
    with work_folder() as work:
        lab = Lab(program, work, checks)
        for ranks in (0, 2):
            digests_away(lab, ranks)
        for case in (newest_unreadable, newest_damaged, none_good, checkpoints_gone, begun_anew, cut_only_after_a_good_start,
                     tables, latest_taken, linked_copy, held_original, tools_on_a_live_run):
            case(lab)
        killed_before_the_last_validation(lab, sys.argv[4])
        for ranks in (0, 2):
            stopped_at_validations(lab, ranks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

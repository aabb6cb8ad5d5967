"""Disks that fail and jobs that are killed, at every kind of moment: a preloaded library (failing_io.c) makes the
chosen call of a run fail, stop half way, or kill the process. Whatever happened, the same command must then go on
from a good checkpoint and end with the bits of a run that was left alone.

usage: injected.py PROGRAM SOURCE MPIEXEC FAILING_IO [SEED]"""

import concurrent.futures
import errno
import os
import random
import re
import shutil
import signal
import sys
import time

from program import Checks, Program, contents, corpus, deck, preloadable, work_folder, write
from runs import checkpoint, same_state, untimed

STEPS, EVERY = 8, 2
KILLS, KILLS_OF_RANKS = 50, 6
KILLS_COMPRESSED, KILLS_OF_RANKS_COMPRESSED = 12, 4
CHECKPOINT = 4  # exit code
AT_ONCE = 2  # runs side by side
HANGS_AFTER = 60  # seconds
FLIPS = 12
# Older checkpoints whose turn to go had not come; the broken ones, set aside; a digest before its last renaming.
# And what restarts set aside, and what is known of the tokens.
MAY_STAY = re.compile(r"checkpoints/step_\d+\.h5(\.abandoned(\.\d+)?)?(\.digest|\.digest\.new)?"
                      r"|(metrics\.csv|deck\.toml|run\.json)\.before-step-\d+(\.\d+)?|tokens\.json")


class Lab:
    """Runs of one deck in folders of their own, with faults or without."""

    def __init__(self, program, work, library):
        self.program, self.work, self.library = program, work, preloadable(library, work)
        self.references = {}

    def folder(self, name):
        return self.work / "runs" / name

    def train(self, name, ranks=0, fault="any 0 none", part="", **variables):
        """(exit code, what it said); the fault concerns the run's own folder only, and paths in it that begin so."""
        variables = {"LD_PRELOAD": self.library, "DFASCALE_FAULT": f"{fault} runs/{name}/{part}", **variables}
        code, said, _ = self.program.run(["train", "deck.toml", "--set", f"run.name={name}"], self.work, ranks,
                                         limit=HANGS_AFTER, variables=variables)
        return code, said

    def reference(self, ranks):
        """A run left alone, and every call that it made on its folder, in order: (call, path)."""
        if ranks not in self.references:
            name, log = f"reference-{ranks}", self.work / f"calls-{ranks}"
            code, said = self.train(name, ranks, DFASCALE_FAULT_LOG=str(log), **({"DFASCALE_FAULT_RANK": "0"} if ranks else {}))
            if code != 0:
                sys.exit(f"{name}: exit code {code}\n{said}")
            self.references[ranks] = self.folder(name), [line.split() for line in log.read_text().splitlines()]
        return self.references[ranks]

    def trouble_of_files(self, name):
        """Files under a checkpoint's name are good, whatever happened."""
        if not list(self.folder(name).glob("checkpoints/step_*.h5")):
            return ""
        code, said, _ = self.program.run(["checkpoint", "verify", f"runs/{name}"], self.work)
        return "" if code == 0 else f"verify: exit code {code}: {said}"

    def trouble_of_restart(self, name, ranks=0, **variables):
        """Goes on without faults; what then differs from the run that was left alone."""
        code, said = self.train(name, ranks, **variables)
        if code != 0:
            return f"restart: exit code {code}: {said}"
        ours, theirs = self.folder(name), self.reference(ranks)[0]
        if untimed(ours) != untimed(theirs):
            return "metrics differ"
        if not same_state(checkpoint(ours, STEPS), checkpoint(theirs, STEPS)):
            return "parameters or moments differ"
        left = {name for name in contents(ours).keys() ^ contents(theirs).keys() if not MAY_STAY.fullmatch(name)}
        return f"files differ: {left}" if left else ""

    def forget(self, name):
        shutil.rmtree(self.folder(name), ignore_errors=True)


def kill_round(lab, number, place, how, ranks, rank):
    """Killed at this call of the run, then left to go on."""
    name = f"killed-{ranks}-{number}"
    variables = {"DFASCALE_FAULT_RANK": str(rank)} if ranks else {}
    code, said = lab.train(name, ranks, f"any {place} {how}", **variables)
    killed = code == -signal.SIGKILL if not ranks else code not in (0, None)
    if ranks:
        time.sleep(0.2)  # the other rank outlives mpirun for a moment
    what = lab.reference(ranks)[1][place - 1] if rank == 0 else ["call", str(place)]
    trouble = "" if killed else f"exit code {code}: {said}"
    trouble = trouble or lab.trouble_of_files(name) or lab.trouble_of_restart(name, ranks)
    lab.forget(name)
    where = f"rank {rank} of {ranks}: " if ranks else ""
    return not trouble, f"kill {number + 1}: {where}{how} {what[0]} {what[1].rpartition('/')[2]} {trouble}"


def kill_rounds(lab, draw, kills):
    """Half of them anywhere, which is mostly in the middle of a checkpoint's values; half between the calls that decide
    which file counts."""
    calls = lab.reference(0)[1]
    deciding = [i + 1 for i, (call, path) in enumerate(calls) if call != "write" or not path.endswith(".h5.tmp")]
    ways = ["kill-before", "kill-half", "kill-after"]
    for number in range(kills):
        place = draw.choice(deciding) if number % 2 else draw.randrange(1, len(calls) + 1)
        yield kill_round, (lab, number, place, draw.choice(ways), 0, 0)


def kinds_of_calls(calls):
    """{(call, file's kind): where the run makes it}, steps' numbers taken out of names."""
    kinds = {}
    for i, (call, path) in enumerate(calls):
        kind = re.sub(r"step_\d+", "step", path.rpartition("runs/")[2].partition("/")[2])
        kinds.setdefault((call, kind), []).append(i + 1)
    return kinds


def last_of_files(calls, places):
    """The last of these places for each file: HDF5 looks for a file before it makes one, which may fail."""
    return sorted({calls[place - 1][1]: place for place in places}.values())


def same_call(calls, place):
    """Names a call by its file: "CALL NTH" and "PART"; calls of training and of its checkpoints' thread mix anyhow."""
    call, path = calls[place - 1]
    part = path.rpartition("runs/")[2].partition("/")[2]
    return f"{call} {sum(one == call and other.startswith(path) for one, other in calls[:place])}", part


def error_round(lab, number, place, error, call, kind):
    name = f"failed-{number}"
    which, part = same_call(lab.reference(0)[1], place)
    code, said = lab.train(name, fault=f"{which} {error}", part=part)
    trouble = ""
    # Without the link, without what is known of the tokens, or with a log that ends, a run goes on; everything else
    # ends it.
    may_lack = {"checkpoints/latest": "latest", "tokens.json": "tokens.json", "log.txt": "the log ends"}
    lacks = next((word for part, word in may_lack.items() if part in kind and (part != "log.txt" or call == "write")), None)
    if lacks:
        trouble = "" if code == 0 and "warning" in said and lacks in said else f"exit code {code}: {said}"
    elif code != CHECKPOINT or os.strerror(error) not in said or "dfascale: " not in said:
        trouble = f"exit code {code}: {said}"
    trouble = trouble or lab.trouble_of_files(name) or lab.trouble_of_restart(name)
    lab.forget(name)
    return not trouble, f"{errno.errorcode[error]} from {call} {kind or 'the folder'} {trouble}"


def error_rounds(lab, draw):
    """Each kind of call on each kind of file fails once, in the middle of the run; writes of values at several places."""
    errors = {"write": [errno.ENOSPC, errno.EIO], "fsync": [errno.EIO], "rename": [errno.EIO], "symlink": [errno.EPERM],
              "open": [errno.EROFS]}
    number = 0
    for (call, kind), places in kinds_of_calls(lab.reference(0)[1]).items():
        for error in errors[call]:
            of_checkpoint = call == "write" and kind.endswith(".h5.tmp")  # what HDF5 writes, then any
            if call == "open":
                places = last_of_files(lab.reference(0)[1], places)
            for place in places[:5] + draw.sample(places, 4) if of_checkpoint else [places[len(places) // 2]]:
                yield error_round, (lab, number, place, error, call, kind)
                number += 1


def short_writes(lab, ranks):
    """Every write takes half of what it is given: nothing is wrong, and nothing is lost."""
    name = f"short-{ranks}"
    code, said = lab.train(name, ranks, "write 0 short")
    trouble = "" if code == 0 else f"exit code {code}: {said}"
    return not trouble and not lab.trouble_of_restart(name, ranks), f"{max(ranks, 1)} rank(s): every write is short {trouble}"


def error_of_ranks(lab, number, place, error, rank):
    """One rank's write fails: all end, with the reason, and none waits."""
    name = f"failed-rank-{number}"
    code, said = lab.train(name, 2, f"write {place} {error}", DFASCALE_FAULT_RANK=str(rank))
    trouble = "" if code == CHECKPOINT and os.strerror(error) in said else f"exit code {code}: {said}"
    trouble = trouble or lab.trouble_of_files(name) or lab.trouble_of_restart(name, 2)
    lab.forget(name)
    return not trouble, f"{errno.errorcode[error]} from write {place} of rank {rank} of 2 {trouble}"


def writes_of_rank(lab, rank):
    """Which writes of a rank of two, counted from 1, a run cannot go on without."""
    log = lab.work / f"writes-{rank}"
    code, said = lab.train(f"counted-{rank}", 2, "write 0 none", DFASCALE_FAULT_LOG=str(log), DFASCALE_FAULT_RANK=str(rank))
    if code != 0:
        sys.exit(f"exit code {code}\n{said}")
    lab.forget(f"counted-{rank}")
    return [i + 1 for i, line in enumerate(log.read_text().splitlines()) if not line.endswith(("/log.txt", "/tokens.json.tmp"))]


def two_rank_rounds(lab, draw, kills):
    writes = [writes_of_rank(lab, rank) for rank in (0, 1)]
    for number in range(kills):
        rank = number % 2
        everything = len(lab.reference(2)[1])
        place = draw.randrange(1, everything + 1) if rank == 0 else draw.choice(writes[1])
        yield kill_round, (lab, number, place, draw.choice(["kill-before", "kill-half"]), 2, rank)
        yield error_of_ranks, (lab, number, draw.choice(writes[rank]), draw.choice([errno.ENOSPC, errno.EIO]), rank)
    yield short_writes, (lab, 2)


def stopped_half_way(lab, name):
    """A run that died after several checkpoints."""
    calls = lab.reference(0)[1]
    place = max(i + 1 for i, (call, path) in enumerate(calls) if call == "open" and f"step_{STEPS - EVERY:08}" in path)
    which, part = same_call(calls, place)
    lab.train(name, fault=f"{which} kill-before", part=part)
    return sorted(lab.folder(name).glob("checkpoints/step_*.h5"))


def clock_goes_back(lab):
    """The newest is the one of the last step, whatever the clock says."""
    files = stopped_half_way(lab, "clock")
    for i, file in enumerate(files):
        os.utime(file, (1e9 - 1e6 * i, 1e9 - 1e6 * i))
    trouble = lab.trouble_of_restart("clock", DFASCALE_CLOCK_BACK="86400")
    return not trouble and len(files) > 1, f"the clock goes back a day at each look, newer files look older {trouble}"


def latest_is_gone(lab):
    stopped_half_way(lab, "latest")
    (lab.folder("latest") / "checkpoints/latest").unlink()
    trouble = lab.trouble_of_restart("latest")
    return not trouble, f"the link latest is removed {trouble}"


def cut_short(lab):
    files = stopped_half_way(lab, "cut")
    files[-1].write_bytes(files[-1].read_bytes()[:-1000])
    trouble = lab.trouble_of_restart("cut")
    return not trouble, f"the newest checkpoint is cut short {trouble}"


def flip(lab, number, part, place):
    """A flipped bit in the newest checkpoint or its digest: named, and the one before is used."""
    name = f"flipped-{number}"
    file = stopped_half_way(lab, name)[-1]
    damaged = file.with_name(file.name + ".digest") if part == "digest" else file
    data = bytearray(damaged.read_bytes())
    at = place if part != "index" else data.find(b"BTHD") + place
    data[at % len(data)] ^= 1 << (place % 8)
    damaged.write_bytes(data)
    code, said, _ = lab.program.run(["checkpoint", "verify", str(file)], lab.work)
    trouble = "" if code == CHECKPOINT and file.name in said else f"verify: exit code {code}: {said}"
    trouble = trouble or lab.trouble_of_restart(name)
    lab.forget(name)
    return not trouble, f"bit flipped in the {part}, byte {at} {trouble}"


def flips(lab, draw):
    size = checkpoint(lab.reference(0)[0], STEPS).stat().st_size
    ranges = {"superblock": 96, "index": 200, "values": size, "digest": 150}
    for number in range(FLIPS):
        part = list(ranges)[number % len(ranges)]
        yield flip, (lab, number, part, draw.randrange(ranges[part]))


def two_jobs(lab):
    """The second job is told who holds the folder, and the first is not disturbed."""
    arguments = ["train", "deck.toml", "--set", "run.name=both", "--set", "optim.tokens=64000", "--set", "data.epochs=100",
                 "--set", "run.checkpoint_steps=250"]
    first = lab.program.start(arguments, lab.work)
    end = time.monotonic() + HANGS_AFTER
    while not (lab.folder("both") / "metrics.csv").exists() and time.monotonic() < end:
        time.sleep(0.002)
    os.kill(first.pid, signal.SIGSTOP)
    code, said, _ = lab.program.run(arguments, lab.work)
    os.kill(first.pid, signal.SIGCONT)
    first_said = first.communicate(timeout=HANGS_AFTER)[0].decode()
    told = code == CHECKPOINT and f"process {first.pid} on " in said
    steps = [int(row["step"]) for row in untimed(lab.folder("both"))]
    whole = first.returncode == 0 and steps == list(range(1001)) and not lab.trouble_of_files("both")
    return told and whole, f"two jobs in one folder {'' if told else said} {'' if whole else first_said}"


def flushed_in_order(lab, ranks):
    """What killing a process cannot show and a power cut would: values are on disk before the file has its name, and
    the name is before anything else happens."""
    calls = [(call, path.rpartition("/")[2]) for call, path in lab.reference(ranks)[1]]
    names = [f"step_{step:08}.h5" for step in range(EVERY, STEPS + 1, EVERY)]
    named = [calls.index(("rename", name)) for name in names]  # the first time; the last one is written twice
    last_write = [max(i for i, call in enumerate(calls[:j]) if call == ("write", name + ".tmp")) for name, j in zip(names, named)]
    flush = [calls.index(("fsync", name + ".tmp"), write) for name, write in zip(names, last_write)]
    good = all(i < j for i, j in zip(flush, named)) and all(calls[j + 1] == ("fsync", "checkpoints") for j in named)
    return good, f"{max(ranks, 1)} rank(s): flushed before it is named, the folder flushed after"


def single_cases(lab):
    for ranks in (0, 2):
        yield flushed_in_order, (lab, ranks)
    for case in (clock_goes_back, latest_is_gone, cut_short, two_jobs):
        yield case, (lab,)
    yield short_writes, (lab, 0)


def lab_in(folder, **run):
    """Where runs of one deck are made, with a corpus."""
    lab = Lab(Program(sys.argv[1], sys.argv[3]), folder, sys.argv[4])
    corpus(folder / "data", 60)
    write(folder / "deck.toml", deck(optim={"tokens": 64 * STEPS}, run={"checkpoint_steps": EVERY, **run}))
    lab.reference(0), lab.reference(2)
    return lab


def main():
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    draw, checks = random.Random(seed), Checks()
    print(f"seed {seed}")
    with work_folder() as work, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        plain, compressed = lab_in(work / "plain"), lab_in(work / "compressed", compress=1)
        for part in (kill_rounds(plain, draw, KILLS), error_rounds(plain, draw), flips(plain, draw), single_cases(plain),
                     two_rank_rounds(plain, draw, KILLS_OF_RANKS), kill_rounds(compressed, draw, KILLS_COMPRESSED),
                     error_rounds(compressed, draw), two_rank_rounds(compressed, draw, KILLS_OF_RANKS_COMPRESSED)):
            for result in [pool.submit(round, *arguments) for round, arguments in part]:
                checks.that(*result.result())
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())

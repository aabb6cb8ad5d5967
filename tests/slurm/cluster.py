"""A Slurm of one node on this machine: munge, slurmctld and slurmd in a folder of their own, stopped again whatever
happens. Nothing of the system's own Slurm, if there is one, is read or changed."""

import contextlib
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "srun")
STARTS_WITHIN = 60  # seconds
CPUS = 8  # as many tasks as jobs want, whatever the machine has

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
TmpFS={folder}/tmp
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
JobRequeue=1
KillWait=10
MinJobAge=3600
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Why there can be no Slurm here; empty if there can."""
    missing = [command for command in COMMANDS if not shutil.which(command)]
    return f"not installed: {', '.join(missing)} (cmake/install-dependencies.sh --for-tests)" if missing else ""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def processes_of(configuration):
    """Everything that was started with this slurm.conf in its environment: daemons, steps, jobs."""
    wanted, found = f"SLURM_CONF={configuration}".encode(), []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end_processes_of(configuration):
    """What is still there when the cluster is gone, or when the test was killed."""
    for turn in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        for process in processes_of(configuration):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, turn)
        time.sleep(1)


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.configuration = self.folder / "slurm.conf"
        self.daemons = []

    def __enter__(self):
        self.folder.mkdir()
        for name in ("state", "spool", "tmp"):  # the last for PMIx, whose folders may be left over elsewhere
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        (self.folder / "plugstack.conf").touch()
        host = socket.gethostname().partition(".")[0]
        self.configuration.write_text(CONFIGURATION.format(
            host=host, user=getpass.getuser(), folder=self.folder, ports=free_ports(2), cpus=CPUS))
        # Outlives this test if it is killed, and cleans up then.
        self.cleaner = subprocess.Popen([sys.executable, __file__, str(self.configuration)], stdin=subprocess.PIPE,
                                        start_new_session=True)
        try:
            self.start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                       f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                       f"--seed-file={self.folder}/munged.seed")
            self.wait_for(lambda: (self.folder / "munge.socket").exists(), "munged")
            self.start("slurmctld", "-D")
            self.start("slurmd", "-D")
            self.wait_for(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), "slurmctld and slurmd")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if len(self.daemons) == 3:
            self.ask("scancel", "--user", getpass.getuser())
            end = time.monotonic() + STARTS_WITHIN
            while self.ask("squeue", "-h", "-t", "running,completing").strip() and time.monotonic() < end:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()
        self.cleaner.stdin.close()
        self.cleaner.wait()

    def environment(self):
        """Without what another Slurm says, in whose job this test may run."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "PMI"))}
        return dict(own, SLURM_CONF=str(self.configuration))

    def start(self, *command):
        log = open(self.folder / f"{command[0]}.said", "wb")
        self.daemons.append(subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True))

    def wait_for(self, condition, what):
        end = time.monotonic() + STARTS_WITHIN
        while not condition():
            if time.monotonic() > end or self.daemons[-1].poll() is not None:
                logs = "".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}"
                               for log in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.said")]))
                raise RuntimeError(f"{what} did not start:\n{logs}")
            time.sleep(0.1)

    def ask(self, *command):
        """What a Slurm command prints."""
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def submit(self, script, arguments, folder, options=(), variables=None):
        """The number of the job."""
        done = subprocess.run(["sbatch", "--parsable", *options, str(script), *map(str, arguments)], cwd=folder,
                              env=dict(self.environment(), **(variables or {})), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"sbatch {script}: {done.stderr}")
        return int(done.stdout.split(";")[0])

    def job(self, number):
        """What Slurm knows of a job, by name."""
        words = self.ask("scontrol", "show", "job", "-o", str(number)).split()
        return dict(word.partition("=")[::2] for word in words)


if __name__ == "__main__":
    sys.stdin.read()  # until the test closes its end, or ends
    end_processes_of(sys.argv[1])

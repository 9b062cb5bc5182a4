"""A SLURM cluster of two nodes on this machine: its own munged, slurmctld and slurmd, all in one folder.

Debian has them as ``slurm-wlm`` and ``munge``. They listen on the loopback interface alone, on free ports,
run as this user, and end with the ``with`` block or with this process.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.bound_process import BoundProcess
from serving.ports import free_ports
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
NODES = ("127.0.0.1", "127.0.0.2")
"""Names of the nodes: addresses, for what looks a node up by its name and needs to reach the first."""

CORES = 2
GRACE_S = 20.0

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=15
{nodes}
PartitionName=batch Nodes=ALL Default=YES MaxTime=30 State=UP
"""


def missing() -> list[str]:
    """Programs that this machine has not."""
    return [program for program in PROGRAMS if not _found(program)]


@dataclass(frozen=True)
class SlurmCluster:
    """A cluster that runs.

    Attributes:
        folder: of its configuration, state and logs.
        environment: by which SLURM's commands find it.
    """

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, check: bool = True) -> str:
        """What one of SLURM's commands says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, script: Path, *options: str, arguments: Sequence[str] = ()) -> str:
        """Submit a batch script in this folder; the number of the job."""
        return self.run("sbatch", "--parsable", *options, str(script), *arguments)

    def state(self, job: str) -> str:
        """What became of a job, such as RUNNING or COMPLETED."""
        return self.about(job)["JobState"]

    def about(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job."""
        words = self.run("scontrol", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def jobs(self, *options: str) -> list[str]:
        """Numbers of the jobs that wait or run."""
        return self.run("squeue", "--noheader", "--format=%i", *options).split()

    def wait(self, job: str) -> str:
        """The state in which a job ended."""
        ending = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")
        wait_until(lambda: self.state(job) not in ending, pause=0.2)
        return self.state(job)


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster that has two idle nodes; its jobs end before it does.

    Args:
        folder: that is its own, with a short path.
    """
    own = {"PATH": _path(), "SLURM_CONF": f"{folder}/slurm.conf", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **own}
    _write(folder)
    cluster = SlurmCluster(folder, environment)
    files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{ending}" for option, ending in files.items()]
    munge = ["munged", "--foreground", "--force", *options]
    daemons = [munge, ["slurmctld", "-D"], *(["slurmd", "-D", "-N", node] for node in NODES)]
    running: list[BoundProcess] = []

    def up() -> bool:
        for daemon in running:
            daemon.check_alive()
        return True

    with ExitStack() as stack:
        for number, command in enumerate(daemons):
            log = folder / f"{number}-{command[0]}.log"
            daemon = BoundProcess(command[0], [_found(command[0]), *command[1:]], log, GRACE_S, environment)
            stack.callback(daemon.stop)
            running.append(daemon)
            if command is munge:
                wait_until(lambda: up() and (folder / "munge.socket").exists())
        wait_until(
            lambda: up() and cluster.run("sinfo", "--noheader", "--format=%T %D", check=False) == "idle 2",
            pause=0.1,
        )
        stack.callback(_end_jobs, cluster)
        yield cluster


def _end_jobs(cluster: SlurmCluster) -> None:
    if jobs := cluster.jobs():
        cluster.run("scancel", *jobs, check=False)
    wait_until(lambda: not cluster.jobs(), pause=0.2)


def _write(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    (folder / "state").mkdir()
    ports = free_ports()
    host = socket.gethostname()
    lines = []
    for node, port in zip(NODES, (ports.grpc, ports.http), strict=True):
        (folder / f"spool-{node}").mkdir()
        lines.append(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} RealMemory=8000"
        )
    text = CONFIGURATION.format(
        host=host, controller=ports.metrics, user=getpass.getuser(), folder=folder, nodes="\n".join(lines)
    )
    (folder / "slurm.conf").write_text(text, encoding="utf-8")


def _found(program: str) -> str:
    return shutil.which(program, path=_path()) or ""


def _path() -> str:
    """With the folders of daemons, which a user's has not everywhere."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"

"""Workers that SLURM starts: a Dask cluster of batch jobs, for as long as one generation needs it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_gen.production.cluster import quiet
from lartpc.errors import UserError
from lartpc.files import part_of
from lartpc.terminal import working

SLURM = "slurm"
"""In place of a scheduler's address."""

CORES, MEMORY = 1, "2GB"
"""Of a job, where Dask's configuration (``jobqueue.slurm``) says nothing."""

ROLES = ("client", "scheduler", "worker")
NO_PAGE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""A worker shows nothing to the network."""


@contextmanager
def slurm_jobs(workers: int, folder: Path) -> Iterator[Any]:
    """A client of a cluster whose workers are SLURM's jobs; a job that ends too early is submitted again.

    Scheduler and workers know each other by TLS, with keys that are made for this cluster. Partition,
    account, time, cores and memory of a job follow Dask's configuration, ``jobqueue.slurm``; each core has a
    worker process. The scheduler is this process, and the jobs end with it.

    Args:
        workers: processes, in as many jobs as that takes.
        folder: that all nodes share; keys and logs lie there meanwhile, for this user alone.

    Raises:
        UserError: dask-jobqueue or SLURM is not installed, or SLURM refuses such a job.
    """
    import dask.config
    from distributed import Client

    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise UserError("--scheduler slurm needs dask-jobqueue; pip install 'emtrkmichel[slurm]'") from error
    quiet()
    own = part_of(folder / "jobs")
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    configured = dask.config.get("jobqueue.slurm")
    cores = configured["cores"] or CORES
    with SLURMCluster(
        cores=cores,
        processes=configured["processes"] or cores,
        memory=configured["memory"] or MEMORY,
        log_directory=configured["log-directory"] or str(own),
        worker_extra_args=[*NO_PAGE, *configured["worker-extra-args"]],
        scheduler_options={
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
            **configured["scheduler-options"],
        },
        security=_security(own),
        silence_logs="critical",
    ) as cluster:
        _check_accepted(cluster.job_script())
        cluster.adapt(minimum=workers, maximum=workers)
        with Client(cluster, set_as_default=False) as client:
            with working("Waiting for SLURM to start a worker ..."):
                client.wait_for_workers(1)
            yield client


def _security(folder: Path) -> Any:
    """Keys and certificates that are made for this cluster, in files that its jobs read."""
    from distributed.security import Security

    made, files = Security.temporary(), {}
    for kind, content in (("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        files[kind] = folder / f"{kind}.pem"
        files[kind].touch(mode=0o600)
        files[kind].write_text(content, encoding="ascii")
    own = {f"tls_{role}_{kind}": str(file) for role in ROLES for kind, file in files.items()}
    return Security(require_encryption=True, tls_ca_file=str(files["cert"]), **own)


def _check_accepted(script: str) -> None:
    """Raises UserError where SLURM would refuse a job."""
    try:
        asked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UserError(
            "there is no sbatch here; generate on a machine of the cluster, or leave out --scheduler"
        ) from error
    if asked.returncode != 0:
        reason = " ".join(asked.stderr.replace("\n", " ").split())
        raise UserError(
            f"SLURM refuses a job of workers ({reason}); set partition, account, time, cores and memory in "
            "~/.config/dask/jobqueue.yaml (docs/hpc.md)"
        )

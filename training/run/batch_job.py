"""A training whose batch job's time ended: Lightning saves it on SIGUSR1, SLURM may start the job again."""

import os
from pathlib import Path

from lartpc.errors import UserError
from lartpc.terminal import say
from training.network.checkpoint import RUNS


def job_checkpoints(run: Path) -> list[Path]:
    """What Lightning saved of a run when its batch job's time ended, the latest last."""
    return sorted(run.glob("hpc_ckpt_*.ckpt"), key=lambda path: path.stat().st_mtime)


def requeued(name: str, prog: str) -> Path | None:
    """The checkpoint that a run of this name was saved to when its batch job's time ended, to go on with.

    SLURM counts how often it has started a job again.

    Args:
        name: of the run.
        prog: the command, for the message.

    Raises:
        UserError: there is one, and this is not that job again.
    """
    left = job_checkpoints(RUNS / name)
    if not left:
        return None
    if int(os.environ.get("SLURM_RESTART_COUNT") or 0) == 0:
        raise UserError(
            f"{RUNS / name} was saved when its job's time ended; go on with: {prog} --config "
            f"{RUNS / name}/config.yaml --ckpt-path {left[-1]}, or give another --name"
        )
    say(f"the job was started again: going on with {left[-1]}")
    return left[-1]

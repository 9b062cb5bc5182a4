"""Workers of a Dask cluster that write shards: the same code, the same folder, or a clear refusal."""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from data_gen.production.board import Board
from data_gen.production.data_set import GENERATOR_VERSION, Production, Summary
from data_gen.production.shards import Shard, write_shard
from lartpc.errors import CheckError, UserError

CONNECT_SECONDS = 5.0
RETRIES = 2
"""Times that a shard that failed is tried again; Dask itself redoes one whose worker is lost, three times."""

Answer = tuple[dict[str, str], bool]
"""Versions, and whether the board is seen."""


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """A client of the cluster at an address such as tcp://host:8786; what is queued is cancelled at the end.

    TLS follows Dask's configuration (``distributed.comm.tls``) for tls:// addresses.

    Raises:
        UserError: nothing answers there, or no worker has joined it.
    """
    from distributed import Client

    quiet()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # what speaks another protocol there can make it fail in any way
        raise UserError(
            f"no Dask scheduler answers at --scheduler {address} ({error}); start one with: dask scheduler, "
            "which prints its address"
        ) from error
    with client:
        if not client.nthreads():
            raise UserError(f"{address} has no workers; start some with: dask worker --nthreads 1 {address}")
        yield client


def quiet() -> None:
    """Let Dask log nothing: what matters is raised."""
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.http.proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def losses(address: str) -> Iterator[None]:
    """What a cluster lost while the block ran, in words.

    Raises:
        CheckError: a shard's worker was lost again and again, or the scheduler was.
    """
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise CheckError(
            f"workers of {address} died on a file again and again, perhaps for want of memory or time; see "
            "their logs, then repeat the command: finished files are kept"
        ) from error
    except CancelledError as error:
        raise CheckError(
            f"the scheduler {address} was lost; repeat the command: finished files are kept"
        ) from error


@contextmanager
def executor_of(client: Any, board: Board) -> Iterator[Executor]:
    """The cluster's workers, after each has been asked for its code and whether it sees the board.

    Raises:
        UserError: the scheduler or a worker lacks this package or runs other code, or a worker sees
            another folder.
    """
    scheduler = client.scheduler.address
    for address, answer in {scheduler: _ask_scheduler(client), **_ask_workers(client, board)}.items():
        if isinstance(answer, Exception):
            raise UserError(
                f"{address} cannot run this package ({answer}); install the same version there, on "
                "scheduler and workers"
            )
        code, sees = answer
        _check(address, code, versions())
        if not sees and address != scheduler:
            raise UserError(
                f"the worker {address} does not see {board.path.parent}; --out must be a folder that all "
                "workers share, under the same path"
            )
    executor = client.get_executor(retries=RETRIES, pure=False)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)


def _ask_scheduler(client: Any) -> Answer | Exception:
    """The scheduler's answer; it never writes, but Dask unpacks the tasks there."""
    try:
        return client.run_on_scheduler(survey, Path())
    except Exception as error:  # Dask raises what happened there in a class of its own choice
        return error


def _ask_workers(client: Any, board: Board) -> dict[str, Answer | Exception]:
    return client.run(survey, board.path, on_error="return")


def survey(board: Path) -> Answer:
    """What a process of the cluster answers."""
    return versions(), board.exists()


@cache
def versions() -> dict[str, str]:
    """Whatever of this process's code decides the bytes of an event file."""
    sources = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted([*root.glob("data_gen/**/*.py"), *root.glob("lartpc/**/*.py")]):
        sources.update(path.name.encode() + path.read_bytes())
    packages = {name: metadata.version(name) for name in ("numpy", "scipy", "numba", "h5py")}
    return {"generator": str(GENERATOR_VERSION), **packages, "sources": sources.hexdigest()[:12]}


def _check(address: str, code: dict[str, str], expected: dict[str, str]) -> None:
    for name, version in expected.items():
        if code.get(name) != version:
            raise UserError(
                f"{address} has {name} {code.get(name)}, this process {version}; install the same "
                "on all of them"
            )


def write_checked(
    expected: dict[str, str], production: Production, shard: Shard, board: Board, line: int
) -> Summary:
    """Write a shard on a worker, one that joined later too, if its code is as expected."""
    from distributed import get_worker

    _check(get_worker().address, versions(), expected)
    return write_shard(production, shard, board, line)

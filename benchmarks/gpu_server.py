"""Triton on this machine, started as the Apptainer recipe starts it, and its answers to the golden hits."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.record import Figure
from lartpc.errors import CheckError, UserError
from serving.bound_process import BoundProcess
from serving.connection import Connection
from serving.ports import LOOPBACK, free_ports

RECIPE = Path(__file__).parents[1] / "sites" / "apptainer" / "triton.def"
START_SECONDS, GRACE_SECONDS, LOOK_SECONDS = 1800.0, 60.0, 0.5
"""Plans are built before the ports open, for minutes each."""


def runscript() -> str:
    """What starts Triton in the recipe, for a shell."""
    found = re.search(r"^%runscript\n(.*?)^%", RECIPE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def triton(
    repository: Path, options: tuple[str, ...] = (), variables: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A tritonserver of this machine while the block runs, when its models are loaded; HOST:PORT for gRPC.

    Args:
        repository: folder of models; plans that it lacks are built in it.
        options: of tritonserver, behind the recipe's.
        variables: of the environment; default this process's.

    Raises:
        CheckError: it ends before, with the end of its log.
    """
    ports = free_ports()
    own = {"MODELS": str(repository.absolute()), "GRPC_PORT": ports.grpc, "HTTP_PORT": ports.http}
    environment = {**(os.environ if variables is None else variables), "METRICS_PORT": str(ports.metrics)}
    environment |= {name: str(value) for name, value in own.items()}
    with TemporaryDirectory() as folder:
        script = Path(folder, "runscript")
        script.write_text(runscript(), encoding="utf-8")
        process = BoundProcess("Triton", ["/bin/sh", str(script), *options], None, GRACE_SECONDS, environment)
        try:
            _wait(process, f"{LOOPBACK}:{ports.grpc}")
            yield f"{LOOPBACK}:{ports.grpc}"
        finally:
            process.stop()


def _wait(process: BoundProcess, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process.check_alive()
        try:
            Connection(url).close()
            return
        except UserError:
            time.sleep(LOOK_SECONDS)
    raise CheckError(f"Triton does not answer after {START_SECONDS:g} s; {process.log_tail()}")


def served_parity(
    repository: Path, options: tuple[str, ...] = (), variables: Mapping[str, str] | None = None
) -> tuple[list[Figure], list[str]]:
    """Triton's answers against the golden hits of every model that it loads, on the GPUs that they ask for.

    Raises:
        CheckError: it does not start.
    """
    start = perf_counter()
    with triton(repository, options, variables) as url:
        figures = [Figure("Triton, from start to ready", perf_counter() - start, "s")]
        command = [sys.executable, "-m", "client.parity", "--url", url, "--repository", str(repository)]
        done = subprocess.run(command, capture_output=True, text=True)
    return figures, [] if done.returncode == 0 else [done.stderr.strip()[-2000:]]

"""The process of the embedded tritonserver: its command line, its log and its end.

It is a child in its own process group, bound to its parent: whichever way the parent ends, the
kernel tells the server to end too.
"""

import os
import re
import secrets
from pathlib import Path

from lartpc.errors import CheckError
from serving.bound_process import BoundProcess
from serving.environment import ServerEnvironment
from serving.exposure import exposure_flags
from serving.ports import LOOPBACK, Ports

EXIT_SECONDS = 5
"""Grace that tritonserver gives its models at the end; it uses all of it after a stub died."""

GRACE_SECONDS = EXIT_SECONDS + 5
"""Then it is killed."""

PINGS = (
    "--grpc-keepalive-permit-without-calls=1",
    "--grpc-http2-min-recv-ping-interval-without-data=1000",
    "--grpc-http2-max-ping-strikes=0",
)
"""A balancer or client pings a connection to learn whether it still is one; by default a server answers two
of them within five minutes by ending it (gRPC: doc/keepalive.md)."""

_FAILED = re.compile(
    r"(?:failed to load (?:model )?|Poll failed for model directory )"
    r"'(?P<model>[^']*)'(?: version \d+)?: (?P<reason>.*)\"$",
    re.MULTILINE,
)
"""As tritonserver 2.51 logs it (model_lifecycle.cc, model_repository_manager.cc)."""

STUB_TRACEBACK = "\\n\\nAt:\\n"
"""In the log, after the message of an error of the Python backend."""

_TAKEN = re.compile(r"failed to start .*Socket '([^']*)' already in use")


class PortTakenError(CheckError):
    """Another program has a port that the server was to have."""


class ServerProcess(BoundProcess):
    """A tritonserver that listens on the loopback interface, loads every model of a folder and follows it.

    Args:
        environment: with the server and its backends.
        repository: folder of models, or a URL that Triton reads, such as s3://http://HOST:PORT/bucket/folder.
        ports: to listen on.
        log_file: for the server's output; default a nameless file that goes with the process.
        shared_memory: see :func:`serving.exposure.exposure_flags`.
        address: to listen on, of the loopback interface.

    Attributes:
        id: the name by which this very server answers; its shared memory begins with it too.
        pid: of the process, and of its process group.

    Raises:
        UserError: the log cannot be written, or the address is not this machine's alone.
    """

    def __init__(
        self,
        environment: ServerEnvironment,
        repository: Path | str,
        ports: Ports,
        log_file: Path | None,
        shared_memory: bool = False,
        address: str = LOOPBACK,
    ) -> None:
        self.id = f"triton_{os.getpid()}_{secrets.token_hex(4)}_"
        command = [
            str(environment.server),
            f"--id={self.id}",
            f"--model-repository={repository.absolute() if isinstance(repository, Path) else repository}",
            *exposure_flags(address, shared_memory),
            "--exit-on-error=false",
            f"--backend-directory={environment.backends}",
            f"--backend-config=python,shm-region-prefix-name={self.id}",
            "--disable-auto-complete-config",
            f"--http-port={ports.http}",
            f"--grpc-port={ports.grpc}",
            f"--metrics-port={ports.metrics}",
            "--allow-gpu-metrics=false",
            *PINGS,
            f"--exit-timeout-secs={EXIT_SECONDS}",
        ]
        super().__init__(
            "the server",
            command,
            log_file,
            GRACE_SECONDS,
            environment.variables(),
            environment.python,
            self.id,
        )

    def check_alive(self) -> None:
        """Raises CheckError, with the end of the log, where the process has ended."""
        if self.ended and (taken := _TAKEN.search(self.text())):
            raise PortTakenError(
                f"another program has taken {taken[1]} meanwhile; start again, or name other ports"
            )
        super().check_alive()

    def load_failures(self, model: str, since: int) -> list[str]:
        """Why the server could not load a model, in its own words.

        Args:
            model: its name.
            since: from :meth:`log_size`; what was logged before does not count.
        """
        found = [line["reason"] for line in _FAILED.finditer(self.text(since)) if line["model"] == model]
        return [reason.split(STUB_TRACEBACK)[0] for reason in dict.fromkeys(found)]

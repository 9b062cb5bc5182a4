"""The process of the embedded tritonserver: its command line, its log and its end.

It is a child in its own process group, bound to its parent: whichever way the parent ends, the
kernel tells the server to end too.
"""

import logging
import os
import re
import secrets
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from lartpc.errors import CheckError, UserError
from serving import bound_server
from serving.environment import ServerEnvironment
from serving.exposure import exposure_flags
from serving.ports import LOOPBACK, Ports

EXIT_SECONDS = 5
"""Grace that tritonserver gives its models at the end; it uses all of it after a stub died."""

GRACE_SECONDS = EXIT_SECONDS + 5
"""Then it is killed."""

SHARED_MEMORY = Path("/dev/shm")
LOG_LINES = 10

_FAILED = re.compile(
    r"(?:failed to load (?:model )?|Poll failed for model directory )"
    r"'(?P<model>[^']*)'(?: version \d+)?: (?P<reason>.*)\"$",
    re.MULTILINE,
)
"""As tritonserver 2.51 logs it (model_lifecycle.cc, model_repository_manager.cc)."""

STUB_TRACEBACK = "\\n\\nAt:\\n"
"""In the log, after the message of an error of the Python backend."""

_TAKEN = re.compile(r"failed to start .*Socket '([^']*)' already in use")

log = logging.getLogger(__name__)


class ServerProcess:
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
            f"--exit-timeout-secs={EXIT_SECONDS}",
        ]
        self._log = _open_log(log_file)
        ends, self._lives = os.pipe()  # it ends with this process, which tells the watcher
        bound = [str(environment.python), "-I", bound_server.__file__, str(os.getpid()), str(ends)]
        try:
            self._process = subprocess.Popen(
                [*bound, str(GRACE_SECONDS), str(SHARED_MEMORY / self.id), *command],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=environment.variables(),
                start_new_session=True,
                pass_fds=(ends,),
            )
        finally:
            os.close(ends)
        self.pid = self._process.pid

    def check_alive(self) -> None:
        """Raises CheckError, with the end of the log, where the process has ended."""
        if self._process.poll() is not None:
            if taken := _TAKEN.search(self._text()):
                raise CheckError(
                    f"another program has taken {taken[1]} meanwhile; start again, or name other ports"
                )
            raise CheckError(f"the server ended with exit code {self._process.returncode}; {self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of the log, for an error message."""
        return f"its log ends: {' | '.join(self._text().splitlines()[-LOG_LINES:])}"

    def log_size(self) -> int:
        """Bytes that the server has logged so far."""
        return os.fstat(self._log.fileno()).st_size

    def load_failures(self, model: str, since: int) -> list[str]:
        """Why the server could not load a model, in its own words.

        Args:
            model: its name.
            since: from :meth:`log_size`; what was logged before does not count.
        """
        found = [line["reason"] for line in _FAILED.finditer(self._text(since)) if line["model"] == model]
        return [reason.split(STUB_TRACEBACK)[0] for reason in dict.fromkeys(found)]

    def _text(self, since: int = 0) -> str:
        log = self._log.fileno()  # its offset is the server's too, hence no seek
        return os.pread(log, max(0, self.log_size() - since), since).decode(errors="replace")

    def stop(self) -> None:
        """End the server and its stubs, and remove what they leave in shared memory."""
        try:
            self._process.terminate()
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("the server did not end within %d s; killed", GRACE_SECONDS)
        finally:
            self._kill_group()
            self._process.wait()
            os.close(self._lives)
            self._log.close()
            for left in SHARED_MEMORY.glob(f"{self.id}*"):
                left.unlink(missing_ok=True)

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("no stub is left")


def _open_log(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path.open("a+b")  # whoever else writes there is not written over
    except OSError as error:
        raise UserError(f"cannot write the log {path}: {error.strerror}; name another one") from error

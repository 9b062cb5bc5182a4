"""A child process that ends with this one, whichever way this one ends, and whose log is kept."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from lartpc.errors import CheckError, UserError
from serving import bound_server

LOG_LINES, LOG_BYTES = 10, 1 << 16
"""Of a log's end, for an error message; a server that fails again and again may have written gigabytes."""

SHARED_MEMORY = Path("/dev/shm")

log = logging.getLogger(__name__)


class BoundProcess:
    """A server that is a child in its own process group, bound to its parent.

    Whichever way the parent ends, the kernel tells the server to end too.

    Args:
        name: of what it is, for messages.
        command: program and arguments.
        log_file: for its output; default a nameless file that goes with the process.
        grace_s: how long it may take to end; then it is killed.
        environment: variables; default this process's.
        interpreter: Python that binds it; default this one.
        shared_memory: how the names of its shared memory begin; what is left of it is removed.

    Attributes:
        pid: of the process, and of its process group.

    Raises:
        UserError: the log cannot be written.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path | None,
        grace_s: float,
        environment: Mapping[str, str] | None = None,
        interpreter: Path | None = None,
        shared_memory: str = "",
    ) -> None:
        self.name, self._grace_s, self._shared_memory = name, grace_s, shared_memory
        self._log = _open_log(log_file)
        ends, self._lives = os.pipe()  # it ends with this process, which tells the watcher
        python = str(interpreter or sys.executable)
        bound = [python, "-I", bound_server.__file__, str(os.getpid()), str(ends), str(grace_s)]
        try:
            self._process = subprocess.Popen(
                [*bound, str(SHARED_MEMORY / shared_memory) if shared_memory else "", *command],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                pass_fds=(ends,),
            )
        finally:
            os.close(ends)
        self.pid = self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def check_alive(self) -> None:
        """Raises CheckError, with the end of the log, where the process has ended."""
        if self.ended:
            raise CheckError(
                f"{self.name} ended with exit code {self._process.returncode}; {self.log_tail()}"
            )

    def log_tail(self) -> str:
        """The last lines of the log, for an error message."""
        end = self.text(max(0, self.log_size() - LOG_BYTES))
        lines = [" ".join(line.strip(" |+-").split()) for line in end.splitlines()]
        return f"its log ends: {'; '.join([line for line in lines if line][-LOG_LINES:])}"

    def log_size(self) -> int:
        """Bytes that it has logged so far."""
        return os.fstat(self._log.fileno()).st_size

    def text(self, since: int = 0) -> str:
        """What it has logged since a place of :meth:`log_size`."""
        log = self._log.fileno()  # its offset is the server's too, hence no seek
        return os.pread(log, max(0, self.log_size() - since), since).decode(errors="replace")

    def stop(self) -> None:
        """End it and its children, and remove what they leave in shared memory."""
        try:
            self._process.terminate()
            self._process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end within %g s; killed", self.name, self._grace_s)
        finally:
            self._kill_group()
            self._process.wait()
            os.close(self._lives)
            self._log.close()
            if self._shared_memory:
                for left in SHARED_MEMORY.glob(f"{self._shared_memory}*"):
                    left.unlink(missing_ok=True)

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("none of its children is left")


def _open_log(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path.open("a+b")  # whoever else writes there is not written over
    except OSError as error:
        raise UserError(f"cannot write the log {path}: {error.strerror}; name another one") from error

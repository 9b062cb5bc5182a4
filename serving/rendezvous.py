"""Where the clients of one user on this machine meet the server that they share: a few files a repository."""

import hashlib
import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lartpc.errors import UserError
from lartpc.files import machine, write_text
from lartpc.locks import hold

IDLE_S = 600.0
"""A server that nobody has used for so long ends."""


@dataclass(frozen=True)
class State:
    """What a server says of itself once it is ready, or has failed to be.

    Attributes:
        pid: of the process that runs it.
        server: the name by which it answers.
        grpc: its port on the loopback interface.
        fault: why it did not start; empty where it did.
        exit_code: of the process, where it did not.
    """

    pid: int
    server: str = ""
    grpc: int = 0
    fault: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Rendezvous:
    """Of one repository.

    Whoever uses the server holds the lease, together with others; the server ends only while it holds the
    lease alone. Whoever starts it holds the start, which the process then has until it is ready.

    Attributes:
        repository: its resolved path.
        stem: of the files, without their ending.
    """

    repository: Path
    stem: Path

    @classmethod
    def of(cls, repository: Path) -> Self:
        """Of a repository, in the folder of this user.

        Raises:
            UserError: that folder cannot be made, or is not this user's alone.
        """
        resolved = repository.resolve()
        digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]
        return cls(resolved, place() / f"{resolved.name[:64]}-{digest}")

    @property
    def lease(self) -> Path:
        """Locked by whoever uses the server; its time of change is that of the latest coming or going."""
        return self._file("lease")

    @property
    def start(self) -> Path:
        """Locked while a server starts."""
        return self._file("start")

    @property
    def log(self) -> Path:
        """Of the server; it stays where that fails."""
        return self._file("log")

    @property
    def state(self) -> Path:
        """JSON of :class:`State`."""
        return self._file("json")

    def _file(self, ending: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{ending}")

    def use(self) -> int:
        """The descriptor that holds the lease until it is closed; a server that is ending comes first."""
        while True:
            place()
            with suppress(FileNotFoundError):  # the last server has just removed the folder
                descriptor = hold(self.lease, shared=True)
                os.utime(descriptor)
                return descriptor

    def read(self) -> State | None:
        """What the latest server said of itself, and None where none did."""
        try:
            return State(**json.loads(self.state.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, state: State) -> None:
        """Say it, at once and whole."""
        write_text(self.state, json.dumps(asdict(state)))

    def remove(self) -> None:
        """Leave nothing, for whoever holds the lease alone; who waits for it comes to a new one."""
        for file in (self.state, self.log, self.start, self.lease):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # another repository's files are in it
            self.stem.parent.rmdir()


def place() -> Path:
    """The folder in which the clients of this user on this machine meet.

    Raises:
        UserError: it cannot be made, or is not this user's alone.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    root = given if given and os.access(given, os.W_OK | os.X_OK) else tempfile.gettempdir()
    folder = Path(root) / f"lartpc-servers-{os.getuid()}-{machine()}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        about = folder.lstat()
    except FileNotFoundError:  # the last server has just removed it
        return place()
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror}; set TMPDIR to another place") from error
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise UserError(f"{folder} is not this user's alone; remove it, or set TMPDIR to another place")
    return folder

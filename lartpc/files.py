"""Files and folders that appear whole or not at all."""

import errno
import glob
import hashlib
import io
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lartpc.errors import PROCESS_LIMITS, UserError
from lartpc.interrupts import interrupts_held

PART = ".part"
"""Ending of what is not finished."""

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed to ``path``.

    Raises:
        UserError: ``path`` is something else than a file, the folder cannot be written, or the disk is full;
            nothing is left behind.
    """
    check_target(path)
    part = part_of(path)
    with _write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, path.name)
        try:
            yield part
            _sync(part)
            part.replace(path)
            _sync(path.parent)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Like :func:`whole_file` for a folder that does not exist yet; its files are synced too."""
    part = part_of(path)
    with _write_errors(path):
        if os.path.lexists(path):
            raise UserError(f"{path} exists already; it is never overwritten")
        sweep(path.parent, path.name)
        try:
            part.mkdir(parents=True)
            yield part
            for file in part.rglob("*"):
                _sync(file)
            _sync(part)
            part.rename(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def check_target(path: Path, option: str = "") -> None:
    """Refuse a place for a file before work begins: what is there and no file would be replaced.

    Args:
        path: of the file, which need not exist.
        option: that names it, for the message.

    Raises:
        UserError: there is a folder, a device, a pipe or a link to nothing, or nothing can be written there.
    """
    place = f"{option} {path}".strip()
    with _write_errors(path):
        if os.path.lexists(path) and not path.is_file():
            kind = "a link to nothing" if not path.exists() else "no regular file"
            raise UserError(f"{place} is {'a folder' if path.is_dir() else kind}; name a file")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise UserError(f"cannot write {path}: {folder} is no folder; name another target")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"cannot write {path}: nothing can be written to {folder}; name another target")


def part_of(path: Path, process: int | None = None) -> Path:
    """Where a process, by default this one, makes a file or folder."""
    if not path.name:
        raise UserError(f"{str(path)!r} is not the name of a file; give one")
    return path.with_name(f".{path.name}.{machine()}.{process or os.getpid()}{PART}")


def sweep(folder: Path, name: str = "*", own: bool = False) -> None:
    """Remove the unfinished files and folders of processes of this machine that have ended.

    Args:
        folder: that they lie in.
        name: of what they were to become; by default everything.
        own: those of this process too.
    """
    escaped = name if name == "*" else glob.escape(name)
    for part in folder.glob(f".{escaped}.{machine()}.*{PART}"):
        process = part.name.removesuffix(PART).rpartition(".")[2]
        if not process.isdecimal() or (_lives(int(process)) and not (own and int(process) == os.getpid())):
            continue
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


@cache
def machine() -> str:
    """What a process's number counts in: a mark of this machine and, in a container, of its own processes."""
    namespace = Path("/proc/self/ns/pid")
    count = namespace.stat().st_ino if namespace.exists() else 0
    return hashlib.sha256(f"{platform.node()} {count}".encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class DeferredWrites(io.FileIO):
    """A file for h5py to write through: a failed write is remembered, not raised inside HDF5.

    HDF5 cannot abandon a file that it cannot flush. After a failure it writes into nothing, and the
    owner learns of it at the end of :meth:`writing`, in which HDF5 works on the file once that is open.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of ``data``, or remember why not."""
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view) and self._failure is None:
            try:
                written += super().write(view[written:])
            except OSError as error:
                self._failure = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or remember why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """HDF5 works on the file in this block: Ctrl-C waits until its end.

        Raises:
            OSError: of the first write that failed.
        """
        with interrupts_held():
            yield
        if self._failure is not None:
            raise self._failure


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "free the space or name another target" if error.errno in NO_SPACE else "name another target"
        if error.errno in PROCESS_LIMITS:
            advice = "see to that limit (ulimit -a) and try again"
        raise UserError(f"cannot write {path}: {reason}; {advice}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

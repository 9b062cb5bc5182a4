"""One process at a time: locks that end with their process, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lartpc.errors import UserError

LOCK_FILE = ".lock"


@contextmanager
def one_at_a_time(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let no other process of this machine, or of a shared disk, be in a block of the same path.

    Args:
        path: what the block writes; the lock file ``.NAME.lock`` beside it is gone afterwards.
        waiting: called once where another process is in its block.

    Raises:
        UserError: the folder cannot be written, or its disk has no locks.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = _held(lock, block=False)
    except BlockingIOError:
        waiting()
        descriptor = _held(lock, block=True)
    try:
        yield
    finally:
        _release(lock, descriptor)


def claim(folder: Path, message: str) -> int:
    """Hold a folder until this process ends, or :func:`let_go` of it.

    Returns:
        The descriptor that holds it.

    Raises:
        UserError: another process holds it, with the message, or it cannot be written.
    """
    try:
        return _held(folder / LOCK_FILE, block=False)
    except BlockingIOError as error:
        raise UserError(message) from error


def let_go(folder: Path, descriptor: int) -> None:
    """Hold a folder no longer."""
    _release(folder / LOCK_FILE, descriptor)


def _is_there(descriptor: int, lock: Path) -> bool:
    """Whether the lock file is still the one that was opened: who held it before removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


def _held(lock: Path, *, block: bool) -> int:
    """The descriptor that holds a lock file; BlockingIOError where another holds it and this may not wait."""
    while True:
        descriptor = _open(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError) or not isinstance(error, OSError):
                raise
            raise UserError(f"cannot lock {lock}: {error.strerror}; name a place on another disk") from error
        if _is_there(descriptor, lock):
            return descriptor
        os.close(descriptor)


def _release(lock: Path, descriptor: int) -> None:
    lock.unlink(missing_ok=True)
    os.close(descriptor)


def _open(lock: Path) -> int:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"cannot write {lock}: {error.strerror}; name another place") from error

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


def hold(lock: Path, *, block: bool = True, shared: bool = False) -> int:
    """Hold a lock file until the descriptor is closed, here and in every process that was handed it.

    Args:
        lock: the file; made where it is not there.
        block: wait for whoever holds it.
        shared: let others hold it so too.

    Raises:
        BlockingIOError: another holds it, and this may not wait.
        FileNotFoundError: its folder is not there.
        UserError: it cannot be written, or its disk has no locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        descriptor = _open(lock)
        try:
            fcntl.flock(descriptor, kind | (0 if block else fcntl.LOCK_NB))
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError) or not isinstance(error, OSError):
                raise
            raise UserError(f"cannot lock {lock}: {error.strerror}; name a place on another disk") from error
        if _is_there(descriptor, lock):
            return descriptor
        os.close(descriptor)


def _is_there(descriptor: int, lock: Path) -> bool:
    """Whether the lock file is still the one that was opened: who held it before removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False


def _release(lock: Path, descriptor: int) -> None:
    lock.unlink(missing_ok=True)
    os.close(descriptor)


def _held(lock: Path, *, block: bool) -> int:
    """As :func:`hold`; the folder is made."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return hold(lock, block=block)
    except BlockingIOError:
        raise
    except OSError as error:
        raise _unwritten(lock, error) from error


def _open(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unwritten(lock, error) from error


def _unwritten(lock: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {lock}: {error.strerror}; name another place")

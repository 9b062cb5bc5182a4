"""The board of a run: a hidden file in the folder that it writes, by which it and its workers see each other.

Each shard has a line of two numbers on it, the events and the hits simulated so far. While the board is
there the run goes on; a worker that finds it gone stops. It lies where the shards do, so it serves processes
of this machine and those of a cluster alike, and shows that a worker sees the folder at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError

_LINE = np.dtype(("<i8", (2,)))


@dataclass(frozen=True)
class Board:
    """The board at a path.

    Attributes:
        path: the file.
    """

    path: Path

    def write(self, shard: int, events: int, hits: int) -> None:
        """Write a shard's line.

        Raises:
            UserError: the board is gone.
        """
        try:
            with self.path.open("r+b") as file:
                file.seek(shard * _LINE.itemsize)
                file.write(np.array([events, hits], "<i8").tobytes())
        except FileNotFoundError as error:
            raise UserError(
                f"{self.path.parent}: the generation has ended, or a worker sees another folder"
            ) from error

    def read(self) -> NDArray[np.int64]:
        """(shards, 2) events and hits of each shard."""
        return np.fromfile(self.path, _LINE)


@contextmanager
def board(path: Path, shards: int) -> Iterator[Board]:
    """Put up a board of so many lines; it is taken down at the end, whatever ends it.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(np.zeros(shards, _LINE).tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path.parent}: {error.strerror}; name another --out") from error
    try:
        yield Board(path)
    finally:
        path.unlink(missing_ok=True)

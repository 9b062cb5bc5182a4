"""What a model repository asks of the place where it lies.

Two of these things keep publishers from corrupting each other: to write a file only where there is none, and
to replace one only where it still is what was read.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from lartpc.errors import CheckError, UserError


class ConflictError(CheckError):
    """Another publisher was faster."""


class Store(ABC):
    """A tree of files; paths are relative to its root, with forward slashes.

    Every method raises UserError where a path leads out of the store, or the store cannot be reached.

    Attributes:
        name: as the user gave it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def place(self, path: str) -> str:
        """A path with the store's name, for messages."""
        return f"{self.name.rstrip('/')}/{path}"

    @abstractmethod
    def read(self, path: str) -> tuple[bytes, Any] | None:
        """Content of a file and the token that :meth:`replace` wants; None where there is none."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> None:
        """Write a file whole.

        Raises:
            FileExistsError: it is there already.
        """

    def create_all(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a folder that is not there yet, by name, in order: the first one claims it.

        Raises:
            ConflictError: another publisher has claimed it.
        """
        for name, content in files.items():
            try:
                self.create(f"{folder}/{name}", content)
            except FileExistsError:
                raise self.changed(folder) from None

    @abstractmethod
    def replace(self, path: str, content: bytes, token: Any | None) -> None:
        """Replace a file whole, or create it where the token is None.

        Raises:
            ConflictError: it is no longer what was read with this token.
        """

    @abstractmethod
    def delete_all(self, folder: str) -> None:
        """Remove a folder with whatever is in it; one that is not there is removed already."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of the files and folders in a folder, sorted; none where there is none.

        Those that begin with a dot are no part of a repository, nor are those that :meth:`plain` refuses.
        """

    def sha256(self, path: str) -> str | None:
        """SHA-256 of a file, read back whole; None where there is none."""
        found = self.read(path)
        return None if found is None else hashlib.sha256(found[0]).hexdigest()

    def changed(self, path: str) -> ConflictError:
        """The error that says so of a path."""
        return ConflictError(
            f"{self.place(path)} was changed meanwhile by another publisher; run the command again"
        )

    def plain(self, path: str) -> str:
        """The path, where it has no part that leads elsewhere."""
        if not is_plain(path):
            raise UserError(f"{path!r} is not a path inside {self.name}")
        return path


def is_plain(path: str) -> bool:
    """Whether a path has no part that leads elsewhere."""
    return not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in path.split("/"))

"""Where a published model repository lies: a folder, or an object store that fsspec knows.

Two things are asked of it, by which publishers cannot corrupt each other: to write a file only where there is
none, and to replace one only where it still is what was read.
"""

import fcntl
import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from lartpc.errors import CheckError, UserError
from lartpc.files import whole_file

LOCK_FILE = ".publish.lock"

CONFLICT, PRECONDITION_FAILED = 409, 412
"""How S3 answers a conditional write that races with another one, and one that comes too late."""


class ConflictError(CheckError):
    """Another publisher was faster."""


class Store(ABC):
    """A tree of files; paths are relative to its root, with forward slashes.

    Attributes:
        name: as the user gave it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def place(self, path: str) -> str:
        """A path with the store's name, for messages."""
        return f"{self.name.rstrip('/')}/{path}"

    @abstractmethod
    def read(self, path: str) -> tuple[bytes, str] | None:
        """Content of a file and the token that :meth:`replace` wants; None where there is none."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> None:
        """Write a file whole.

        Raises:
            FileExistsError: it is there already.
        """

    @abstractmethod
    def replace(self, path: str, content: bytes, token: str | None) -> None:
        """Replace a file whole, or create it where the token is None.

        Raises:
            ConflictError: it is no longer what was read with this token.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file; one that is not there is removed already."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of the files and folders in a folder, sorted; none where there is none."""

    def sha256(self, path: str) -> str | None:
        """SHA-256 of a file, read back whole; None where there is none."""
        found = self.read(path)
        return None if found is None else hashlib.sha256(found[0]).hexdigest()

    def _changed(self, path: str) -> ConflictError:
        return ConflictError(
            f"{self.place(path)} was changed meanwhile by another publisher; run the command again"
        )


class FolderStore(Store):
    """A folder on this machine, or on a disk that it shares."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See the base class; a link is not followed out of the store."""
        file = self._inside(path)
        with self._errors(path):
            try:
                content = file.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return content, hashlib.sha256(content).hexdigest()

    def create(self, path: str, content: bytes) -> None:
        """See the base class."""
        file = self._inside(path)
        model, *rest = path.split("/")  # a part that a killed publisher leaves lies outside of the version
        part = self.root / model / f".{'.'.join(rest)}.{uuid4().hex}.part"
        with self._errors(path):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("xb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fsync(opened.fileno())
                os.link(part, file)
            finally:
                part.unlink(missing_ok=True)

    def replace(self, path: str, content: bytes, token: str | None) -> None:
        """See the base class."""
        file = self._inside(path)
        with self._errors(path):
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / LOCK_FILE).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self.read(path)
                if (found[1] if found else None) != token:
                    raise self._changed(path)
                with whole_file(file) as part:
                    part.write_bytes(content)

    def delete(self, path: str) -> None:
        """See the base class; a folder that becomes empty goes too."""
        file = self._inside(path)
        with self._errors(path):
            file.unlink(missing_ok=True)
            if file.parent != self.root and file.parent.is_dir() and not any(file.parent.iterdir()):
                file.parent.rmdir()

    def names(self, folder: str = "") -> list[str]:
        """See the base class; files that begin with a dot are not part of a repository."""
        place = self._inside(folder) if folder else self.root
        with self._errors(folder):
            if not place.is_dir():
                return []
            return sorted(path.name for path in place.iterdir() if not path.name.startswith("."))

    def _inside(self, path: str) -> Path:
        file = self.root / _plain(path, self.name)
        try:
            inside = file.resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError) as error:
            raise UserError(f"{file}: {error}; remove that link") from error
        if not inside:
            raise UserError(f"{file} leads out of {self.root}; remove that link")
        return file

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            raise UserError(f"{self.place(path)}: {error.strerror or error}") from error


class ObjectStore(Store):
    """A bucket, or any other file system of fsspec.

    On S3 both writes are conditional (If-None-Match, If-Match). Other drivers know the first at most: there
    two publishers at once may overwrite each other's config.pbtxt.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        super().__init__(url)
        try:
            self._files, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise UserError(f"{url}: {error}; for s3:// install the extra: pip install -e '.[s3]'") from error
        except Exception as error:  # some drivers connect here, each with its own classes of errors
            raise UserError(f"{url}: {' '.join(str(error).split())}") from error
        self._root = root.rstrip("/")
        self._is_s3 = "s3" in self._files.protocol

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See the base class."""
        with self._errors(path):
            try:
                if self._is_s3:
                    return self._read_s3(path)
                content = self._files.cat_file(self._full(path))
            except FileNotFoundError:
                return None
        return content, hashlib.sha256(content).hexdigest()

    def sha256(self, path: str) -> str | None:
        """See the base class."""
        with self._errors(path):
            try:
                return hashlib.sha256(self._files.cat_file(self._full(path))).hexdigest()
            except FileNotFoundError:
                return None

    def _read_s3(self, path: str) -> tuple[bytes, str]:
        token = self._files.info(self._full(path))["ETag"]
        content = self._files.cat_file(self._full(path))
        if self._files.info(self._full(path))["ETag"] != token:
            raise self._changed(path)
        return content, token

    def create(self, path: str, content: bytes) -> None:
        """See the base class."""
        with self._errors(path):
            for pause in (0.2, 0.5, 1.0, None):
                try:
                    self._files.pipe_file(self._full(path), content, mode="create")
                    return
                except FileExistsError:
                    raise
                except OSError as error:
                    if _status(error) == PRECONDITION_FAILED:
                        raise FileExistsError(path) from error
                    if _status(error) != CONFLICT or pause is None:
                        raise
                    time.sleep(pause)  # another one writes it at this moment

    def replace(self, path: str, content: bytes, token: str | None) -> None:
        """See the base class."""
        if token is None:
            try:
                return self.create(path, content)
            except FileExistsError:
                raise self._changed(path) from None
        if self._is_s3:
            return self._replace_s3(path, content, token)
        found = self.read(path)
        if found is None or found[1] != token:
            raise self._changed(path)
        with self._errors(path):
            self._files.pipe_file(self._full(path), content)
        return None

    def _replace_s3(self, path: str, content: bytes, token: str) -> None:
        bucket, _, key = self._full(path).partition("/")
        with self._errors(path):
            try:
                self._files.call_s3("put_object", Bucket=bucket, Key=key, Body=content, IfMatch=token)
            except OSError as error:
                conflict = _status(error) in (CONFLICT, PRECONDITION_FAILED)
                if conflict or isinstance(error, FileNotFoundError):
                    raise self._changed(path) from error
                raise

    def delete(self, path: str) -> None:
        """See the base class."""
        with self._errors(path):
            try:
                self._files.rm_file(self._full(path))
            except FileNotFoundError:
                return

    def names(self, folder: str = "") -> list[str]:
        """See the base class."""
        with self._errors(folder):
            try:
                found = self._files.ls(self._full(folder) if folder else self._root, detail=False)
            except FileNotFoundError:
                return []
        names = {PurePosixPath(path).name for path in found}
        return sorted(name for name in names if name and not name.startswith("."))

    def _full(self, path: str) -> str:
        return f"{self._root}/{_plain(path, self.name)}"

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, UserError):
            raise
        except Exception as error:  # each driver has its own classes of errors
            raise UserError(f"{self.place(path)}: {' '.join(str(error).split())}") from error


def open_store(target: str | Path) -> Store:
    """The store of a path or URL.

    Raises:
        UserError: no driver for the URL is installed.
    """
    text: Any = str(target)
    if "://" not in text:
        return FolderStore(Path(text))
    if text.startswith("file://"):
        return FolderStore(Path(text.removeprefix("file://")))
    return ObjectStore(text)


def _status(error: BaseException) -> int:
    """HTTP status of the answer that s3fs has made an error of; 0 where there is none."""
    response = getattr(error.__cause__, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _plain(path: str, name: str) -> str:
    """The path, where it has no part that leads elsewhere."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise UserError(f"{path!r} is not a path inside {name}")
    return path

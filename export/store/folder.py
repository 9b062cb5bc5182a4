"""A folder on this machine, or on a disk that it shares."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from export.store.interface import Store, is_plain
from lartpc.errors import UserError
from lartpc.files import whole_file, whole_folder

LOCK_FILE = ".publish.lock"
LEFT = re.compile(r"\..+\.(part|gone)")
DAY = 86_400.0
"""Seconds after which what is unfinished is nobody's: of another container none can say who lives."""


class FolderStore(Store):
    """A folder of files; a link in it is refused: what it leads to may change or go.

    Raises:
        UserError: there is a file of this name.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = Path(root)
        if re.match(r"[a-z][a-z0-9]+:/", str(root)):
            raise UserError(f"{root} is a URL; name a folder on this machine")
        with self._errors("read", ""):
            if not self.root.is_dir() and (self.root.exists() or self.root.is_symlink()):
                raise UserError(f"{root} is not a folder; name a model repository")

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See the base class."""
        with self._errors("read", path):
            try:
                file = self._inside(path)
                if file.exists() and not file.is_file():
                    raise UserError(f"{file} is not a file")
                content = file.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return content, hashlib.sha256(content).hexdigest()

    def create(self, path: str, content: bytes) -> None:
        """See the base class."""
        model = path.split("/")[:-1][:1]  # a part that a killed publisher leaves lies outside of the version
        part = self.root.joinpath(*model, f".{path.replace('/', '.')}.{uuid4().hex}.part")
        with self._errors("write", path):
            file = self._inside(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("xb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fsync(opened.fileno())
                self._link(part, file)
            finally:
                part.unlink(missing_ok=True)

    def _link(self, part: Path, file: Path) -> None:
        try:
            os.link(part, file)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            raise UserError(
                f"{self.name} lies on a disk without hard links, which publishing needs; name another place"
            ) from error

    def create_all(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See the base class; the folder appears whole, by one renaming."""
        with self._errors("write", folder):
            place = self._inside(folder)
        try:
            with whole_folder(place) as part:
                for name, content in files.items():
                    (part / self.plain(name)).write_bytes(content)
        except UserError as error:
            if place.exists():
                raise self.changed(folder) from error
            raise

    def replace(self, path: str, content: bytes, token: str | None) -> None:
        """See the base class."""
        with self._errors("write", path):
            file = self._inside(path)
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / LOCK_FILE).open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self.read(path)
                if (found[1] if found else None) != token:
                    raise self.changed(path)
                _sweep(file.parent)
                with whole_file(file) as part:
                    part.write_bytes(content)

    def delete_all(self, folder: str) -> None:
        """See the base class; it is gone at once, by one renaming."""
        with self._errors("remove", folder):
            place = self._inside(folder)
            if not place.is_dir():
                return
            gone = place.with_name(f".{place.name}.{uuid4().hex}.gone")
            os.utime(place)  # renaming does not: the folder would count as left behind
            place.rename(gone)
            shutil.rmtree(gone)

    def names(self, folder: str = "") -> list[str]:
        """See the base class."""
        with self._errors("list", folder):
            place = self._inside(folder) if folder else self.root
            if not place.is_dir():
                return []
            names = [path.name for path in place.iterdir()]
        return sorted(name for name in names if not name.startswith(".") and is_plain(name))

    def _inside(self, path: str) -> Path:
        file = self.root
        for part in self.plain(path).split("/"):
            file /= part
            if file.is_symlink():
                raise UserError(f"{file} is a link; put what it leads to in its place")
        return file

    @contextmanager
    def _errors(self, doing: str, path: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            place = self.place(path) if path else self.name
            raise UserError(f"cannot {doing} {place}: {error.strerror or error}") from error


def _sweep(folder: Path) -> None:
    """Remove what killed publishers have left in a folder a day ago or longer."""
    old = time.time() - DAY
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if not LEFT.fullmatch(path.name) or path.lstat().st_mtime > old:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

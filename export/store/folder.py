"""A folder on this machine, or on a disk that it shares."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from export.store.interface import Store
from lartpc.errors import UserError
from lartpc.files import whole_file, whole_folder

LOCK_FILE = ".publish.lock"


class FolderStore(Store):
    """A folder of files; a link in it is refused: what it leads to may change or go.

    Raises:
        UserError: there is a file of this name.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"{root} is not a folder; name a model repository")

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See the base class."""
        file = self._inside(path)
        with self._errors("read", path):
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
        with self._errors("write", path):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("xb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fsync(opened.fileno())
                os.link(part, file)
            finally:
                part.unlink(missing_ok=True)

    def create_all(self, folder: str, files: Mapping[str, bytes]) -> None:
        """See the base class; the folder appears whole, by one renaming."""
        with whole_folder(self._inside(folder)) as part:
            for name, content in files.items():
                (part / self.plain(name)).write_bytes(content)

    def replace(self, path: str, content: bytes, token: str | None) -> None:
        """See the base class."""
        file = self._inside(path)
        with self._errors("write", path):
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / LOCK_FILE).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self.read(path)
                if (found[1] if found else None) != token:
                    raise self.changed(path)
                with whole_file(file) as part:
                    part.write_bytes(content)

    def delete(self, path: str) -> None:
        """See the base class; a folder that becomes empty goes too."""
        file = self._inside(path)
        with self._errors("remove", path):
            file.unlink(missing_ok=True)
            if file.parent != self.root and file.parent.is_dir() and not any(file.parent.iterdir()):
                file.parent.rmdir()

    def names(self, folder: str = "") -> list[str]:
        """See the base class."""
        place = self._inside(folder) if folder else self.root
        with self._errors("list", folder):
            if not place.is_dir():
                return []
            return sorted(path.name for path in place.iterdir() if not path.name.startswith("."))

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
            raise UserError(f"cannot {doing} {self.place(path)}: {error.strerror or error}") from error

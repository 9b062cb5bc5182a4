"""The private folder that the embedded server polls: links to the models that run here.

The server never sees the repository itself. What is not whole there is not offered, a model that does not run
on this machine is not in the folder, and neither blanks nor other letters in the repository's path matter.
"""

import fcntl
import re
import secrets
import shutil
import tempfile
from pathlib import Path

from lartpc.files import write_text
from lartpc.served.model_config import CONFIG_FILE, config_text
from serving.instances import divide_cores
from serving.repository import RepositoryModel

PREFIX = "lartpc-served-"
LOCK_FILE = ".lock"
LOAD = "load"
"""Parameter by which a served configuration tells which offer it is of."""


class Offer:
    """A folder of models for one server; only this user may look into it.

    Attributes:
        root: the folder.
    """

    def __init__(self) -> None:
        _remove_left_over()
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place()))
        self._lock = (self.root / LOCK_FILE).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def put(self, model: RepositoryModel) -> str:
        """Offer a model, or offer it in another form.

        Returns:
            The mark that its served configuration has as parameter ``load`` once it is loaded so.
        """
        folder = self.root / model.name
        folder.mkdir(exist_ok=True)
        if not model.config.version_policy.HasField("specific"):
            self.trim(model)  # whatever lies there is served
        for link in folder.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink()
        for source in model.files:
            link = folder / source.name
            if link.is_symlink() and link.readlink() != source:
                link.unlink()
            if not link.is_symlink():
                link.symlink_to(source)
        config = type(model.config)()
        config.CopyFrom(model.config)
        divide_cores(config)
        mark = secrets.token_hex(8)
        config.parameters[LOAD].string_value = mark
        write_text(folder / CONFIG_FILE, config_text(config))
        return mark

    def trim(self, model: RepositoryModel) -> None:
        """Remove the links that a model in this form does not have, once it is loaded."""
        wanted = {CONFIG_FILE, *(source.name for source in model.files)}
        for link in (self.root / model.name).iterdir():
            if link.is_symlink() and link.name not in wanted:
                link.unlink()

    def withdraw(self, name: str) -> None:
        """Offer a model no longer."""
        gone = self.root / f".{name}"
        (self.root / name).rename(gone)  # at once: the server never sees half of it
        shutil.rmtree(gone)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.close()


def _place() -> Path:
    """TMPDIR, or /tmp where it has letters that the shell of Triton's Python backend takes otherwise."""
    folder = tempfile.gettempdir()
    return Path(folder if re.fullmatch(r"[A-Za-z0-9_./-]+", folder) else "/tmp")


def _remove_left_over() -> None:
    """Remove the folders of servers whose process was killed: the kernel has let go of their locks."""
    for folder in _place().glob(f"{PREFIX}*"):
        try:
            with (folder / LOCK_FILE).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue

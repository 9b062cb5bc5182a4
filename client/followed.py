"""A file of settings that names other servers in the course of time."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from client.settings import Settings
from lartpc.errors import UserError

LOOK_S = 1.0
"""Between two looks at the file."""

log = logging.getLogger(__name__)


class Followed:
    """A file that whoever starts servers replaces.

    Args:
        source: its path.
        given: settings over those of the file.
    """

    def __init__(self, source: str, given: dict[str, Any]) -> None:
        self._source, self._given = source, given
        self._mark, self._looked = self._stat(), time.monotonic()
        self._one_looks = threading.Lock()

    def changed(self) -> Settings | None:
        """What it says now; None where it says nothing new, is not there, or cannot be read."""
        if time.monotonic() - self._looked < LOOK_S or not self._one_looks.acquire(blocking=False):
            return None
        try:
            self._looked = time.monotonic()
            mark = self._stat()
            if mark is None or mark == self._mark:
                return None
            settings = Settings.of(self._source, **self._given)
            if not all(address.server for address in settings.addresses):
                raise UserError(f"{self._source} names a folder now; servers stay servers")
            self._mark = mark
            return settings
        except UserError as error:
            log.warning("%s is not followed: %s", self._source, error)
            return None
        finally:
            self._one_looks.release()

    def _stat(self) -> tuple[int, int] | None:
        try:
            about = Path(self._source).stat()
        except OSError:
            return None
        return about.st_ino, about.st_mtime_ns

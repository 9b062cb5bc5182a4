"""Runs a step of export, publish or classify in a process that is killed at one of its writes.

    python -m tests.helpers.killed LOG POINT STEP ...

Each write, rename, link, removal and put is a point, once before and once after it; at number POINT the
process kills itself with SIGKILL, and LOG tells the points that were passed.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client.classify import main as classify
from export.publish import main as publish
from export.registry import main as registry
from export.store.bucket import BucketStore
from tests.helpers.published_repository import add

WATCHED = ("fsync", "link", "mkdir", "remove", "rename", "replace", "rmdir", "unlink")


class Points:
    """Counts points and kills at one of them."""

    def __init__(self, log: Path, fatal: int) -> None:
        self._log, self._fatal, self._passed = log, fatal, 0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **options: Any) -> Any:
            self._point(f"before {name} {_file(args)}")
            result = function(*args, **options)
            self._point(f"after {name} {_file(args)}")
            return result

        return watched

    def _point(self, name: str) -> None:
        self._passed += 1
        with self._log.open("a") as log:
            log.write(f"{self._passed} {name}\n")
        if self._passed == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def _file(args: tuple[Any, ...]) -> str:
    return next((Path(value).name for value in args if isinstance(value, str | Path)), "")


def export(repository: str, seed: str) -> int:
    add(Path(repository), int(seed))
    return 0


STEPS: dict[str, Callable[..., int]] = {
    "classify": lambda *args: classify(list(args)),
    "export": export,
    "publish": lambda *args: publish(list(args)),
    "registry": lambda *args: registry(list(args)),
}


def main(log: str, fatal: str, step: str, *args: str) -> int:
    points = Points(Path(log), int(fatal))
    for name in WATCHED:
        setattr(os, name, points.around(name, getattr(os, name)))
    for name in ("create", "replace", "delete_all"):  # each is one request to an object store
        setattr(BucketStore, name, points.around(name, getattr(BucketStore, name)))
    return STEPS[step](*args)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

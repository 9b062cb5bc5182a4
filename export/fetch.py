"""``python -m export.fetch``: published models to the disk of a server, once or following."""

import logging
import time
from pathlib import Path
from typing import Literal

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.terminal import say

PROG = "python -m export.fetch"
Profile = Literal["cpu", "gpu", "all"]
GPU = {"cpu": (False,), "gpu": (True,), "all": (False, True)}

log = logging.getLogger(__name__)


def fetch(
    source: str,
    folder: Path,
    profile: Profile = "cpu",
    every_s: float | None = None,
    tuning: Path | None = None,
) -> None:
    """Copy the versions that a target shows to a folder that a Triton polls, every file hashed.

    A version is there whole before config.pbtxt names it. With --every-s the target is looked at again and
    again, until Ctrl-C: what is promoted there, rolled back or removed is so here. While it cannot be
    reached, or something there is damaged, what is here stays, and one line says so.

    Args:
        source: folder or URL that was published to, such as s3://bucket/models
        folder: to copy to, on the server's own disk
        profile: models that run on any machine, those that need a GPU, or all
        every_s: go on looking, so many seconds apart
        tuning: file of settings by model, as serving.tune writes it: how this server is to run them; the
            source stays as it is
    """
    from export.repository.copying import copy, sweep
    from export.store.folder import FolderStore
    from export.store.target import open_store
    from lartpc.served.tuning import read_tunings

    if every_s is not None and not 1 <= every_s <= 86_400:
        raise UserError(f"--every-s {every_s:g} must lie between 1 and 86400")
    tunings = read_tunings(tuning) if tuning is not None else {}
    there, here = open_store(source), FolderStore(folder)
    said: set[str] = set()
    while True:
        try:
            copied = copy(there, here, GPU[profile], tunings)
        except UserError as error:
            if every_s is None:
                raise
            faults = {str(error)}
        else:
            for name, version in copied.shown.items():
                say(f"{name}: version {version}")
            for name in copied.gone:
                say(f"{name} has left {source}")
            faults = set(copied.faults)
            if every_s is None and faults:
                raise CheckError("; ".join(sorted(faults)))
        for fault in sorted(faults - said):
            log.warning("%s; what is here stays, and it is tried again", fault)
        said = faults
        if every_s is None:
            return
        time.sleep(every_s)
        if not faults:
            sweep(here)  # a look later: a server has taken its eyes off them


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(fetch, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

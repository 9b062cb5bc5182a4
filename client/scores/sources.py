"""The event files of a job: which can be read, and how many events and hits each has."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.event_folder import event_files, open_events


@dataclass(frozen=True, eq=False)
class Source:
    """An event file.

    Attributes:
        path: of it.
        digest: of its events.
        hit_counts: (E,) hits of each event.
    """

    path: Path
    digest: str
    hit_counts: NDArray[np.int64]


class Place(NamedTuple):
    """An event: its file, and its position there."""

    source: Source
    position: int


@dataclass(frozen=True)
class Sources:
    """The event files of a job, in order.

    Attributes:
        path: the file or folder that the user named.
        files: that can be read.
        damaged: file that cannot -> why; those that turn out so later join them.
    """

    path: Path
    files: list[Source]
    damaged: dict[Path, UserError] = field(default_factory=dict)

    @classmethod
    def survey(cls, path: Path) -> "Sources":
        """Look into every file; a folder of which one is damaged has the others.

        Raises:
            UserError: no file can be read, or they do not belong together.
        """
        surveyed = cls(path, [])
        for file in event_files(path):
            try:
                with EventFile(file) as events:
                    digest = str(events.provenance.data.get("digest", ""))
                    surveyed.files.append(Source(file, digest, events.hit_counts))
            except UserError as error:
                surveyed.damaged[file] = error
        if not surveyed.files:
            raise next(iter(surveyed.damaged.values()))
        if not surveyed.damaged:
            surveyed.as_one()
        return surveyed

    def as_one(self) -> tuple[dict[str, Any], NDArray[np.void]]:
        """What all files have in common: the data stage of their provenance, and their sample table.

        Raises:
            UserError: one is damaged, or they do not belong together.
        """
        with open_events(self.path) as events:
            return events.provenance.data, events.samples

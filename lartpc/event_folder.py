"""A folder of event files, read as if it were one: what ``data_gen.generate --events-per-file`` writes."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.hit_finding import other_hits
from lartpc.provenance import Provenance

OF_ONE_FILE = ("events", "first_event", "digest")
"""What the provenance of the data says of a file alone; all else is the same throughout a folder."""
OF_THE_CODE = ("git_commit", "packages")
"""What may differ from file to file: the folder's provenance holds it where all files agree."""


def open_events(path: Path) -> EventFile:
    """Open an event file, or a folder of them.

    Raises:
        UserError: as of :class:`lartpc.event_file.EventFile` and :class:`EventFolder`.
    """
    return EventFolder(path) if Path(path).is_dir() else EventFile(path)


def event_files(path: Path) -> list[Path]:
    """The event files of a folder in the order of their names, or the one file; files of scores are none.

    Raises:
        UserError: the folder has none.
    """
    if not Path(path).is_dir():
        return [Path(path)]
    files = [file for file in sorted(Path(path).glob("*.h5")) if not holds_scores(file)]
    if not files:
        raise UserError(
            f"{path} holds no event file; make some with: "
            f"python -m data_gen.generate --events-per-file 500 --out {path}"
        )
    return files


def holds_scores(path: Path) -> bool:
    """Whether a file is one of scores (:mod:`lartpc.score_file`), which may lie beside the events."""
    try:
        with h5py.File(path) as file:
            return "schema" not in file.attrs and "michel_score" in file
    except OSError:
        return False


class EventFolder(EventFile):
    """Reads the event files (``*.h5``) of a folder in the order of their names; one is open at a time.

    Attributes:
        path: the folder.
        provenance: what all files have in common, ``events`` and ``first_event`` of the whole, and as
            ``digest`` the SHA-256 over the files' digests in order. So the digest depends on how the
            events are divided, and the same events divided otherwise are another data set.

    The other attributes are those of :class:`lartpc.event_file.EventFile`.

    Raises:
        UserError: the folder has no event file, one is damaged or made otherwise than the first, or
            events are there twice or missing in between.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._files = event_files(self.path)
        records: list[dict] = []
        event_ids, splits, hit_counts = [], [], []
        for file in self._files:
            with EventFile(file) as events:
                if not records:
                    self.planes, self.stored, self.samples = events.planes, events.stored, events.samples
                elif (
                    _common(events.provenance.data) != _common(records[0])
                    or (events.planes, events.stored) != (self.planes, self.stored)
                    or not np.array_equal(events.samples, self.samples)
                ):
                    raise UserError(
                        f"{file} was made otherwise than {self._files[0].name}: with another "
                        f"{_difference(events.provenance.data, records[0])}; keep them in different folders"
                    )
                records.append(events.provenance.data)
                event_ids.append(events.event_ids)
                splits.append(events.splits)
                hit_counts.append(events.hit_counts)
        _check_sequence(self.path, records)
        self.event_ids = np.concatenate(event_ids)
        self.splits = np.concatenate(splits)
        self.hit_counts = np.concatenate(hit_counts)
        if len(np.unique(self.event_ids, axis=0)) < len(self.event_ids):
            raise UserError(f"{self.path} holds an event twice; keep its files in different folders")
        self.provenance = Provenance(data=_whole(records))
        self._first_of_file = np.cumsum([0, *map(len, event_ids)])
        self._number, self._events = 0, EventFile(self._files[0])

    def __exit__(self, *_: object) -> None:
        self._events.__exit__()

    def image(self, index: int, plane: str) -> NDArray[np.float16]:
        """(drift volume, wire, drift pixel) stored pixels of one event and plane."""
        events, position = self._locate(index)
        return events.image(position, plane)

    def _rows(self, table: str, index: int) -> NDArray[np.void]:
        events, position = self._locate(index)
        return events._rows(table, position)

    def _locate(self, index: int) -> tuple[EventFile, int]:
        """The file that holds an event, opened, and the event's index in it."""
        number = int(np.searchsorted(self._first_of_file, index, side="right")) - 1
        if number != self._number:
            self._events.__exit__()
            self._number, self._events = number, EventFile(self._files[number])
        return self._events, int(index - self._first_of_file[number])


def _common(data: dict) -> dict:
    return {name: value for name, value in data.items() if name not in OF_ONE_FILE + OF_THE_CODE}


def _difference(data: dict, first: dict) -> str:
    rules = list(other_hits(first, data))
    if rules:
        return f"rule for hits ({'; '.join(rules)})"
    names = [name for name in _common({**data, **first}) if data.get(name) != first.get(name)]
    return " and ".join(names) or "set of planes, pixels or samples"


def _check_sequence(path: Path, records: list[dict]) -> None:
    """Refuse gaps between generated files: an interrupted generation has them."""
    ranges = sorted((data["first_event"], data["events"]) for data in records if "first_event" in data)
    for (first, events), (following, _) in zip(ranges, ranges[1:], strict=False):
        if following > first + events:
            raise UserError(
                f"{path} lacks the events {first + events} to {following - 1}; repeat the command that "
                "generates it: it makes what is missing"
            )


def _whole(records: list[dict]) -> dict:
    """The data stage of a folder's provenance, from those of its files."""
    first = records[0]
    data = {name: value for name, value in first.items() if all(of.get(name) == value for of in records)}
    digest = hashlib.sha256("".join(record["digest"] for record in records).encode())
    data.update(files=len(records), digest=digest.hexdigest())
    for name, combined in (("events", sum), ("first_event", min)):
        if name in first:
            data[name] = combined(record[name] for record in records)
    return data

"""A file of energy deposits from another transport code, such as Geant4.

HDF5. ``/steps`` has a row for each deposit, either as a group with a dataset for each column or as one
compound dataset:

    event       number of the event, 0 or more; rows of an event lie together, events in ascending order
    x, y, z     middle of the step, in cm, in the axes of lartpc.detector
    t           us, 0 at the trigger
    energy      deposited, in MeV, 0 or more
    length      path over which it was deposited, in cm, positive where the energy is
    deposit     0 track, 1 shower, 2 Michel electron (data_gen.physics.steps.Deposit)
    track_id    of the particle, 0 or more; it becomes the g4_id of hits

``/particles``, if there, has a row for each particle, in either form and the same order: ``event``,
``track_id`` and the columns of lartpc.event.PARTICLE_DTYPE but its g4_id. Further columns are ignored.
"""

from pathlib import Path
from typing import Self

import h5py
import numpy as np
from numpy.typing import NDArray

from data_gen.physics.steps import STEP_DTYPE, Deposit
from lartpc.errors import UserError
from lartpc.event import PARTICLE_DTYPE

_LARGEST = 2**31 - 1
"""The event file holds numbers of events and particles in 32 bits."""


class StepsFile:
    """Reads a file of energy deposits, event by event; a context manager.

    Attributes:
        path: the file.
        numbers: (E,) numbers of the events that have deposits, ascending.

    Raises:
        UserError: the file is missing, is no HDF5 file, lacks a column, has one of another length or kind,
            or its events do not lie in order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise UserError(f"no file of steps {path}")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise UserError(f"{path} is not a readable HDF5 file ({error})") from error
        try:
            self._steps = _Table(self._file, "steps", STEP_DTYPE)
            self._particles = _Table(self._file, "particles", PARTICLE_DTYPE, required=False)
            self.numbers = self._steps.numbers
            if not len(self.numbers):
                raise UserError(f"{path}: /steps has no rows")
        except UserError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def steps(self, number: int) -> NDArray[np.void]:
        """(S,) deposits of an event, of :data:`data_gen.physics.steps.STEP_DTYPE`; g4_id is the track_id.

        Raises:
            UserError: a value is not finite, or out of its range.
        """
        rows = self._steps.rows(number)
        where = f"{self.path}: /steps, event {number}"
        for wrong, what in (
            (rows["energy"] < 0.0, "a negative energy"),
            ((rows["energy"] > 0.0) & (rows["length"] <= 0.0), "energy over a length that is not positive"),
            (~np.isin(rows["deposit"], list(Deposit)), "a deposit that is not 0, 1 or 2"),
        ):
            if wrong.any():
                raise UserError(f"{where}, row {int(np.argmax(wrong))} of the event has {what}")
        return rows

    def particles(self, number: int) -> NDArray[np.void]:
        """(P,) particles of an event, of :data:`lartpc.event.PARTICLE_DTYPE`."""
        return self._particles.rows(number)


class _Table:
    """Rows of a group or compound dataset, ordered by event."""

    def __init__(self, file: h5py.File, name: str, dtype: np.dtype, required: bool = True) -> None:
        self._where = f"{file.filename}: /{name}"
        self._dtype = dtype
        self._table = file.get(name, {})
        if self._table == {} and required:
            raise UserError(f"{self._where} is missing (see docs/generating.md)")
        self._columns = {field: "track_id" if field == "g4_id" else field for field in dtype.names or ()}
        self.numbers, self._first = np.zeros(0, np.int64), np.zeros(1, np.int64)
        if self._table != {}:
            self._check()
            self._find_events()

    def _check(self) -> None:
        """Refuse missing columns, and columns that differ in length or hold something else."""
        if isinstance(self._table, h5py.Dataset):
            rows, dtype = self._table.shape, self._table.dtype
            found = {name: (rows + dtype[name].shape, dtype[name].base) for name in dtype.names or ()}
        else:
            columns = {name: each for name, each in self._table.items() if isinstance(each, h5py.Dataset)}
            found = {name: (each.shape, each.dtype) for name, each in columns.items()}
        missing = [name for name in ("event", *self._columns.values()) if name not in found]
        if missing:
            raise UserError(f"{self._where} lacks the columns {', '.join(missing)} (see docs/generating.md)")
        length = found["event"][0]
        if len(length) != 1:
            raise UserError(f"{self._where}/event must be a list of numbers")
        for field, name in self._columns.items():
            wanted = self._dtype[field]
            shape, has = found[name]
            kinds = {"S": "S", "i": "iu", "f": "fiu"}[wanted.base.kind]
            if has.kind not in kinds or shape[1:] != wanted.shape:
                raise UserError(f"{self._where}/{name} holds {has} {shape[1:]}; it must be like {wanted}")
            if shape[:1] != length:
                raise UserError(f"{self._where}/{name} has {shape[0]} rows, event {length[0]}")

    def _find_events(self) -> None:
        """Numbers of the events and their first rows."""
        event = self._column("event", slice(None))
        if event.dtype.kind not in "iu" or not np.all((event >= 0) & (event <= _LARGEST)):
            raise UserError(f"{self._where}/event must hold integers from 0 to {_LARGEST}")
        event = event.astype(np.int64)
        falls = np.flatnonzero(np.diff(event) < 0)
        if len(falls):
            row = int(falls[0]) + 1
            raise UserError(
                f"{self._where}: event {event[row]} in row {row} comes after event {event[row - 1]}; "
                "sort the rows by event"
            )
        self.numbers, first = np.unique(event, return_index=True)
        self._first = np.append(first, len(event))

    def rows(self, number: int) -> NDArray[np.void]:
        """Rows of an event; none where it has none."""
        index = int(np.searchsorted(self.numbers, number))
        if index == len(self.numbers) or self.numbers[index] != number:
            return np.zeros(0, self._dtype)
        first, last = int(self._first[index]), int(self._first[index + 1])
        rows = np.zeros(last - first, self._dtype)
        for field, name in self._columns.items():
            values = self._column(name, slice(first, last))
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise UserError(f"{self._where}/{name} holds NaN or infinity in event {number}")
            if name == "track_id" and not np.all((values >= 0) & (values <= _LARGEST)):
                raise UserError(f"{self._where}/track_id of event {number} must lie between 0 and {_LARGEST}")
            rows[field] = values
        return rows

    def _column(self, name: str, rows: slice) -> NDArray:
        try:
            compound = isinstance(self._table, h5py.Dataset)
            return self._table.fields(name)[rows] if compound else self._table[name][rows]
        except OSError as error:
            raise UserError(f"{self._where}/{name} is damaged: {error}") from error

"""The score file: every hit of some events with its four scores and its truth, in HDF5, a data set a column.

An evaluation and a client write the same columns; each may add its own. Rows lie in the order of the events,
and of an event's hits in the order of its hit table.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.errors import unread
from lartpc.event_file import DAMAGE, EventFile
from lartpc.files import DeferredWrites, whole_file
from lartpc.interrupts import interrupts_held
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from lartpc.served.parity import Outputs

HIT_SCORE_DTYPE = np.dtype(
    [
        ("index", "i4"),  # of the event in its file
        ("event_id", "i4", (3,)),  # run, subrun, event number
        ("hit_id", "i4"),  # within the event
        ("plane", "u1"),  # 0 U, 1 V, 2 W
        ("tpc", "u1"),  # drift volume
        ("wire", "u2"),  # within the plane of the drift volume
        ("time", "f4"),  # peak, in ticks
        ("g4_id", "i4"),  # particle with the largest deposit, -1 for noise
        ("label", "u1"),  # lartpc.served.contract.Label
        ("michel", "u1"),  # 1 where the hit is a Michel electron's
        ("sample", "u1"),  # row of the file's sample table
        ("amplitude", "f4"),  # height of the hit, in the file's charge a tick
        ("weight", "f4"),  # how often the hit counts in the natural mixture
        ("track", "f4"),  # the four scores
        ("shower", "f4"),
        ("none", "f4"),
        ("michel_score", "f4"),
    ]
)
"""What a hit is and how it was answered: the columns of every score file."""

AS_IN_THE_TABLE = ("hit_id", "tpc", "g4_id", "label", "michel", "sample", "amplitude")
LOCAL = ("plane", "wire", "time")
"""Columns that the hit table calls ``local_...``."""

CLASSES = tuple(label.name.lower() for label in Label)
ROWS_PER_CHUNK = 16384

Append = Callable[[NDArray[np.void]], None]
"""Adds rows to a score file."""


def hit_columns(events: EventFile, index: int, hits: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """Column -> (H,) values for hits of an event: all but the scores.

    Args:
        events: an open event file.
        index: of the event.
        hits: (H,) of lartpc.event.HIT_DTYPE, of that event.

    Raises:
        UserError: a hit names a sample that the file does not have.
    """
    return {
        "index": np.full(len(hits), index, np.int32),
        "event_id": np.tile(events.event_ids[index], (len(hits), 1)),
        **{name: hits[name] for name in AS_IN_THE_TABLE},
        **{name: hits[f"local_{name}"] for name in LOCAL},
        "weight": events.natural_weights(hits),
    }


def set_outputs(scores: NDArray[np.void], outputs: Outputs) -> None:
    """Enter the contract's outputs, (N, 3) and (N, 1), as the four scores."""
    for column, name in enumerate(CLASSES):
        scores[name] = outputs[CLASS_OUTPUT][:, column]
    scores["michel_score"] = outputs[MICHEL_OUTPUT][:, 0]


def outputs_of(scores: NDArray[np.void]) -> Outputs:
    """The contract's outputs, (N, 3) and (N, 1), from the four scores."""
    classes = np.column_stack([scores[name] for name in CLASSES])
    return {CLASS_OUTPUT: classes, MICHEL_OUTPUT: scores["michel_score"][:, None].copy()}


@contextmanager
def written_scores(
    path: Path, dtype: np.dtype, attributes: Mapping[str, Any], tables: Mapping[str, NDArray[np.void]]
) -> Iterator[Append]:
    """Yields what adds rows to a score file, which appears whole when the block ends well.

    Args:
        path: the file; one that exists is replaced.
        dtype: of the rows: :data:`HIT_SCORE_DTYPE`, with whatever columns the writer adds.
        attributes: of the file.
        tables: name -> rows of a table beside the hits, such as ``sample_table``.

    Raises:
        UserError: the place cannot be written, or is full; what was there is left.
    """
    with whole_file(path) as part, ExitStack() as stack:
        with interrupts_held():
            disk = stack.enter_context(DeferredWrites(part))
            file = stack.enter_context(h5py.File(disk, "w"))
            file.attrs.update(attributes)
            for table, rows in tables.items():
                for name in rows.dtype.names or ():
                    file.create_dataset(f"{table}/{name}", data=rows[name])
            columns = {name: _column(file, name, dtype[name]) for name in dtype.names or ()}

        def append(rows: NDArray[np.void]) -> None:
            with disk.writing():
                for name, column in columns.items():
                    count = len(column)
                    column.resize(count + len(rows), axis=0)
                    column[count:] = rows[name]

        yield append
        with disk.writing():
            file.close()


def _column(file: h5py.File, name: str, dtype: np.dtype) -> h5py.Dataset:
    return file.create_dataset(
        name,
        shape=(0, *dtype.shape),
        maxshape=(None, *dtype.shape),
        chunks=(ROWS_PER_CHUNK, *dtype.shape),
        dtype=dtype.base,
        compression="gzip",
        compression_opts=4,
        shuffle=True,
        fletcher32=True,
    )


def read_rows(
    path: Path, dtype: np.dtype, unknown: Mapping[str, Any], advice: str = "make it anew"
) -> NDArray[np.void]:
    """The rows of a score file.

    Args:
        path: the file.
        dtype: of the rows that are wanted.
        unknown: column that the file may lack -> value in its place.
        advice: what to do where it is damaged.

    Raises:
        UserError: the file is missing or damaged, or lacks another column.
    """
    try:
        with h5py.File(path, "r") as file:
            rows = np.zeros(len(file["hit_id"]), dtype)
            for name in dtype.names or ():
                rows[name] = unknown[name] if name in unknown and name not in file else file[name][:]
    except DAMAGE as error:
        raise unread(path, error, f"holds no scores ({error}); {advice}") from error
    return rows

"""The form of an event file: its tables, and whether what a file declares fits together before it is read."""

import h5py
import numpy as np

from lartpc.detector import PLANES
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, SAMPLE_DTYPE

SPLITS = ("train", "validation", "test")
TABLES = {"hit_table": HIT_DTYPE, "particle_table": PARTICLE_DTYPE, "empty_pixel_table": EMPTY_DTYPE}
EVENT_ID = np.dtype(("i4", 3))
COUNTS = {table: f"event_table/{table.removesuffix('_table')}s" for table in TABLES}
"""Table -> rows of it that each event has."""

LARGEST_IMAGE = 100_000_000
"""Pixels of a plane of one event, fourteen times those of ProtoDUNE-SP: what declares more is no event."""

MOST_FOLDED = 10_000
"""Bytes of a column for each one stored, ten times what deflate can: what declares more was never written."""


def check_form(file: h5py.File) -> None:
    """Compare what a file declares; no image and no table is read.

    Raises:
        ValueError: its tables, counts, splits or images do not fit together, a column is of another kind, or
            a sample's numbers are none.
    """
    events = len(_column(file, "event_table/event_id", EVENT_ID))
    splits = _column(file, "event_table/split", np.dtype("u1"))[:]
    if len(splits) != events or np.any(splits >= len(SPLITS)):
        raise ValueError("an event is of no split")
    for table in TABLES:
        _check_table(file, table, events)
    planes = list(file["plane_images"])
    if (events and not planes) or not set(planes) <= {plane.name for plane in PLANES}:
        raise ValueError(f"it has the planes {', '.join(planes) or 'none'}; known are U, V and W")
    for plane in planes:
        images = _stored(file, f"plane_images/{plane}")
        shape, dtype = images.shape, images.dtype
        if len(shape) != 4 or shape[0] != events or dtype.kind != "f":
            raise ValueError(f"the images of plane {plane} are {dtype} of shape {shape}")
        if np.prod([float(size) for size in shape[1:]]) > LARGEST_IMAGE:
            raise ValueError(f"an image of plane {plane} has {' x '.join(map(str, shape[1:]))} pixels")
    for name in SAMPLE_DTYPE.names or ():
        column = _column(file, f"sample_table/{name}", SAMPLE_DTYPE[name])[:]
        if column.dtype.kind == "f" and not (np.isfinite(column).all() and (column >= 0).all()):
            raise ValueError(f"{name} of a sample is no number of 0 or more")


def _check_table(file: h5py.File, table: str, events: int) -> None:
    counts = _column(file, COUNTS[table], np.dtype("i4"))[:].astype(np.int64)
    fields = TABLES[table].names or ()
    lengths = {len(_column(file, f"{table}/{name}", TABLES[table][name])) for name in fields}
    if len(counts) != events or np.any(counts < 0) or lengths != {int(counts.sum())}:
        raise ValueError(f"the rows of its {table} are not those that its events count")


def _column(file: h5py.File, name: str, wanted: np.dtype) -> h5py.Dataset:
    """A column whose rows are what they are to be: another width will do, another kind of number will not."""
    column = _stored(file, name)
    if column.shape[1:] != wanted.shape or not np.can_cast(column.dtype, wanted.base, "same_kind"):
        raise ValueError(f"{name} is {column.dtype} of shape {column.shape}")
    return column


def _stored(file: h5py.File, name: str) -> h5py.Dataset:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(f"{name} is no column")
    if dataset.nbytes > MOST_FOLDED * dataset.id.get_storage_size():
        raise ValueError(f"{name} declares {dataset.nbytes:,} bytes, which the file does not hold")
    return dataset

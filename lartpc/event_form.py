"""The form of an event file: its tables, and whether what a file declares fits together before it is read."""

import h5py
import numpy as np

from lartpc.detector import PLANES
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, SAMPLE_DTYPE

SPLITS = ("train", "validation", "test")
TABLES = {"hit_table": HIT_DTYPE, "particle_table": PARTICLE_DTYPE, "empty_pixel_table": EMPTY_DTYPE}
COUNTS = {table: f"event_table/{table.removesuffix('_table')}s" for table in TABLES}
"""Table -> rows of it that each event has."""

LARGEST_IMAGE = 100_000_000
"""Pixels of a plane of one event, fourteen times those of ProtoDUNE-SP: what declares more is no event."""


def check_form(file: h5py.File) -> None:
    """Compare what a file declares; no image and no table is read.

    Raises:
        ValueError: its tables, counts, splits or images do not fit together, or a sample's numbers are none.
    """
    events = len(file["event_table/event_id"])
    splits = file["event_table/split"][:]
    if len(splits) != events or np.any(splits >= len(SPLITS)):
        raise ValueError("an event is of no split")
    for table in TABLES:
        _check_table(file, table, events)
    planes = list(file["plane_images"])
    if (events and not planes) or not set(planes) <= {plane.name for plane in PLANES}:
        raise ValueError(f"it has the planes {', '.join(planes) or 'none'}; known are U, V and W")
    for plane in planes:
        images = file[f"plane_images/{plane}"]
        shape, dtype = images.shape, images.dtype
        if len(shape) != 4 or shape[0] != events or dtype.kind != "f":
            raise ValueError(f"the images of plane {plane} are {dtype} of shape {shape}")
        if np.prod([float(size) for size in shape[1:]]) > LARGEST_IMAGE:
            raise ValueError(f"an image of plane {plane} has {' x '.join(map(str, shape[1:]))} pixels")
    for name in SAMPLE_DTYPE.names or ():
        column = file[f"sample_table/{name}"][:]
        if column.dtype.kind == "f" and not (np.isfinite(column).all() and (column >= 0).all()):
            raise ValueError(f"{name} of a sample is no number of 0 or more")


def _check_table(file: h5py.File, table: str, events: int) -> None:
    counts = file[COUNTS[table]][:].astype(np.int64)
    lengths = {len(file[f"{table}/{name}"]) for name in TABLES[table].names or ()}
    if len(counts) != events or np.any(counts < 0) or lengths != {int(counts.sum())}:
        raise ValueError(f"the rows of its {table} are not those that its events count")

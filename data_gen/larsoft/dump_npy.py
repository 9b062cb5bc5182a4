"""One .npy file, mapped into memory after a look at what its header promises."""

import math
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from lartpc.errors import UserError

_LARGEST_HEADER = 1 << 20  # the table's is 40 kB, for its 2315 columns


def mapped(path: Path) -> NDArray:
    """A file's array; pickled objects are refused.

    Raises:
        UserError: the file is missing, damaged, pickled, an archive or empty.
    """
    if not path.is_file():
        raise UserError(f"no file {path}")
    try:
        _check_length(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False, max_header_size=_LARGEST_HEADER)
    except Exception as error:  # numpy has no common class for what a damaged header raises
        raise UserError(f"{path} is no whole .npy file without pickled objects: {error}") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path} is an archive, no .npy file")
    if array.size == 0:
        raise UserError(f"{path} is empty")
    return array


def _check_length(path: Path) -> None:
    """Refuse a header that numpy would map without a look: it divides by sizes and counts in 64 bits."""
    with path.open("rb") as file:
        if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
            return
        file.seek(0)
        read_header = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
        shape, _, dtype = read_header(file, max_header_size=_LARGEST_HEADER)
        promised, there = math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
        if min(shape, default=0) < 0 or dtype.itemsize == 0 or promised > there:
            raise ValueError(
                f"the header promises {shape} of {dtype.itemsize} bytes each, {there} bytes follow"
            )

"""Where a patch that names no place was cut: the place in some planes whose pixels it holds."""

import numpy as np
from numpy.typing import NDArray

from lartpc.patches.cut import HALF
from lartpc.served.contract import PATCH_SIZE

Found = tuple[int, int, int]
"""Number of the plane, wire and drift pixel of a patch's hit."""

CANDIDATES = 64
"""Places that are looked at for a patch, of its rarest pixel."""


class PatchSearch:
    """The pixels of some planes by their values.

    Args:
        images: (wires, drift pixels) of each plane, in network units.
        level: value of a pixel without signal.
    """

    def __init__(self, images: list[NDArray[np.float32]], level: float) -> None:
        self._padded = [np.pad(image, HALF, constant_values=level) for image in images]
        places = [np.argwhere(image != np.float32(level)) for image in images]
        values = [image[tuple(place.T)] for image, place in zip(images, places, strict=True)]
        plane = np.repeat(np.arange(len(images)), [len(place) for place in places])
        place = np.concatenate([np.empty((0, 2), np.int64), *places])
        value = np.concatenate([np.empty(0, np.float32), *values])
        order = np.argsort(value, kind="stable")
        self._value, self._place, self._plane = value[order], place[order], plane[order]
        self._level = np.float32(level)

    def cut(self, found: Found) -> NDArray[np.float32]:
        """The (48, 48) patch at a place."""
        plane, wire, pixel = found
        return self._padded[plane][wire : wire + PATCH_SIZE, pixel : pixel + PATCH_SIZE]

    def place(self, patch: NDArray[np.float32], tolerance: float) -> Found | None:
        """Where the patch fits best; None where no plane holds its rarest pixel."""
        signal = np.argwhere(patch != self._level)
        values = patch[tuple(signal.T)]
        first = np.searchsorted(self._value, values - np.float32(tolerance))
        last = np.searchsorted(self._value, values + np.float32(tolerance), side="right")
        number = last - first
        if not len(signal) or not number.any():
            return None
        rarest = int(np.argmin(np.where(number > 0, number, len(self._value) + 1)))
        best: tuple[int, Found] | None = None
        for entry in range(int(first[rarest]), int(min(last[rarest], first[rarest] + CANDIDATES))):
            wire, pixel = (self._place[entry] - signal[rarest] + HALF).tolist()
            found = int(self._plane[entry]), wire, pixel
            rows, columns = self._padded[found[0]].shape
            if not (0 <= wire < rows - PATCH_SIZE + 1 and 0 <= pixel < columns - PATCH_SIZE + 1):
                continue
            off = int(np.count_nonzero(np.abs(self.cut(found) - patch) > tolerance))
            if best is None or off < best[0]:
                best = off, found
        return best and best[1]

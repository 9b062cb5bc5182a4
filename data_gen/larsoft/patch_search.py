"""Where a patch that names no place was cut: the place in some planes whose pixels it holds."""

import numpy as np
from numpy.typing import NDArray

from lartpc.patches.cut import HALF
from lartpc.served.contract import PATCH_SIZE

Found = tuple[int, int, int]
"""Number of the plane, wire and drift pixel of a patch's hit."""

CANDIDATES = 64
"""Places that are looked at for a patch, of its rarest pixel."""


MOST_OFF = 0.5
"""Share of its pixels with signal in which a patch may differ from the place that it is held to be cut at."""


class PatchSearch:
    """The pixels of some planes by their values.

    Args:
        images: (wires, drift pixels) of each plane, in network units.
        level: value of a pixel without signal.
    """

    def __init__(self, images: list[NDArray[np.float32]], level: float) -> None:
        self._padded = [np.pad(image, HALF, constant_values=level) for image in images]
        pixels = [np.flatnonzero(image != np.float32(level)).astype(np.int32) for image in images]
        values = [image.ravel()[at] for image, at in zip(images, pixels, strict=True)]
        value = np.concatenate([np.empty(0, np.float32), *values])
        order = np.argsort(value, kind="stable")
        self._value, self._pixel = value[order], np.concatenate([np.empty(0, np.int32), *pixels])[order]
        self._plane = np.repeat(np.arange(len(images), dtype=np.int32), [len(at) for at in pixels])[order]
        self._widths = [image.shape[1] for image in images]
        self._level = np.float32(level)

    def cut(self, found: Found) -> NDArray[np.float32]:
        """The (48, 48) patch at a place."""
        plane, wire, pixel = found
        return self._padded[plane][wire : wire + PATCH_SIZE, pixel : pixel + PATCH_SIZE]

    def place(self, patch: NDArray[np.float32], tolerance: float) -> Found | None:
        """Where the patch fits best; None where no plane holds its rarest pixel, or most others."""
        signal = np.argwhere(patch != self._level)
        values = patch[tuple(signal.T)]
        first = np.searchsorted(self._value, values - np.float32(tolerance))
        last = np.searchsorted(self._value, values + np.float32(tolerance), side="right")
        alike = last - first
        if not len(signal) or not alike.any():
            return None
        rarest = int(np.argmin(np.where(alike > 0, alike, len(self._value) + 1)))
        best: tuple[int, Found] | None = None
        for entry in range(int(first[rarest]), int(min(last[rarest], first[rarest] + CANDIDATES))):
            number = int(self._plane[entry])
            row, column = divmod(int(self._pixel[entry]), self._widths[number])
            wire, pixel = row - int(signal[rarest][0]) + HALF, column - int(signal[rarest][1]) + HALF
            found = number, wire, pixel
            rows, columns = self._padded[found[0]].shape
            if not (0 <= wire < rows - PATCH_SIZE + 1 and 0 <= pixel < columns - PATCH_SIZE + 1):
                continue
            off = int(np.count_nonzero(np.abs(self.cut(found) - patch) > tolerance))
            if best is None or off < best[0]:
                best = off, found
        return best[1] if best is not None and best[0] <= len(signal) * MOST_OFF else None

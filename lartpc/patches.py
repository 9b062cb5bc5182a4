"""Cutting the 48 x 48 patch around a hit out of a plane image."""

import numpy as np
from numpy.typing import NDArray

from lartpc.contract import PATCH_SIZE
from lartpc.detector import PIXEL_TICKS

HALF = PATCH_SIZE // 2


def pad_plane(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Surround a plane image (wire, pixel) with the zero level, so that a patch at its edge is whole."""
    return np.pad(image, HALF)


def drift_pixel(tick: NDArray[np.floating]) -> NDArray[np.int64]:
    """Pixel that holds a tick: int(tick / 6), as larreco's DataProviderAlg."""
    return (np.asarray(tick) / PIXEL_TICKS).astype(np.int64)


def cut_patches(
    padded: NDArray[np.float32], wire: NDArray[np.integer], pixel: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Cut the patches around hits: wires w-24 .. w+23 and drift pixels d-24 .. d+23.

    Args:
        padded: (wires + 48, pixels + 48) image from :func:`pad_plane`.
        wire: (N,) wire of each hit, in the unpadded image.
        pixel: (N,) drift pixel of each hit, in the unpadded image.

    Returns:
        (N, 48, 48).

    Raises:
        IndexError: a hit lies outside the plane.
    """
    windows = np.lib.stride_tricks.sliding_window_view(padded, (PATCH_SIZE, PATCH_SIZE))
    inside = (wire >= 0) & (pixel >= 0) & (wire < windows.shape[0] - 1) & (pixel < windows.shape[1] - 1)
    if not np.all(inside):
        worst = int(np.argmin(inside))
        raise IndexError(f"hit {worst} at wire {wire[worst]}, pixel {pixel[worst]} lies outside its plane")
    return windows[wire, pixel]

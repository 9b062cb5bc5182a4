"""Cutting the 48 x 48 patch around a hit out of plane images."""

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import PIXEL_TICKS
from lartpc.errors import UserError
from lartpc.served.contract import PATCH_SIZE

HALF = PATCH_SIZE // 2
FARTHEST = 1 << 30
"""No pixel lies there; what is farther away is taken to be there."""


def drift_pixel(tick: NDArray[np.floating]) -> NDArray[np.int64]:
    """Pixel that holds a tick: int(tick / 6), as larreco's DataProviderAlg; -1 where it is not finite."""
    pixel = np.nan_to_num(np.asarray(tick) / PIXEL_TICKS, nan=-1, posinf=-1, neginf=-1)
    return np.clip(pixel, -FARTHEST, FARTHEST).astype(np.int64)


def pad_planes(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stack plane images along the wires, each surrounded by 24 pixels of the zero level.

    Args:
        images: (drift volumes, wires, pixels) of one plane.

    Returns:
        (drift volumes * (wires + 48), pixels + 48): the canvas. A patch at an image's edge is whole and
        sees no other image.
    """
    padded = np.pad(images, ((0, 0), (HALF, HALF), (HALF, HALF)))
    return padded.reshape(-1, padded.shape[-1])


def locate_hits(
    hits: NDArray[np.void], shape: tuple[int, int, int], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and drift pixel of hits in the canvas that :func:`pad_planes` makes of their plane's images.

    Args:
        hits: (H,) of :data:`lartpc.event.HIT_DTYPE`, of one plane.
        shape: (drift volumes, wires, drift pixels) of the plane's images.
        where: file and event, for the message.

    Raises:
        UserError: a hit lies outside its plane.
    """
    volumes, wires, pixels = shape
    tpc, wire = hits["tpc"].astype(np.int64), hits["local_wire"].astype(np.int64)
    pixel = drift_pixel(hits["local_time"])
    inside = (tpc < volumes) & (wire < wires) & (pixel >= 0) & (pixel < pixels)
    if not inside.all():
        hit = hits[np.argmin(inside)]
        raise UserError(
            f"{where}: hit {hit['hit_id']} at wire {hit['local_wire']}, tick {hit['local_time']:g} of drift "
            f"volume {hit['tpc']} lies outside its plane of {wires} wires; generate the file anew"
        )
    return tpc * (wires + PATCH_SIZE) + wire, pixel


def cut_patches(
    canvas: NDArray[np.float32], row: NDArray[np.integer], pixel: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Cut the patches around hits: wires w-24 .. w+23 and drift pixels d-24 .. d+23.

    Args:
        canvas: from :func:`pad_planes`.
        row: (N,) from :func:`locate_hits`.
        pixel: (N,) from :func:`locate_hits`.

    Returns:
        (N, 48, 48, 1): one channel, as the network takes it.
    """
    windows = np.lib.stride_tricks.sliding_window_view(canvas, (PATCH_SIZE, PATCH_SIZE))
    return windows[row, pixel][..., None]

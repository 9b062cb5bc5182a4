"""Empty pixels near signal: examples of none that are no hits."""

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled, uninterrupted
from lartpc.detector import PIXEL_TICKS
from lartpc.event import EMPTY_DTYPE
from lartpc.served.contract import PATCH_SIZE

LEAST_NEIGHBOURS = 7
"""Pixels with signal that the patch around an empty pixel must hold: more than 6 (upstream's
prepare_patches scripts of the published training)."""
_TRIALS = 100
"""Pixels looked at for each one wanted: in an event without signal there is nothing to find."""


def draw_empty_pixels(
    image: NDArray[np.float16], count: int, tpc: int, plane: int, rng: np.random.Generator
) -> NDArray[np.void]:
    """Draw pixels that are 0 with all of their 5 x 5 neighbourhood, in patches that hold signal.

    Args:
        image: (wires, drift pixels) of one plane of a drift volume.
        count: how many; fewer where the plane has too little signal.
        tpc: index of the drift volume.
        plane: index of the plane.
        rng: numpy Generator.

    Returns:
        (N,) of :data:`lartpc.event.EMPTY_DTYPE`.
    """
    signal = image != 0
    found = np.zeros((count, 2), np.int64)
    number = uninterrupted(_search, signal, found, rng)
    empty = np.zeros(number, EMPTY_DTYPE)
    empty["tpc"], empty["local_plane"] = tpc, plane
    empty["local_wire"] = found[:number, 0]
    empty["local_time"] = (found[:number, 1] + 0.5) * PIXEL_TICKS
    return empty


@compiled
def _search(signal: NDArray[np.bool_], found: NDArray[np.int64], rng: np.random.Generator) -> int:
    """Fill ``found`` with wire and pixel, as far as trials reach; the number found."""
    wires, pixels = signal.shape
    half = PATCH_SIZE // 2
    number = 0
    for _ in range(_TRIALS * len(found)):
        if number == len(found):
            break
        wire, pixel = rng.integers(0, wires), rng.integers(0, pixels)
        if signal[max(0, wire - 2) : wire + 3, max(0, pixel - 2) : pixel + 3].any():
            continue
        patch = signal[max(0, wire - half) : wire + half, max(0, pixel - half) : pixel + half]
        if patch.sum() >= LEAST_NEIGHBOURS:
            found[number, 0] = wire
            found[number, 1] = pixel
            number += 1
    return number

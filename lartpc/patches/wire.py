"""The forms in which a plane travels: FP32, FP16, one byte a pixel, and zero-suppressed.

A byte counts steps of the size in which an INT8 graph takes its pixels, from 128, which is 0; so its answers
are those to the plane in FP32, bit for bit. Zero-suppressed, only runs of pixels that are not 0 travel.
"""

import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    PLANE_F16,
    PLANE_ZS,
    RUN_INPUT,
    SHAPE_INPUT,
    VALUE_INPUT,
    ZERO_STEP,
    Contract,
)
from lartpc.served.parity import Request

JOINED = 6
"""Bytes of a run: fewer zeros than that between two runs are sent, and the two are one."""


def encoded(
    image: NDArray[np.float32], hit: NDArray[np.int32], contract: Contract, step: float | None
) -> Request:
    """The tensors of a plane request.

    Args:
        image: (wires, drift pixels) in network units.
        hit: (N, 2) wire and drift pixel of each hit.
        contract: of planes.
        step: network units of a step, of a contract in steps.
    """
    if contract is PLANE_F16:
        return {IMAGE_INPUT: image.astype(np.float16), HIT_INPUT: hit}
    if not contract.in_steps:
        return {IMAGE_INPUT: image, HIT_INPUT: hit}
    assert step is not None
    steps = in_steps(image, step)
    if contract is PLANE_ZS:
        return {**zero_suppressed(steps), HIT_INPUT: hit}
    return {IMAGE_INPUT: steps, HIT_INPUT: hit}


def in_steps(image: NDArray[np.float32], step: float) -> NDArray[np.uint8]:
    """Pixels as numbers of steps from 128, as ONNX's QuantizeLinear makes them: halves to the even number."""
    return np.clip(np.rint(image / np.float32(step)) + ZERO_STEP, 0, 255).astype(np.uint8)


def zero_suppressed(steps: NDArray[np.uint8]) -> Request:
    """Runs of a plane in steps, without the pixels that are 0 for longer than a run is worth."""
    shown = np.zeros((len(steps), steps.shape[1] + JOINED), bool)
    shown[:, : steps.shape[1]] = steps != ZERO_STEP
    pixels = np.flatnonzero(shown)
    begins = np.flatnonzero(np.diff(pixels, prepend=-JOINED - 1) > JOINED)
    firsts, lasts = pixels[begins], pixels[np.append(begins, len(pixels))[1:] - 1]
    wire, first = np.divmod(firsts, shown.shape[1])
    length = lasts - firsts + 1
    start = np.cumsum(length) - length
    place = np.arange(length.sum()) - np.repeat(start, length) + np.repeat(first, length)
    return {
        SHAPE_INPUT: np.array(steps.shape, np.int32),
        RUN_INPUT: np.column_stack([wire, first, length]).astype(np.uint16),
        VALUE_INPUT: steps[np.repeat(wire, length), place],
    }

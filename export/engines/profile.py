"""The sizes that TensorRT builds an engine for: the least, the usual and the most of each input."""

from export.engines.plan_builder import PROFILE_ROWS
from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    INPUT_SHAPE,
    PATCH,
    PATCH_SIZE,
    Contract,
)

PROFILE_PLANES = ((PATCH_SIZE, PATCH_SIZE), (960, 1000), (2560, 2000))
"""Wires and drift pixels: of ProtoDUNE-SP an image has 1148 (U, V) or 480 wires (W) and 1000 pixels."""


def profile(contract: Contract) -> list[dict[str, list[int]]]:
    """Input name -> shape, for the least, the usual and the most of a request."""
    if contract is PATCH:
        return [{INPUT_NAME: [rows, *INPUT_SHAPE]} for rows in PROFILE_ROWS]
    return [
        {IMAGE_INPUT: list(plane), HIT_INPUT: [rows, 2]}
        for plane, rows in zip(PROFILE_PLANES, PROFILE_ROWS, strict=True)
    ]

"""What is sent for hits: requests of a contract, and which of the answers is each hit's."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.engine import Answer
from client.in_flight import BYTES_IN_FLIGHT, IN_FLIGHT, in_order
from lartpc.adc_scale import LEAST_UNIT, MOST_UNIT, AdcScale
from lartpc.errors import UserError
from lartpc.patches.plane_hits import PlaneHits
from lartpc.patches.wire import encoded
from lartpc.served.contract import (
    INPUT_NAME,
    INPUT_SHAPE,
    MOST_HITS,
    OUTPUT_NAMES,
    OUTPUT_SHAPES,
    PLANE_ZS,
    Contract,
)
from lartpc.served.parity import Outputs, Request
from lartpc.served.session import runs

BATCH_SIZE = 256
"""Patches in one request: LArSoft's own default."""

LONGEST = np.iinfo(np.uint16).max
"""Wires or drift pixels that a run of a zero-suppressed plane can name."""


@dataclass(frozen=True)
class Asked:
    """The requests for some hits.

    Attributes:
        requests: made one by one.
        count: their number.
        row: (H,) which row of their joined answers is each hit's.
    """

    requests: Iterable[Request]
    count: int
    row: NDArray[np.int64]

    def of_hits(self, answers: list[Outputs]) -> Outputs:
        """The answers to the requests as those of the hits."""
        return {name: values[self.row] for name, values in joined(answers).items()}


def answers(
    ask: Callable[[Request], Answer],
    asked: Iterable[Asked],
    at_once: int = IN_FLIGHT,
    most: int = BYTES_IN_FLIGHT,
) -> Iterator[tuple[Outputs, list[Answer]]]:
    """The outputs of the hits of each, in order, and the answers that they come from.

    Requests of several are under way at a time.

    Args:
        ask: gives the answer to a request; called in threads.
        asked: made one by one, when there is room.
        at_once: requests under way at a time.
        most: bytes of them, together.
    """
    waiting: deque[Asked] = deque()

    def requests() -> Iterator[Request]:
        for each in asked:
            waiting.append(each)
            yield from each.requests

    parts: list[Answer] = []
    for answer in in_order(ask, requests(), at_once, bytes_of, most):
        while not waiting[0].count:
            yield waiting.popleft().of_hits([]), []
        parts.append(answer)
        if len(parts) == waiting[0].count:
            yield waiting.popleft().of_hits([each.outputs for each in parts]), parts
            parts = []
    while waiting:
        yield waiting.popleft().of_hits([]), []


def bytes_of(request: Request) -> int:
    """Bytes of a request's tensors."""
    return sum(tensor.nbytes for tensor in request.values())


def of_patches(patches: NDArray[np.floating], batch_size: int = BATCH_SIZE) -> Asked:
    """Requests for patches.

    Raises:
        UserError: the patches have another shape, or one holds NaN or infinity.
    """
    patches = checked_patches(patches)
    requests = ({INPUT_NAME: patches[rows]} for rows in runs(len(patches), batch_size))
    return Asked(requests, math.ceil(len(patches) / batch_size), np.arange(len(patches)))


def of_image(
    image: NDArray[np.floating], hits: NDArray[np.integer], contract: Contract, step: float | None
) -> Asked:
    """Requests for hits of one image, at most 8192 in each; those of one pixel are asked once.

    Args:
        image: (wires, drift pixels) in network units.
        hits: (N, 2) wire and drift pixel.
        contract: of planes.
        step: network units of a step, of a contract in steps.

    Raises:
        UserError: image or hits are none, see :func:`checked_image`.
    """
    image, hits = checked_image(image, hits), np.asarray(hits)
    if contract is PLANE_ZS and max(image.shape) > LONGEST:
        raise UserError(
            f"a plane of {image.shape[0]} wires and {image.shape[1]} drift pixels is too long for "
            f"zero-suppressed runs, which count to {LONGEST}; name another model"
        )
    pixels, row = np.unique(hits, axis=0, return_inverse=True)
    parts = [pixels[rows].astype(np.int32) for rows in runs(len(pixels), MOST_HITS)]
    return Asked([encoded(image, part, contract, step) for part in parts], len(parts), row.ravel())


def of_plane(
    hits: PlaneHits, contract: Contract, scale: AdcScale, step: float | None, batch_size: int = BATCH_SIZE
) -> Asked:
    """Requests for the hits of a plane of an event, of all drift volumes.

    Raises:
        UserError: see :meth:`lartpc.patches.plane_hits.PlaneHits.canvas`.
    """
    if not contract.of_planes:
        number = len(hits.hits)
        cuts = hits.patches(scale, batch_size) if number else iter(())
        requests = ({INPUT_NAME: patches} for patches in cuts)
        return Asked(requests, math.ceil(number / batch_size), np.arange(number))
    row, first = np.zeros(len(hits.hits), np.int64), 0
    requests_of_planes: list[Request] = []
    for request in hits.requests(scale):
        of_volume = of_image(request.image, request.hit, contract, step)
        requests_of_planes += of_volume.requests
        row[request.rows] = first + of_volume.row
        first += int(of_volume.row.max()) + 1
    return Asked(requests_of_planes, len(requests_of_planes), row)


def joined(answers: list[Outputs]) -> Outputs:
    """The answers to consecutive requests as one."""
    none = {name: np.zeros((0, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    return {name: np.concatenate([answer[name] for answer in answers or [none]]) for name in OUTPUT_NAMES}


def checked_patches(patches: NDArray[np.floating]) -> NDArray[np.float32]:
    """Patches as they are sent.

    Raises:
        UserError: they have another shape, or one holds NaN or infinity.
    """
    if patches.ndim != 4 or patches.shape[1:] != INPUT_SHAPE:
        raise UserError(f"patches have shape {patches.shape}; the model takes (N, 48, 48, 1)")
    patches = np.ascontiguousarray(patches, np.float32)
    if np.isfinite(patches.sum()):  # one pass in place of two
        return patches
    finite = np.isfinite(patches).all(axis=(1, 2, 3))
    if not finite.all():
        raise UserError(
            f"patch {np.argmin(finite)} holds NaN or infinity, as do {np.count_nonzero(~finite)} of "
            f"{len(finite)} patches; look at the plane image that it was cut from"
        )
    return patches


def checked_image(image: NDArray[np.floating], hits: NDArray[np.integer]) -> NDArray[np.float32]:
    """The image of a plane as it is sent.

    Raises:
        UserError: image or hits have another shape, a pixel is NaN, infinite or beyond the units' window, or
            a hit lies outside of the image.
    """
    image, hits = np.asarray(image), np.asarray(hits)
    if image.ndim != 2 or hits.ndim != 2 or hits.shape[1] != 2:
        raise UserError(
            f"a plane's image has shape {image.shape} and its hits {hits.shape}; "
            "the model takes (wires, drift pixels) and (N, 2)"
        )
    if hits.dtype.kind not in "iu" or image.dtype.kind not in "fiub":
        raise UserError(
            f"a plane's image is of {image.dtype} and its hits of {hits.dtype}; the model takes real numbers "
            "and whole ones"
        )
    image = np.ascontiguousarray(image, np.float32)
    least, most = (image.min(), image.max()) if image.size else (0.0, 0.0)  # NaN where a pixel is
    if not np.isfinite([least, most]).all():
        wire, pixel = np.argwhere(~np.isfinite(image))[0]
        raise UserError(f"the plane's image holds NaN or infinity, first at wire {wire}, pixel {pixel}")
    if not LEAST_UNIT <= least <= most <= MOST_UNIT:
        raise UserError(
            f"the plane's image reaches from {least:g} to {most:g}; network units lie within "
            f"[{LEAST_UNIT:g}, {MOST_UNIT:g}]: lartpc.adc_scale.network_units makes them of ADC"
        )
    outside = ((hits < 0) | (hits >= image.shape)).any(axis=1)
    if outside.any():
        number = int(np.argmax(outside))
        raise UserError(
            f"hit {number} at wire {hits[number, 0]}, pixel {hits[number, 1]} lies outside of its plane of "
            f"{image.shape[0]} wires and {image.shape[1]} pixels, as do {np.count_nonzero(outside)} of "
            f"{len(hits)} hits"
        )
    return image

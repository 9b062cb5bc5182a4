"""The requests that clients send, made once, and what they must be answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client import connect
from client.model import Model
from client.requests import of_image, of_patches
from lartpc.errors import UserError
from lartpc.event_folder import open_events
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT
from lartpc.served.parity import Request

DIFFERENT = 8
"""Requests that take turns: what is answered to one of them is not what is answered to another."""


@dataclass(frozen=True)
class Payload:
    """One request.

    Attributes:
        content: as it goes over the wire.
        hits: that it asks about.
        expected: (hits, 4) track, em, none, michel, as a request alone was answered.
    """

    content: bytes
    hits: int
    expected: NDArray[np.float32]


def payloads(url: str, events: Path, batch: int, **settings: Any) -> tuple[Model, list[Payload]]:
    """Some requests of real hits, and their answers by the very server.

    Args:
        url: of the model, as :func:`client.connect` takes it.
        events: event file or folder that the hits are of.
        batch: patches in a request; planes are sent whole.
        settings: of the connection.

    Raises:
        UserError: the URL names no model, or the events have too few hits.
        CheckError: the model is not the hit classifier.
    """
    with connect(url, batch_size=batch, in_flight=1, **settings) as classifier:
        model, found = classifier.model, []
        for request in islice(_requests(events, model, batch), DIFFERENT):
            scores = classifier.answer([request])
            expected = np.hstack([scores[CLASS_OUTPUT], scores[MICHEL_OUTPUT]])
            found.append(Payload(wire_form(model.name, request), len(expected), expected))
    if not found:
        raise UserError(f"{events} has no request of {batch} hits; give more events, or a smaller --batch")
    return model, found


def _requests(events: Path, model: Model, batch: int) -> Iterator[Request]:
    """Planes with their hits, or batches of patches."""
    with open_events(events) as opened:
        patches: list[NDArray[np.float32]] = []
        for index in range(len(opened)):
            for plane in PlaneHits.of_event(opened, index):
                for request in plane.requests(model.scale):
                    if model.contract.of_planes:
                        yield from of_image(
                            request.image, request.hit, model.contract, model.wire_step
                        ).requests
                        continue
                if not model.contract.of_planes:
                    for cut in plane.patches(model.scale):
                        patches.append(cut)
                    while sum(map(len, patches)) >= batch:
                        whole = np.concatenate(patches)
                        yield from of_patches(whole[:batch], batch).requests
                        patches = [whole[batch:]]


def wire_form(model: str, request: Request) -> bytes:
    """A request as Triton's gRPC takes it, of whatever version is shown."""
    from tritonclient.grpc import service_pb2
    from tritonclient.utils import np_to_triton_dtype

    message = service_pb2.ModelInferRequest(model_name=model)
    for name, tensor in request.items():
        message.inputs.add(name=name, datatype=np_to_triton_dtype(tensor.dtype), shape=tensor.shape)
        message.raw_input_contents.append(np.ascontiguousarray(tensor).tobytes())
    for output in (CLASS_OUTPUT, MICHEL_OUTPUT):
        message.outputs.add(name=output)
    content: bytes = message.SerializeToString()
    return content


def size_of(found: list[Payload]) -> int:
    """Bytes of the largest of them."""
    return max(len(payload.content) for payload in found)

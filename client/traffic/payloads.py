"""The requests that clients send, made once, and what they must be answered."""

from collections.abc import Iterator
from contextlib import ExitStack
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

TOLERANCE = 1e-4
"""Of a score: batches that a server puts together are added up in another order."""

DIFFERENT = 8
"""Requests that take turns: what is answered to one of them is not what is answered to another."""


@dataclass(frozen=True)
class Payload:
    """One request.

    Attributes:
        content: as it goes over the wire.
        hits: that it asks about.
        expected: (versions, hits, 4) track, em, none, michel, as a request alone was answered; of several
            versions where one may take over from another.
    """

    content: bytes
    hits: int
    expected: NDArray[np.float32]

    def version_of(self, answer: bytes) -> int | None:
        """Which of the versions has given an answer; None where none has."""
        from tritonclient.grpc import service_pb2

        response = service_pb2.ModelInferResponse.FromString(answer)
        heads = [np.frombuffer(content, np.float32) for content in response.raw_output_contents]
        if len(heads) != 2 or any(len(head) % self.hits for head in heads):
            return None
        vectors = np.hstack([head.reshape(self.hits, -1) for head in heads])
        if vectors.shape != self.expected.shape[1:]:
            return None
        off = np.abs(vectors - self.expected).max(axis=(1, 2))
        return int(off.argmin()) if off.min() <= TOLERANCE else None


def payloads(
    url: str, events: Path, batch: int, others: tuple[str, ...] = (), **settings: Any
) -> tuple[Model, list[Payload]]:
    """Some requests of real hits, and their answers by the very server.

    Args:
        url: of the model, as :func:`client.connect` takes it.
        events: event file or folder that the hits are of.
        batch: patches in a request; planes are sent whole.
        others: URLs of other versions of the model, whose answers count as right too.
        settings: of the connection.

    Raises:
        UserError: the URL names no model, or the events have too few hits.
        CheckError: the model is not the hit classifier.
    """
    found = []
    with ExitStack() as stack:
        classifiers = [stack.enter_context(connect(url, in_flight=1, **settings))]
        classifiers += [stack.enter_context(connect(other)) for other in others]
        model = classifiers[0].model
        for request in islice(_requests(events, model, batch), DIFFERENT):
            answers = [classifier.answer([request]) for classifier in classifiers]
            expected = np.stack([np.hstack([each[CLASS_OUTPUT], each[MICHEL_OUTPUT]]) for each in answers])
            found.append(Payload(wire_form(model.name, request), expected.shape[1], expected))
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

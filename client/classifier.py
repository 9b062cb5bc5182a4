"""The hit classifier as a library: planes or patches in, scores of their hits out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from client.engine import Answer, ChangedError, Engine
from client.in_flight import BYTES_IN_FLIGHT, IN_FLIGHT, in_order
from client.model import Model
from client.requests import (
    BATCH_SIZE,
    Asked,
    answers,
    bytes_of,
    checked_image,
    joined,
    of_image,
    of_patches,
    of_plane,
)
from lartpc.errors import UserError
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from lartpc.served.parity import Outputs, Request


@dataclass(frozen=True)
class Scores:
    """Scores of hits, in their order.

    Attributes:
        track: (N,) probability of a track, of the three that add up to 1.
        shower: (N,) of a shower.
        none: (N,) of neither.
        michel: (N,) of a Michel electron, a probability of its own.
        model: the version that gave them.
        answered: server, or folder of the model -> hits that it answered.
    """

    track: NDArray[np.float32]
    shower: NDArray[np.float32]
    none: NDArray[np.float32]
    michel: NDArray[np.float32]
    model: Model
    answered: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.track)

    @classmethod
    def of(cls, outputs: Outputs, model: Model, answered: dict[str, int]) -> "Scores":
        """From the contract's outputs, (N, 3) and (N, 1)."""
        classes = {label.name.lower(): outputs[CLASS_OUTPUT][:, label] for label in Label}
        return cls(**classes, michel=outputs[MICHEL_OUTPUT][:, 0], model=model, answered=answered)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, 4) track, em, none, michel: the result vectors of LArSoft's PointIdAlg tools."""
        return np.column_stack([self.track, self.shower, self.none, self.michel])

    @property
    def outputs(self) -> Outputs:
        """As the contract's outputs."""
        classes = np.column_stack([self.track, self.shower, self.none])
        return {CLASS_OUTPUT: classes, MICHEL_OUTPUT: self.michel[:, None]}


class HitClassifier:
    """Classifies hits by whichever engine answers; :func:`client.connect` makes one of a URL.

    Args:
        engine: that answers; closed with the classifier.
        batch_size: patches in a request, of a model of patches.
        in_flight: requests under way at a time.
        bytes_in_flight: of them, together.
    """

    def __init__(
        self,
        engine: Engine,
        batch_size: int = BATCH_SIZE,
        in_flight: int = IN_FLIGHT,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
    ) -> None:
        if min(batch_size, in_flight, bytes_in_flight) < 1:
            raise UserError("batch_size, in_flight and bytes_in_flight are at least 1")
        self.engine = engine
        self._batch_size, self._in_flight, self._most = batch_size, in_flight, bytes_in_flight

    @property
    def model(self) -> Model:
        """The version that answers."""
        return self.engine.model

    def classify(self, image: NDArray[np.floating], hits: NDArray[np.integer]) -> Scores:
        """Classify hits of a plane.

        A model of planes is sent the plane as a whole, several hits in one pixel once; one of patches is sent
        patches that are cut here.

        Args:
            image: (wires, drift pixels) of one drift volume in network units, within [-5, 15]: see
                :func:`lartpc.adc_scale.network_units`, and :attr:`Model.scale` for the ADC window.
            hits: (N, 2) wire and drift pixel of each hit.

        Raises:
            UserError: image or hits have another shape, a pixel is NaN, infinite or beyond the units' window,
                or a hit lies outside of the image.
            CheckError: no answer comes, or none that is one.
        """
        model = self.model
        if model.contract.of_planes:
            asked = of_image(image, hits, model.contract, model.wire_step)
        else:
            canvas = pad_planes(checked_image(image, hits)[None])
            asked = of_patches(cut_patches(canvas, *np.asarray(hits, np.int64).T), self._batch_size)
        (scores,) = self._scores([asked])
        return scores

    def classify_patches(self, patches: NDArray[np.floating]) -> Scores:
        """Classify hits of which patches are at hand.

        Args:
            patches: (N, 48, 48, 1) in network units, within [-5, 15].

        Raises:
            UserError: the patches have another shape, one holds NaN or infinity, or the model takes planes.
            CheckError: no answer comes, or none that is one.
        """
        if self.model.contract.of_planes:
            raise UserError(f"{self.model.name} takes planes, not patches; name a model of patches")
        (scores,) = self._scores([of_patches(patches, self._batch_size)])
        return scores

    def classify_hits(self, planes: Iterable[PlaneHits]) -> Iterator[Scores]:
        """Classify the hits of planes of events, in whichever way the model takes them.

        Args:
            planes: read one by one, when there is room.

        Yields:
            The scores of each plane, in order.

        Raises:
            UserError: the planes are damaged.
            CheckError: no answer comes, or none that is one.
            ChangedError: another version answers from here on; planes of an event that has begun are to be
                classified again, after :meth:`renew`.
        """
        model = self.model
        return self._scores(
            of_plane(plane, model.contract, model.scale, model.wire_step, self._batch_size)
            for plane in planes
        )

    def answer(self, requests: Iterable[Request]) -> Outputs:
        """The contract's outputs for tensors of requests, joined."""
        return joined(
            [
                answer.outputs
                for answer in in_order(self.engine.ask, requests, self._in_flight, bytes_of, self._most)
            ]
        )

    def renew(self) -> None:
        """Choose anew which version answers; see :meth:`client.engine.Engine.renew`."""
        self.engine.renew()

    def _scores(self, asked: Iterable[Asked]) -> Iterator[Scores]:
        model = self.model
        for outputs, given in answers(self.engine.ask, asked, self._in_flight, self._most):
            if any(answer.digest != model.digest for answer in given):
                raise ChangedError(f"{model} is served no longer, another version is")
            yield Scores.of(outputs, model, hits_by_place(given))

    def close(self) -> None:
        """Let go of servers and memory."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def hits_by_place(given: Iterable[Answer]) -> dict[str, int]:
    """Server, or folder of a model -> hits that it answered."""
    counts: Counter[str] = Counter()
    for answer in given:
        counts[answer.place] += len(answer.outputs[MICHEL_OUTPUT])
    return dict(counts)

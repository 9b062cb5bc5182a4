"""The hit classifier behind a Triton server."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.in_flight import in_order
from client.requests import BATCH_SIZE, OUTPUT_SHAPES, Asked, answers, joined, of_image, of_patches, of_plane
from lartpc.adc_scale import AdcScale, adc_scale
from lartpc.errors import CheckError, UserError
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import (
    CONTRACTS,
    HIT_INPUT,
    INPUT_NAME,
    OUTPUT_NAMES,
    PATCH,
    Contract,
    Signature,
    TensorSpec,
)
from lartpc.served.parity import Outputs, Request
from serving.connection import Connection

EARLIER_NAMES = {"adc_era": "data_era"}
"""Parameter -> how configurations call it that were written before they said what their model is."""

UNSTATED = "unstated"
"""Score scale of a version whose configuration does not say it."""


def _plain(requests: Iterable[Request], count: int) -> Iterable[Request]:
    return requests


def signature_of(metadata: dict[str, Any], batched: bool) -> Signature:
    """The tensors that a server says a version has, that takes batches or not."""

    def specs(kind: str) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec.of(tensor["name"], tensor["datatype"], map(int, tensor["shape"]), batched)
            for tensor in metadata.get(kind, [])
        )

    return Signature(specs("inputs"), specs("outputs"))


class TritonClassifier:
    """One version of one served model that keeps a tensor contract.

    Args:
        connection: to the server.
        model: name of the model.
        version: the version to ask; default the highest that is served.

    Attributes:
        version: the version that answers every request.
        contract: what it takes: patches, or planes with the places of their hits.

    Raises:
        UserError: the server does not serve that model or version.
        CheckError: the model is not its contract's: other names, shapes, types or order.
    """

    def __init__(self, connection: Connection, model: str, version: int | None = None) -> None:
        served = connection.served()
        if model not in served:
            raise UserError(
                f"{connection} serves no model {model!r}; it serves {', '.join(served) or 'none at all'}"
            )
        if version is not None and version not in served[model]:
            raise UserError(f"{connection} serves {model} in version {served[model]}, not {version}")
        self.connection = connection
        self.model = model
        self.version = served[model][-1] if version is None else version
        self.contract = self._kept_contract()

    def _kept_contract(self) -> Contract:
        said = self.connection.parameters(self.model, self.version).get("contract", PATCH.name)
        contract = CONTRACTS.get(said)
        if contract is None:
            raise CheckError(
                f"{self.model} at {self.connection} is of contract {said[:40]!r}; this client knows "
                f"{', '.join(CONTRACTS)}"
            )
        metadata = self.connection.metadata(self.model, self.version)
        faults = contract.faults(signature_of(metadata, contract.batched))
        if faults:
            raise CheckError(
                f"{self.model} at {self.connection} is not the hit classifier: {'; '.join(faults)}"
            )
        return contract

    def parameter(self, name: str) -> str:
        """What the served configuration says of this version, for example its ``adc_era``.

        Raises:
            CheckError: it says nothing of the kind.
        """
        said = self.connection.parameters(self.model, self.version)
        for key in (f"v{self.version}.{name}", f"v{self.version}.{EARLIER_NAMES.get(name, name)}"):
            if key in said:
                return said[key]
        raise CheckError(
            f"{self.model} at {self.connection} has no parameter 'v{self.version}.{name}' in its "
            "configuration; export the model anew"
        )

    @cached_property
    def _scale(self) -> AdcScale:
        return adc_scale(self.parameter("adc_era"))

    @cached_property
    def wire_step(self) -> float | None:
        """Network units of a step; None where the model takes no steps."""
        return float(self.parameter("wire_step")) if self.contract.in_steps else None

    @property
    def score_scale(self) -> str:
        """The mixture in which its scores are probabilities; ``unstated`` where nothing says it."""
        said = self.connection.parameters(self.model, self.version)
        return said.get(f"v{self.version}.score_scale", UNSTATED)

    def demand_score_scale(self, wanted: str | None) -> None:
        """See that the scores are on a scale.

        Raises:
            CheckError: another scale, or none that is stated, is served where one is wanted.
        """
        if wanted not in (None, self.score_scale):
            raise CheckError(
                f"{self.model} version {self.version} at {self.connection} serves {self.score_scale} scores, "
                f"--require-score-scale wants {wanted}; its report has a table of equivalent cuts"
            )

    def classify(self, patches: NDArray[np.floating], batch_size: int = BATCH_SIZE) -> Outputs:
        """Classify patches, in requests of at most ``batch_size``, several under way at a time.

        Args:
            patches: (N, 48, 48, 1) in network units, within [-5, 15].
            batch_size: patches in one request.

        Returns:
            Output name -> (N, 3) softmax over track, shower, none, or (N, 1) Michel score.

        Raises:
            UserError: the patches have another shape, one holds NaN or infinity, or the model takes planes.
            CheckError: the server fails, or another version answers, or the answer is not finite.
        """
        self._demand(of_planes=False)
        (answer,) = answers(self._ask, [of_patches(patches, batch_size)])
        return answer

    def classify_plane(self, image: NDArray[np.floating], hits: NDArray[np.integer]) -> Outputs:
        """Classify hits of a plane, sent as a whole, in requests of at most 8192 hits.

        Args:
            image: (wires, drift pixels) in network units, within [-5, 15].
            hits: (N, 2) wire and drift pixel of each hit; several in one pixel are computed once.

        Returns:
            As :meth:`classify`.

        Raises:
            UserError: image or hits have another shape, a pixel is NaN, infinite or beyond the units' window,
                or a hit lies outside of the image; or the model takes patches.
            CheckError: the server fails, or another version answers, or the answer is not finite.
        """
        self._demand(of_planes=True)
        (answer,) = answers(self._ask, [of_image(image, hits, self.contract, self.wire_step)])
        return answer

    def classify_hits(
        self,
        planes: Iterable[PlaneHits],
        watch: Callable[[Iterable[Request], int], Iterable[Request]] = _plain,
    ) -> Iterator[Outputs]:
        """Classify the hits of planes of events, in whichever way the model takes them.

        Args:
            planes: the hits, read one by one, when there is room.
            watch: wraps the requests of a plane, whose number it is given, to show progress.

        Yields:
            Of each plane, as :meth:`classify`.

        Raises:
            UserError, CheckError: see :meth:`classify` and :meth:`classify_plane`.
        """

        def asked() -> Iterator[Asked]:
            for plane in planes:
                whole = of_plane(plane, self.contract, self._scale, self.wire_step)
                yield replace(whole, requests=watch(whole.requests, whole.count))

        return answers(self._ask, asked())

    def answer(self, requests: Iterable[Request]) -> Outputs:
        """Answers to the tensors of requests of its contract, joined."""
        if not self.contract.of_planes:
            return joined(list(answers(self._ask, (of_patches(each[INPUT_NAME]) for each in requests))))
        return joined(list(in_order(self._ask, requests)))

    def _demand(self, of_planes: bool) -> None:
        if self.contract.of_planes != of_planes:
            taken, asked = ("planes", "patches") if self.contract.of_planes else ("patches", "planes")
            raise UserError(f"{self.model} takes {taken}, not {asked}")

    def _ask(self, request: Request) -> Outputs:
        hits = len(request[HIT_INPUT if self.contract.of_planes else INPUT_NAME])
        answered, outputs = self.connection.infer(self.model, self.version, request, OUTPUT_NAMES)
        if answered != self.version:
            raise CheckError(
                f"{self.model} at {self.connection}: version {answered} answered, not version {self.version}"
            )
        for name, output in outputs.items():
            shape = (hits, *OUTPUT_SHAPES[name])
            if output.shape != shape or not np.isfinite(output).all():
                raise CheckError(
                    f"{self.model} at {self.connection}: {name} has shape {output.shape} for {shape}, "
                    "or values that are not finite"
                )
        return outputs

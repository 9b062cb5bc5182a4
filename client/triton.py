"""The hit classifier behind a Triton server."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import LEAST_UNIT, MOST_UNIT, AdcScale, adc_scale
from lartpc.errors import CheckError, UserError
from lartpc.patches.plane_hits import PlaneHits
from lartpc.patches.wire import encoded
from lartpc.served.contract import (
    CONTRACTS,
    HIT_INPUT,
    INPUT_NAME,
    INPUT_SHAPE,
    MOST_HITS,
    OUTPUT_NAMES,
    PATCH,
    Contract,
    Signature,
    TensorSpec,
)
from lartpc.served.parity import Request
from serving.connection import Connection

BATCH_SIZE = 256
"""Patches in one request: LArSoft's own default."""

EARLIER_NAMES = {"adc_era": "data_era"}
"""Parameter -> how configurations call it that were written before they said what their model is."""

UNSTATED = "unstated"
"""Score scale of a version whose configuration does not say it."""

OUTPUT_SHAPES = {spec.name: spec.shape for spec in PATCH.signature.outputs}


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
    def _step(self) -> float | None:
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

    def classify(
        self, patches: NDArray[np.floating], batch_size: int = BATCH_SIZE
    ) -> dict[str, NDArray[np.float32]]:
        """Classify patches, in requests of at most ``batch_size``.

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
        patches = self._checked(patches)
        runs = (slice(first, first + batch_size) for first in range(0, len(patches), batch_size))
        return joined([self._ask({INPUT_NAME: patches[run]}, len(patches[run])) for run in runs])

    def classify_plane(
        self, image: NDArray[np.floating], hits: NDArray[np.integer]
    ) -> dict[str, NDArray[np.float32]]:
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
        image = checked_plane(image, hits)
        places, place = np.unique(hits, axis=0, return_inverse=True)
        sent = [places[first : first + MOST_HITS] for first in range(0, len(places), MOST_HITS)]
        requests = [encoded(image, part.astype(np.int32), self.contract, self._step) for part in sent]
        answers = joined([self._ask(request, len(request[HIT_INPUT])) for request in requests])
        return {name: values[place.ravel()] for name, values in answers.items()}

    def classify_hits(
        self, of_plane: PlaneHits, watch: Callable[[Iterable[Any]], Iterable[Any]] = iter
    ) -> dict[str, NDArray[np.float32]]:
        """Classify the hits of a plane of an event, in whichever way the model takes them.

        Args:
            of_plane: the hits; one at least.
            watch: wraps the requests, to show progress.

        Raises:
            UserError, CheckError: see :meth:`classify` and :meth:`classify_plane`.
        """
        if not self.contract.of_planes:
            return joined([self.classify(patches) for patches in watch(of_plane.patches(self._scale))])
        requests = list(of_plane.requests(self._scale))
        answers = joined([self.classify_plane(request.image, request.hit) for request in watch(requests)])
        order = np.argsort(np.concatenate([request.rows for request in requests]))
        return {name: values[order] for name, values in answers.items()}

    def answer(self, requests: Iterable[Request]) -> dict[str, NDArray[np.float32]]:
        """Answers to the tensors of requests of its contract, joined."""
        if not self.contract.of_planes:
            return joined([self.classify(request[INPUT_NAME]) for request in requests])
        return joined([self._ask(request, len(request[HIT_INPUT])) for request in requests])

    def _demand(self, of_planes: bool) -> None:
        if self.contract.of_planes != of_planes:
            taken, asked = ("planes", "patches") if self.contract.of_planes else ("patches", "planes")
            raise UserError(f"{self.model} takes {taken}, not {asked}")

    def _checked(self, patches: NDArray[np.floating]) -> NDArray[np.float32]:
        if patches.ndim != 4 or patches.shape[1:] != INPUT_SHAPE:
            raise UserError(f"patches have shape {patches.shape}; the model takes (N, 48, 48, 1)")
        finite = np.isfinite(patches).all(axis=(1, 2, 3))
        if not finite.all():
            raise UserError(
                f"patch {np.argmin(finite)} holds NaN or infinity, as do {np.count_nonzero(~finite)} of "
                f"{len(finite)} patches; look at the plane image that it was cut from"
            )
        return np.ascontiguousarray(patches, np.float32)

    def _ask(self, request: Request, hits: int) -> dict[str, NDArray[np.float32]]:
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


def joined(answers: list[dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """The answers to consecutive requests as one."""
    none = {name: np.zeros((0, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    return {name: np.concatenate([answer[name] for answer in answers or [none]]) for name in OUTPUT_NAMES}


def checked_plane(image: NDArray[np.floating], hits: NDArray[np.integer]) -> NDArray[np.float32]:
    """The image of a plane request as it is sent.

    Raises:
        UserError: see :meth:`TritonClassifier.classify_plane`.
    """
    if image.ndim != 2 or hits.ndim != 2 or hits.shape[1] != 2:
        raise UserError(
            f"a plane's image has shape {image.shape} and its hits {hits.shape}; "
            "the model takes (wires, drift pixels) and (N, 2)"
        )
    if not np.isfinite(image).all():
        wire, pixel = np.argwhere(~np.isfinite(image))[0]
        raise UserError(f"the plane's image holds NaN or infinity, first at wire {wire}, pixel {pixel}")
    if image.size and not LEAST_UNIT <= image.min() <= image.max() <= MOST_UNIT:
        raise UserError(
            f"the plane's image reaches from {image.min():g} to {image.max():g}; network units lie within "
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
    return np.ascontiguousarray(image, np.float32)

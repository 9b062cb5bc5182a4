"""The hit classifier behind a Triton server."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import CheckError, UserError
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES, PATCH, Signature, TensorSpec
from serving.connection import Connection

BATCH_SIZE = 256
"""Patches in one request: LArSoft's own default."""

EARLIER_NAMES = {"adc_era": "data_era"}
"""Parameter -> how configurations call it that were written before they said what their model is."""

UNSTATED = "unstated"
"""Score scale of a version whose configuration does not say it."""

OUTPUT_SHAPES = {spec.name: spec.shape for spec in PATCH.signature.outputs}


def signature_of(metadata: dict[str, Any]) -> Signature:
    """The tensors that a server says a version has."""

    def specs(kind: str) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec.of(tensor["name"], tensor["datatype"], map(int, tensor["shape"]))
            for tensor in metadata.get(kind, [])
        )

    return Signature(specs("inputs"), specs("outputs"))


class TritonClassifier:
    """One version of one served model that keeps the tensor contract.

    Args:
        connection: to the server.
        model: name of the model.
        version: the version to ask; default the highest that is served.

    Attributes:
        version: the version that answers every request.

    Raises:
        UserError: the server does not serve that model or version.
        CheckError: the model is not the contract's: other names, shapes, types or order.
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
        self._check_contract()

    def _check_contract(self) -> None:
        faults = PATCH.faults(signature_of(self.connection.metadata(self.model, self.version)))
        if faults:
            raise CheckError(
                f"{self.model} at {self.connection} is not the hit classifier: {'; '.join(faults)}"
            )

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
            UserError: the patches have another shape, or one holds NaN or infinity.
            CheckError: the server fails, or another version answers, or the answer is not finite.
        """
        patches = self._checked(patches)
        answers = [self._ask(patches[k : k + batch_size]) for k in range(0, len(patches), batch_size)]
        return {
            name: np.concatenate([answer[name] for answer in answers])
            if answers
            else np.zeros((0, *OUTPUT_SHAPES[name]), np.float32)
            for name in OUTPUT_NAMES
        }

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

    def _ask(self, patches: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answered, outputs = self.connection.infer(
            self.model, self.version, {INPUT_NAME: patches}, OUTPUT_NAMES
        )
        if answered != self.version:
            raise CheckError(
                f"{self.model} at {self.connection}: version {answered} answered, not version {self.version}"
            )
        for name, output in outputs.items():
            shape = (len(patches), *OUTPUT_SHAPES[name])
            if output.shape != shape or not np.isfinite(output).all():
                raise CheckError(
                    f"{self.model} at {self.connection}: {name} has shape {output.shape} for {shape}, "
                    "or values that are not finite"
                )
        return outputs


def joined(answers: list[dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """The answers to consecutive patches as one."""
    return {name: np.concatenate([answer[name] for answer in answers]) for name in OUTPUT_NAMES}

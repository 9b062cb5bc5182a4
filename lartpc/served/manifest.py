"""The manifest beside a served version's weights: provenance, tolerances, gate, SHA-256 of each file."""

import hashlib
import json
import math
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

from lartpc.errors import UserError, unread
from lartpc.provenance import Provenance
from lartpc.served.contract import PRECISIONS

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.h5"
NO_GATES = "none"
LONGEST_NAME = 255
"""Bytes of a file's name, on every file system in use."""

SCHEMA = 1
"""Of ``manifest.json``. A manifest of 0, which does not say so, holds the same without the number."""


@dataclass(frozen=True)
class Tolerance:
    """Largest difference of a probability that parity allows for one output.

    Attributes:
        max: largest absolute difference over all patches and values.
        mean: mean absolute difference over all patches and values.
    """

    max: float
    mean: float


@dataclass(frozen=True)
class Manifest:
    """What is known of one version of one served model.

    Attributes:
        model: name of the model, for example ``emtrkmichel_fp32``.
        version: its version in the repository.
        precision: of the arithmetic inside the graph.
        files: file name -> SHA-256, for every other file of the version's folder.
        tolerances: output name -> tolerance against the reference outputs of the golden hits.
        class_agreement: share of the golden hits that must keep their class of largest probability.
        gate: measured differences and decision flips against the FP32 checkpoint.
        metrics: physics metrics of this precision on held-out events.
        provenance: where data, checkpoint and export come from.
        content: of ``manifest.json``, as it was read, or as it is to be written.
    """

    model: str
    version: int
    precision: str
    files: dict[str, str]
    tolerances: dict[str, Tolerance]
    class_agreement: float
    gate: dict[str, Any]
    metrics: dict[str, float]
    provenance: Provenance
    content: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the content of a new manifest; one that is read keeps its own."""
        record = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        record |= {"schema": SCHEMA, "provenance": asdict(self.provenance)}
        record["tolerances"] = {name: asdict(value) for name, value in self.tolerances.items()}
        self._set_content((json.dumps(record, indent=2, sort_keys=True) + "\n").encode())

    def _set_content(self, content: bytes) -> None:
        object.__setattr__(self, "content", content)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, the name by which a version is known everywhere."""
        return self.files[MODEL_FILE]

    @property
    def gates(self) -> str:
        """Name of the gates that the version passed at its export; ``none`` where it names none."""
        gates = self.gate.get("gates")
        return str(gates.get("name", NO_GATES)) if isinstance(gates, dict) else NO_GATES

    @property
    def score_scale(self) -> str | None:
        """Mixture in which its scores are probabilities (contract.SCORE_SCALES); None where unsaid."""
        return self.provenance.score_scale

    @property
    def own_digest(self) -> str:
        """SHA-256 of ``manifest.json``, byte for byte: of everything that is known of the version."""
        return hashlib.sha256(self.content).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read ``manifest.json`` of a version's folder.

        Raises:
            UserError: it is missing or not a manifest.
        """
        path = folder / MANIFEST_FILE
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"{folder} has no {MANIFEST_FILE}; export the version anew") from None
        except OSError as error:
            raise unread(path, error, f"cannot be read ({error}); export the version anew") from error
        return cls.parse(text, str(path), folder.parent.name, folder.name)

    @classmethod
    def parse(cls, text: bytes, place: str, model: str, version: str) -> "Manifest":
        """Read the content of a ``manifest.json``.

        Args:
            text: its content.
            place: where it lies, for messages.
            model: name of the folder of its model.
            version: name of the folder of its version.

        Raises:
            UserError: it is not a manifest, or of a schema that is not known, or one of another version,
                or names a file elsewhere.
        """
        try:
            raw = json.loads(text)
            json.dumps(raw, ensure_ascii=False).encode()  # fails on half of a surrogate pair
            schema = raw.pop("schema", 0)
            if type(schema) is not int or not 0 <= schema <= SCHEMA:
                raise UserError(
                    f"{place} is of schema {schema!r}, and this package knows 0 to {SCHEMA}: install the one "
                    "that wrote it, or a later one"
                )
            raw["tolerances"] = {name: Tolerance(**value) for name, value in raw["tolerances"].items()}
            raw["provenance"] = Provenance(**raw["provenance"])
            manifest = cls(**raw)
            whole = _is_whole(manifest)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise UserError(f"{place} is not a manifest ({error}); export the version anew") from error
        if not whole:
            raise UserError(f"{place} is not a manifest; export the version anew")
        if (manifest.model, str(manifest.version)) != (model, version):
            raise UserError(f"{place} is of {manifest.model} version {manifest.version}; export it anew")
        for name in manifest.files:
            if name in ("", ".", "..", MANIFEST_FILE) or set(name) & {"/", "\\", "\0"}:
                raise UserError(f"{place} names {name!r}, which is not a plain file name")
            if len(name.encode()) > LONGEST_NAME:
                raise UserError(f"{place} names a file with {len(name)} letters, which no disk takes")
        manifest._set_content(text)
        return manifest


def _is_whole(manifest: Manifest) -> bool:
    """Whether every field is of its type, so that whoever reads one may take it for what it is."""
    stages = asdict(manifest.provenance).values()
    engine = manifest.provenance.export.get("engine", {})
    tables = (*stages, manifest.files, manifest.tolerances, manifest.gate, manifest.metrics, engine)
    if not all(isinstance(table, dict) for table in tables):
        return False
    limits = [limit for tolerance in manifest.tolerances.values() for limit in astuple(tolerance)]
    metrics = manifest.metrics.values()
    texts = [manifest.model, *manifest.files.values(), *engine.values()]
    return (
        MODEL_FILE in manifest.files
        and type(manifest.version) is int
        and manifest.precision in PRECISIONS
        and all(type(number) in (int, float) for number in (manifest.class_agreement, *limits, *metrics))
        and all(math.isfinite(number) for number in (manifest.class_agreement, *limits))
        and all(math.isfinite(number) for number in metrics)
        and all(isinstance(text, str) for text in texts)
    )


def is_manifest(text: bytes) -> bool:
    """Whether the content of a manifest.json is of this project, whole or not; others have such files too."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and {"tolerances", "class_agreement", "provenance"} <= set(raw)

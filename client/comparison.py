"""Served answers against the golden hits of a version."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.triton import TritonClassifier
from lartpc.errors import CheckError, UserError
from lartpc.files import sha256
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, Manifest
from lartpc.served.parity import Parity, compare


@dataclass(frozen=True)
class Demands:
    """What must have answered; None where anything may.

    Attributes:
        digest: SHA-256 of the weights, or its beginning.
        version: of the model.
        adc_era: ADC window of the pixels, by the year of its training data.
        score_scale: the mixture in which scores are probabilities (lartpc.served.contract.SCORE_SCALES).
    """

    digest: str | None = None
    version: int | None = None
    adc_era: str | None = None
    score_scale: str | None = None

    def __post_init__(self) -> None:
        if self.digest is not None and not re.fullmatch(r"[0-9a-f]{8,64}", self.digest):
            raise UserError(f"--require-digest {self.digest}: give 8 to 64 hexadecimal digits of a SHA-256")

    def unmet(self, version: int, digest: str, adc_era: str, score_scale: str) -> Iterator[str]:
        """What of it does not hold, in words."""
        if self.version not in (None, version):
            yield f"version {version} answered, --require-version wants {self.version}"
        if self.digest is not None and not digest.startswith(self.digest):
            yield f"digest {digest[:12]} answered, --require-digest wants {self.digest[:12]}"
        if self.adc_era not in (None, adc_era):
            yield f"ADC era {adc_era} answered, --require-adc-era wants {self.adc_era}"
        if self.score_scale not in (None, score_scale):
            yield f"{score_scale} scores answered, --require-score-scale wants {self.score_scale}"


@dataclass(frozen=True)
class Comparison:
    """One version asked over one protocol.

    Attributes:
        model: its name.
        version: its version.
        digest: SHA-256 of the weights, as the server says it.
        adc_era: ADC window of the pixels, as the server says it.
        score_scale: scale of the scores, as the server says it; ``unstated`` where it does not.
        protocol: grpc or http.
        parity: differences from the reference outputs, and decisions that flipped.
        patches_per_s: rate of one sequential client.
        metrics: physics metrics of the version's manifest.
        faults: why this is not parity; empty where it is.
    """

    model: str
    version: int
    digest: str
    adc_era: str
    score_scale: str
    protocol: str
    parity: Parity
    patches_per_s: float
    metrics: dict[str, float]
    faults: tuple[str, ...]


def compare_version(
    classifier: TritonClassifier, repository: Path, demands: Demands = Demands()
) -> Comparison:
    """Ask a version for its golden hits and compare with the reference outputs.

    Args:
        classifier: the served version.
        repository: folder that holds ``model/version/`` with manifest and golden hits.
        demands: what must answer.

    Raises:
        UserError: the repository does not hold that version.
        CheckError: the golden hits are not those of the manifest, or the server fails.
    """
    folder = repository / classifier.model / str(classifier.version)
    manifest = Manifest.read(folder)
    golden = GoldenHits.read(folder / GOLDEN_FILE, classifier.contract)
    if sha256(folder / GOLDEN_FILE) != manifest.files.get(GOLDEN_FILE):
        raise CheckError(f"{folder / GOLDEN_FILE} is not the file of its manifest; export the version anew")
    outputs = classifier.answer(golden.requests)
    start = time.perf_counter()
    classifier.answer(golden.requests)  # timed the second time: the first one may warm the server up
    seconds = time.perf_counter() - start
    parity = compare(outputs, golden.outputs)
    digest, adc_era = classifier.parameter("digest"), classifier.parameter("adc_era")
    score_scale = classifier.score_scale
    faults = parity.beyond(manifest.tolerances, manifest.class_agreement)
    if digest != manifest.digest:
        faults.append(f"the server's digest {digest[:12]} is not the manifest's {manifest.digest[:12]}")
    faults += demands.unmet(classifier.version, digest, adc_era, score_scale)
    return Comparison(
        model=classifier.model,
        version=classifier.version,
        digest=digest,
        adc_era=adc_era,
        score_scale=score_scale,
        protocol=classifier.connection.protocol,
        parity=parity,
        patches_per_s=parity.hits / seconds,
        metrics=manifest.metrics,
        faults=tuple(faults),
    )

"""Served answers against the golden hits of a version."""

import time
from dataclasses import dataclass
from pathlib import Path

from client.classifier import HitClassifier
from client.model import Demands
from client.on_server import OnServer
from lartpc.errors import CheckError
from lartpc.files import sha256
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, Manifest
from lartpc.served.parity import Parity, compare


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
        patches_per_s: rate of one client.
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
    engine: OnServer,
    repository: Path,
    demands: Demands = Demands(),  # noqa: B008 (frozen)
) -> Comparison:
    """Ask a version for its golden hits and compare with the reference outputs.

    Args:
        engine: the served version.
        repository: folder that holds ``model/version/`` with manifest and golden hits.
        demands: what must answer.

    Raises:
        UserError: the repository does not hold that version.
        CheckError: the golden hits are not those of the manifest, or the server fails.
    """
    model, classifier = engine.model, HitClassifier(engine)
    folder = repository / model.name / str(model.version)
    manifest = Manifest.read(folder)
    golden = GoldenHits.read(folder / GOLDEN_FILE, model.contract)
    if sha256(folder / GOLDEN_FILE) != manifest.files.get(GOLDEN_FILE):
        raise CheckError(f"{folder / GOLDEN_FILE} is not the file of its manifest; export the version anew")
    outputs = classifier.answer(golden.requests)
    start = time.perf_counter()
    classifier.answer(golden.requests)  # timed the second time: the first one may warm the server up
    seconds = time.perf_counter() - start
    parity = compare(outputs, golden.outputs)
    faults = parity.beyond(manifest.tolerances, manifest.class_agreement)
    if model.digest != manifest.digest:
        faults.append(f"the server's digest {model.digest[:12]} is not the manifest's {manifest.digest[:12]}")
    faults += demands.unmet(model)
    return Comparison(
        model=model.name,
        version=model.version,
        digest=model.digest,
        adc_era=model.adc_era,
        score_scale=model.score_scale,
        protocol=engine.connection.protocol,
        parity=parity,
        patches_per_s=parity.hits / seconds,
        metrics=manifest.metrics,
        faults=tuple(faults),
    )

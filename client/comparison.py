"""Served answers against the golden patches of a version."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.triton import TritonClassifier
from lartpc.errors import CheckError
from lartpc.files import sha256
from lartpc.golden import GoldenPatches
from lartpc.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from lartpc.parity import Parity, compare


@dataclass(frozen=True)
class Comparison:
    """One version asked over one protocol.

    Attributes:
        model: its name.
        version: its version.
        protocol: grpc or http.
        megabytes: size of the weights, in MB.
        parity: differences from the reference outputs, and decisions that flipped.
        patches_per_s: rate of one sequential client.
        metrics: physics metrics of the version's manifest.
        faults: why this is not parity; empty where it is.
    """

    model: str
    version: int
    protocol: str
    megabytes: float
    parity: Parity
    patches_per_s: float
    metrics: dict[str, float]
    faults: tuple[str, ...]


def compare_version(classifier: TritonClassifier, repository: Path) -> Comparison:
    """Ask a version for its golden patches and compare with the reference outputs.

    Args:
        classifier: the served version.
        repository: folder that holds ``model/version/`` with manifest and golden patches.

    Raises:
        UserError: the repository does not hold that version.
        CheckError: the golden patches are not those of the manifest, or the server fails.
    """
    folder = repository / classifier.model / str(classifier.version)
    manifest = Manifest.read(folder)
    golden = GoldenPatches.read(folder / GOLDEN_FILE)
    if sha256(folder / GOLDEN_FILE) != manifest.files.get(GOLDEN_FILE):
        raise CheckError(f"{folder / GOLDEN_FILE} is not the file of its manifest; export the version anew")
    outputs = classifier.classify(golden.patches)
    start = time.perf_counter()
    classifier.classify(golden.patches)  # timed the second time: the first one may warm the server up
    seconds = time.perf_counter() - start
    parity = compare(outputs, golden.outputs)
    return Comparison(
        model=classifier.model,
        version=classifier.version,
        protocol=classifier.connection.protocol,
        megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
        parity=parity,
        patches_per_s=parity.hits / seconds,
        metrics=manifest.metrics,
        faults=tuple(_faults(classifier, manifest, parity)),
    )


def _faults(classifier: TritonClassifier, manifest: Manifest, parity: Parity) -> Iterator[str]:
    yield from parity.beyond(manifest.tolerances, manifest.class_agreement)
    served = classifier.parameter("digest")
    if served != manifest.digest:
        yield f"the server's digest {served[:12]} is not the manifest's {manifest.digest[:12]}"

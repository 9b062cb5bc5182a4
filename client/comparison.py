"""Served answers against the golden patches of a version."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.triton import TritonClassifier
from lartpc.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT, OUTPUT_NAMES, TRACK_CUTS, Label
from lartpc.errors import CheckError, UserError
from lartpc.files import sha256
from lartpc.golden import GoldenPatches
from lartpc.manifest import GOLDEN_FILE, MODEL_FILE, Manifest, Tolerance


@dataclass(frozen=True)
class Difference:
    """Absolute differences of the probabilities of one output: the largest and the mean."""

    max: float
    mean: float


@dataclass(frozen=True)
class Comparison:
    """One version asked over one protocol.

    Attributes:
        model: its name.
        version: its version.
        protocol: grpc or http.
        megabytes: size of the weights, in MB.
        differences: output name -> difference from the reference outputs.
        flips: decision -> number of golden patches on which it differs from the reference.
        patches: number of golden patches.
        patches_per_s: rate of one sequential client.
        metrics: physics metrics of the version's manifest.
        faults: why this is not parity; empty where it is.
    """

    model: str
    version: int
    protocol: str
    megabytes: float
    differences: dict[str, Difference]
    flips: dict[str, int]
    patches: int
    patches_per_s: float
    metrics: dict[str, float]
    faults: tuple[str, ...]


def compare(classifier: TritonClassifier, repository: Path) -> Comparison:
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
    if not (folder / MODEL_FILE).is_file():
        raise UserError(f"{folder} has no {MODEL_FILE}; export the version anew")
    if sha256(folder / GOLDEN_FILE) != manifest.files.get(GOLDEN_FILE):
        raise CheckError(f"{folder / GOLDEN_FILE} is not the file of its manifest; export the version anew")
    outputs = classifier.classify(golden.patches)
    start = time.perf_counter()
    classifier.classify(golden.patches)  # timed the second time: the first one may warm the server up
    seconds = time.perf_counter() - start
    differences = {name: _difference(outputs[name], golden.outputs[name]) for name in OUTPUT_NAMES}
    return Comparison(
        model=classifier.model,
        version=classifier.version,
        protocol=classifier.connection.protocol,
        megabytes=(folder / MODEL_FILE).stat().st_size / 1e6,
        differences=differences,
        flips=flips(golden.outputs, outputs),
        patches=len(golden.patches),
        patches_per_s=len(golden.patches) / seconds,
        metrics=manifest.metrics,
        faults=tuple(_faults(classifier, manifest, differences)),
    )


def flips(
    reference: dict[str, NDArray[np.float32]], outputs: dict[str, NDArray[np.float32]]
) -> dict[str, int]:
    """Hits whose decision differs: the class of the largest score, and each cut in use."""

    def decisions(of: dict[str, NDArray[np.float32]]) -> dict[str, NDArray]:
        track, michel = of[CLASS_OUTPUT][:, Label.TRACK], of[MICHEL_OUTPUT][:, 0]
        return (
            {"class": of[CLASS_OUTPUT].argmax(axis=1)}
            | {f"track > {cut}": track > cut for cut in TRACK_CUTS}
            | {f"Michel > {cut}": michel > cut for cut in MICHEL_CUTS}
        )

    before, after = decisions(reference), decisions(outputs)
    return {name: int(np.count_nonzero(before[name] != after[name])) for name in before}


def _difference(output: NDArray[np.float32], reference: NDArray[np.float32]) -> Difference:
    distance = np.abs(output.astype(np.float64) - reference)
    return Difference(max=float(distance.max()), mean=float(distance.mean()))


def _faults(
    classifier: TritonClassifier, manifest: Manifest, differences: dict[str, Difference]
) -> Iterator[str]:
    for name, difference in differences.items():
        tolerance = manifest.tolerances.get(name, Tolerance(0.0, 0.0))
        for kind in ("max", "mean"):
            found, allowed = getattr(difference, kind), getattr(tolerance, kind)
            if not found <= allowed:
                yield f"{kind} |dp| of {name} is {found:.2g}, more than {allowed:.2g}"
    served = classifier.parameter("digest")
    recorded = manifest.files.get(MODEL_FILE, "nothing")
    if served != recorded:
        yield f"the server's digest {served[:12]} is not the manifest's {recorded[:12]}"

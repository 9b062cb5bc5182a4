"""Plane requests against patch requests: in process, through the embedded Triton, and of a whole event.

In process both run the same network on one thread, in rounds that take turns, and patches are cut while the
clock runs. A whole event goes from its file to scores: read, unpacked, sent, answered, with client and server
on the same cores.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import psutil

from benchmarks.record import Figure, record
from client.triton import TritonClassifier
from data_gen.generate import main as generate
from export.triton import main as export
from lartpc.adc_scale import adc_scale
from lartpc.command import run
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import HIT_INPUT, IMAGE_INPUT, INPUT_NAME, PATCH_SIZE
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.names import served_name
from lartpc.served.parity import Outputs
from lartpc.served.session import GraphSession
from serving.connection import Connection
from serving.triton import TritonServer
from training.evaluation.metrics import physics_metrics
from training.network.checkpoint import load_checkpoint

CHECKPOINT = Path("shipped:compact")
EVENT = Path("data/whole_event.h5")
SEED = 11
"""Of the event."""
ROUNDS = 7
HITS = (1700, 4000)
PLANES = ("W", "U")
PATCHES_A_REQUEST = 256
ERA = "2021"

PATHS = ("fp32", "int8", "plane_fp32", "plane_int8", "plane_f16_int8", "plane_u8_int8", "plane_zs_int8")
"""Suffixes of the models that answer a whole event; the first is the paper's way."""

GOALS = {"plane_f16_int8": f"<= {PATCH_SIZE**2 * 4 // 15}", "plane_zs_int8": f"<= {PATCH_SIZE**2 * 4 // 100}"}
"""Bytes a hit: a fifteenth and a hundredth of a patch."""


def benchmark(checkpoint: Path = CHECKPOINT, event: Path = EVENT, rounds: int = ROUNDS) -> None:
    """Measure plane requests against patch requests: in process, served, and of a whole event.

    Args:
        checkpoint: calibrated, with its gate.h5 beside it, or weights that come along.
        event: event file with all six drift volumes; made where it is missing.
        rounds: of each figure, interleaved.
    """
    network = load_checkpoint(checkpoint).name
    made_of = ["--config=natural", "--detector=protodune-sp", "--events=1", f"--seed={SEED}"]
    if not event.exists() and generate([*made_of, f"--out={event}"]) != 0:
        raise SystemExit(1)
    with TemporaryDirectory() as folder:
        repository = Path(folder)
        arguments = [f"--checkpoint={checkpoint}", f"--repository={repository}", "--requests=all"]
        for precision in ("fp32", "int8"):
            if export([*arguments, f"--precision={precision}"]) != 0:
                raise SystemExit(1)
        graphs = {
            suffix: next((repository / served_name(suffix, network)).glob(f"*/{MODEL_FILE}"))
            for suffix in PATHS
        }
        figures = [figure for plane in PLANES for figure in in_process(graphs, event, plane, rounds)]
        with TritonServer(repository) as server:
            figures += whole_event(server, network, event, rounds)
    record(f"Plane requests, {network} network, median of {rounds} rounds", "planes", figures)


def in_process(graphs: dict[str, Path], event: Path, plane: str, rounds: int) -> list[Figure]:
    """Hits a second of one thread, of planes with so many hits."""
    with EventFile(event) as events:
        request = max(
            PlaneHits.read(events, 0, plane).requests(adc_scale(ERA)), key=lambda asked: len(asked.rows)
        )
    figures = []
    for precision in ("fp32", "int8"):
        of_patches, of_planes = (
            GraphSession(graphs[suffix], threads=1) for suffix in (precision, f"plane_{precision}")
        )
        for number in HITS:
            random = np.random.default_rng(number)
            hits = request.hit[np.sort(random.integers(0, len(request.hit), number))]
            patches_s, planes_s = taking_turns(
                rounds,
                partial(by_patches, of_patches, request.image, hits),
                partial(of_planes.answer_requests, [{IMAGE_INPUT: request.image, HIT_INPUT: hits}]),
            )
            name = f"{precision}, {number} hits of {plane}"
            ratios = [ours / theirs for ours, theirs in zip(patches_s, planes_s, strict=True)]
            figures += [
                Figure(f"patches, {name}", number / median(patches_s), "hits/s"),
                Figure(f"plane, {name}", number / median(planes_s), "hits/s"),
                Figure(f"plane / patches, {name}", median(ratios), "ratio", ">= 1.0"),
            ]
    return figures


def by_patches(session: GraphSession, image: np.ndarray, hits: np.ndarray) -> Outputs:
    """The same hits, cut and answered in batches."""
    canvas = pad_planes(image[None])
    return session.answer_requests(
        {INPUT_NAME: cut_patches(canvas, *hits[first : first + PATCHES_A_REQUEST].T)}
        for first in range(0, len(hits), PATCHES_A_REQUEST)
    )


def taking_turns(rounds: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Seconds of each call in rounds that take turns; the first round warms up."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, taken in zip(calls, seconds, strict=True):
            start = perf_counter()
            call()
            if number:
                taken.append(perf_counter() - start)
    return seconds


def whole_event(server: TritonServer, network: str, event: Path, rounds: int) -> list[Figure]:
    """Seconds, bytes and area of each path, from the event's file to its scores."""
    figures = []
    with Connection(server.grpc) as connection:
        classifiers = {suffix: TritonClassifier(connection, served_name(suffix, network)) for suffix in PATHS}
        seconds = taking_turns(rounds, *(partial(answered, of, event) for of in classifiers.values()))
        for (suffix, classifier), taken in zip(classifiers.items(), seconds, strict=True):
            before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
            outputs, hits = answered(classifier, event)
            sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
            areas = physics_metrics(outputs, hits["label"], hits["michel"])
            figures += [
                Figure(f"{suffix}: an event of {len(hits)} hits", median(taken), "s"),
                Figure(f"{suffix}: on the socket", sent / len(hits), "bytes a hit", GOALS.get(suffix, "")),
                Figure(f"{suffix}: track against shower", areas["track_shower_auc"], "AUC"),
            ]
    return figures


def answered(classifier: TritonClassifier, event: Path) -> tuple[Outputs, np.ndarray]:
    """The answers to all hits of the first event of a file, and the hits."""
    with EventFile(event) as events:
        planes = [of_plane for of_plane in PlaneHits.of_event(events, 0) if len(of_plane.hits)]
    answers = [classifier.classify_hits(of_plane) for of_plane in planes]
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    return outputs, np.concatenate([of_plane.hits for of_plane in planes])


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.planes")


if __name__ == "__main__":
    raise SystemExit(main())

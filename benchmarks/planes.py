"""Plane requests against patch requests: in process, through the embedded Triton, and of a whole event.

In process both run the same network on one thread, in rounds that take turns, and patches are cut while the
clock runs. A whole event goes from its file to scores: read, unpacked, sent, answered, with client and server
on the same cores.
"""

from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import Figure, record
from benchmarks.turns import taking_turns
from benchmarks.whole_event import (
    ERA,
    MEMORY_EVENTS,
    PATHS,
    add_one_instance,
    keeping_busy,
    memory_gained,
    served_against_in_process,
    whole_event,
)
from data_gen.generate import main as generate
from export.triton import main as export
from lartpc.adc_scale import adc_scale
from lartpc.command import run
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.plane_hits import PlaneHits
from lartpc.served.contract import HIT_INPUT, IMAGE_INPUT, INPUT_NAME
from lartpc.served.manifest import MODEL_FILE
from lartpc.served.names import served_name
from lartpc.served.parity import Outputs
from lartpc.served.session import GraphSession
from serving.triton import TritonServer
from training.network.checkpoint import load_checkpoint

CHECKPOINT = Path("shipped:compact")
EVENT = Path("data/whole_event.h5")
SEED = 11
"""Of the event."""
ROUNDS = 7
HITS = (1700, 4000)
PLANES = ("W", "U")
PATCHES_A_REQUEST = 256


def benchmark(
    checkpoint: Path = CHECKPOINT,
    event: Path = EVENT,
    rounds: int = ROUNDS,
    memory_events: int = MEMORY_EVENTS,
    gates: str = "gates",
) -> None:
    """Measure plane requests against patch requests: in process, served, and of a whole event.

    Args:
        checkpoint: calibrated, with its gate.h5 beside it, or weights that come along.
        event: event file with all six drift volumes; made where it is missing.
        rounds: of each figure, interleaved.
        memory_events: events over which the memory of server and client is watched; each is one plane of the
            event.
        gates: that the exported models have to pass; gates_quick where they would fail the strict ones.
    """
    network = load_checkpoint(checkpoint).name
    made_of = ["--config=natural", "--detector=protodune-sp", "--events=1", f"--seed={SEED}"]
    if not event.exists() and generate([*made_of, f"--out={event}"]) != 0:
        raise SystemExit(1)
    with TemporaryDirectory() as folder:
        repository = Path(folder)
        arguments = [f"--checkpoint={checkpoint}", f"--repository={repository}", "--requests=all"]
        arguments += [f"--gates={gates}"]
        for precision in ("fp32", "int8"):
            if export([*arguments, f"--precision={precision}"]) != 0:
                raise SystemExit(1)
        graphs = {
            suffix: next((repository / served_name(suffix, network)).glob(f"*/{MODEL_FILE}"))
            for suffix in PATHS
        }
        figures = [figure for plane in PLANES for figure in in_process(graphs, event, plane, rounds)]
        add_one_instance(repository, network)
        with TritonServer(repository) as server:
            figures += whole_event(server, network, event, rounds)
            for suffix in ("plane_int8", "plane_zs_int8"):
                figures += served_against_in_process(server, network, suffix, graphs[suffix], event, rounds)
            figures += keeping_busy(server, network, event, rounds)
            figures += memory_gained(server, network, event, memory_events)
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


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.planes")


if __name__ == "__main__":
    raise SystemExit(main())

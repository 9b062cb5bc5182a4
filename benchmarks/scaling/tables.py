"""An event of all drift volumes in process, as jobs do it today, and by a server: tables 2 and 3.

The paper's jobs run the network on one thread of a processor. All other modules of a job are not ours: their
110 s are the paper's (table 2), and stand beside what is measured here as what they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.turns import taking_turns
from benchmarks.whole_event import ERA, answered, planes_of
from client import connect
from data_gen.generate import main as generate
from export.graph.fp32 import export_network
from lartpc.adc_scale import adc_scale
from lartpc.errors import CheckError
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.served.contract import INPUT_NAME
from lartpc.served.session import GraphSession
from serving.sizing.paper import MODULE_S, OTHER_S
from training.network.networks import ServedNetwork, build_network

SEED = 11
IN_PROCESS_ROWS = 256
"""Patches of a batch in process, that of LArSoft's default configuration."""

PAPERS = "the paper's network in FP32, in process"


@dataclass(frozen=True)
class Row:
    """A way of classifying the event.

    Attributes:
        name: of it.
        module_s: that it takes, in s.
        hits: of the event.
    """

    name: str
    module_s: float
    hits: int

    def of_paper_size(self, hits: int) -> float:
        """The same of an event of another number of hits, in s; the time is proportional to them."""
        return self.module_s * hits / self.hits


def event(path: Path) -> Path:
    """An event of all six drift volumes, made where it is not there.

    Raises:
        CheckError: it cannot be made.
    """
    options = ["--config=natural", "--detector=protodune-sp", "--events=1", f"--seed={SEED}", f"--out={path}"]
    if not path.exists() and generate(options) != 0:
        raise CheckError(f"{path} cannot be made")
    return path


def module_times(path: Path, compact: Path, served: dict[str, str], rounds: int) -> list[Row]:
    """Seconds from the event's file to its scores, of each way, in rounds that take turns.

    Args:
        path: event file.
        compact: graph of the compact network in INT8.
        served: name -> URL of a model.
        rounds: of each.
    """
    fresh = ServedNetwork(build_network("paper").eval())  # it takes as long with any weights
    papers = GraphSession(export_network(fresh).SerializeToString(), threads=1)
    ours = GraphSession(compact.read_bytes(), threads=1)
    classifiers = {name: connect(url) for name, url in served.items()}
    calls: dict[str, Callable[[], object]] = {
        PAPERS: partial(in_process, papers, path),
        "compact INT8, in process": partial(in_process, ours, path),
        **{name: partial(answered, classifier, path) for name, classifier in classifiers.items()},
    }
    hits = sum(len(of_plane.hits) for of_plane in planes_of(path))
    try:
        seconds = taking_turns(rounds, *calls.values())
    finally:
        for classifier in classifiers.values():
            classifier.close()
    return [Row(name, median(taken), hits) for name, taken in zip(calls, seconds, strict=True)]


def in_process(session: GraphSession, path: Path) -> None:
    """Read the event, cut its patches and run the network on one thread."""
    for of_plane in planes_of(path):
        for request in of_plane.requests(adc_scale(ERA)):
            canvas = pad_planes(request.image[None])
            for first in range(0, len(request.hit), IN_PROCESS_ROWS):
                patches = cut_patches(canvas, *request.hit[first : first + IN_PROCESS_ROWS].T)
                session.answer_requests([{INPUT_NAME: np.asarray(patches)}])


def speed_ups(rows: list[Row]) -> list[tuple[Row, float, float]]:
    """Each row with how many times faster than the first the module is, and a job.

    All else of a job is to the module in process as in the paper: 110 s to 220.
    """
    first = rows[0].module_s
    other_s = first * OTHER_S / MODULE_S
    return [(row, first / row.module_s, (other_s + first) / (other_s + row.module_s)) for row in rows]

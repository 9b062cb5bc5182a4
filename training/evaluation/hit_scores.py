"""The scores of every held-out hit, with its truth and its surroundings: what all figures come from."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import DRIFT_SPEED, TICK_US, TRIGGER_TICK
from lartpc.errors import UserError
from lartpc.event_file import EventFile, split_of
from lartpc.provenance import Provenance
from lartpc.score_file import HIT_SCORE_DTYPE, hit_columns, read_rows, set_outputs, written_scores
from training.data.dataset import PatchDataset
from training.data.selection import SHARES
from training.evaluation.lineage import makers, michel_electrons
from training.evaluation.surroundings import SURROUNDINGS, surroundings
from training.network.checkpoint import Checkpoint

SCORE_DTYPE = np.dtype(
    [
        *HIT_SCORE_DTYPE.descr,
        ("drift", "f4"),  # in cm from the wires, by its particle's start time; NaN of noise
        ("pdg", "i4"),  # PDG code of that particle, 0 of noise
        ("electron", "i4"),  # of a Michel hit the Michel electron that it descends from, else -1
        ("process", "S16"),  # by which that particle arose, such as primary or delta
        ("kept", "f4"),  # share of such hits that upstream's selection keeps
        *((name, "f4") for name in SURROUNDINGS),  # NaN where not defined
    ]
)
"""A row of an evaluation's score file: what every score file has, then what only an evaluation knows."""

UNKNOWN = {
    "drift": np.nan,
    "pdg": 0,
    "electron": -1,
    "process": b"",
    "kept": np.nan,
    **dict.fromkeys(SURROUNDINGS, np.nan),
}
"""Column that only an evaluation knows -> value in a file of client.classify."""

Watch = Callable[[Iterable[int]], Iterable[int]]
"""Wraps the starts of the groups of events, to show progress."""

SEED = 11
"""Of the choice of hits, with the event's number."""

EVENTS_AT_ONCE = 4
"""Events whose images are in memory together: 50 MB with three planes."""


def answer_events(
    trained: Checkpoint,
    events: EventFile,
    indices: NDArray[np.integer],
    watch: Watch = iter,
    share: float = 1.0,
) -> NDArray[np.void]:
    """Scores of the hits of some events: (N,) of :data:`SCORE_DTYPE`, ordered by event.

    Args:
        trained: the network.
        events: an open event file.
        indices: which of its events.
        watch: wraps the starts of the groups of events, to show progress.
        share: of the hits, drawn at random; which ones depends on the event's number alone.

    Raises:
        UserError: the events have no hits, or are damaged.
    """
    filled = [index for index in indices if len(events.hits(index))]
    if not filled:
        raise UserError(f"{events.path} has no hits in the {len(indices)} events asked for; generate more")
    parts = []
    for first in watch(range(0, len(filled), EVENTS_AT_ONCE)):
        group = np.array(filled[first : first + EVENTS_AT_ONCE])
        dataset = PatchDataset(events, group, trained.scale, selected=True)
        rows = drawn_hits(dataset, events, share)
        if not len(rows):
            continue
        outputs = trained.answer(dataset, rows=rows)
        scores = np.zeros(len(rows), SCORE_DTYPE)
        scores["index"], scores["hit_id"] = dataset.event[rows], dataset.hit_id[rows]
        scores["kept"] = np.array(SHARES)[dataset.level[rows]]
        set_outputs(scores, outputs)
        for index in group:
            of_event = scores["index"] == index
            _add_truth(scores, of_event, events, int(index))
        parts.append(scores)
    if not parts:
        raise UserError(f"a share of {share:g} leaves no hit of {events.path}; give a larger one")
    return np.concatenate(parts)


def drawn_hits(dataset: PatchDataset, events: EventFile, share: float) -> NDArray[np.int64]:
    """Rows of a data set: of each event's hits this share, drawn by the event's number."""
    if share == 1.0:
        return np.arange(len(dataset))
    kept = np.zeros(len(dataset), bool)
    for index in np.unique(dataset.event):
        of_event = np.flatnonzero(dataset.event == index)
        random = np.random.default_rng((SEED, int(events.event_ids[index, 2])))
        kept[of_event] = random.random(len(of_event)) < share
    return np.flatnonzero(kept)


def _add_truth(scores: NDArray[np.void], of_event: NDArray[np.bool_], events: EventFile, index: int) -> None:
    """Copy from the event's hit table what the data set does not carry."""
    hits = events.hits(index)
    rows = rows_of(hits["hit_id"], scores["hit_id"][of_event])
    particles = events.particles(index)
    around = surroundings(hits, particles, events.provenance.data)[rows]
    hits = hits[rows]
    of_makers = _of_makers(hits, particles, events.provenance.data)
    for field, values in {**hit_columns(events, index, hits), **of_makers}.items():
        scores[field][of_event] = values
    for name in SURROUNDINGS:
        scores[name][of_event] = around[name]


def _of_makers(
    hits: NDArray[np.void], particles: NDArray[np.void], data: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    """Field of the scores -> (H,) what a hit has from the particle that made it."""
    maker = makers(hits, particles)
    made = maker >= 0
    of = particles[maker[made]]
    speed = data.get("configuration", {}).get("response", {}).get("drift_speed", DRIFT_SPEED)
    found: dict[str, NDArray[Any]] = {
        "process": np.zeros(len(hits), "S16"),
        "pdg": np.zeros(len(hits), "i4"),
        "drift": np.full(len(hits), np.nan),
        "electron": np.full(len(hits), -1),
    }
    found["process"][made], found["pdg"][made] = of["start_process"], of["type"]
    arrival = (hits["local_time"][made] - TRIGGER_TICK) * TICK_US
    found["drift"][made] = (arrival - of["start_time"]) * speed
    electron = michel_electrons(particles)[maker[made]]
    of_michel = (hits["michel"][made] == 1) & (electron >= 0)
    found["electron"][made] = np.where(of_michel, particles["g4_id"][electron], -1)
    return found


def rows_of(numbers: NDArray[np.integer], wanted: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) where the wanted numbers stand among an event's numbers of hits, or of particles."""
    order = np.argsort(numbers)
    return order[np.searchsorted(numbers, wanted, sorter=order)]


def held_out(events: EventFile, most: int | None = None) -> NDArray[np.int64]:
    """Indices of the held-out events, after a check that the split is the one by event number.

    A training sees other event numbers alone, in whatever file they are: nothing of a held-out event, not
    even of the same event in another detector, has been trained on.

    Args:
        events: an open event file.
        most: the first of them only.

    Raises:
        UserError: the file has no held-out event, or one whose number belongs to another split.
    """
    indices = events.in_split("test")
    numbers = events.event_ids[:, 2]
    if any(split_of(int(number)) != split for number, split in zip(numbers, events.splits, strict=True)):
        raise UserError(f"{events.path} divides its events otherwise than by their numbers; generate it anew")
    if not len(indices[:most]):
        raise UserError(f"{events.path} has no held-out event; generate at least 6 events")
    return indices[:most]


class ScoreTable:
    """Scores on their way to a file, with what the file says about them.

    Args:
        name: of the file.
        scores: (N,) of :data:`SCORE_DTYPE`.
        provenance: of the checkpoint.
        events: the event file that was answered; only its header is kept.
    """

    def __init__(
        self, name: str, scores: NDArray[np.void], provenance: Provenance, events: EventFile
    ) -> None:
        self.name = name
        self.scores = scores
        self.attributes = {
            "provenance": provenance.to_json(),
            "data": json.dumps(events.provenance.data, sort_keys=True),
            "data_digest": events.provenance.data.get("digest", ""),
        }
        self.samples = events.samples

    def write(self, folder: Path) -> None:
        """Write the table as HDF5, a data set a column, with the event file's sample table."""
        tables = {"sample_table": self.samples}
        with written_scores(folder / self.name, SCORE_DTYPE, self.attributes, tables) as append:
            append(self.scores)


def read_scores(path: Path) -> NDArray[np.void]:
    """Read what :meth:`ScoreTable.write` wrote, or client.classify with :data:`UNKNOWN` in what it lacks.

    Raises:
        UserError: the file is missing or damaged.
    """
    return read_rows(path, SCORE_DTYPE, UNKNOWN, "evaluate the checkpoint anew")

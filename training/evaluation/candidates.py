"""Michel candidates: neighbouring hits with high Michel scores, as an analysis counts electrons.

Hits are linked in a view. A candidate in three views has a partner in each that arrives at the same time
and lies at the same place, and an electron that a muon has stopped for has a track that ends beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from lartpc.detector import ACTIVE_CM, DRIFT_SPEED, PLANES, TICK_US
from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.tasks import weights

LINK_CM = 3.0
"""Hits at most so far apart in a view belong together."""

LEAST_HITS = 4
"""Of a candidate in a view, and of a Michel electron that could be found there."""

SAME_TIME_CM = 1.0
"""How far the parts of a candidate in three views may lie apart along the drift."""

SAME_PLACE_CM = 5.0
"""How far the middles of a candidate's parts in U and V may lie from where that in W says, summed."""

NEAR_END_CM = 10.0
"""Hits of a track this near a candidate say whether it ends there."""

LEAST_TRACK_HITS = 5

ONE_SIDED = 0.5
"""Length of the mean of the unit vectors to these hits: 0 where a track passes, 1 where one ends."""

FAR_CM = 1e5
"""Images are set this far apart, so that one tree holds the hits of all."""


@dataclass(frozen=True)
class Candidates:
    """Candidates of a cut.

    Attributes:
        volume: (C,) number of the drift volume of an event.
        event: (C,) number of the event.
        weight: (C,) how often it counts in the natural mixture: what most of its hits do.
        electron: (C,) the Michel electron that more than half of its hits are of, in three views two of its
            three parts; -1 where it is none.
        hits: (C,).
        middle: (C, 2) mean position across the wires and along the drift, in cm.
        extent: (C, 2) first and last position along the drift, in cm.
        at_track_end: (C,) whether a track ends beside it.
    """

    volume: NDArray[np.int64]
    event: NDArray[np.int64]
    weight: NDArray[np.float64]
    electron: NDArray[np.int64]
    hits: NDArray[np.int64]
    middle: NDArray[np.float64]
    extent: NDArray[np.float64]
    at_track_end: NDArray[np.bool_]

    def chosen(self, which: NDArray[Any]) -> "Candidates":
        """Some of them."""
        return Candidates(**{name: values[which] for name, values in vars(self).items()})

    @property
    def finds(self) -> NDArray[np.int64]:
        """(C,) the electron that it finds; -1 where it is none, or one that a larger candidate here is of."""
        order = np.argsort(-self.hits, kind="stable")
        largest = order[np.unique(self.electron[order], return_index=True)[1]]
        found = np.full(len(self.electron), -1)
        found[largest] = self.electron[largest]
        return found


@dataclass(frozen=True)
class Electrons:
    """Michel electrons with at least 4 hits in a view: number, event and weight of each, (M,)."""

    number: NDArray[np.int64]
    event: NDArray[np.int64]
    weight: NDArray[np.float64]


class View:
    """The hits of one plane, of all events.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE, of all hits of the events.
        event: (N,) number of each hit's event.
        plane: 0 U, 1 V, 2 W.
    """

    def __init__(self, scores: NDArray[np.void], event: NDArray[np.integer], plane: int) -> None:
        of_plane = scores["plane"] == plane
        hits = scores[of_plane]
        self.event = event[of_plane].astype(np.int64)
        self.volume = self.event * 256 + hits["tpc"]
        self.weight = weights(hits, "natural")
        self.score = hits["michel_score"]
        self.is_track = outputs_of(hits)[CLASS_OUTPUT].argmax(axis=1) == Label.TRACK
        self.electron = np.where(hits["electron"] >= 0, self.event << 32 | hits["electron"], -1)
        across = (hits["wire"] + 0.5) * PLANES[plane].pitch
        along = hits["time"].astype(np.float64) * TICK_US * DRIFT_SPEED
        self.place = np.column_stack([across, along])

    @cached_property
    def apart(self) -> NDArray[np.float64]:
        """(N, 2) places with the images far from each other."""
        return self.place + np.column_stack([self.volume * FAR_CM, np.zeros(len(self.place))])

    def electrons(self) -> Electrons:
        """The Michel electrons that could be found here."""
        of_michel = np.flatnonzero(self.electron >= 0)
        number, first, count = np.unique(self.electron[of_michel], return_index=True, return_counts=True)
        enough = of_michel[first[count >= LEAST_HITS]]
        return Electrons(number[count >= LEAST_HITS], self.event[enough], self.weight[enough])

    def candidates(self, cut: float) -> Candidates:
        """Linked hits with a Michel score above a cut."""
        chosen = np.flatnonzero(self.score > cut)
        group = _linked(self.apart[chosen])
        size = np.bincount(group)
        kept = size[group] >= LEAST_HITS if len(group) else np.zeros(0, bool)
        chosen = chosen[kept]
        _, group, size = np.unique(group[kept], return_inverse=True, return_counts=True)
        first = np.unique(group, return_index=True)[1]
        electron, number = _most_frequent(group, self.electron[chosen])
        along = self.place[chosen, 1]
        low, high = np.full(len(size), np.inf), np.full(len(size), -np.inf)
        np.minimum.at(low, group, along)
        np.maximum.at(high, group, along)
        middle = [np.bincount(group, self.place[chosen, axis], len(size)) / size for axis in (0, 1)]
        return Candidates(
            volume=self.volume[chosen[first]],
            event=self.event[chosen[first]],
            weight=_most_frequent(group, self.weight[chosen])[0],
            electron=np.where(2 * number > size, electron, -1),
            hits=size,
            middle=np.column_stack(middle),
            extent=np.column_stack([low, high]),
            at_track_end=self._at_track_end(chosen, group, len(size)),
        )

    def _at_track_end(
        self, chosen: NDArray[np.int64], group: NDArray[np.int64], groups: int
    ) -> NDArray[np.bool_]:
        """(groups,) whether the track hits around the hit of a group nearest to one lie on one side of it."""
        found = np.zeros(groups, bool)
        is_track = self.is_track.copy()
        is_track[chosen] = False
        if not groups or not is_track.any():
            return found
        track = self.apart[is_track]
        tree = KDTree(track, balanced_tree=False, compact_nodes=False)
        distance, _ = tree.query(self.apart[chosen], distance_upper_bound=LINK_CM)
        nearest = np.lexsort([distance, group])
        nearest = nearest[np.unique(group[nearest], return_index=True)[1]]
        touching = np.flatnonzero(np.isfinite(distance[nearest]))
        contact = self.apart[chosen[nearest[touching]]]
        for which, point, near in zip(
            touching, contact, tree.query_ball_point(contact, NEAR_END_CM), strict=True
        ):
            line = track[near] - point
            length = np.linalg.norm(line, axis=1, keepdims=True)
            direction = np.divide(line, length, out=np.zeros_like(line), where=length > 0.0)
            one_sided = np.linalg.norm(direction.mean(axis=0)) >= ONE_SIDED
            found[which] = len(near) >= LEAST_TRACK_HITS and one_sided
        return found


def in_three_views(of_plane: dict[int, Candidates]) -> Candidates:
    """Those of W that have a partner in U and one in V, each of which is taken once, the best match first.

    Partners arrive within 1 cm along the drift. Where a wire of U and one of V cross tells the W wire there:
    the sum of their positions is twice the cosine of the wires' angle times W's, plus what the planes'
    corners differ by (lartpc.detector). A candidate is a Michel electron's where two of its three parts are.

    Args:
        of_plane: plane -> candidates, of U, V and W.
    """
    u, v, w = (of_plane[plane] for plane in range(3))
    angle = PLANES[0].angle
    corner = ACTIVE_CM[1] * np.sin(angle)
    rows = [_rows_by_volume(of) for of in (u, v, w)]
    matches = []
    for volume in rows[0].keys() & rows[1].keys() & rows[2].keys():
        for i, j, k in _together(u, v, w, *(of[volume] for of in rows)):
            overlap = min(of.extent[n, 1] for of, n in ((u, i), (v, j), (w, k))) - max(
                of.extent[n, 0] for of, n in ((u, i), (v, j), (w, k))
            )
            apart = abs(u.middle[i, 0] + v.middle[j, 0] - corner - 2.0 * np.cos(angle) * w.middle[k, 0])
            if overlap >= -SAME_TIME_CM and apart <= SAME_PLACE_CM:
                matches.append((apart, i, j, k))
    taken: tuple[set[int], ...] = (set(), set(), set())
    kept = []
    for _, *parts in sorted(matches):
        if not any(part in of for part, of in zip(parts, taken, strict=True)):
            kept.append(parts)
            for part, of in zip(parts, taken, strict=True):
                of.add(part)
    in_u, in_v, in_w = np.array(kept, np.int64).reshape(-1, 3).T
    found = w.chosen(in_w)
    of_parts = np.column_stack([u.electron[in_u], v.electron[in_v], found.electron])
    agreed = np.where((of_parts[:, 0] == of_parts[:, 1]), of_parts[:, 0], of_parts[:, 2])
    agreed = np.where((of_parts == agreed[:, None]).sum(axis=1) >= 2, agreed, -1)
    return Candidates(**(vars(found) | {"electron": agreed}))


def _together(
    u: Candidates, v: Candidates, w: Candidates, *rows: list[int]
) -> Iterator[tuple[int, int, int]]:
    """Candidates of a volume, one of each view, of which those in U and V arrive together with that in W."""
    for k in rows[2]:
        low, high = w.extent[k] + [-SAME_TIME_CM, SAME_TIME_CM]
        near = [
            [n for n in of_view if of.extent[n, 0] <= high and of.extent[n, 1] >= low]
            for of, of_view in ((u, rows[0]), (v, rows[1]))
        ]
        yield from ((i, j, k) for i, j in product(*near))


def _linked(place: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) number of the group of each place."""
    if not len(place):
        return np.zeros(0, np.int64)
    pairs = KDTree(place).query_pairs(LINK_CM, output_type="ndarray")
    links = coo_array((np.ones(len(pairs), bool), pairs.T), shape=(len(place), len(place)))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _most_frequent(group: NDArray[np.int64], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Of each group the value that most of its members have, and how many do."""
    distinct, value = np.unique(values, return_inverse=True)
    pairs, count = np.unique(group * max(len(distinct), 1) + value, return_counts=True)
    owner, value = np.divmod(pairs, max(len(distinct), 1))
    order = np.lexsort([count, owner])
    last = order[np.append(np.flatnonzero(np.diff(owner[order])), len(order) - 1)] if len(order) else order
    return distinct[value[last]], count[last]


def _rows_by_volume(of: Candidates) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, volume in enumerate(of.volume.tolist()):
        rows.setdefault(volume, []).append(row)
    return rows

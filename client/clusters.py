"""Scores of clusters of hits, as LArSoft makes them of the hits' scores.

With p_i,k the k-th of the four outputs of hit i (track, shower, none, Michel), clipped to [1e-6, 1 - 1e-6],
and w_i 1 for a hit within the fiducial region, else 0, a cluster's scores are the weighted geometric means

    g_k = exp(sum_i w_i ln p_i,k / sum_i w_i),        P_k = g_k / (g_1 + g_2 + g_3 + g_4)

So the Michel score of a cluster is a share of the four, not a probability of its own as a hit's is. A hit in
no cluster is a cluster of one. The region leaves out the outermost 6 wires and drift pixels of a plane.

Source: ``anab::MVAWrapperBase::pAccumulate`` (lardata, MVAWrapperBase.h), called by EmTrackMichelId with the
flags of ``nnet::PointIdAlg::isInsideFiducialRegion`` (larrecodnn), whose margin is an eighth of the patch.

There a cluster without a hit in the region has weight 0 and its scores are NaN; here all its hits count.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.patches.cut import drift_pixel
from lartpc.served.contract import PATCH_SIZE

LEAST = 1e-6
"""Of a hit's score; and of what it lacks to 1."""

MARGIN = PATCH_SIZE // 8
"""Wires and drift pixels at a plane's edge that are outside of the fiducial region."""

UNCLUSTERED = -1


@dataclass(frozen=True)
class ClusterScores:
    """Scores of clusters: those of their own number in its order, then the hits that are in none.

    Attributes:
        number: (C,) of the cluster, as it was given; UNCLUSTERED of a hit by itself.
        hits: (C,) hits of it.
        scores: (C, 4) track, shower, none, Michel; each row adds up to 1.
        of_hit: (H,) row of each hit's cluster.
    """

    number: NDArray[np.int64]
    hits: NDArray[np.int64]
    scores: NDArray[np.float64]
    of_hit: NDArray[np.int64]


def cluster_scores(
    scores: NDArray[np.floating], cluster: NDArray[np.integer], inside: NDArray[np.bool_]
) -> ClusterScores:
    """Scores of the clusters of hits of an event.

    Args:
        scores: (H, 4) track, shower, none and Michel score of each hit.
        cluster: (H,) number of its cluster, the same in no two planes; UNCLUSTERED where it has none.
        inside: (H,) whether it is in the fiducial region, see :func:`fiducial`.

    Raises:
        UserError: the arrays do not belong together, or a score is no probability.
    """
    scores, cluster, inside = np.asarray(scores, np.float64), np.asarray(cluster), np.asarray(inside, bool)
    if scores.shape != (len(cluster), 4) or cluster.ndim != 1 or inside.shape != cluster.shape:
        raise UserError(
            f"scores {scores.shape}, clusters {cluster.shape} and flags {inside.shape} are not those of the "
            "same hits: (H, 4), (H,) and (H,)"
        )
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise UserError("a hit's score is no number from 0 to 1")
    alone = np.flatnonzero(cluster == UNCLUSTERED)
    numbers, of_clustered = np.unique(cluster[cluster != UNCLUSTERED], return_inverse=True)
    of_hit = np.empty(len(cluster), np.int64)
    of_hit[cluster != UNCLUSTERED] = of_clustered
    of_hit[alone] = len(numbers) + np.arange(len(alone))
    count = len(numbers) + len(alone)

    def summed(values: NDArray) -> NDArray[np.float64]:
        return np.bincount(of_hit, values, minlength=count).astype(np.float64)

    weight = np.where(summed(inside)[of_hit] > 0.0, inside, 1.0)  # (H,)
    logarithm = np.log(scores.clip(LEAST, 1.0 - LEAST))  # (H, 4)
    sums = np.column_stack([summed(weight * column) for column in logarithm.T])  # (C, 4)
    means = np.exp(sums / summed(weight)[:, None])
    return ClusterScores(
        number=np.concatenate([numbers, np.full(len(alone), UNCLUSTERED)]),
        hits=np.bincount(of_hit, minlength=count),
        scores=means / means.sum(axis=1, keepdims=True),
        of_hit=of_hit,
    )


def fiducial(
    wire: NDArray[np.integer], time: NDArray[np.floating], plane: tuple[int, int]
) -> NDArray[np.bool_]:
    """(H,) whether hits lie within the fiducial region of their plane.

    Args:
        wire: (H,) within the plane of the drift volume.
        time: (H,) peak, in ticks.
        plane: wires and drift pixels of the plane.
    """
    inside = np.ones(len(wire), bool)
    for place, size in zip((np.asarray(wire, np.int64), drift_pixel(time)), plane, strict=True):
        inside &= (place >= MARGIN) & (place < size - MARGIN)
    return inside

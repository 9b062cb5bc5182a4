"""Scores of clusters against a plain loop over LArSoft's formula."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.clusters import UNCLUSTERED, cluster_scores, fiducial
from lartpc.detector import PIXEL_TICKS
from lartpc.errors import UserError


def plain(hits: list[tuple[list[float], bool]]) -> list[float]:
    """One cluster, hit by hit."""
    if not any(inside for _, inside in hits):
        hits = [(scores, True) for scores, _ in hits]
    means = []
    for column in range(4):
        total = weight = 0.0
        for scores, inside in hits:
            if inside:
                total += math.log(min(max(scores[column], 1e-6), 1 - 1e-6))
                weight += 1
        means.append(math.exp(total / weight))
    return [mean / sum(means) for mean in means]


probability = st.floats(0.0, 1.0, width=32)
hit = st.tuples(st.lists(probability, min_size=4, max_size=4), st.integers(-1, 5), st.booleans())


@given(st.lists(hit, max_size=40))
def test_clusters_have_the_scores_of_a_plain_loop(hits: list) -> None:
    scores = np.array([each for each, *_ in hits], np.float32).reshape(-1, 4)
    cluster = np.array([number for _, number, _ in hits], np.int64)
    inside = np.array([flag for *_, flag in hits], bool)
    found = cluster_scores(scores, cluster, inside)
    numbers = sorted({number for number in cluster.tolist() if number != UNCLUSTERED})
    alone = [row for row, number in enumerate(cluster) if number == UNCLUSTERED]
    members = [np.flatnonzero(cluster == number).tolist() for number in numbers] + [[row] for row in alone]
    assert found.number.tolist() == numbers + [UNCLUSTERED] * len(alone)
    assert found.hits.tolist() == [len(rows) for rows in members]
    for cluster_row, rows in enumerate(members):
        wanted = plain([(scores[row].tolist(), bool(inside[row])) for row in rows])
        np.testing.assert_allclose(found.scores[cluster_row], wanted, rtol=1e-9)
        assert (found.of_hit[rows] == cluster_row).all()


def test_a_cluster_outside_of_the_region_has_scores_all_the_same() -> None:
    found = cluster_scores(np.full((2, 4), 0.25), np.array([7, 7]), np.zeros(2, bool))
    np.testing.assert_allclose(found.scores, 0.25)


def test_the_region_leaves_out_six_wires_and_pixels_at_each_edge() -> None:
    wire, pixel = np.array([5, 6, 50, 93, 94, 50, 50, 50]), np.array([20, 20, 5, 33, 20, 6, 33, 34])
    inside = fiducial(wire, pixel * PIXEL_TICKS + 3.0, (100, 40))
    assert inside.tolist() == [False, True, False, True, False, True, True, False]


@pytest.mark.parametrize(
    ("scores", "cluster", "message"),
    [
        (np.zeros((2, 3)), [0, 0], "not those of the same hits"),
        (np.zeros((2, 4)), [0], "not those of the same hits"),
        (np.full((1, 4), np.nan), [0], "no number from 0 to 1"),
        (np.full((1, 4), 1.5), [0], "no number from 0 to 1"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    scores: np.ndarray, cluster: list[int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        cluster_scores(scores, np.array(cluster), np.ones(len(cluster), bool))

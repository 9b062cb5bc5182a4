"""The page of the paper's figures: what it computes, and that it is drawn whole."""

import numpy as np
import pytest

from benchmarks.paper import of_curves
from benchmarks.scaling.curve import KNEE, Curve, Point, parameters
from benchmarks.scaling.page import render
from benchmarks.scaling.saturation import Saturation
from benchmarks.scaling.tables import Row, speed_ups
from benchmarks.scaling.ways import WAYS
from client.traffic.outcome import Outcome
from serving.monitoring.server_counts import Counts
from serving.sizing.model import estimate

HITS, ALONE_S, HITS_A_SECOND = 1645.0, 0.3, 10_000.0


def curve(number: int) -> Curve:
    way = WAYS[number]
    job, site = parameters(way, HITS, ALONE_S, HITS_A_SECOND)
    outcome = Outcome(answered=np.arange(1.0, 9.0), took=np.ones(8), hits=800)
    looks = [{"server 1": 1.5, "Envoy": 0.2, "clients": 0.3}] * 4
    seen = Saturation(16, outcome, [1.0, 2.0, 3.0, 4.0], looks, [235.0] * 4, Counts(8, 0, 1880, 8))
    points = tuple(
        Point(clients, took, job.other_s + took, 9, estimate(job, site, clients).event_s, job.other_s + took)
        for clients, took in ((1, ALONE_S), (20, 2.5))
    )
    return Curve(way, ALONE_S, job, site, seen, (9_700.0, HITS_A_SECOND, 10_400.0), points)


@pytest.mark.parametrize("alone_s", [0.2, 0.3, 0.6])
def test_the_parameters_make_as_many_clients_saturate_the_server(alone_s: float) -> None:
    """One client alone takes what was measured, whatever of it is no serving."""
    job, site = parameters(WAYS[0], HITS, alone_s, HITS_A_SECOND)
    found = estimate(job, site, 1)
    assert found.offloaded_s == pytest.approx(alone_s) and found.clients_at_most == pytest.approx(KNEE)
    assert job.requests * job.round_trip_s == pytest.approx(alone_s - HITS / HITS_A_SECOND)


def test_the_page_shows_every_way_and_the_papers_numbers() -> None:
    curves = [curve(number) for number in range(len(WAYS))]
    rows = speed_ups([Row("in process", 100.0, 45_000), Row("served", 10.0, 45_000)])
    facts = {"processor": "a processor", "cores": 2, "load": 1.0, "git_commit": "abc", "seconds": 60.0}
    page = render(curves, rows, facts)
    assert all(way.name in page for way in WAYS) and "a processor" in page and "9,700 to 10,400" in page
    assert page.count("data:image/png;base64,") == 1 + len(WAYS)
    for number in ("122,000", "5358", "16 clients without a pause", "235 rows an execution"):
        assert number in page
    assert (
        "<td>in process</td><td>100.00</td><td>122.22</td>" in page
    ) and "<td>10.0</td><td>2.50</td>" in page


def test_every_point_is_a_figure_with_its_difference() -> None:
    figures = of_curves([curve(0)])
    assert [figure.value for figure in figures[2:]] == pytest.approx([1.0, curve(0).points[1].off + 1])

"""What an analysis counts: Michel candidates in one view and in three, and scores of whole particles."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lartpc.detector import ACTIVE_CM, DRIFT_SPEED, PLANES, TICK_US
from lartpc.served.contract import Label
from training.evaluation.bootstrap import resamples
from training.evaluation.candidates import View
from training.evaluation.electrons_found import electrons_found
from training.evaluation.hit_scores import SCORE_DTYPE
from training.evaluation.particles import particle_scores, particles_of
from training.report.separation_figures import candidate_picture

MUON, ELECTRON, OTHER = 1, 2, 3


def line(
    plane: int,
    points: NDArray[np.float64],
    g4_id: int,
    michel_score: float,
    electron: int = -1,
    event: int = 0,
) -> NDArray[np.void]:
    """Hits of a plane at (n, 3) points x, y, z of a drift volume, in cm."""
    of = PLANES[plane]
    hits = np.zeros(len(points), SCORE_DTYPE)
    x, y, z = points.T
    across = z * np.cos(of.angle) - y * np.sin(of.angle) + ACTIVE_CM[1] * max(np.sin(of.angle), 0.0)
    hits["wire"], hits["time"] = across / of.pitch, x / DRIFT_SPEED / TICK_US
    hits["plane"], hits["g4_id"], hits["electron"], hits["index"] = plane, g4_id, electron, event
    hits["michel"], hits["michel_score"], hits["weight"] = electron >= 0, michel_score, 1.0
    is_track = michel_score < 0.1
    hits["label"] = Label.TRACK if is_track else Label.SHOWER
    hits["track"], hits["shower"] = (0.9, 0.1) if is_track else (0.1, 0.9)
    hits["pdg"] = 13 if is_track else 11
    return hits


def along_z(first: float, last: float, x: float = 100.0, y: float = 300.0) -> NDArray[np.float64]:
    z = np.arange(first, last, PLANES[2].pitch)
    return np.column_stack([np.full(len(z), x), np.full(len(z), y), z])


def stopping_muon(event: int = 0) -> list[NDArray[np.void]]:
    """A muon that stops at z = 60 cm, its electron from there to 66, in all views."""
    return [
        line(plane, along_z(*ends), particle, score, electron, event)
        for plane in range(3)
        for ends, particle, score, electron in (
            ((10.0, 60.0), MUON, 0.0, -1),
            ((60.2, 66.0), ELECTRON, 0.7, ELECTRON),
        )
    ]


def by_kind(scores: NDArray[np.void], cut: float = 0.5) -> dict[tuple[int, bool], dict]:
    event = scores["index"].astype(np.int64)
    found = electrons_found(scores, event, resamples(int(event.max()) + 1))
    return {
        (kind["views"], kind["track_end"]): next(row for row in kind["cuts"] if row["cut"] == cut)
        for kind in found
    }


def test_an_electron_is_found_in_every_view_and_at_its_muons_end() -> None:
    found = by_kind(np.concatenate(stopping_muon()))
    assert set(found) == {(1, False), (1, True), (3, False), (3, True)}
    for row in found.values():
        assert row["candidates"] == 1
        assert row["efficiency"]["value"] == row["purity"]["value"] == 1.0
    assert by_kind(np.concatenate(stopping_muon()), 0.9)[1, False]["efficiency"]["value"] == 0.0


def test_beside_a_track_that_passes_there_is_no_end() -> None:
    """A delta ray that looks like an electron, midway along a muon that goes on, and in one view alone."""
    passing = line(2, along_z(100.0, 200.0), 4, 0.0)
    delta = line(2, along_z(150.0, 154.0) + [1.0, 0.0, 0.0], OTHER, 0.7)
    found = by_kind(np.concatenate([*stopping_muon(), passing, delta]))
    assert found[1, False]["candidates"] == 2 and found[1, False]["purity"]["value"] == 0.5
    assert found[1, True]["purity"]["value"] == found[3, False]["purity"]["value"] == 1.0
    assert all(row["efficiency"]["value"] == 1.0 for row in found.values())


def test_partners_in_three_views_arrive_together_at_one_place() -> None:
    """The same three hits rows, one view of them moved: across the wires, or along the drift."""
    for moved in ([0.0, 20.0, 0.0], [5.0, 0.0, 0.0]):
        views = [
            line(plane, along_z(60.2, 66.0) + np.array(moved) * (plane == 0), ELECTRON, 0.7, ELECTRON)
            for plane in range(3)
        ]
        found = by_kind(np.concatenate(views))
        assert found[1, False]["candidates"] == 1 and found[3, False]["candidates"] == 0


def test_a_second_candidate_of_an_electron_is_wrong_and_three_hits_are_none() -> None:
    electron = [line(2, along_z(*ends), ELECTRON, 0.7, ELECTRON) for ends in ((10, 16), (20, 23))]
    few = line(2, along_z(100.0, 101.0), OTHER, 0.7)
    assert len(few) == 3
    found = by_kind(np.concatenate([*electron, few]))[1, False]
    assert found["candidates"] == 2
    assert found["efficiency"]["value"] == 1.0 and found["purity"]["value"] == 0.5


def test_of_those_that_are_chosen_the_largest_finds_the_electron() -> None:
    """The electron's larger part lies apart, beside no track; the smaller one at the muon's end finds it."""
    apart = line(2, along_z(72.0, 90.0), ELECTRON, 0.7, ELECTRON)
    found = by_kind(np.concatenate([*stopping_muon(), apart]))
    assert found[1, False]["candidates"] == 2 and found[1, False]["purity"]["value"] == 0.5
    for kind in ((1, True), (3, False), (3, True)):
        assert found[kind]["candidates"] == 1
        assert found[kind]["efficiency"]["value"] == found[kind]["purity"]["value"] == 1.0


def test_hits_of_other_events_and_volumes_are_never_linked() -> None:
    one = line(2, along_z(10.0, 11.0), ELECTRON, 0.7, ELECTRON)
    other, volume = one.copy(), one.copy()
    other["index"], volume["tpc"] = 1, 1
    scores = np.concatenate([one, other, volume])
    assert not len(View(scores, scores["index"], 2).candidates(0.5).event)
    together = np.concatenate([one, one, one])
    assert len(View(together, together["index"], 2).candidates(0.5).event) == 1


def test_electrons_of_which_no_candidate_is_found_are_drawn() -> None:
    """A network that gives them no score: there is no purity at any cut."""
    scores = np.concatenate([line(2, along_z(10.0, 16.0), ELECTRON, 0.0, ELECTRON)])
    found = electrons_found(scores, scores["index"], resamples(1))
    assert {row["purity"]["value"] for kind in found for row in kind["cuts"]} == {None}
    assert {row["efficiency"]["value"] for kind in found for row in kind["cuts"]} == {0.0}
    assert candidate_picture(found).png.startswith(b"\x89PNG")


def test_a_file_without_electrons_or_without_the_collection_plane_has_no_candidates() -> None:
    muon = line(2, along_z(10.0, 60.0), MUON, 0.0)
    assert electrons_found(muon, muon["index"], resamples(1)) == []
    induction = line(0, along_z(10.0, 60.0), ELECTRON, 0.7, ELECTRON)
    assert electrons_found(induction, induction["index"], resamples(1)) == []
    assert particle_scores(muon, muon["index"], resamples(1)) == {}


def test_particles_are_judged_by_the_mean_and_by_the_share_of_their_hits() -> None:
    """One electron with 8 of 10 hits above the cut passes, one with 7 of 10 fails, and a delta ray passes."""
    particles = []
    for number, (passing, electron) in enumerate(((8, 5), (7, 6), (10, -1))):
        hits = line(2, along_z(0.0, 4.7), 5 + number, 0.7, electron)
        assert len(hits) == 10
        hits["michel_score"][passing:] = 0.2
        particles.append(hits)
    particles[2]["process"] = b"delta"
    muon = line(2, along_z(0.0, 50.0), MUON, 0.0)
    few = line(2, along_z(0.0, 1.5), 9, 0.7)
    scores = np.concatenate([*particles, muon, few])
    assert sorted(particles_of(scores, scores["index"])["kind"]) == [
        "Michel electron", "Michel electron", "delta ray", "muon",
    ]  # fmt: skip
    found = particle_scores(scores, scores["index"], resamples(1))
    rule = found["michel"][0]
    assert rule["cut"] == 0.5 and rule["passed"] == 2
    assert rule["efficiency"]["value"] == rule["purity"]["value"] == 0.5
    assert found["auc"]["value"] == 1.0 and found["particles"] == 4
    means = {row["kind"]: row["mean_track_score"]["value"] for row in found["kinds"]}
    assert means["muon"] == pytest.approx(0.9) and means["delta ray"] == pytest.approx(0.1)

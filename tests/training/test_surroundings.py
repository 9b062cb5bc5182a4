"""What surrounds a hit, and what it descends from."""

import numpy as np
import pytest

from lartpc.detector import DRIFT_SPEED, plane
from lartpc.event import HIT_DTYPE, PARTICLE_DTYPE
from lartpc.served.contract import Label
from training.evaluation.surroundings import surroundings


def test_surroundings_of_a_stopping_muon_and_its_electron() -> None:
    """A muon along z in the drift volume's middle that stops at wire 100, an electron from there on."""
    pitch = plane("W").pitch
    particles = np.zeros(3, PARTICLE_DTYPE)
    particles["g4_id"], particles["parent_id"] = [0, 1, 2], [-1, 0, -1]
    particles["start_position"] = [[100, 300, 0], [100, 300, 100 * pitch], [50, 0, 0]]
    particles["end_position"] = [[100, 300, 100 * pitch], [100, 300, 110 * pitch], [350, 300, 0]]
    hits = np.zeros(5, HIT_DTYPE)
    hits["local_plane"] = 2
    hits["local_wire"] = [60, 99, 104, 62, 90]
    hits["local_time"] = 500 + 100 / DRIFT_SPEED / 0.5
    hits["g4_id"] = [0, 0, 1, 2, -1]
    hits["label"] = [Label.TRACK, Label.TRACK, Label.SHOWER, Label.TRACK, Label.NONE]
    hits["michel"] = [0, 0, 1, 0, 0]
    hits["integral"] = [30, 31, 32, 33, 34]
    found = surroundings(hits, particles, {"configuration": {"detector": "drift-volume"}})
    assert found["charge"].tolist() == [30, 31, 32, 33, 34]
    assert found["angle"][:2] == pytest.approx(90.0)
    assert found["angle"][3] == pytest.approx(45.0)
    assert np.isnan(found["angle"][[2, 4]]).all()
    assert found["end_distance"][:3] == pytest.approx(np.array([39.5, 0.5, 4.5]) * pitch, abs=1e-3)
    assert np.isnan(found["end_distance"][4])
    # around wire 60 within 24: wire 62 of another primary; around 99: 90 (noise) and 104 (its own electron)
    assert found["overlap"][:4] == pytest.approx([1 / 2, 1 / 3, 1 / 3, 1 / 2])
    assert np.isnan(found["overlap"][4])


def test_surroundings_without_particles_are_charge_alone() -> None:
    hits = np.zeros(3, HIT_DTYPE)
    hits["g4_id"] = -1
    found = surroundings(hits, np.zeros(0, PARTICLE_DTYPE), {})
    assert np.isfinite(found["charge"]).all()
    assert all(np.isnan(found[name]).all() for name in ("angle", "end_distance", "overlap"))

"""Transport: energy balance, ranges, decays, delta rays, the particle table."""

import numpy as np
import pytest

from data_gen import simulate
from data_gen.configuration import Configuration, Labels
from data_gen.physics import argon
from data_gen.physics.ranges import range_of_energy
from data_gen.physics.record import Balance, Process, Record
from data_gen.physics.steps import Deposit
from data_gen.sources.primary import Primary
from lartpc.detector import ACTIVE_CM
from lartpc.event import PARTICLE_DTYPE

ACTIVE = np.array(ACTIVE_CM)
CENTRE = 0.5 * ACTIVE
UP_DRIFT = np.array([0.6, 0.0, 0.8])


def follow(pdg, energy, seed=1, deposit=Deposit.TRACK, configuration=None, count=1) -> Record:
    start = [Primary(pdg, energy, CENTRE, UP_DRIFT, 0.0, deposit)] * count
    return simulate.transport(start, configuration or Configuration(), np.random.default_rng(seed))


def steps_of(record: Record) -> np.ndarray:
    return record.steps[: record.counts[0]]


def particles_of(record: Record) -> np.ndarray:
    return record.particles[: record.counts[2]]


@pytest.mark.parametrize(
    ("pdg", "energy"),
    [
        (13, 300.0),
        (-13, 300.0),
        (13, 4000.0),
        (13, 200_000.0),
        (211, 1500.0),
        (211, 5.0),
        (-211, 400.0),
        (-211, 5.0),
        (321, 300.0),
        (321, 5.0),
        (-321, 300.0),
        (-321, 5.0),
        (2212, 2500.0),
        (1000020040, 5.49),
        (22, 400.0),
        (11, 1000.0),
        (-11, 200.0),
    ],
)
def test_energy_is_conserved(pdg, energy):
    """Kinetic energy and rest mass set free = deposits + what left + neutrinos + what nuclei keep."""
    for seed in range(8):
        record = follow(pdg, energy, seed)
        balance = record.balance
        gone = balance[[Balance.ESCAPED, Balance.NEUTRINOS, Balance.NUCLEAR]].sum()
        out = steps_of(record)["energy"].sum() + gone
        assert out == pytest.approx(energy + balance[Balance.RELEASED], rel=1e-9)
        assert np.all(steps_of(record)["energy"] >= 0.0)
        assert np.all(balance[[Balance.ESCAPED, Balance.NEUTRINOS, Balance.NUCLEAR]] >= -1e-9)


def test_steps_are_short_and_inside():
    steps = steps_of(follow(13, 1000.0))
    assert steps["length"].max() <= 0.1 + 1e-9
    assert steps["length"].min() > 0.0
    margin = Configuration().margin + 0.1
    for axis, extent in zip("xyz", ACTIVE, strict=True):
        assert steps[axis].min() > -margin and steps[axis].max() < extent + margin


def test_transport_reaches_the_range():
    """Stopping muons end at their range in the continuous-slowing-down approximation, less the scattering."""
    particles = particles_of(follow(13, 200.0, count=60))
    muons = particles[particles["pdg"] == 13]
    straight = np.sqrt(sum((muons[f"end_{axis}"] - muons[axis]) ** 2 for axis in "xyz"))
    expected = float(range_of_energy(200.0))
    assert 0.97 * expected < straight.mean() < expected


def test_positive_muons_always_decay_to_michel_electrons():
    record = follow(-13, 50.0, count=100)
    particles = particles_of(record)
    electrons = particles[particles["pdg"] == -11]
    assert len(electrons) == 100
    assert np.all(particles["pdg"][electrons["parent_id"]] == -13)
    assert electrons["energy"].max() < 52.4
    assert np.mean(electrons["t"]) == pytest.approx(argon.MUON_LIFETIME, rel=0.35)
    michel = steps_of(record)["deposit"] == Deposit.MICHEL
    ids = np.unique(steps_of(record)["g4_id"][michel])
    assert set(ids) <= set(np.flatnonzero(particles["pdg"] == -11))


def test_a_quarter_of_negative_muons_decay():
    particles = particles_of(follow(13, 20.0, count=800))
    share = np.sum(particles["pdg"] == 11) / 800
    assert share == pytest.approx(argon.BOUND_MUON_DECAY_FRACTION, abs=0.05)
    assert np.mean(particles["t"][particles["pdg"] == 11]) == pytest.approx(0.57, rel=0.3)


def test_stopping_positive_pions_make_the_chain_to_michel_electrons():
    particles = particles_of(follow(211, 15.0, count=50))
    muons = np.flatnonzero(particles["pdg"] == -13)
    assert len(muons) >= 45  # a few interact on their 1 cm
    assert particles["energy"][muons] == pytest.approx(4.12, abs=0.01)
    assert np.sum(np.isin(particles["parent_id"], muons)) >= len(muons)


def test_stopping_kaons_decay_as_the_pdg_says():
    particles = particles_of(follow(321, 5.0, count=600))
    kaon = np.isin(particles["parent_id"], np.flatnonzero(particles["pdg"] == 321))
    muons = particles[kaon & (particles["pdg"] == -13)]
    of_two = np.abs(muons["energy"] - 152.49) < 0.1
    assert np.sum(of_two) / 600 == pytest.approx(0.636, abs=0.06)
    pions = particles[kaon & (particles["pdg"] == 211)]
    assert np.sum(np.abs(pions["energy"] - 108.55) < 0.1) / 600 == pytest.approx(0.207, abs=0.05)


def test_pions_decay_in_flight():
    """A pion of 40 MeV that loses no energy would decay in 1.5 % of 20 cm (range 13 cm)."""
    particles = particles_of(follow(211, 40.0, count=1500))
    muons = particles[particles["pdg"] == -13]
    in_flight = np.abs(muons["energy"] - 4.12) > 0.02
    assert 0.005 < np.mean(in_flight) < 0.05
    assert muons["energy"].max() > 10.0


def test_captures_make_stars():
    pions = particles_of(follow(-211, 3.0, count=400))
    protons = np.sum(pions["pdg"] == 2212) / 400
    assert 0.3 < protons < 2.0
    assert not np.any(np.abs(pions["pdg"]) == 13)
    kaons = particles_of(follow(-321, 3.0, count=200))
    assert np.sum(np.isin(kaons["pdg"], [211, -211, 111])) > 100
    muons = particles_of(follow(13, 3.0, count=1500))
    captured = muons[muons["process"] == Process.CAPTURE]
    assert set(captured["pdg"]) == {22, 2212}
    assert np.sum(captured["pdg"] == 2212) / 1500 == pytest.approx(0.027 * 0.74, abs=0.012)
    assert np.mean(captured["t"]) == pytest.approx(0.57, rel=0.2)


def test_alphas_deposit_on_the_spot():
    steps = steps_of(follow(1000020040, 5.49))
    assert len(steps) == 1
    assert steps["energy"][0] == 5.49
    assert 500.0 < steps["energy"][0] / steps["length"][0] < 1100.0  # MeV/cm


def test_other_particles_are_refused():
    with pytest.raises(ValueError, match="alpha and photons only"):
        follow(2112, 100.0)


def test_delta_ray_rule_is_the_configured_one():
    def shower_energy(threshold: float) -> float:
        configuration = Configuration(labels=Labels(delta_ray_shower=threshold))
        record = follow(13, 4000.0, configuration=configuration)
        particles = particles_of(record)
        rays = particles[particles["process"] == 2]
        assert np.all(rays["energy"] >= threshold)
        steps = steps_of(record)
        return float(steps["energy"][steps["deposit"] == Deposit.SHOWER].sum())

    assert shower_energy(0.0) > shower_energy(3.0) > shower_energy(1e6)


def test_showers_stay_showers_and_carry_one_id():
    record = follow(22, 800.0, deposit=Deposit.SHOWER)
    steps = steps_of(record)
    assert set(steps["deposit"]) == {Deposit.SHOWER}
    assert set(steps["g4_id"]) == {0}
    assert len(particles_of(record)) == 1


def test_protons_end_in_a_bragg_peak():
    for seed in range(20):
        record = follow(2212, 100.0, seed)
        if record.counts[2] == 1:
            break
    steps = steps_of(record)
    dedx = steps["energy"] / steps["length"]
    assert np.median(dedx[-20:]) > 3.0 * np.median(dedx[:20])


def test_full_arrays_are_enlarged_without_a_trace(monkeypatch):
    whole = follow(13, 2000.0, count=3)
    monkeypatch.setattr(simulate, "_STEPS", 64)
    grown = follow(13, 2000.0, count=3)
    assert len(grown.steps) > 64
    assert np.array_equal(steps_of(grown), steps_of(whole))
    assert np.array_equal(particles_of(grown), particles_of(whole))
    assert np.array_equal(grown.balance, whole.balance)


def test_particle_table():
    table = simulate.particle_table(follow(-13, 300.0))
    assert table.dtype == PARTICLE_DTYPE
    assert table["type"][0] == -13 and table["parent_id"][0] == -1
    assert table["start_process"][0] == b"primary"
    assert table["momentum"][0] == pytest.approx(np.sqrt(300.0 * (300.0 + 2 * argon.MUON_MASS)))
    assert table["start_position"][0] == pytest.approx(CENTRE)
    michel = np.flatnonzero(table["start_process"] == b"decay")
    assert len(michel) == 1
    assert table["start_position"][michel[0]] == pytest.approx(table["end_position"][0])
    assert np.all(table["parent_id"] < table["g4_id"])

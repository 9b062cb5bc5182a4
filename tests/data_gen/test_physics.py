"""The generator's physics, formula by formula, against references with their source."""

import math

import numpy as np
import pytest

from data_gen.configuration import Response
from data_gen.physics import argon, bremsstrahlung, ionisation, muon_radiation, photons
from data_gen.physics.directions import rotate, scatter
from data_gen.physics.ranges import energy_of_range, range_of_energy
from data_gen.response.drift import recombination
from data_gen.sources.cosmics import OMNIDIRECTIONAL_FLUX, cosmic_directions, cosmic_momenta

PDG_RANGES = {100.0: 42.5, 400.0: 238.5, 1000.0: 616.3, 4000.0: 2297.0}
"""Kinetic energy in MeV of a muon -> CSDA range in liquid argon in g/cm^2 (PDG / Groom)."""


@pytest.mark.parametrize("energy", PDG_RANGES)
def test_muon_range(energy):
    assert range_of_energy(energy) * argon.DENSITY == pytest.approx(PDG_RANGES[energy], rel=0.002)


def test_energy_of_range_inverts_range_of_energy():
    energies = np.geomspace(2.0, 5e4, 50)
    assert energy_of_range(range_of_energy(energies)) == pytest.approx(energies, rel=1e-6)


@pytest.mark.parametrize(("energy", "loss"), [(500.0, 1.547), (2000.0, 1.758), (1e4, 2.003), (1e5, 2.258)])
def test_muon_ionisation(energy, loss):
    """Groom's table, in MeV cm^2/g."""
    bethe = ionisation.heavy_stopping_power(energy, argon.MUON_MASS, 1e9)
    electronic = float(muon_radiation.of_electrons(np.array([energy]))[0])
    assert (bethe + electronic) / argon.DENSITY == pytest.approx(loss, rel=0.001)


@pytest.mark.parametrize(("energy", "loss"), [(1e3, 9.759e-4), (5e3, 9.821e-3), (5e4, 0.1786), (1e6, 5.258)])
def test_muon_radiation(energy, loss):
    """The whole is Groom's table, in MeV cm^2/g; what is followed and what is not add up to it.

    The table counts radiation off atomic electrons and the spin's term as ionisation.
    """
    whole = float(muon_radiation.mean_loss(np.array([energy]))[0])
    electronic = float(muon_radiation.of_electrons(np.array([energy]))[0])
    assert (whole - electronic) / argon.DENSITY == pytest.approx(loss, rel=0.01)
    soft, photon_rate, pair_rate = muon_radiation.radiation(energy)
    rng = np.random.default_rng(14)
    drawn = np.array([muon_radiation.photon_energy(energy, rng) for _ in range(100_000)])
    pairs = np.array([muon_radiation.pair_energy(energy, rng) for _ in range(100_000)])
    for transfers in (drawn, pairs):
        assert transfers.min() >= muon_radiation.RADIATION_CUT and transfers.max() <= energy
    assert soft + photon_rate * drawn.mean() + pair_rate * pairs.mean() == pytest.approx(whole, rel=0.03)


def test_minimum_ionisation():
    losses = [ionisation.heavy_stopping_power(energy, argon.MUON_MASS, 1e9) for energy in range(100, 1000, 2)]
    assert min(losses) == pytest.approx(2.105, rel=0.005)  # PDG, in MeV/cm


def test_restricted_loss_and_delta_rays_make_the_whole_loss():
    energy, mass = 1000.0, argon.MUON_MASS
    largest = ionisation.largest_transfer(energy, mass)
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / gamma**2
    rate = ionisation.heavy_delta_rate(energy, mass)
    # integral of T (1 - beta^2 T / Tmax) / T^2 above the cut
    by_deltas = (
        0.5
        * argon.IONISATION_PREFACTOR
        / beta2
        * (math.log(largest / ionisation.DELTA_CUT) - beta2 * (1.0 - ionisation.DELTA_CUT / largest))
    )
    soft = ionisation.heavy_stopping_power(energy, mass, ionisation.DELTA_CUT)
    assert soft + by_deltas == pytest.approx(ionisation.heavy_stopping_power(energy, mass, 1e9), rel=1e-9)
    rng = np.random.default_rng(1)
    drawn = [ionisation.heavy_delta_energy(energy, mass, rng) for _ in range(100_000)]
    assert rate * np.mean(drawn) == pytest.approx(by_deltas, rel=0.03)
    assert min(drawn) >= ionisation.DELTA_CUT and max(drawn) <= largest


def test_most_probable_loss_of_a_wire():
    """4 GeV muon over 0.479 cm: 1.737 MeV/cm by the PDG's formula (Landau, Bichsel)."""
    rng = np.random.default_rng(1)
    energy, mass, length, parts = 4000.0, argon.MUON_MASS, 0.479, 5
    gamma = 1.0 + energy / mass
    beta2 = 1.0 - 1.0 / gamma**2
    largest = ionisation.largest_transfer(energy, mass)
    mean = ionisation.heavy_stopping_power(energy, mass, ionisation.DELTA_CUT) * length / parts
    rate = ionisation.heavy_delta_rate(energy, mass)
    losses = np.empty(30_000)
    for i in range(len(losses)):
        losses[i] = sum(ionisation.step_loss(mean, beta2, largest, length / parts, rng) for _ in range(parts))
        losses[i] += sum(
            ionisation.heavy_delta_energy(energy, mass, rng) for _ in range(rng.poisson(rate * length))
        )
    counts, edges = np.histogram(losses / length, 28, (1.3, 2.4))
    centres = 0.5 * (edges[1:] + edges[:-1])
    near = np.abs(centres - centres[counts.argmax()]) < 0.2
    cubic = np.polyfit(centres[near], np.log(counts[near]), 3)
    fine = np.linspace(1.5, 2.0, 1001)
    assert fine[np.polyval(cubic, fine).argmax()] == pytest.approx(1.737, rel=0.02)


@pytest.mark.parametrize("positron", [False, True])
def test_electron_delta_rays_carry_what_the_restricted_loss_leaves(positron):
    energy = 20.0
    whole = ionisation.electron_stopping_power(energy, positron, 1e9)
    soft = ionisation.electron_stopping_power(energy, positron, ionisation.DELTA_CUT)
    rng = np.random.default_rng(2)
    drawn = np.array([ionisation.electron_delta_energy(energy, positron, rng) for _ in range(60_000)])
    assert drawn.min() >= ionisation.DELTA_CUT
    assert drawn.max() <= (energy if positron else 0.5 * energy)
    rate = ionisation.electron_delta_rate(energy, positron)
    assert soft + rate * drawn.mean() == pytest.approx(whole, rel=0.02)


def test_electron_collision_loss():
    mass_loss = ionisation.electron_stopping_power(10.0, False, 1e9) / argon.DENSITY
    assert mass_loss == pytest.approx(1.55, rel=0.02)


def test_radiation_length():
    """At high energy the radiative loss is E / X0: losses of photons below and above the cut."""
    energy = 10_000.0
    rng = np.random.default_rng(3)
    photon = np.mean([bremsstrahlung.photon_energy(energy, rng) for _ in range(60_000)])
    loss = bremsstrahlung.soft_loss(energy) + bremsstrahlung.photon_rate(energy) * photon
    assert loss == pytest.approx(energy / argon.RADIATION_LENGTH, rel=0.02)


def test_photon_cross_sections():
    klein_nishina = 0.2112e-24  # cm^2 an electron at 1 MeV
    assert photons.compton_rate(1.0) == pytest.approx(argon.ELECTRONS * klein_nishina, rel=0.002)
    assert photons.photoelectric_rate(0.1) / argon.DENSITY == pytest.approx(0.054, rel=0.02)  # cm^2/g
    assert photons.pair_rate(1.0) == 0.0
    high = 7.0 / 9.0 / argon.RADIATION_LENGTH
    assert photons.pair_rate(50_000.0) == pytest.approx(high, rel=0.03)


def test_compton_kinematics():
    rng = np.random.default_rng(4)
    energy = 2.0
    for _ in range(200):
        left, cosine = photons.compton(energy, rng)
        assert left == pytest.approx(energy / (1.0 + energy / argon.ELECTRON_MASS * (1.0 - cosine)))


@pytest.mark.parametrize("draw", [photons.photoelectron_cosine, bremsstrahlung.emission_cosine])
def test_angles_are_forward_and_legal(draw):
    rng = np.random.default_rng(5)
    cosines = np.array([draw(1.0, rng) for _ in range(5000)])
    assert np.all(np.abs(cosines) <= 1.0)
    assert cosines.mean() > 0.5


def test_pairs_are_xcom_and_smooth_at_the_threshold():
    assert photons.pair_rate(10.0) / argon.DENSITY == pytest.approx(1.0627e-2, rel=0.005)
    assert photons.pair_rate(1000.0) / argon.DENSITY == pytest.approx(3.719e-2, rel=0.005)
    rates = [photons.pair_rate(energy) for energy in np.linspace(1.0, 2.0, 101)]
    assert np.all(np.diff(rates) >= 0.0)


def test_pair_fraction_is_symmetric():
    rng = np.random.default_rng(6)
    shares = np.array([photons.pair_fraction(500.0, rng) for _ in range(20_000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.min() > 0.0 and shares.max() < 1.0


def test_scattering_agrees_with_highland_and_does_not_depend_on_the_step():
    """Over a tenth of a radiation length, where Highland's formula holds to 11 % (PDG)."""
    rng = np.random.default_rng(7)
    length, momentum = 0.1 * argon.RADIATION_LENGTH, 1000.0
    highland = 13.6 / momentum * math.sqrt(0.1) * (1.0 + 0.038 * math.log(0.1))
    widths = []
    for steps in (5, 20):
        angles = np.empty(8000)
        for i in range(len(angles)):
            direction = (0.0, 0.0, 1.0)
            for _ in range(steps):
                direction = scatter(*direction, length / steps, momentum, 1.0, rng)
            angles[i] = direction[0]
        widths.append(np.percentile(np.abs(angles), 68.27))
    assert widths[0] == pytest.approx(highland, rel=0.11)
    assert widths[1] == pytest.approx(widths[0], rel=0.03)


def test_rotate_keeps_the_angle():
    rng = np.random.default_rng(8)
    for _ in range(100):
        vector = rng.standard_normal(3)
        vector /= np.linalg.norm(vector)
        cosine = 2.0 * rng.random() - 1.0
        turned = rotate(*vector, cosine, 6.0 * rng.random())
        assert np.dot(vector, turned) == pytest.approx(cosine, abs=1e-12)
        assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert rotate(0.0, 0.0, -1.0, 1.0, 0.3)[2] == -1.0


def test_recombination():
    response = Response()
    assert recombination(2.1, response) == pytest.approx(0.703, abs=0.001)
    dense, sparse = recombination(np.array([20.0, 2.0]), response)
    assert 0.0 < dense < sparse < 1.0
    assert recombination(0.1, response) == recombination(1.0, response)
    assert recombination(2.1, Response(box_b=0.3)) < 0.68


def test_cosmic_flux_and_angles():
    """About one muon per cm^2 and minute through a horizontal plane (PDG), zenith angle as cos^2."""
    rng = np.random.default_rng(13)
    directions = cosmic_directions(100_000, rng)
    cosine = -directions[:, 1]
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1.0)
    assert cosine.min() > 0.0
    assert np.mean(cosine**2) == pytest.approx(3.0 / 5.0, abs=0.005)  # of dN/dcos = 3 cos^2
    horizontal = OMNIDIRECTIONAL_FLUX * cosine.mean() * 60.0
    assert 0.8 < horizontal < 1.3
    momenta = cosmic_momenta(directions, rng)
    assert 1500.0 < np.median(momenta) < 4000.0

"""Decays of muons, pions and kaons, and annihilation: energies and momenta."""

import math

import numpy as np
import pytest

from data_gen.physics import argon, decays, kaons


def test_michel_spectrum():
    rng = np.random.default_rng(9)
    energies = np.array([decays.michel_energy(rng) for _ in range(200_000)])
    endpoint = 52.83 - argon.ELECTRON_MASS
    assert energies.mean() == pytest.approx(36.47, abs=0.1)
    assert endpoint - 1.0 < energies.max() <= endpoint + 0.01
    assert energies.min() > 0.0


def test_neutral_pion_photons_have_its_mass():
    rng = np.random.default_rng(10)
    for kinetic in (1.0, 500.0):
        first, cosine1, second, cosine2 = decays.neutral_pion_photon(kinetic, rng)
        opening = math.acos(cosine1) + math.acos(cosine2)
        assert first + second == pytest.approx(kinetic + argon.NEUTRAL_PION_MASS)
        mass2 = 2.0 * first * second * (1.0 - math.cos(opening))
        assert math.sqrt(mass2) == pytest.approx(argon.NEUTRAL_PION_MASS, rel=1e-6)


def test_kaons_at_rest_make_products_of_one_energy():
    """K -> mu nu: 235.5 MeV/c; K -> pi pi0: 205.1 MeV/c (PDG)."""
    assert kaons.breakup_momentum(argon.KAON_MASS, argon.MUON_MASS, 0.0) == pytest.approx(235.53, abs=0.05)
    two_pions = kaons.breakup_momentum(argon.KAON_MASS, argon.PION_MASS, argon.NEUTRAL_PION_MASS)
    assert two_pions == pytest.approx(205.14, abs=0.05)


def test_three_bodies_balance():
    rng = np.random.default_rng(15)
    masses = np.array([argon.PION_MASS, argon.PION_MASS, argon.PION_MASS])
    for _ in range(100):
        momenta = np.array(kaons.three_bodies(argon.KAON_MASS, *masses, rng))
        assert momenta.sum(0) == pytest.approx(np.zeros(3), abs=1e-9)
        energies = np.sqrt((momenta**2).sum(1) + masses**2)
        assert energies.sum() == pytest.approx(argon.KAON_MASS)


def test_decay_products_keep_their_mass_when_boosted():
    gamma, momentum = 3.0, (20.0, -5.0, 12.0)
    kinetic, size, out = decays.boosted(argon.MUON_MASS, momentum, gamma, (0.0, 0.6, 0.8))
    total = kinetic + argon.MUON_MASS
    assert total**2 - size**2 == pytest.approx(argon.MUON_MASS**2)
    assert np.linalg.norm(out) == pytest.approx(1.0)
    at_rest = math.sqrt(argon.MUON_MASS**2 + sum(part**2 for part in momentum))
    assert total == pytest.approx(gamma * at_rest + math.sqrt(gamma**2 - 1.0) * momentum[2])


def test_annihilation_in_flight_conserves_momentum():
    rng = np.random.default_rng(11)
    energy = 5.0
    momentum = math.sqrt(energy * (energy + 2.0 * argon.ELECTRON_MASS))
    for _ in range(100):
        first, cosine = decays.annihilation(energy, rng)
        second = energy + 2.0 * argon.ELECTRON_MASS - first
        along = (momentum - first * cosine) / second
        assert abs(along) <= 1.0 + 1e-9
        across1, across2 = first * math.sqrt(1.0 - cosine**2), second * math.sqrt(max(0.0, 1.0 - along**2))
        assert across1 == pytest.approx(across2, rel=1e-6, abs=1e-6)

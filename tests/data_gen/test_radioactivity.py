"""Radioactive decays: spectra, branches, coincidences."""

import numpy as np
import pytest

from data_gen.physics.ionisation import alpha_range
from data_gen.physics.nuclides import ACTIVITY, CHAINS, NUCLIDES
from data_gen.sources.radioactivity import ALPHA, ARGON39_ENDPOINT, argon39_energies, decays


def test_argon39_spectrum():
    energies = argon39_energies(200_000, np.random.default_rng(12))
    assert energies.mean() == pytest.approx(0.2188, rel=0.01)  # ENSDF
    assert energies.min() > 0.0 and energies.max() <= ARGON39_ENDPOINT


@pytest.mark.parametrize(
    ("nuclide", "mean"),
    [("42Ar", 0.233), ("42K", 1.430), ("85Kr", 0.2516)],
)
def test_mean_beta_energies(nuclide, mean):
    """ENSDF, over all branches, in MeV."""
    decayed = decays(nuclide, 40_000, np.random.default_rng(16))
    assert np.mean([particles[0].energy for particles in decayed]) == pytest.approx(mean, rel=0.03)
    assert all(particles[0].pdg == 11 and particles[0].delay == 0.0 for particles in decayed)


@pytest.mark.parametrize(("nuclide", "energy"), [("42K", 3.525), ("214Pb", 1.019), ("214Bi", 3.270)])
def test_every_branch_ends_in_the_ground_state(nuclide, energy):
    for branch in NUCLIDES[nuclide].branches:
        assert branch.beta + sum(branch.gammas) + sum(branch.electrons) == pytest.approx(energy, abs=0.001)


def test_polonium_follows_bismuth():
    decayed = decays("214Bi", 20_000, np.random.default_rng(17))
    assert all([particle.pdg for particle in particles].count(ALPHA) == 1 for particles in decayed)
    delays = [particle.delay for particles in decayed for particle in particles if particle.pdg == ALPHA]
    assert np.median(delays) == pytest.approx(164.3, rel=0.04)
    lines = [particle.energy for particles in decayed for particle in particles if particle.pdg == 22]
    assert lines.count(0.6093) / len(decayed) == pytest.approx(0.424, abs=0.02)


def test_alphas_of_the_radon_chain():
    rng = np.random.default_rng(18)
    for nuclide, energy in (("222Rn", 5.4895), ("218Po", 6.0024)):
        assert decays(nuclide, 1, rng) == [[(ALPHA, energy, 0.0)]]
    assert 50e-4 < alpha_range(5.49) < 65e-4
    assert decays("218Po", 0, rng) == []


def test_sources_name_nuclides_of_the_table():
    assert ACTIVITY.keys() == CHAINS.keys()
    assert {name for chain in CHAINS.values() for name in chain} <= NUCLIDES.keys()

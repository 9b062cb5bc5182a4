"""Masses by PDG code."""

from functools import cache

from particle import Particle


@cache
def mass(pdg: int) -> float:
    """Mass in MeV of a particle, from the PDG's tables."""
    return float(Particle.from_pdgid(pdg).mass or 0.0)

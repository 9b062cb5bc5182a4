"""Liquid argon, and the constants of the particles that cross it.

Energies and masses in MeV, lengths in cm, times in us. Sources: PDG, Review of Particle Physics
(constants; Atomic and Nuclear Properties of Materials, liquid argon); D. E. Groom, N. V. Mokhov,
S. I. Striganov, At. Data Nucl. Data Tables 78 (2001) 183 (mean excitation energy, density effect).
"""

import math

ELECTRON_MASS = 0.51099895
MUON_MASS = 105.6583755
PION_MASS = 139.57039
NEUTRAL_PION_MASS = 134.9768
KAON_MASS = 493.677
PROTON_MASS = 938.27208816
ALPHA_MASS = 3727.3794

FINE_STRUCTURE = 1.0 / 137.035999
ELECTRON_RADIUS = 2.8179403e-13
"""Classical electron radius, in cm."""
AVOGADRO = 6.02214076e23
BETHE_K = 0.307075
"""4 pi N_A r_e^2 m_e c^2, in MeV cm^2 / mol."""

Z = 18
A = 39.948
DENSITY = 1.396
"""g/cm^3 (PDG)."""
ATOMS = DENSITY * AVOGADRO / A
"""Atoms in a cm^3."""
ELECTRONS = ATOMS * Z
"""Electrons in a cm^3."""
EXCITATION_ENERGY = 188.0e-6
"""Mean excitation energy I: 188 eV."""
RADIATION_LENGTH = 19.55 / DENSITY
"""14.00 cm."""
MOLIERE_RADIUS = 9.04
CRITICAL_ENERGY = 32.84
"""Of electrons."""
PION_INTERACTION_LENGTH = 149.0 / DENSITY
"""106.7 cm: mean free path of inelastic pion interactions."""
NUCLEON_INTERACTION_LENGTH = 119.7 / DENSITY
"""85.7 cm: mean free path of inelastic nucleon interactions."""

DENSITY_EFFECT_C = 5.2146
DENSITY_EFFECT_A = 0.19559
DENSITY_EFFECT_K = 3.0
DENSITY_EFFECT_X0 = 0.2
DENSITY_EFFECT_X1 = 3.0
"""Sternheimer's parameters of liquid argon."""

IONISATION_PREFACTOR = BETHE_K * Z / A * DENSITY
"""K Z/A rho, in MeV/cm."""
K_SHELL_ENERGY = 3.2029e-3
"""Binding energy of the K shell."""
MUON_LIFETIME = 2.1969811
BOUND_MUON_LIFETIME = 0.57
"""Of a mu- in argon, in us: capture on the nucleus competes with the decay."""
BOUND_MUON_DECAY_FRACTION = BOUND_MUON_LIFETIME / MUON_LIFETIME
"""A mu- in argon decays in 26 % of the cases (the change of its decay rate in orbit, 1 %, is left out)."""
MICHEL_ENDPOINT = (MUON_MASS**2 + ELECTRON_MASS**2) / (2.0 * MUON_MASS)
"""Largest total energy of the electron from a muon at rest: 52.83 MeV."""
PION_MUON_ENERGY = (PION_MASS - MUON_MASS) ** 2 / (2.0 * PION_MASS)
"""Kinetic energy of the muon from a pion at rest: 4.12 MeV."""
PION_DECAY_LENGTH = 780.45
"""c tau of charged pions, in cm."""
KAON_DECAY_LENGTH = 371.1
"""c tau of charged kaons, in cm."""
PI = math.pi

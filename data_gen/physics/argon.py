"""Liquid argon, and the constants of the particles that cross it.

Energies and masses in MeV, lengths in cm, times in us. Sources: PDG, Review of Particle Physics
(constants; Atomic and Nuclear Properties of Materials, liquid argon); D. E. Groom, N. V. Mokhov,
S. I. Striganov, At. Data Nucl. Data Tables 78 (2001) 183 (mean excitation energy, density effect).
"""

import math

import numpy as np

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
PAIR_PRODUCTION = np.array(
    [  # photon energy; pairs in the field of the nucleus and of the electrons of argon, in cm^2/g
        (1.25, 4.252e-05, 0.000e00),
        (1.5, 2.271e-04, 0.000e00),
        (2, 8.862e-04, 0.000e00),
        (3, 2.499e-03, 1.094e-05),
        (4, 4.025e-03, 4.470e-05),
        (5, 5.379e-03, 8.905e-05),
        (6, 6.589e-03, 1.368e-04),
        (8, 8.636e-03, 2.306e-04),
        (10, 1.031e-02, 3.170e-04),
        (15, 1.341e-02, 4.966e-04),
        (20, 1.565e-02, 6.363e-04),
        (30, 1.877e-02, 8.428e-04),
        (40, 2.092e-02, 9.915e-04),
        (50, 2.254e-02, 1.106e-03),
        (60, 2.379e-02, 1.198e-03),
        (80, 2.566e-02, 1.339e-03),
        (100, 2.700e-02, 1.443e-03),
        (150, 2.918e-02, 1.621e-03),
        (200, 3.051e-02, 1.734e-03),
        (300, 3.209e-02, 1.877e-03),
        (500, 3.362e-02, 2.023e-03),
        (1000, 3.502e-02, 2.171e-03),
        (2000, 3.588e-02, 2.266e-03),
        (5000, 3.650e-02, 2.341e-03),
        (10000, 3.674e-02, 2.371e-03),
        (100000, 3.701e-02, 2.406e-03),
    ]
)
"""NIST XCOM (M. J. Berger, J. H. Hubbell et al., NIST Standard Reference Database 8)."""
PHOTOELECTRIC = np.array(
    [  # up to this energy in keV: coefficients of 1/E, 1/E^2, 1/E^3, 1/E^4 in cm^2/g and keV
        (20.0, -0.1446e2, 0.4359e3, 0.6578e5, -0.7284e5),
        (100.0, 0.8786, -0.3001e3, 0.7682e5, -0.1219e6),
        (500.0, 0.6779e-1, -0.2695e2, 0.5069e5, 0.5281e6),
        (np.inf, 0.2598e-1, 0.3454e2, 0.1059e5, 0.1068e8),
    ]
)
"""Photoelectric absorption (F. Biggs, R. Lighthill, SAND87-0070 (1988))."""
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

"""The radioactive nuclides of liquid argon: half-lives, branches, activities.

Half-lives, end points, energies and intensities: ENSDF (National Nuclear Data Center) and the Decay Data
Evaluation Project (Table of Radionuclides, BIPM); for the radon chain A = 218 and 214, Nuclear Data Sheets
127 (2015) 1 and 110 (2009) 681. Branches below 1 % of 214Pb and 214Bi are left out and the others scaled
to 1, so that 609 keV gamma rays follow 42 % of the decays of 214Bi and not 45.5 %. A converted transition
is one electron of the whole transition energy: atomic X-rays and Auger electrons are not told apart.
"""

from dataclasses import dataclass

_SECOND = 1e6
_MINUTE = 60.0 * _SECOND
_DAY = 24.0 * 60.0 * _MINUTE
_YEAR = 365.25 * _DAY


@dataclass(frozen=True)
class Branch:
    """One way to decay.

    Attributes:
        share: relative intensity.
        beta: end point of the beta spectrum in MeV; 0: no beta ray.
        unique: whether the beta transition is unique first forbidden.
        alpha: kinetic energy of the alpha particle in MeV; 0: none.
        gammas: energies of gamma rays, in MeV.
        electrons: energies of converted transitions, in MeV.
    """

    share: float
    beta: float = 0.0
    unique: bool = False
    alpha: float = 0.0
    gammas: tuple[float, ...] = ()
    electrons: tuple[float, ...] = ()


@dataclass(frozen=True)
class Nuclide:
    """A nuclide.

    Attributes:
        half_life: in us.
        daughter: atomic number of the daughter.
        branches: ways to decay.
        then: nuclide whose decay follows within an event, or None.
    """

    half_life: float
    daughter: int
    branches: tuple[Branch, ...]
    then: str | None = None


NUCLIDES: dict[str, Nuclide] = {
    "39Ar": Nuclide(269.0 * _YEAR, 19, (Branch(1.0, beta=0.565, unique=True),)),
    "42Ar": Nuclide(32.9 * _YEAR, 19, (Branch(1.0, beta=0.599, unique=True),)),
    "42K": Nuclide(
        12.355 * 60.0 * _MINUTE,
        20,
        (
            Branch(0.8190, beta=3.5252, unique=True),
            Branch(0.1764, beta=2.0006, gammas=(1.5246,)),
            Branch(0.0034, beta=1.6880, gammas=(0.3126, 1.5246)),
        ),
    ),
    "85Kr": Nuclide(
        10.74 * _YEAR,
        37,
        (Branch(0.99563, beta=0.6871, unique=True), Branch(0.00434, beta=0.1731, gammas=(0.5140,))),
    ),
    "222Rn": Nuclide(
        3.8235 * _DAY, 84, (Branch(0.9992, alpha=5.4895), Branch(0.0008, alpha=4.986, gammas=(0.510,)))
    ),
    "218Po": Nuclide(3.098 * _MINUTE, 82, (Branch(1.0, alpha=6.0024),)),
    "214Pb": Nuclide(
        26.8 * _MINUTE,
        83,
        (
            Branch(0.109, beta=1.019),
            Branch(0.184, beta=0.724, gammas=(0.2952,)),
            Branch(0.086, beta=0.724, electrons=(0.2952,)),
            Branch(0.073, beta=0.724, gammas=(0.2420,), electrons=(0.0532,)),
            Branch(0.059, beta=0.724, electrons=(0.2420, 0.0532)),
            Branch(0.356, beta=0.667, gammas=(0.3519,)),
            Branch(0.103, beta=0.667, electrons=(0.3519,)),
            Branch(0.0105, beta=0.485, gammas=(0.4804,), electrons=(0.0532,)),
            Branch(0.0275, beta=0.180, gammas=(0.7860,), electrons=(0.0532,)),
        ),
    ),
    "214Bi": Nuclide(
        19.9 * _MINUTE,
        84,
        (
            Branch(0.191, beta=3.270),
            Branch(0.017, beta=2.661, gammas=(0.6093,)),
            Branch(0.0405, beta=1.892, gammas=(0.7684, 0.6093)),
            Branch(0.033, beta=1.892, gammas=(1.3777,)),
            Branch(0.0312, beta=1.727, gammas=(0.9341, 0.6093)),
            Branch(0.147, beta=1.540, gammas=(1.1203, 0.6093)),
            Branch(0.029, beta=1.540, gammas=(1.7296,)),
            Branch(0.153, beta=1.505, gammas=(1.7645,)),
            Branch(0.017, beta=1.505, gammas=(1.1552, 0.6093)),
            Branch(0.060, beta=1.423, gammas=(1.2381, 0.6093)),
            Branch(0.021, beta=1.423, gammas=(1.8474,)),
            Branch(0.0143, beta=1.259, gammas=(1.4015, 0.6093)),
            Branch(0.0245, beta=1.253, gammas=(1.4080, 0.6093)),
            Branch(0.028, beta=1.151, gammas=(1.5092, 0.6093)),
            Branch(0.0155, beta=1.151, gammas=(2.1185,)),
            Branch(0.0564, beta=1.066, gammas=(2.2041,)),
            Branch(0.023, beta=0.822, gammas=(2.4477,)),
            Branch(0.0047, beta=0.822, gammas=(1.8384, 0.6093)),
        ),
        then="214Po",
    ),
    "214Po": Nuclide(164.3, 82, (Branch(1.0, alpha=7.6868),)),
}
"""By name. 214Po follows 214Bi with its half-life of 164.3 us: the two are one decay here."""

CHAINS: dict[str, tuple[str, ...]] = {
    "39Ar": ("39Ar",),
    "42Ar": ("42Ar", "42K"),
    "85Kr": ("85Kr",),
    "222Rn": ("222Rn", "218Po", "214Pb", "214Bi"),
}
"""Source -> nuclides that each decay with the source's activity, in secular equilibrium.

The radon chain ends at 210Pb (22 years). That daughters are partly ions, which drift to the cathode, is
left out."""

ACTIVITY: dict[str, float] = {"39Ar": 1.01, "42Ar": 92e-6, "85Kr": 0.115, "222Rn": 1e-3}
"""Natural activities in Bq/kg.

39Ar and 85Kr: WARP (P. Benetti et al., NIM A 574 (2007) 83). 42Ar: A. S. Barabash et al., J. Phys. Conf. Ser.
718 (2016) 062004 (DEAP-3600 measures 40e-6: R. Ajaj et al., PRD 100 (2019) 072009). 222Rn: DUNE's target and
background model (dunesim, dune_radiological_model_decay0_v3_4_hd_common.fcl: 1.395e-6 Bq/cm^3; all four
values are those of this model)."""

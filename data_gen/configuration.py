"""What an event holds and how the detector answers: recorded whole in the file's provenance."""

from dataclasses import dataclass, field
from pathlib import Path

from data_gen.physics.nuclides import ACTIVITY, CHAINS
from lartpc.detector import DETECTORS, DRIFT_SPEED, ELECTRON_LIFETIME_US
from lartpc.errors import UserError

CONFIGS = Path(__file__).with_name("configs")
"""Configurations that come along, by their names."""


@dataclass(frozen=True)
class Sources:
    """The sampling plan: how many primaries of each sample an event gets, on average.

    Each number is the mean of a Poisson distribution. The file records it beside the number in nature, so
    that any figure can be weighted back to the natural mixture (lartpc.event.SAMPLE_DTYPE). In nature an
    event has its cosmic muons, its radioactive decays and one beam particle; Michel electrons would then
    make 0.3 % of the hits, too few to learn from.

    Attributes:
        cosmic_muons: cosmic muons that do not stop in the active argon, in units of their natural number.
        stopping_muons: cosmic muons whose range ends in the active argon, in units of their natural number.
        showers: electrons and photons that start in the active argon, for each drift volume; in nature 0.
        shower_energy: lowest and highest kinetic energy of these in MeV; the logarithm is uniform.
        beam: particles of the beam line, for each event; in nature 1.
        beam_momentum: lowest and highest momentum of these in MeV/c; the logarithm is uniform.
        beam_particles: share of each particle, by PDG code, among these.
        activities: in Bq/kg by source, each with its daughters in equilibrium; sources and natural values
            are those of data_gen.physics.nuclides.
    """

    cosmic_muons: float = 0.2
    stopping_muons: float = 10.0
    showers: float = 2.0
    shower_energy: tuple[float, float] = (30.0, 2000.0)
    beam: float = 2.0
    beam_momentum: tuple[float, float] = (300.0, 7000.0)
    beam_particles: dict[int, float] = field(
        default_factory=lambda: {211: 0.3, -211: 0.2, 2212: 0.25, 321: 0.05, -11: 0.1, -13: 0.1}
    )
    activities: dict[str, float] = field(default_factory=ACTIVITY.copy)

    def __post_init__(self) -> None:
        for name in ("cosmic_muons", "stopping_muons", "showers", "beam"):
            _at_least(_flag("sources", name), getattr(self, name), 0)
        for name in ("shower_energy", "beam_momentum"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high < float("inf"):
                raise UserError(f"{_flag('sources', name)} {low}, {high} must be positive, the lowest first")
        known = (11, -11, 13, -13, 22, 211, -211, 321, -321, 2212)
        if (
            not sum(self.beam_particles.values()) > 0
            or min(self.beam_particles.values()) < 0
            or (set(self.beam_particles) - set(known))
        ):
            raise UserError(
                f"--sources.beam-particles {self.beam_particles} must give each of some PDG codes a share; "
                f"known are {', '.join(map(str, known))}"
            )
        for source, activity in self.activities.items():
            if source not in CHAINS:
                raise UserError(
                    f"--sources.activities: {source!r} is not known; there are {', '.join(CHAINS)}"
                )
            _at_least(f"--sources.activities {source}", activity, 0)


@dataclass(frozen=True)
class Response:
    """The detector between energy deposits and hits. Sources: ProtoDUNE-SP as in lartpc.detector.

    Deconvolved waveforms, and so the stored pixels, are in thousands of electrons a tick. Deconvolution
    and lifetime correction assume the nominal detector: a value changed here is one that the reconstruction
    does not know of, as in a study of robustness.

    Attributes:
        field: drift field, in kV/cm (dunecore).
        box_a: parameter A of the modified box model of recombination (ArgoNeuT, JINST 8 (2013) P08005).
        box_b: parameter B, in (g/cm^2)(kV/cm)/MeV (same).
        drift_speed: of electrons, in cm/us.
        lifetime_us: electron lifetime, in us.
        longitudinal_diffusion: in cm^2/s (WireCell).
        transverse_diffusion: in cm^2/s (WireCell).
        gain: of the electronics, in units of the nominal gain.
        raw_noise: RMS of white noise before deconvolution, in ADC.
        coherent_noise: RMS of noise common to 32 neighbouring channels, before deconvolution, in ADC.
        dead_channels: share of the channels that give nothing; which ones is drawn from dead_seed.
        dead_seed: of the choice of dead channels.
        region_threshold: a region of interest starts where the waveform exceeds this many noise RMS (WireCell
            troi_col_th_factor, pdsp/sp.jsonnet; induction planes have 3, behind filters not modelled here).
        region_padding: ticks added on both sides of a region (WireCell troi_pad, OmnibusSigProc.h).
        region_peak: a region without a sample above this, in ke/tick, and without the mean below, is dropped,
            unless one that has either touches it on the next wire (WireCell r_fake_signal_high_th,
            pdsp/sp.jsonnet; ROI_refinement.cxx, CleanUpCollectionROIs). 0 drops none.
        region_mean: mean of the region, in ke/tick (r_fake_signal_low_th, same).
        hit_threshold: lowest peak of a hit, in ke/tick (RoiThreshold of protodunespmc_gaushitfinder on all
            planes, dunereco, hitfindermodules_dune.fcl; frame_scale 0.001, wire-cell-toolkit,
            pdsp/wcls-nf-sp.jsonnet).
    """

    field: float = 0.4867
    box_a: float = 0.930
    box_b: float = 0.212
    drift_speed: float = DRIFT_SPEED
    lifetime_us: float = ELECTRON_LIFETIME_US
    longitudinal_diffusion: float = 4.0
    transverse_diffusion: float = 8.8
    gain: float = 1.0
    raw_noise: float = 2.5
    coherent_noise: float = 0.0
    dead_channels: float = 0.0
    dead_seed: int = 1
    region_threshold: float = 5.0
    region_padding: int = 5
    region_peak: float = 0.75
    region_mean: float = 0.375
    hit_threshold: float = 0.6

    def __post_init__(self) -> None:
        for name in ("field", "box_a", "box_b", "drift_speed", "lifetime_us", "gain", "region_threshold",
                     "hit_threshold"):  # fmt: skip
            _at_least(_flag("response", name), getattr(self, name), 1e-9)
        for name in ("longitudinal_diffusion", "transverse_diffusion", "raw_noise", "coherent_noise",
                     "dead_channels", "dead_seed", "region_padding", "region_peak",
                     "region_mean"):  # fmt: skip
            _at_least(_flag("response", name), getattr(self, name), 0)
        if self.dead_channels > 1.0:
            raise UserError(f"--response.dead-channels {self.dead_channels} is a share, at most 1")


@dataclass(frozen=True)
class Labels:
    """How a hit's truth becomes its label, and which empty pixels are kept as examples of none.

    Attributes:
        least_energy: hits over less deposited energy, in MeV, are none (LArSoft: 2e-5 GeV).
        delta_ray_shower: a delta ray of a track is a shower's from this kinetic energy on, in MeV; below
            it its deposits count with the track. At 3 MeV its range is 1.06 cm, two wires. LArSoft
            itself calls every followed delta ray a shower's (0 here).
        empty_pixels: drawn in each plane of a drift volume among the pixels that are 0 with all of their
            5 x 5 neighbourhood and have more than 6 others in their patch that are not (upstream's rule).
    """

    least_energy: float = 0.02
    delta_ray_shower: float = 3.0
    empty_pixels: int = 30

    def __post_init__(self) -> None:
        for name in ("least_energy", "delta_ray_shower", "empty_pixels"):
            _at_least(_flag("labels", name), getattr(self, name), 0)


@dataclass(frozen=True)
class Configuration:
    """Everything besides the seed that decides what an event looks like.

    Attributes:
        sources: what happens in the detector.
        response: how the detector answers.
        labels: how truth becomes a label.
        detector: drift-volume, one of the six of ProtoDUNE-SP, or protodune-sp, all of them.
        margin: argon around the active volume in which particles are followed, in cm.
    """

    sources: Sources = field(default_factory=Sources)
    response: Response = field(default_factory=Response)
    labels: Labels = field(default_factory=Labels)
    detector: str = "drift-volume"
    margin: float = 20.0

    def __post_init__(self) -> None:
        _at_least("--margin", self.margin, 0)
        if self.detector not in DETECTORS:
            raise UserError(f"--detector: none is called {self.detector!r}; there are {', '.join(DETECTORS)}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least or value == float("inf"):
        raise UserError(f"{name} is {value}; it must be {'positive' if least > 0 else '0 or more'}")


def _flag(group: str, name: str) -> str:
    """The option that sets a field, as a user types it."""
    return f"--{group}.{name.replace('_', '-')}"

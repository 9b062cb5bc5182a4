"""What an event holds and how the detector answers: recorded whole in the file's provenance."""

from dataclasses import dataclass, field

from lartpc.detector import ELECTRON_LIFETIME_US


@dataclass(frozen=True)
class Sources:
    """Mean numbers of primaries in an event; each is Poisson distributed.

    Cosmic muons and argon-39 follow from flux and activity, the former scaled down so that an event
    stays light. The others enrich the sample with what is rare in nature and what the classifier is for;
    they are not a beam's composition. Michel electrons then make 3.5 % of the collection hits, against
    0.6 % for cosmic muons and argon-39 alone.

    Attributes:
        cosmic_scale: factor on the flux of cosmic muons at the surface (1 is nature).
        stopping_muons: muons that stop in the active volume, beside the cosmic ones that do.
        showers: electrons and photons that start in the active volume.
        shower_energy: lowest and highest kinetic energy of these in MeV; the logarithm is uniform.
        beam_hadrons: pi+, pi- and protons that enter along the beam.
        beam_momentum: lowest and highest momentum of these in MeV/c; the logarithm is uniform.
        argon39: activity in Bq/kg (P. Benetti et al., NIM A 574 (2007) 83: 1.01).
    """

    cosmic_scale: float = 0.4
    stopping_muons: float = 8.0
    showers: float = 2.0
    shower_energy: tuple[float, float] = (30.0, 2000.0)
    beam_hadrons: float = 1.0
    beam_momentum: tuple[float, float] = (300.0, 7000.0)
    argon39: float = 1.01


@dataclass(frozen=True)
class Response:
    """The detector between energy deposits and hits. Sources: ProtoDUNE-SP as in lartpc.detector.

    Deconvolved waveforms, and so the stored pixels, are in thousands of electrons a tick.

    Attributes:
        field: drift field, in kV/cm (dunecore).
        lifetime_us: electron lifetime, in us.
        longitudinal_diffusion: in cm^2/s (WireCell).
        transverse_diffusion: in cm^2/s (WireCell).
        raw_noise: RMS of white noise before deconvolution, in ADC.
        region_threshold: a region of interest starts where the waveform exceeds this many noise RMS.
        region_padding: ticks added on both sides of a region.
        hit_threshold: lowest peak of a hit, in noise RMS.
        pulse_ticks: longer pulses are cut into hits of at most this many ticks.
    """

    field: float = 0.4867
    lifetime_us: float = ELECTRON_LIFETIME_US
    longitudinal_diffusion: float = 4.0
    transverse_diffusion: float = 8.8
    raw_noise: float = 2.5
    region_threshold: float = 4.2
    region_padding: int = 6
    hit_threshold: float = 4.2
    pulse_ticks: int = 30


@dataclass(frozen=True)
class Labels:
    """How a hit's truth becomes its label.

    Attributes:
        least_energy: hits over less deposited energy, in MeV, are none (LArSoft: 2e-5 GeV).
        delta_ray_shower: a delta ray of a track is a shower's from this kinetic energy on, in MeV; below
            it its deposits count with the track. At 3 MeV its range is 1.06 cm, two wires. LArSoft
            itself calls every followed delta ray a shower's (0 here).
    """

    least_energy: float = 0.02
    delta_ray_shower: float = 3.0


@dataclass(frozen=True)
class Configuration:
    """Everything besides the seed that decides what an event looks like.

    Attributes:
        sources: what happens in the detector.
        response: how the detector answers.
        labels: how truth becomes a label.
        margin: argon around the active volume in which particles are followed, in cm.
    """

    sources: Sources = field(default_factory=Sources)
    response: Response = field(default_factory=Response)
    labels: Labels = field(default_factory=Labels)
    margin: float = 20.0

"""One event in memory: plane images, hits with truth, particles."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

HIT_DTYPE = np.dtype(
    [
        ("hit_id", "i4"),  # 0, 1, ... within the event
        ("tpc", "u1"),  # drift volume
        ("local_plane", "u1"),  # 0 U, 1 V, 2 W
        ("local_wire", "u2"),  # wire within the plane of the drift volume
        ("local_time", "f4"),  # peak time, in ticks
        ("rms", "f4"),  # width, in ticks
        ("integral", "f4"),  # deconvolved ADC x tick
        ("amplitude", "f4"),  # deconvolved ADC at the peak
        ("energy_track", "f4"),  # true deposit under the hit by tracks, in MeV
        ("energy_shower", "f4"),  # by electromagnetic showers (Michel excluded), in MeV
        ("energy_michel", "f4"),  # by Michel electrons, in MeV
        ("g4_id", "i4"),  # particle with the largest deposit, -1 for noise
        ("label", "u1"),  # lartpc.served.contract.Label
        ("michel", "u1"),  # 1 where the hit is a Michel electron's (its label is then shower)
        ("sample", "u1"),  # row of the sample table that its particle's primary was drawn from
    ]
)

EMPTY_DTYPE = np.dtype(
    [
        ("tpc", "u1"),
        ("local_plane", "u1"),
        ("local_wire", "u2"),
        ("local_time", "f4"),  # centre of the drift pixel, in ticks
    ]
)
"""A pixel without signal near others that have one: an example of none that is no hit."""

SAMPLE_DTYPE = np.dtype(
    [
        ("name", "S24"),
        ("generated", "f8"),  # mean number of primaries in an event of this file
        ("natural", "f8"),  # mean number in an event of the running detector
    ]
)
"""What an event is mixed of. A hit of the sample counts natural / generated times in the natural mixture."""

PARTICLE_DTYPE = np.dtype(
    [
        ("g4_id", "i4"),  # 0, 1, ... within the event
        ("parent_id", "i4"),  # -1 for a primary
        ("type", "i4"),  # PDG code
        ("momentum", "f4"),  # at the start, in MeV/c
        ("start_time", "f4"),  # in us, 0 at the trigger
        ("start_position", "f4", (3,)),  # x, y, z in cm
        ("end_position", "f4", (3,)),  # where the particle itself stopped or left, in cm
        ("start_process", "S16"),  # primary, decay, delta, ...
    ]
)


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        event_id: (run, subrun, event number).
        images: plane name -> (drift volume, wire, drift pixel): mean deconvolved ADC over 6 ticks,
            before calibration, lifetime correction and clipping; exactly 0 outside regions of interest.
        hits: (H,) of :data:`HIT_DTYPE`.
        particles: (P,) of :data:`PARTICLE_DTYPE`.
        empty: (N,) of :data:`EMPTY_DTYPE`.
    """

    event_id: tuple[int, int, int]
    images: dict[str, NDArray[np.float16]]
    hits: NDArray[np.void]
    particles: NDArray[np.void]
    empty: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, EMPTY_DTYPE))

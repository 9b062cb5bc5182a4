"""One event in memory: plane images, hits with truth, particles."""

from dataclasses import dataclass

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
        ("label", "u1"),  # lartpc.contract.Label
        ("michel", "u1"),  # 1 where the hit is a Michel electron's (its label is then shower)
    ]
)

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
    """

    event_id: tuple[int, int, int]
    images: dict[str, NDArray[np.float16]]
    hits: NDArray[np.void]
    particles: NDArray[np.void]

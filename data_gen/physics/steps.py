"""The seam between transport and detector response: an array of energy deposits.

Whatever fills an array of :data:`STEP_DTYPE` (the transport of this package, a file of Geant4
steps, see data_gen.production.steps_file) can be handed to :func:`data_gen.response.readout.respond`.
"""

from enum import IntEnum

import numpy as np


class Deposit(IntEnum):
    """Who deposits: the truth that a hit's label is made of."""

    TRACK = 0
    SHOWER = 1
    MICHEL = 2


STEP_DTYPE = np.dtype(
    [
        ("x", "f8"),  # middle of the step, in cm, in the axes of lartpc.detector
        ("y", "f8"),
        ("z", "f8"),
        ("t", "f8"),  # us, 0 at the trigger
        ("energy", "f8"),  # deposited, in MeV
        ("length", "f8"),  # path over which it was deposited, in cm: energy / length enters recombination
        ("deposit", "i4"),  # a Deposit
        ("g4_id", "i4"),  # particle of the event's particle table
    ]
)

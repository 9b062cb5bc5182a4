"""Geometry and readout of a ProtoDUNE-SP drift volume: one face of one anode plane assembly (APA).

Lengths in cm, times in us, angles in radians. Axes: x along the drift (0 at the wires),
y up (0 at the bottom), z along the beam.
"""

import math
from dataclasses import dataclass

READOUT_TICKS = 6000
"""Samples of one readout (paper, section 2.1; dunecore)."""

TICK_US = 0.5
"""Sampling period of the readout, in us (2 MHz; paper)."""

TRIGGER_TICK = 500
"""The readout starts 250 us before the trigger (dunecore)."""

PIXEL_TICKS = 6
"""Ticks averaged into one drift pixel: DriftWindow of larreco's DataProviderAlg."""

DRIFT_PIXELS = READOUT_TICKS // PIXEL_TICKS

DRIFT_SPEED = 0.1565
"""Electron drift speed, in cm/us (ProtoDUNE-SP fit, WireCell pdsp parameters)."""

ELECTRON_LIFETIME_US = 35_000.0
"""Electron lifetime of simulation and reconstruction, in us (dunecore)."""

ACTIVE_CM = (359.4, 590.0, 229.4)
"""Extent in x, y, z of the active volume of one drift side of an APA (WireCell parameters)."""


@dataclass(frozen=True)
class Plane:
    """One wire plane.

    Attributes:
        name: U and V induce, W collects.
        index: plane number of LArSoft, 0 to 2.
        wires: wires seen by one drift volume (induction wires wrap around the APA).
        pitch: distance between wires, in cm (protoduneana).
        angle: of the wires to the vertical, in radians (protoduneana).
    """

    name: str
    index: int
    wires: int
    pitch: float
    angle: float


PLANES = (
    Plane("U", 0, 1148, 0.4669, math.radians(35.7)),
    Plane("V", 1, 1148, 0.4669, math.radians(-35.7)),
    Plane("W", 2, 480, 0.4792, 0.0),
)


def plane(name: str) -> Plane:
    """The plane called U, V or W.

    Raises:
        KeyError: there is no such plane.
    """
    return {plane.name: plane for plane in PLANES}[name]

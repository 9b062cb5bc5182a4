"""Geometry and readout of ProtoDUNE-SP: drift volumes in front of anode plane assemblies (APA).

Lengths in cm, times in us, angles in radians. Axes of a drift volume: x along the drift (0 at the
wires), y up (0 at the bottom), z along the wires' order. Axes of a detector: those of its first volume.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        wires: wires that face one drift volume.
        channels: channels that these wires belong to. An induction wire wraps around the APA: after
            800 wires the next is a continuation of the first, and one channel reads both.
        pitch: distance between wires, in cm (protoduneana).
        angle: of the wires to the vertical, in radians (protoduneana).
    """

    name: str
    index: int
    wires: int
    channels: int
    pitch: float
    angle: float

    @property
    def channel_of_wire(self) -> NDArray[np.int64]:
        """(wires,) channel, counted from 0 within the plane, that reads each wire."""
        return np.arange(self.wires) % self.channels


PLANES = (
    Plane("U", 0, 1148, 800, 0.4669, math.radians(35.7)),
    Plane("V", 1, 1148, 800, 0.4669, math.radians(-35.7)),
    Plane("W", 2, 480, 480, 0.4792, 0.0),
)


def plane(name: str) -> Plane:
    """The plane called U, V or W.

    Raises:
        KeyError: there is no such plane.
    """
    return {plane.name: plane for plane in PLANES}[name]


@dataclass(frozen=True)
class DriftVolume:
    """The argon between one APA and the cathode.

    Attributes:
        tpc: number of the volume in LArSoft's ProtoDUNE-SP geometry.
        wires_x: where its wires are, on the detector's x axis.
        sign: 1 where the volume extends from its wires towards larger x, -1 where towards smaller x;
            such a volume is the first one turned about the vertical.
        z: its lower end on the detector's z axis.
    """

    tpc: int
    wires_x: float
    sign: int
    z: float

    def local(
        self, x: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates x and z in the axes of the volume, from those of the detector."""
        along = z - self.z
        return (x - self.wires_x) * self.sign, along if self.sign > 0 else ACTIVE_CM[2] - along


@dataclass(frozen=True)
class Detector:
    """Drift volumes that are read out together.

    Attributes:
        name: as the command line knows it.
        volumes: in the order of the event file.
        size: extent in x, y, z of the active argon, in cm. Gaps between APAs are left out.
    """

    name: str
    volumes: tuple[DriftVolume, ...]
    size: tuple[float, float, float]


DETECTORS = {
    detector.name: detector
    for detector in (
        Detector("drift-volume", (DriftVolume(1, 0.0, 1, 0.0),), ACTIVE_CM),
        Detector(
            "protodune-sp",
            tuple(
                DriftVolume(4 * row + side + 1, side * 2.0 * ACTIVE_CM[0], 1 - 2 * side, row * ACTIVE_CM[2])
                for row in range(3)
                for side in range(2)
            ),
            (2.0 * ACTIVE_CM[0], ACTIVE_CM[1], 3.0 * ACTIVE_CM[2]),
        ),
    )
}
"""One drift volume, and the six of ProtoDUNE-SP: two along the drift with the cathode between, three
along the beam (dunecore geometry). Its 15,360 channels are 6 x (800 U + 800 V + 960 W); 480 W of each
APA face the cryostat's wall, where nothing drifts, and belong to no drift volume."""

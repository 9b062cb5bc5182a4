"""From energy deposits to charge that arrives at the wires: recombination, lifetime, drift, diffusion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Response
from data_gen.physics.argon import DENSITY
from lartpc.detector import ACTIVE_CM, TICK_US, TRIGGER_TICK, DriftVolume, Plane

IONISATION_ENERGY = 23.6e-6
"""Energy for one electron-ion pair, in MeV (M. Miyajima et al., Phys. Rev. A 9 (1974) 1438)."""


def recombination(dedx: NDArray[np.float64] | float, response: Response) -> NDArray[np.float64]:
    """Share of the electrons that escapes recombination, by the modified box model.

    Args:
        dedx: ionisation density, in MeV/cm; below 1 MeV/cm, where the model turns over, it counts as 1,
            as in larsim.
        response: with the drift field and the model's parameters.
    """
    xi = response.box_b * np.maximum(dedx, 1.0) / (DENSITY * response.field)
    return np.log(response.box_a + xi) / xi


@dataclass(frozen=True)
class Arrivals:
    """Charge on its way to the wires of a drift volume; (N,) arrays, one entry for each deposit in it.

    Attributes:
        charge: thousands of electrons that reach the wires, times the gain.
        tick: arrival time, in ticks of the readout.
        spread: longitudinal diffusion, standard deviation in ticks.
        width: transverse diffusion, standard deviation in cm.
        y: in cm, in the axes of the volume.
        z: in cm, in the axes of the volume.
        energy: deposited, in MeV.
        deposit: data_gen.physics.steps.Deposit.
        g4_id: particle.
    """

    charge: NDArray[np.float64]
    tick: NDArray[np.float64]
    spread: NDArray[np.float64]
    width: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    energy: NDArray[np.float64]
    deposit: NDArray[np.int32]
    g4_id: NDArray[np.int32]

    def wire_position(self, plane: Plane) -> NDArray[np.float64]:
        """Position across the wires in pitches: wire w collects between w and w + 1.

        Wires run at ``plane.angle`` to the vertical; wire 0 touches the active volume at its corner.
        """
        across = self.z * np.cos(plane.angle) - self.y * np.sin(plane.angle)
        return (across + ACTIVE_CM[1] * max(np.sin(plane.angle), 0.0)) / plane.pitch


def drift(steps: NDArray[np.void], volume: DriftVolume, response: Response) -> Arrivals:
    """Drift the ionisation of steps (:data:`data_gen.physics.steps.STEP_DTYPE`) to the wires of a volume.

    Diffusion and lifetime as in larsim: variances 2 D t, charge exp(-t / lifetime).
    """
    x, z = volume.local(steps["x"], steps["z"])
    inside = steps["energy"] > 0.0
    for position, extent in zip((x, steps["y"], z), ACTIVE_CM, strict=True):
        inside &= (position >= 0.0) & (position <= extent)
    steps, x, z = steps[inside], x[inside], z[inside]
    time = x / response.drift_speed
    escaped = recombination(steps["energy"] / steps["length"], response)
    electrons = steps["energy"] / IONISATION_ENERGY * escaped * np.exp(-time / response.lifetime_us)
    variance = 2e-6 * time  # of a diffusion constant of 1 cm^2/s, in cm^2
    return Arrivals(
        charge=1e-3 * electrons * response.gain,
        tick=(steps["t"] + time) / TICK_US + TRIGGER_TICK,
        spread=np.sqrt(variance * response.longitudinal_diffusion) / (response.drift_speed * TICK_US),
        width=np.sqrt(variance * response.transverse_diffusion),
        y=steps["y"],
        z=z,
        energy=steps["energy"],
        deposit=steps["deposit"],
        g4_id=steps["g4_id"],
    )

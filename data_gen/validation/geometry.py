"""Wires, channels and drift of ProtoDUNE-SP."""

from data_gen.validation.check import Check
from lartpc.detector import ACTIVE_CM, DETECTORS, DRIFT_SPEED, PLANES

GEOMETRY = "dunecore, ProtoDUNE-SP geometry; ProtoDUNE-SP, JINST 15 (2020) P12004"


def geometry_checks() -> list[Check]:
    """Counts of wires and channels, and the longest drift."""
    channels = {each.name: each.channels for each in PLANES}
    modules = len({volume.z for volume in DETECTORS["protodune-sp"].volumes}) * 2
    total = modules * (channels["U"] + channels["V"] + 2 * channels["W"])
    wires = [
        Check(
            f"Wires of plane {each.name} that face a drift volume",
            each.wires,
            "",
            reference=count,
            source=GEOMETRY,
            tolerance=0.0,
        )
        for each, count in zip(PLANES, (1148, 1148, 480), strict=True)
    ]
    longest = ACTIVE_CM[0] / DRIFT_SPEED
    return [
        *wires,
        Check(
            "Channels of ProtoDUNE-SP",
            total,
            "",
            reference=15_360,
            source=GEOMETRY,
            tolerance=0.0,
            note="6 anode plane assemblies × (800 U + 800 V + 960 W); those 480 W of each that face the wall "
            "belong to no drift volume.",
        ),
        Check(
            "Longest drift time",
            longest,
            "µs",
            reference=2300.0,
            source="3.6 m at 500 V/cm, ProtoDUNE-SP, JINST 15 (2020) P12004: about 2.3 ms",
            tolerance=0.03,
        ),
    ]

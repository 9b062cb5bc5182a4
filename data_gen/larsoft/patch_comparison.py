"""Dumped patches beside those that are cut here: which pixels differ, and what would explain it."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import PATCH_SIZE

SHOWN = 10
"""Pixels that differ that are remembered, one a patch."""

SHIFTS = range(-6, 7)
"""Wires and drift pixels by which a patch is tried to be moved."""

SPREAD = 1e-3
"""Of a ratio of pixels that counts as the same everywhere: lifetime and text dumps move it by less."""

NEAR = 0.1
"""From 1, of a ratio that an electron lifetime makes."""

FEW = 4
"""Pixels from which no ratio is told."""

LEAST_TOLERANCE = 1e-4
"""Of pixels that count as equal where a cause is sought, in network units."""


@dataclass(frozen=True)
class Place:
    """A pixel that differs.

    Attributes:
        patch: file and row of its patch.
        hit: what that was cut around.
        wire: of the pixel, within the patch.
        drift: likewise.
        theirs: its dumped value, in network units.
        ours: its value here.
    """

    patch: str
    hit: str
    wire: int
    drift: int
    theirs: float
    ours: float

    def __str__(self) -> str:
        return (
            f"{self.patch} ({self.hit}): wire {self.wire}, drift pixel {self.drift} of the patch is "
            f"{self.theirs:.9g} in the dump and {self.ours:.9g} here"
        )


@dataclass
class Comparison:
    """What has been compared so far.

    Attributes:
        tolerance: how far a pixel may be off, in network units.
        patches: how many.
        nowhere: patches whose place is in no plane.
        identical: patches equal to the last bit.
        differing: patches with a pixel beyond tolerance.
        pixels: such pixels.
        largest: largest difference, in network units.
        places: the first pixel that differs of some patches.
        causes: what explains a differing patch -> how many.
    """

    tolerance: float = 0.0
    patches: int = 0
    nowhere: int = 0
    identical: int = 0
    differing: int = 0
    pixels: int = 0
    largest: float = 0.0
    places: list[Place] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)

    def add(
        self, theirs: NDArray[np.float32], ours: NDArray[np.float32], hits: list[str], patches: list[str]
    ) -> None:
        """Compare (N, 48, 48) dumped patches with those cut here.

        Args:
            theirs: as dumped.
            ours: as cut here.
            hits: what each was cut around.
            patches: file and row of each.
        """
        off = np.abs(theirs.astype(np.float64) - ours)
        off[~np.isfinite(off)] = np.inf
        wrong = off > self.tolerance
        self.patches += len(theirs)
        self.identical += int((theirs == ours).all(axis=(1, 2)).sum())
        self.pixels += int(wrong.sum())
        self.largest = max(self.largest, float(off.max(initial=0.0)))
        for number in np.flatnonzero(wrong.any(axis=(1, 2))):
            self.differing += 1
            self.causes[explained(theirs[number], ours[number], max(self.tolerance, LEAST_TOLERANCE))] += 1
            if len(self.places) < SHOWN:
                wire, drift = (int(index) for index in np.argwhere(wrong[number])[0])
                values = float(theirs[number, wire, drift]), float(ours[number, wire, drift])
                self.places.append(Place(patches[number], hits[number], wire, drift, *values))


def explained(theirs: NDArray[np.float32], ours: NDArray[np.float32], tolerance: float) -> str:
    """What turns a patch that is cut here into the dumped one, in words.

    Args:
        theirs: (48, 48) as dumped.
        ours: as cut here.
        tolerance: of equal pixels, in network units.
    """
    if not (np.isfinite(theirs).all() and np.isfinite(ours).all()):
        return "pixels that are no finite numbers"
    level = float(np.median(ours))
    if np.abs(theirs - level).max() <= tolerance:
        return "empty where this one is not: the C++ sends a second hit of the same pixel an empty patch"
    off = np.abs(theirs - ours) > tolerance
    if off.sum() <= FEW:
        return "a few pixels alone"
    if moved := _moved(theirs, ours, tolerance):
        return f"moved by {moved[0]:+d} wires and {moved[1]:+d} drift pixels"
    signal = (np.abs(ours) > 0.05) & (np.abs(theirs) > tolerance)
    if signal.sum() > FEW:
        ratios = theirs[signal] / ours[signal]
        ratio = float(np.median(ratios))
        if np.quantile(np.abs(ratios / ratio - 1), 0.9) < SPREAD:
            near = abs(ratio - 1) < NEAR
            cause = "another electron lifetime" if near else "another AdcMin, AdcMax or calibration"
            return f"pixels times {ratio:.{4 if near else 3}g}: {cause}"
    return "otherwise: another DownscaleFn, lifetime, or signal"


def _moved(
    theirs: NDArray[np.float32], ours: NDArray[np.float32], tolerance: float
) -> tuple[int, int] | None:
    inner = slice(max(SHIFTS), PATCH_SIZE - max(SHIFTS))
    middle = ours[inner, inner]
    if np.ptp(middle) <= tolerance or np.abs(theirs[inner, inner] - middle).max() <= tolerance:
        return None
    shifts = [(wires, drift) for wires in SHIFTS for drift in SHIFTS if (wires, drift) != (0, 0)]
    for wires, drift in sorted(shifts, key=lambda shift: abs(shift[0]) + abs(shift[1])):
        rows = slice(inner.start + wires, inner.stop + wires)
        columns = slice(inner.start + drift, inner.stop + drift)
        if np.abs(theirs[rows, columns] - middle).max() <= tolerance:
            return wires, drift
    return None

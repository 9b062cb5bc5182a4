"""What a hit's scores may depend on: charge, its track's angle and how near its end is, neighbours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lartpc.detector import ACTIVE_CM, DETECTORS, DRIFT_SPEED, PLANES, TICK_US, TRIGGER_TICK, DriftVolume
from lartpc.patches.cut import HALF, drift_pixel
from lartpc.served.contract import Label
from training.evaluation.lineage import makers, primaries

SURROUNDINGS = ("charge", "angle", "end_distance", "overlap")


def surroundings(
    hits: NDArray[np.void], particles: NDArray[np.void], data: dict[str, Any]
) -> NDArray[np.void]:
    """Four quantities of each hit of an event, NaN where one is not defined.

    - ``charge``: the hit's integral, in thousands of electrons (imported files: in their ADC x tick).
    - ``angle``: of track hits, between the drift direction and the line from start to end of the particle
      that made the hit, in degrees from 0 (along the drift) to 90 (parallel to the wire planes).
    - ``end_distance``: of track hits, from the hit to the end of its particle; of Michel hits, to the start
      of the Michel electron. In cm, in the hit's own view (across the wires and along the drift), where
      that point lies in the hit's drift volume.
    - ``overlap``: share of the hits in the hit's patch, itself included, that come from another primary
      particle than the hit does; noise counts as another.

    Args:
        hits: (H,) of lartpc.event.HIT_DTYPE.
        particles: (P,) of lartpc.event.PARTICLE_DTYPE.
        data: the data stage of the file's provenance, for the detector.
    """
    found = np.full(len(hits), np.nan, [(name, "f4") for name in SURROUNDINGS])
    found["charge"] = hits["integral"]
    maker = makers(hits, particles)
    made = maker >= 0
    if not made.any():
        return found
    is_track = made & (hits["label"] == Label.TRACK)
    found["angle"][is_track] = _angle(particles[maker[is_track]])
    detector = data.get("configuration", {}).get("detector")
    if detector in DETECTORS:
        for volume_index, volume in enumerate(DETECTORS[detector].volumes):
            in_volume = hits["tpc"] == volume_index
            for wanted, point in (
                (is_track & in_volume, "end_position"),
                (made & in_volume & (hits["michel"] == 1), "start_position"),
            ):
                found["end_distance"][wanted] = _distance(
                    hits[wanted], particles[maker[wanted]], point, volume
                )
    primary = np.where(made, primaries(particles)[maker], -1)
    found["overlap"] = _overlap(hits, primary)
    return found


def _angle(particles: NDArray[np.void]) -> NDArray[np.float64]:
    line = (particles["end_position"] - particles["start_position"]).astype(np.float64)
    length = np.linalg.norm(line, axis=1)
    cosine = np.divide(np.abs(line[:, 0]), length, out=np.full(len(line), np.nan), where=length > 0.0)
    return np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))


def _distance(
    hits: NDArray[np.void], particles: NDArray[np.void], point: str, volume: DriftVolume
) -> NDArray[np.float64]:
    """Distance in the view of each hit's plane from a point of its particle; NaN where that is elsewhere.

    A wire's position is that of lartpc.detector: wires at ``angle`` to the vertical, the first at the
    active volume's corner.
    """
    position = particles[point].astype(np.float64)
    x, z = volume.local(position[:, 0], position[:, 2])
    y = position[:, 1]
    inside = np.ones(len(hits), bool)
    for value, extent in zip((x, y, z), ACTIVE_CM, strict=True):
        inside &= (value >= 0.0) & (value <= extent)
    angle, pitch = (np.array([getattr(plane, name) for plane in PLANES])[hits["local_plane"]]
                    for name in ("angle", "pitch"))  # fmt: skip
    across = z * np.cos(angle) - y * np.sin(angle) + ACTIVE_CM[1] * np.maximum(np.sin(angle), 0.0)
    arrival = (hits["local_time"] - TRIGGER_TICK) * TICK_US - particles["start_time"]
    distance = np.hypot((hits["local_wire"] + 0.5) * pitch - across, arrival * DRIFT_SPEED - x)
    return np.where(inside, distance, np.nan)


def _overlap(hits: NDArray[np.void], primary: NDArray[np.int64]) -> NDArray[np.float64]:
    place = np.column_stack([hits["local_wire"].astype(np.int64), drift_pixel(hits["local_time"])])
    share = np.full(len(hits), np.nan)
    image = hits["tpc"].astype(np.int64) * len(PLANES) + hits["local_plane"]
    for which in np.unique(image):
        rows = np.flatnonzero(image == which)
        pairs = KDTree(place[rows]).query_pairs(HALF, p=np.inf, output_type="ndarray")
        origin = primary[rows]
        others = (origin[pairs[:, 0]] != origin[pairs[:, 1]]) | (origin[pairs[:, 0]] < 0)
        ends = pairs.ravel()
        near = 1 + np.bincount(ends, minlength=len(rows))
        share[rows] = np.bincount(ends, np.repeat(others, 2), minlength=len(rows)) / near
    return np.where(primary >= 0, share, np.nan)

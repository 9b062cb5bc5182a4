"""Which hits the published networks were trained on: upstream's selection of pixels, applied to hits.

LArSoft's preparation (larrecodnn, scripts/prepare_patches_em-trk-michel-none.py and the config.json beside
it) runs over events as the detector sees them and keeps

- every Michel pixel, and every muon pixel with three or more Michel pixels in its patch, the outermost two
  rows left out;
- 30 % of all others (``patch_fraction``);
- of tracks whose patch holds fewer than 8 shower pixels, 20 % of that (``clean_track_fraction``);
- of all other muon pixels, 30 % of that (``muon_track_fraction``), those near a stop excepted.

Its clauses on vertices never act: ProtoDUNE's dumps for this network carry no vertex flags (larrecodnn,
job/example_dump_events_protodune_cnn.fcl, ``SaveVtxFlags: false``). Noise is no class there: a pixel without
deposit is taken where nothing is near it, as the empty pixels of the event file are.
"""

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import PIXEL_TICKS, PLANES
from lartpc.patches.cut import HALF, drift_pixel
from lartpc.served.contract import Label

KEPT, CLEAN_TRACK, MUON = 0.3, 0.2, 0.3

SHARES = (0.0, KEPT * CLEAN_TRACK, KEPT * MUON, CLEAN_TRACK, KEPT, 1.0)
"""What may be kept of a hit; a hit's level is its place here."""

_NOTHING, _CLEAN, _OF_MUON, _CLEAN_NEAR_STOP, _OTHER, ALWAYS = range(len(SHARES))

_CLEAN_BELOW = 8
_LEAST_MICHEL_PIXELS = 3
_MARGIN = 2
_MUON = 13
_FARTHEST = 10_000
"""Drift pixel; a hit beyond lies outside its plane, which whoever cuts its patch refuses."""

_WIDTHS = 4.0
"""A hit covers two RMS to each side."""


def levels(hits: NDArray[np.void], particles: NDArray[np.void]) -> NDArray[np.uint8]:
    """(H,) place in :data:`SHARES` of each hit: the share of such hits that upstream's selection keeps.

    A hit counts for as many pixels as four of its RMS cover. Where a file names no particles, every track
    counts as a muon's.

    Args:
        hits: (H,) of lartpc.event.HIT_DTYPE, of one event.
        particles: (P,) of lartpc.event.PARTICLE_DTYPE.
    """
    pixels = np.ceil(np.maximum(_WIDTHS * hits["rms"], 1.0) / PIXEL_TICKS).astype(np.int32)
    shower = _in_patch(hits, pixels * (hits["label"] == Label.SHOWER), HALF)
    michel = _in_patch(hits, pixels * (hits["michel"] == 1), HALF - _MARGIN)
    muon = _of_muons(hits, particles)
    near_stop = muon & (michel >= _LEAST_MICHEL_PIXELS)
    clean = shower < _CLEAN_BELOW
    of_track = np.select(
        [clean & near_stop, clean, near_stop, muon], [_CLEAN_NEAR_STOP, _CLEAN, ALWAYS, _OF_MUON], _OTHER
    )
    of_shower = np.where(hits["michel"] == 1, ALWAYS, _OTHER)
    by_label = [hits["label"] == label for label in (Label.TRACK, Label.SHOWER)]
    return np.select(by_label, [of_track, of_shower], _NOTHING).astype(np.uint8)


def _of_muons(hits: NDArray[np.void], particles: NDArray[np.void]) -> NDArray[np.bool_]:
    if not len(particles):
        return hits["label"] == Label.TRACK
    muons = particles["g4_id"][np.abs(particles["type"]) == _MUON]
    return np.isin(hits["g4_id"], muons)


def _in_patch(hits: NDArray[np.void], pixels: NDArray[np.integer], half: int) -> NDArray[np.int64]:
    """(H,) sum of the pixels of the hits in the square around each hit, itself included."""
    pixel = np.clip(drift_pixel(hits["local_time"]), -1, _FARTHEST)
    place = np.stack([hits["local_wire"].astype(np.int64), pixel])
    image = hits["tpc"].astype(np.int64) * len(PLANES) + hits["local_plane"]
    total = np.zeros(len(hits), np.int64)
    for which in np.unique(image[pixels > 0]):
        of_image = np.flatnonzero(image == which)
        here = place[:, of_image] - place[:, of_image].min(axis=1, keepdims=True)
        # what lies before a line and a column, of the image within a margin of half a square
        before = np.zeros(here.max(axis=1) + 2 * half + 2, np.int32)
        np.add.at(before, tuple(here + half + 1), pixels[of_image])
        for axis in (0, 1):
            before.cumsum(axis=axis, out=before)
        (wire, tick), (wire_end, tick_end) = here, here + 2 * half + 1
        total[of_image] = (
            before[wire_end, tick_end] - before[wire, tick_end] - before[wire_end, tick] + before[wire, tick]
        )
    return total

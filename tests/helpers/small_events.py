"""Small events with random hits, to be drawn."""

import numpy as np

from lartpc.adc_scale import StoredPixels
from lartpc.detector import DRIFT_PIXELS, PIXEL_TICKS, READOUT_TICKS
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, Event
from lartpc.event_file import EventWriter
from lartpc.patches.cut import HALF, drift_pixel
from lartpc.provenance import Provenance
from lartpc.served.contract import PATCH_SIZE, Label

WIRES = 100
MICHEL_RICH = 2
BARE = 3
"""An event with charge and no hits."""


def make_event(number, volumes=2, planes=("V", "W"), hits=80):
    """Hits at random in two drift volumes, charge 1 + hit number at each; Michel hits near wire 40."""
    rng = np.random.default_rng(number)
    images = {name: np.zeros((volumes, WIRES, DRIFT_PIXELS), np.float16) for name in planes}
    table = np.zeros(hits, HIT_DTYPE)
    table["hit_id"] = np.arange(hits)
    table["tpc"] = np.arange(hits) % min(volumes, 2)
    table["local_plane"] = 2 if planes[-1] == "W" else 1
    table["local_wire"] = rng.choice(WIRES, hits, replace=hits > WIRES)
    table["local_time"] = rng.uniform(0, READOUT_TICKS, hits)
    table["label"] = np.arange(hits) // 2 % 3
    if number == MICHEL_RICH:
        table["michel"][:10], table["label"][:10] = 1, Label.SHOWER
        table["local_wire"][:10], table["local_time"][:10] = np.arange(40, 50), 3000
    empty = np.zeros(4, EMPTY_DTYPE)
    empty["local_plane"], empty["local_wire"], empty["local_time"] = 2, [0, 20, 50, 99], 1500
    images[planes[-1]][table["tpc"], table["local_wire"], drift_pixel(table["local_time"])] = 1 + np.arange(
        hits
    )
    if number == BARE:
        table, empty = table[:0], empty[:0]
    return Event((1, 2, number), images, table, np.zeros(0, PARTICLE_DTYPE), empty)


def write(path, events, stored=None):
    with EventWriter(path, Provenance(), stored=stored or StoredPixels()) as writer:
        for event in events:
            writer.append(event)
    return path


def four_events(folder):
    """A file of four, of which one has Michel hits and one has no hits."""
    return write(folder / "events.h5", [make_event(number) for number in range(4)])


def stacked_patches():
    """Five patches in a stack, whose middle pixels hold 1 to 5; a hit in each."""
    image = np.zeros((1, 5 * PATCH_SIZE, PATCH_SIZE), np.float16)
    hits = np.zeros(5, HIT_DTYPE)
    hits["local_plane"], hits["local_time"] = 2, HALF * PIXEL_TICKS + 3
    hits["local_wire"] = np.arange(5) * PATCH_SIZE + HALF
    image[0, hits["local_wire"], HALF] = 1 + np.arange(5)
    return Event((9, 0, 0), {"W": image}, hits, np.zeros(0, PARTICLE_DTYPE))

"""``gate.h5``: the small event file that travels with a checkpoint.

It holds a few training events, to calibrate quantisation, and a few held-out events, by which an
export elsewhere is judged without the data set.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.event_file import EventWriter
from lartpc.event_folder import open_events
from lartpc.served.contract import Label

GATE_FILE = "gate.h5"

CALIBRATION_EVENTS = 12
"""Enough that a dense shower is among them: what lies beyond the calibrated range is clipped."""

HELD_OUT_EVENTS = 16
"""Enough that a hundred Michel hits of each plane are among them, on whose order INT8 is judged."""

ROUNDED = ("rms", "integral", "amplitude", "energy_track", "energy_shower", "energy_michel")
"""Of the hit table; no gate reads them, and their last digits would be a fifth of the file.

A report on the gate file does: the width of a hit says how much of it upstream's selection takes.
"""

_DROPPED_BITS = 15
"""Of a float32's mantissa; what is left of it, 8 bits, is good to 0.2 %."""

GOLDEN_OF_EACH_CLASS = 64
"""Hits of each class, and of Michel electrons, that the held-out events must offer."""


def write_gate_file(data: Path, path: Path, held_out_events: int = HELD_OUT_EVENTS) -> None:
    """Copy the first training events and the first held-out events of a data set, or of its gate file.

    Images, places and truth are those of the data set; what else is known of a hit is rounded to 8 bits,
    which moves it by at most 0.2 %.
    Held-out events are taken until there are so many and each class has its 64 golden hits; empty pixels
    count as none.

    Args:
        data: event file, or folder of event files.
        path: to write.
        held_out_events: at least; fewer judge sooner and less sharply.

    Raises:
        UserError: the data set's held-out events do not hold 64 patches of each class.
    """
    with open_events(data) as events:
        counts = np.zeros(len(Label) + 1, int)
        held_out: list[int] = []
        for index in events.in_split("test"):
            if len(held_out) >= held_out_events and counts.min() >= GOLDEN_OF_EACH_CLASS:
                break
            hits = events.hits(index)
            counts[:-1] += np.bincount(hits["label"], minlength=len(Label))
            counts[Label.NONE] += len(events.empty_pixels(index))
            counts[-1] += np.count_nonzero(hits["michel"])
            held_out.append(index)
        if counts.min() < GOLDEN_OF_EACH_CLASS:
            names = [label.name.lower() for label in Label] + ["michel"]
            found = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
            raise UserError(
                f"{data} has only {found} hits in its {len(held_out)} held-out events; the export "
                f"needs {GOLDEN_OF_EACH_CLASS} of each: generate more events"
            )
        chosen = [*events.in_split("train")[:CALIBRATION_EVENTS], *held_out]
        source = events.provenance.data
        data_of_gate = {**source, "source_digest": source.get("source_digest", source["digest"])}
        provenance = events.provenance.with_stage(data=data_of_gate)
        with EventWriter(path, provenance, events.samples, events.stored) as gate:
            for index in sorted(chosen):
                event = events.event(index)
                for name in ROUNDED:
                    event.hits[name] = _rounded(event.hits[name])
                gate.append(event)


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest numbers whose last bits are 0."""
    half = np.uint32(1 << _DROPPED_BITS - 1)
    rounded = ((values.view(np.uint32) + half) >> _DROPPED_BITS << _DROPPED_BITS).view(np.float32)
    return np.where(np.isfinite(values), rounded, values)

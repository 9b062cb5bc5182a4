"""Hits: pulses on the wires, with the truth under each and the label that follows from it."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled
from data_gen.configuration import Labels
from lartpc.detector import Plane
from lartpc.event import HIT_DTYPE
from lartpc.served.contract import Label

LEAST_TICKS = 5
"""Shortest candidate and pulse (CandHitStandard_tool.cc, GausHitFinder_module.cc)."""
MOST_PEAKS = 4
SLICE_TICKS = 10
MOST_SLICES = 25
"""MaxMultiHit, LongPulseWidth and LongMaxHits of protodunespmc_gaushitfinder (dunereco)."""

PULSE_DTYPE = np.dtype(
    [
        ("channel", "i4"),
        ("wire", "i4"),
        ("begin", "i4"),  # first tick
        ("end", "i4"),  # tick after the last
        ("time", "f4"),  # of the peak, in ticks
        ("rms", "f4"),
        ("integral", "f4"),
        ("amplitude", "f4"),
        ("energy", "f4", (3,)),  # MeV by data_gen.physics.steps.Deposit
        ("g4_id", "i4"),
    ]
)


def find_hits(
    waveforms: NDArray[np.float32],
    truth: NDArray[np.void],
    plane: Plane,
    threshold: float,
    labels: Labels,
) -> NDArray[np.void]:
    """Find the hits of a plane and look up their truth.

    As gaushit does it (larreco, GausHitFinder_module.cc, CandHitStandard_tool.cc): a region is cut at its
    local minima; a piece whose peak exceeds the threshold is a candidate; candidates that touch are a
    pulse. A pulse of at most :data:`MOST_PEAKS` candidates gives a hit for each; a longer one, of a track
    along the drift, is cut into slices of :data:`SLICE_TICKS`, at most :data:`MOST_SLICES` of them. Peaks are
    measured here instead of fitted.

    Args:
        waveforms: (channels, ticks), 0 outside regions of interest.
        truth: of :data:`data_gen.response.waveforms.TRUTH_DTYPE`, ordered by channel and tick.
        plane: the wires.
        threshold: lowest peak, in the waveforms' unit.
        labels: how truth becomes a label.

    Returns:
        (H,) of :data:`lartpc.event.HIT_DTYPE`, ordered by channel and time; hit_id counts from 0. Of the
        wires that a channel reads, a hit is put on the one with most of the true energy: disambiguation
        is taken to be perfect.
    """
    capacity = 4096
    while True:
        pulses = np.zeros(capacity, PULSE_DTYPE)
        found = _find_pulses(waveforms, threshold, pulses)
        if found <= capacity:
            break
        capacity = found
    pulses = pulses[:found]
    particles = int(truth["g4_id"].max(initial=-1)) + 1
    first_of_channel = np.searchsorted(truth["channel"], np.arange(plane.channels + 1))
    _look_up(pulses, truth, first_of_channel, plane.channels, np.zeros(particles))
    hits = np.zeros(found, HIT_DTYPE)
    hits["hit_id"] = np.arange(found)
    hits["local_plane"] = plane.index
    hits["local_wire"] = pulses["wire"]
    hits["local_time"] = pulses["time"]
    for field in ("rms", "integral", "amplitude", "g4_id"):
        hits[field] = pulses[field]
    hits["energy_track"], hits["energy_shower"], hits["energy_michel"] = pulses["energy"].T
    hits["label"], hits["michel"] = label(pulses["energy"], labels)
    hits["g4_id"][hits["label"] == Label.NONE] = -1
    return hits


def label(energy: NDArray[np.floating], labels: Labels) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label and Michel flag of hits, by LArSoft's rule.

    Args:
        energy: (H, 3) deposited MeV by track, shower and Michel electron.
        labels: the least energy that is not none.

    Returns:
        (H,) lartpc.served.contract.Label: none below the least energy; else shower where shower and Michel
        together deposit more than tracks; else track. (H,) 1 where the hit is a shower's and more
        of it the Michel electron's: such a hit is shower and Michel at once.
    """
    track, shower, michel = energy[:, 0], energy[:, 1], energy[:, 2]
    is_shower = shower + michel > track
    result = np.where(is_shower, Label.SHOWER, Label.TRACK)
    nothing = energy.sum(axis=1) < labels.least_energy
    result[nothing] = Label.NONE
    return result.astype(np.uint8), (is_shower & (michel > shower) & ~nothing).astype(np.uint8)


@compiled
def _find_pulses(waveforms: NDArray[np.float32], threshold: float, pulses: NDArray[np.void]) -> int:
    """Fill ``pulses`` as far as it reaches; the number found."""
    channels, ticks = waveforms.shape
    ends = np.zeros(ticks, np.int64)
    found = 0
    for channel in range(channels):
        samples = waveforms[channel]
        k = 0
        while k < ticks:
            if samples[k] == 0.0:
                k += 1
                continue
            begin = k
            peaks = 0  # candidates of the pulse that begins here
            while k < ticks and samples[k] != 0.0:
                end = _piece(samples, k, ticks)
                if end - k >= LEAST_TICKS and samples[k:end].max() > threshold:
                    begin = k if peaks == 0 else begin
                    ends[peaks] = end
                    peaks += 1
                elif peaks:
                    found = _add(samples, channel, begin, ends[:peaks], pulses, found)
                    peaks = 0
                k = end
            if peaks:
                found = _add(samples, channel, begin, ends[:peaks], pulses, found)
    return found


@compiled
def _piece(samples: NDArray[np.float32], begin: int, ticks: int) -> int:
    """End of the piece that begins here: after its next local minimum, or where the region ends."""
    k = begin + 1
    while k < ticks and samples[k] != 0.0:
        last = k + 1 == ticks or samples[k + 1] == 0.0
        if not last and samples[k] < samples[k - 1] and samples[k] <= samples[k + 1]:
            return k + 1
        k += 1
    return k


@compiled
def _add(
    samples: NDArray[np.float32],
    channel: int,
    begin: int,
    ends: NDArray[np.int64],
    pulses: NDArray[np.void],
    found: int,
) -> int:
    """Add the hits of a pulse, as far as there is room; the number of hits then."""
    length = ends[-1] - begin
    if len(ends) <= MOST_PEAKS:
        for end in ends:
            if found < len(pulses):
                _measure(samples, channel, begin, end, pulses[found])
            found += 1
            begin = end
        return found
    slices = min(int(math.ceil(length / SLICE_TICKS)), MOST_SLICES)
    for part in range(slices):
        low, high = begin + length * part // slices, begin + length * (part + 1) // slices
        if found < len(pulses):
            _measure(samples, channel, low, high, pulses[found])
            pulses[found].time = 0.5 * (low + high)
        found += 1
    return found


@compiled
def _measure(samples: NDArray[np.float32], channel: int, begin: int, end: int, pulse: Any) -> None:
    """Time, width, charge and height of the pulse in [begin, end)."""
    total = 0.0
    top = begin
    for k in range(begin, end):
        total += samples[k]
        if samples[k] > samples[top]:
            top = k
    mean = 0.0
    for k in range(begin, end):
        mean += k * samples[k] / total
    variance = 0.0
    for k in range(begin, end):
        variance += (k - mean) ** 2 * samples[k] / total
    shift = 0.0
    if begin < top < end - 1:  # the vertex of the parabola through the three highest samples
        left, right = samples[top - 1], samples[top + 1]
        curvature = left - 2.0 * samples[top] + right
        if curvature < 0.0:
            shift = 0.5 * (left - right) / curvature
    pulse.channel = channel
    pulse.begin = begin
    pulse.end = end
    pulse.time = top + shift
    pulse.rms = math.sqrt(max(variance, 0.0))
    pulse.integral = total
    pulse.amplitude = samples[top]


@compiled
def _look_up(
    pulses: NDArray[np.void],
    truth: NDArray[np.void],
    first_of_channel: NDArray[np.int64],
    channels: int,
    by_particle: NDArray[np.float64],
) -> None:
    """Sum the true energy in front of each pulse's wires during it; name particle and wire with most of it.

    ``by_particle`` is working space, (particles,) of zeros.
    """
    for i in range(len(pulses)):
        pulse = pulses[i]
        low = first_of_channel[pulse.channel]
        high = first_of_channel[pulse.channel + 1]
        while low < high:  # first row of the channel at or after the pulse's begin
            middle = (low + high) // 2
            if truth[middle].tick < pulse.begin - 0.5:
                low = middle + 1
            else:
                high = middle
        first = low
        stop = first_of_channel[pulse.channel + 1]
        best = -1
        largest = 0.0
        last = first
        on_first_wire = 0.0
        on_continuation = 0.0
        while last < stop and truth[last].tick < pulse.end - 0.5:
            row = truth[last]
            pulse.energy[row.deposit] += row.energy
            if row.wire < channels:
                on_first_wire += row.energy
            else:
                on_continuation += row.energy
            by_particle[row.g4_id] += row.energy
            if by_particle[row.g4_id] > largest:
                largest = by_particle[row.g4_id]
                best = row.g4_id
            last += 1
        for j in range(first, last):
            by_particle[truth[j].g4_id] = 0.0
        pulse.g4_id = best
        pulse.wire = pulse.channel + (channels if on_continuation > on_first_wire else 0)

"""Hit finding: which pulses of charge get a hit, and which hits have charge behind them."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Labels
from data_gen.response.drift import drift
from data_gen.response.hits import find_hits
from data_gen.response.readout import respond
from data_gen.response.waveforms import FILTER_TICKS, TRUTH_DTYPE, add_charge
from data_gen.simulate import transport
from data_gen.sources.mixture import primaries
from data_gen.validation.check import Check
from data_gen.validation.figures import FAINT, OURS, SECOND, THIRD, drawing, label
from data_gen.validation.study import Effort, Section, Study, generator
from lartpc.detector import DETECTORS, READOUT_TICKS, plane
from lartpc.served.contract import Label

CHARGES = np.geomspace(0.15, 60.0, 27)
"""Bins of true charge, in thousands of electrons."""
HEIGHTS = np.array([0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0])
"""Bins of a hit's height, in ke/tick."""
_BRIGHT = 8.0
"""Charge in ke of pulses that are surely found: twice the threshold."""
_PLANES = ("U", "V", "W")
_NEAR_TICKS = 6.0
_FAINTEST = 0.004
"""Peak of the smallest true pulse that is looked at, in ke/tick: a sixth of the noise."""


def study(effort: Effort, seed: int) -> Study:
    """Events of the default mixture, with and without noise."""
    return Study(tuple(partial(found_pulses, seed, n) for n in range(max(effort.events // 4, 2))), conclude)


def found_pulses(seed: int, number: int) -> dict[str, Any]:
    """Of one event: true pulses and those with a hit, by plane and charge; hits with and without truth.

    A true pulse is one of the noise-free waveforms; it is found where a hit on its channel peaks within
    6 ticks of its own peak. Only single ones count, without another within 40 ticks.
    """
    rng, configuration = generator(seed, "efficiency", number), Configuration()
    record = transport(primaries(configuration, rng), configuration, rng)
    steps = record.steps[: record.counts[0]]
    _, hits, _ = respond(steps, configuration, _PLANES, rng)
    arrivals = drift(steps, DETECTORS[configuration.detector].volumes[0], configuration.response)
    all_pulses, with_hit = [], []
    for name in _PLANES:
        wires = plane(name)
        clean = np.zeros((wires.channels, READOUT_TICKS), np.float32)
        add_charge(arrivals, wires, clean)
        true = find_hits(clean, np.zeros(0, TRUTH_DTYPE), wires, _FAINTEST, Labels())
        true = true[_alone(true)]
        of_plane = hits[hits["local_plane"] == wires.index]
        found = _matched(true, of_plane["local_wire"] % wires.channels, of_plane["local_time"])
        all_pulses.append(np.histogram(true["integral"], CHARGES)[0])
        with_hit.append(np.histogram(true["integral"][found], CHARGES)[0])
    real = hits["label"] != Label.NONE
    return {
        "pulses": np.array(all_pulses),
        "found": np.array(with_hit),
        "hits": np.bincount(hits["local_plane"], minlength=3),
        "real": np.bincount(hits["local_plane"][real], minlength=3),
        "bright": np.histogram(hits["amplitude"], HEIGHTS)[0],
        "bright_real": np.histogram(hits["amplitude"][real], HEIGHTS)[0],
    }


def _alone(pulses: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which pulses, ordered by channel and time, have no other within 40 ticks on their channel."""
    place = pulses["local_wire"] * 1e5 + pulses["local_time"]
    far = np.concatenate([[True], np.diff(place) > 40.0, [True]])
    return far[1:] & far[:-1]


def _matched(
    true: NDArray[np.void], channel: NDArray[np.integer], time: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which true pulses have a hit within 6 ticks on their channel."""
    place = np.concatenate([[-1e9], np.sort(channel * 1e5 + time), [1e9]])
    wanted = true["local_wire"] * 1e5 + true["local_time"]
    after = np.clip(np.searchsorted(place, wanted), 1, len(place) - 1)
    nearest = np.minimum(np.abs(place[after] - wanted), np.abs(place[after - 1] - wanted))
    return np.asarray(nearest < _NEAR_TICKS)


def half_point(pulses: NDArray[np.int64], found: NDArray[np.int64]) -> tuple[float, float]:
    """Charge in ke at which half of the pulses have a hit, and its uncertainty from the counts beside it."""
    share = found / np.maximum(pulses, 1)
    middle = np.sqrt(CHARGES[1:] * CHARGES[:-1])
    last = int(np.flatnonzero(share < 0.5)[-1])
    low, high = share[last], share[last + 1]
    weight = (0.5 - low) / (high - low)
    charge = middle[last] * (middle[last + 1] / middle[last]) ** weight
    error = np.sqrt(0.25 / max(pulses[last], 1)) / (high - low) * np.log(middle[last + 1] / middle[last])
    return float(charge), float(charge * error)


def conclude(results: list[dict[str, Any]]) -> Section:
    """Efficiency against charge; purity."""
    total = {key: np.sum([each[key] for each in results], axis=0) for key in results[0]}
    response = Configuration().response
    threshold = max(response.hit_threshold, response.region_peak)
    expected = threshold * np.sqrt(2.0 * np.pi) * FILTER_TICKS
    middle = np.sqrt(CHARGES[1:] * CHARGES[:-1])
    bright = middle > _BRIGHT
    pulses, found = total["pulses"].sum(axis=0), total["found"].sum(axis=0)
    value, error = half_point(pulses, found)
    share = found[bright].sum() / pulses[bright].sum()
    checks = (
        Check(
            "Charge at which half of the single pulses have a hit",
            value,
            "ke",
            uncertainty=error,
            reference=float(expected),
            source="least peak of a lone region × area of the filter's Gaussian pulse of height 1",
            tolerance=0.2,
            note="Noise moves the peak up, diffusion moves the pulse's height down.",
        ),
        Check(
            f"Single pulses above {_BRIGHT:g} ke with a hit",
            float(share),
            "",
            uncertainty=float(np.sqrt(max(share * (1 - share), 1e-6) / pulses[bright].sum())),
            reference=1.0,
            source="twice the threshold: every such pulse is above it",
            tolerance=0.01,
        ),
        *(
            Check(
                f"Purity: hits on plane {name} with at least 20 keV of truth",
                100.0 * total["real"][i] / total["hits"][i],
                "%",
                note="Depends on what the events hold; the rest are noise and grazing charge.",
            )
            for i, name in enumerate(_PLANES)
        ),
    )
    message = "Hits appear at a sixth of the charge that a minimum-ionising particle leaves on a wire."
    with drawing("efficiency", message, panels=2) as canvas:
        axes = canvas.axes[0]
        for i, colour in enumerate((SECOND, THIRD, OURS)):
            enough = total["pulses"][i] > 20
            share_of = total["found"][i][enough] / total["pulses"][i][enough]
            axes.plot(middle[enough], 100.0 * share_of, "o-", ms=3, color=colour, label=f"plane {_PLANES[i]}")
        axes.axvline(expected, color=FAINT, ls="--", label="threshold without noise")
        axes.set_xscale("log")
        label(axes, "true charge of the pulse (thousand electrons)", "pulses with a hit (%)", ylim=(0, 103))
        axes = canvas.axes[1]
        purity = 100.0 * total["bright_real"] / np.maximum(total["bright"], 1)
        axes.plot(0.5 * (HEIGHTS[1:] + HEIGHTS[:-1]), purity, "o-", ms=3, color=OURS)
        label(axes, "height of the hit (thousand electrons a tick)", "hits with truth (%)", ylim=(0, 103))
    text = (
        "True pulses are those of the same waveforms without noise; those count that have no other within "
        "40 ticks.",
    )
    return Section("Hit finding: efficiency and purity", text, checks, (canvas.plot,))

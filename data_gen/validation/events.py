"""Whole events: what they hold in the default mixture, in nature, and in the whole detector."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Sources
from data_gen.simulate import simulate
from data_gen.sources.mixture import sample_table
from data_gen.sources.primary import Sample
from data_gen.validation import patch_edges
from data_gen.validation.check import Check
from data_gen.validation.estimates import mean, ratio
from data_gen.validation.figures import FAINT, OURS, REFERENCE, SECOND, THIRD, drawing, label
from data_gen.validation.study import Effort, Plot, Section, Study, generator
from lartpc.detector import PLANES
from lartpc.served.contract import Label

NATURAL = Sources(cosmic_muons=1.0, stopping_muons=1.0, showers=0.0, beam=1.0)
"""As data_gen/configs/natural.yaml."""
PAPER = (
    "M. Wang et al., Front. Big Data 3 (2021) 604083, section 2.1: a typical event has about 55,000 patches"
)
CHARGES = np.geomspace(0.5, 300.0, 60)
"""Bins of a hit's charge, in thousands of electrons."""
_NAMES = tuple(each.name for each in PLANES)
_KEPT = ["local_plane", "label", "michel", "sample", "integral"]


def study(effort: Effort, seed: int) -> Study:
    """The whole detector first: it takes longest."""
    return Study(
        (
            *(partial(event, "whole", seed, n) for n in range(effort.whole)),
            *(partial(event, "default", seed, n) for n in range(effort.events)),
            *(partial(event, "natural", seed, n) for n in range(effort.natural)),
        ),
        conclude,
    )


def configuration_of(kind: str) -> Configuration:
    """Of events that are ``default``, ``natural`` or ``whole``: natural and of all of ProtoDUNE-SP."""
    return {
        "default": Configuration(),
        "natural": Configuration(sources=NATURAL),
        "whole": Configuration(sources=NATURAL, detector="protodune-sp"),
    }[kind]


def event(kind: str, seed: int, number: int) -> dict[str, Any]:
    """One event: its hits, less what is not needed, and of the default mixture also what patches are like."""
    simulated = simulate(configuration_of(kind), seed, number, _NAMES)
    hits = simulated.hits
    result: dict[str, Any] = {"kind": kind, "hits": hits[_KEPT].copy()}
    if kind == "default":
        on_w = hits[hits["local_plane"] == 2]
        result["patches"] = patch_edges.patch_statistics(
            simulated.images["W"][0], on_w, generator(seed, "patches", number)
        )
    return result


def conclude(results: list[dict[str, Any]]) -> Section:
    """Count what the events hold."""
    hits = {
        kind: [each["hits"] for each in results if each["kind"] == kind]
        for kind in ("default", "natural", "whole")
    }
    patches = [each["patches"] for each in results if each["kind"] == "default"]
    table = sample_table(Configuration())
    weights = np.divide(
        table["natural"], table["generated"], out=np.ones(len(table)), where=table["generated"] > 0.0
    )
    checks = [
        *_count_checks(hits),
        *_class_checks(hits, weights),
        *_whole_checks(hits["whole"]),
        *patch_edges.checks(patches),
    ]
    text = (
        f"{len(hits['default'])} events of one drift volume in the default mixture, whose hits also stand "
        f"for nature when each counts natural / generated times; {len(hits['natural'])} events generated "
        f"in nature's mixture, to see that the two agree; and {len(hits['whole'])} of the whole detector.",
        patch_edges.TEXT,
    )
    plots = (_charge_plot(hits["default"]), patch_edges.plot(patches))
    return Section("Events: hits, classes, patches", text, tuple(checks), plots)


def _count_checks(hits: dict[str, list[NDArray[np.void]]]) -> list[Check]:
    checks = []
    for kind in ("default", "natural"):
        for plane, name in enumerate(_NAMES):
            value, error = mean([np.sum(each["local_plane"] == plane) for each in hits[kind]])
            checks.append(
                Check(
                    f"Hits per event on plane {name}, {kind} mixture",
                    value,
                    "",
                    uncertainty=error,
                    note="Of one drift volume; follows from the mixture.",
                )
            )
    for name, chosen, why in (
        ("track", Label.TRACK, "Above the 30 ke of a track across the wires: they come at every angle."),
        ("shower", Label.SHOWER, "Half of these hits are dots and the ends of showers."),
    ):
        charge = np.concatenate(
            [
                each["integral"][(each["label"] == chosen) & (each["local_plane"] == 2)]
                for each in hits["default"]
            ]
        )
        error = 1.2533 * (np.percentile(charge, 84) - np.percentile(charge, 16)) / 2.0 / np.sqrt(len(charge))
        checks.append(
            Check(
                f"Charge of {name} hits on plane W, median",
                float(np.median(charge)),
                "ke",
                uncertainty=float(error),
                note=why,
            )
        )
    return checks


def _shares(
    hits: list[NDArray[np.void]], weights: NDArray[np.float64] | None
) -> dict[str, tuple[float, float]]:
    """Shares of hits, in percent with uncertainty, each hit counted with the weight of its sample."""
    weight = [np.ones(len(each)) if weights is None else weights[each["sample"]] for each in hits]
    total = [each.sum() for each in weight]
    chosen = {
        "track": [each["label"] == Label.TRACK for each in hits],
        "shower": [each["label"] == Label.SHOWER for each in hits],
        "Michel (among shower)": [each["michel"] == 1 for each in hits],
        "none": [each["label"] == Label.NONE for each in hits],
        "radioactive dots": [each["sample"] == Sample.RADIOACTIVITY for each in hits],
    }
    shares = {}
    for name, masks in chosen.items():
        value, error = ratio([w[m].sum() for w, m in zip(weight, masks, strict=True)], total)
        shares[name] = 100.0 * value, 100.0 * error
    return shares


def _class_checks(hits: dict[str, list[NDArray[np.void]]], weights: NDArray[np.float64]) -> list[Check]:
    checks = []
    for name, (value, error) in _shares(hits["default"], None).items():
        checks.append(
            Check(
                f"Share of hits, {name}, default mixture",
                value,
                "%",
                uncertainty=error,
                note="Follows from the mixture.",
            )
        )
    generated = _shares(hits["natural"], None)
    for name, (value, error) in _shares(hits["default"], weights).items():
        expected, spread = generated[name]
        checks.append(
            Check(
                f"Share of hits, {name}, nature's mixture by weights",
                value,
                "%",
                uncertainty=float(np.hypot(error, spread)),
                reference=expected,
                source="events generated in nature's mixture",
                tolerance=0.02,
                sigmas=3.0,
            )
        )
    return checks


def _whole_checks(hits: list[NDArray[np.void]]) -> list[Check]:
    counts = [len(each) for each in hits]
    value, error = mean(counts)
    every = np.concatenate(hits)
    parts = []
    for name, mask in (
        ("cosmic muons", np.isin(every["sample"], (Sample.COSMIC_MUONS, Sample.STOPPING_MUONS))),
        ("the beam particle", every["sample"] == Sample.BEAM),
        ("radioactivity", every["sample"] == Sample.RADIOACTIVITY),
        ("noise", every["sample"] == Sample.NOISE),
    ):
        parts.append(f"{name} {100.0 * mask.mean():.0f} %")
    shares = np.bincount(every["local_plane"], minlength=3) / len(hits)
    planes = ", ".join(f"{name} {share:,.0f}" for name, share in zip(_NAMES, shares, strict=True))
    note = (
        "No tolerance: the paper gives an order, not which planes and hits it counts. Here "
        f"{', '.join(parts)}; {planes}. The number of muons follows from the flux and sets the order; "
        "the experiment's threshold of 0.6 ke/tick on ideal planes, unipolar induction and perfect "
        "disambiguation keep dots and grazing charge that an experiment's thresholds and noise filters "
        "drop."
    )
    return [
        Check(
            "Hits per event of the whole detector, nature's mixture",
            value,
            "",
            uncertainty=error if np.isfinite(error) else 0.0,
            reference=55_000.0,
            source=PAPER,
            note=note,
        ),
        Check(
            "Hits per event of the whole detector, radioactivity and noise left out",
            float(
                np.mean(
                    [np.sum(~np.isin(each["sample"], (Sample.RADIOACTIVITY, Sample.NOISE))) for each in hits]
                )
            ),
            "",
            reference=55_000.0,
            source=PAPER,
            note="As above.",
        ),
    ]


def _charge_plot(hits: list[NDArray[np.void]]) -> Plot:
    message = (
        "Tracks peak at the charge of a minimum-ionising particle, radioactive dots far below, noise at "
        "the threshold."
    )
    every = np.concatenate(hits)
    every = every[every["local_plane"] == 2]
    with drawing("hit-charge", message) as canvas:
        axes = canvas.axes[0]
        dots = every["sample"] == Sample.RADIOACTIVITY
        for name, mask, colour in (
            ("track", every["label"] == Label.TRACK, OURS),
            (
                "shower, Michel and dots left out",
                (every["label"] == Label.SHOWER) & (every["michel"] == 0) & ~dots,
                SECOND,
            ),
            ("Michel", every["michel"] == 1, REFERENCE),
            ("radioactive dots", dots, THIRD),
            ("none", every["label"] == Label.NONE, FAINT),
        ):
            axes.hist(
                every["integral"][mask],
                CHARGES,
                weights=np.full(mask.sum(), 1.0 / len(hits)),
                histtype="step",
                lw=1.6,
                color=colour,
                label=name,
            )
        axes.set(xscale="log", yscale="log", ylim=(0.03, 3e3))
        label(axes, "charge of the hit (thousand electrons)", "hits per event on plane W")
        axes.legend(loc="upper left", ncols=2)
    return canvas.plot

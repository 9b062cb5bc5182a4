"""Michel electrons as an experiment reconstructs them: from the charge of their hits."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from data_gen.configuration import Configuration, Response
from data_gen.physics.record import Record
from data_gen.physics.steps import Deposit
from data_gen.response.readout import respond
from data_gen.simulate import transport
from data_gen.sources.primary import Primary, isotropic_directions
from data_gen.validation.check import Check
from data_gen.validation.estimates import mean, ratio
from data_gen.validation.figures import FAINT, OURS, REFERENCE, SECOND, drawing, label
from data_gen.validation.response import charge_to_energy
from data_gen.validation.study import Effort, Section, Study, batches, generator
from lartpc.detector import DRIFT_SPEED, TICK_US, TRIGGER_TICK, plane

EXPERIMENTS = (
    "MicroBooNE, JINST 12 (2017) P09014 (arXiv:1704.02927); ProtoDUNE-SP, PRD 107 (2023) 092012 "
    "(arXiv:2211.01166)"
)
ASSUMED_LOSS = 2.1
"""MeV/cm that the reconstruction assumes for recombination, as experiments do for showers."""
LINK_CM = 3.0
"""Hits closer than this belong together."""

_PLACES = [(x, z) for x in (60.0, 180.0, 300.0) for z in (60.0, 170.0)]
_BATCH = 5
TRUE, DEPOSITED, ALL, LINKED = range(4)


def study(effort: Effort, seed: int) -> Study:
    """Events of six stopping mu+ each, far from each other."""
    parts = batches(effort.tracks, _BATCH)
    return Study(tuple(partial(energies, count, seed, n) for n, count in enumerate(parts)), conclude)


def energies(events: int, seed: int, number: int) -> NDArray[np.float64]:
    """(N, 4) MeV of Michel electrons, one a row.

    True kinetic energy; truly deposited under their hits; reconstructed from these; from those of them that
    are linked to the muon's end.
    """
    rng = generator(seed, "michel calorimetry", number)
    rows = [np.zeros((0, 4))]
    for _ in range(events):
        directions = isotropic_directions(len(_PLACES), rng)
        start = [
            Primary(-13, 40.0, np.array([x, 300.0, z]), direction, 0.0, Deposit.TRACK)
            for (x, z), direction in zip(_PLACES, directions, strict=True)
        ]
        record = transport(start, Configuration(), rng)
        _, hits, _ = respond(record.steps[: record.counts[0]], Configuration(), ("W",), rng)
        rows.append(_of_event(record, hits))
    return np.concatenate(rows)


def _of_event(record: Record, hits: NDArray[np.void]) -> NDArray[np.float64]:
    particles = record.particles[: record.counts[2]]
    time = (hits["local_time"] - TRIGGER_TICK) * TICK_US
    charge = hits["integral"] * np.exp(time / Response().lifetime_us)
    energy = charge_to_energy(charge, ASSUMED_LOSS, Response())
    places = np.stack([(hits["local_wire"] + 0.5) * plane("W").pitch, time * DRIFT_SPEED], axis=1)
    rows = []
    for electron in np.flatnonzero(particles["pdg"] == -11):
        born = particles[electron]
        own = (hits["michel"] == 1) & (hits["g4_id"] == electron)
        linked = linked_to(np.array([born["z"], born["x"]]), places[own])
        deposited = hits["energy_michel"][own].sum()
        rows.append((born["energy"], deposited, energy[own].sum(), energy[own][linked].sum()))
    return np.array(rows).reshape(-1, 4)


def linked_to(origin: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) which of ``places`` (N, 2) hang together with ``origin`` (2,) by steps of at most 3 cm."""
    tree = cKDTree(np.concatenate([[origin], places]))
    graph = tree.sparse_distance_matrix(tree, LINK_CM)
    _, group = connected_components(graph, directed=False)
    return np.asarray(group[1:] == group[0])


def conclude(results: list[NDArray[np.float64]]) -> Section:
    """Compare the spectra."""
    found = np.concatenate(results)
    seen = found[found[:, ALL] > 0.0]
    true, deposited, everything, linked = found.T
    checks = [
        Check(
            f"Michel electrons with hits, of {len(found):,}",
            100.0 * len(seen) / len(found),
            "%",
            note="Electrons below about 1 MeV, or born behind the wires' threshold, leave none.",
        ),
        Check(
            "True mean kinetic energy of these",
            *mean(seen[:, TRUE])[:1],
            "MeV",
            mean(seen[:, TRUE])[1],
            note="The sample's own; the spectrum is checked above.",
        ),
    ]
    for name, values in (
        ("Energy deposited under their hits", deposited),
        ("Energy from all of their hits", everything),
        ("Energy from the hits linked to the muon's end", linked),
    ):
        value, error = ratio(values, true)
        checks.append(
            Check(
                f"{name}, over the true",
                value,
                "",
                uncertainty=error,
                note="Low as in the experiments, see the text; no value to hold it to, for it depends on how "
                "hits are collected.",
                source=EXPERIMENTS,
            )
        )
    message = (
        "What is reconstructed of Michel electrons lies below the true spectrum: photons carry energy "
        "away in blobs that are missed or not linked."
    )
    with drawing("michel-hits", message) as canvas:
        axes = canvas.axes[0]
        options = {"bins": 30, "range": (0, 60), "histtype": "step", "lw": 1.6}
        axes.hist(
            true, **{**options, "histtype": "stepfilled"}, color=FAINT, alpha=0.4, label="true kinetic energy"
        )
        axes.hist(everything, **options, color=OURS, label="all of their hits")
        axes.hist(linked, **options, color=SECOND, label="hits linked to the muon's end")
        axes.axvline(52.3, color=REFERENCE, ls="--", lw=1.0, label="end point, 52.3 MeV")
        label(axes, "energy (MeV)", "electrons per 2 MeV")
    text = (
        "Michel electrons of mu+ at rest, from hits of the collection plane, with the recombination of "
        f"{ASSUMED_LOSS} MeV/cm for all. MicroBooNE and ProtoDUNE-SP see the same: a spectrum well below "
        "53 MeV, for an electron of 40 MeV radiates about a quarter of its energy, and the photons "
        "deposit it decimetres away, in pieces that are hard to link. The ends of tracks, whose denser "
        "charge recombines more, and charge below the threshold add to it.",
    )
    return Section("Michel electrons from hits", text, tuple(checks), (canvas.plot,))

"""A study: what has to be computed for a subject, and what is concluded from it."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from data_gen.validation.check import Check


@dataclass(frozen=True)
class Plot:
    """A picture of a section.

    Attributes:
        name: of the file, where it is written as one.
        message: what the picture shows, in one sentence.
        png: the picture.
    """

    name: str
    message: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """A subject on the page.

    Attributes:
        title: heading.
        text: paragraphs: what was done and how to read it.
        checks: rows of the table.
        plots: pictures.
    """

    title: str
    text: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True)
class Study:
    """Work of a subject.

    Attributes:
        tasks: calls that can be made in any process; each has random numbers of its own.
        conclude: makes a section of their results, which come in the order of the tasks.
    """

    tasks: tuple[partial, ...]
    conclude: Callable[[list[Any]], Section]


@dataclass(frozen=True)
class Effort:
    """How much is simulated; the tolerances do not depend on it.

    Attributes:
        muons: simulated muons for each range.
        losses: muons of 4 GeV, each of which crosses 400 wire pitches.
        decays: muons that decay at rest.
        showers: electron showers by energy in MeV.
        balanced: primaries of each kind whose energy is accounted for.
        noise: readouts of noise alone.
        sources: events whose primaries are drawn.
        tracks: events with stopping tracks, of muons and of protons.
        events: events of the default mixture.
        natural: events of the natural mixture.
        whole: events of the whole detector.
    """

    muons: int = 3000
    losses: int = 100
    decays: int = 30_000
    showers: dict[int, int] = field(default_factory=lambda: {500: 2000, 1000: 1500, 3000: 4000, 10_000: 1000})
    balanced: int = 30
    noise: int = 8
    sources: int = 4000
    tracks: int = 80
    events: int = 60
    natural: int = 60
    whole: int = 2


FULL = Effort()
QUICK = Effort(
    muons=600,
    losses=40,
    decays=8000,
    showers={500: 800, 1000: 600, 3000: 400, 10_000: 250},
    balanced=8,
    noise=3,
    sources=1500,
    tracks=40,
    events=24,
    natural=24,
    whole=1,
)


def generator(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """Random numbers of one task.

    Args:
        seed: of the validation, 0 or more.
        name: of the study.
        number: of the task within the study.
    """
    return np.random.default_rng((seed, zlib.crc32(name.encode()), number))


def batches(count: int, size: int) -> list[int]:
    """``count`` in parts of ``size``, the last one smaller."""
    return [min(size, count - start) for start in range(0, count, size)]

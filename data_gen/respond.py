"""Energy deposits of another transport code through this detector's response: python -m data_gen.respond."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_gen.configuration import CONFIGS, Configuration, Labels, Response
from data_gen.generate import Show, say_summary, unseen
from data_gen.production.data_set import GENERATOR_VERSION, Summary, compile_kernels
from data_gen.production.request import ALL_PLANES, check_request
from data_gen.production.steps_file import StepsFile
from lartpc.command import run
from lartpc.event import Event
from lartpc.files import check_target, sha256
from lartpc.provenance import Provenance
from lartpc.terminal import suggest


def respond_to_file(
    steps: Path,
    out: Path,
    seed: int,
    planes: tuple[str, ...] = ALL_PLANES,
    configuration: Configuration | None = None,
    show: Show = unseen,
) -> Summary:
    """Answer each event of a file of steps and write an event file, which appears whole or not at all.

    Args:
        steps: see data_gen.production.steps_file.
        out: the event file; one that exists is replaced.
        seed: of the noise; each event has its own random numbers, from this and its number.
        planes: names of the planes to read out.
        configuration: how the detector answers and how truth becomes labels.
        show: progress, told of each event.

    Raises:
        UserError: an argument or the file of steps is not as it should be, or the event file cannot be
            written.
    """
    check_request(1, seed, 1, 0, planes)
    check_target(out, "--out")
    from lartpc.event_file import EventWriter

    configuration = configuration or Configuration()
    planes = tuple(sorted(planes))
    summary = Summary()
    with StepsFile(steps) as deposits:
        answers = asdict(configuration)
        data = {
            "generator": "steps",
            "version": GENERATOR_VERSION,
            "seed": seed,
            "events": len(deposits.numbers),
            "planes": planes,
            "configuration": {name: answers[name] for name in ("response", "labels", "detector")},
            "steps_sha256": sha256(steps),
        }
        with EventWriter(out, Provenance(data=data)) as writer, show(len(deposits.numbers)) as progress:
            for event in _events(deposits, configuration, seed, planes):
                writer.append(event)
                summary.add(event)
                progress(summary.events, int(summary.hits.sum()))
    return summary


def _events(
    deposits: StepsFile, configuration: Configuration, seed: int, planes: tuple[str, ...]
) -> Iterator[Event]:
    from data_gen.response.readout import respond

    for number in map(int, deposits.numbers):
        steps = deposits.steps(number)
        tracks, steps["g4_id"] = np.unique(steps["g4_id"], return_inverse=True)
        images, hits, empty = respond(steps, configuration, planes, event_random(seed, number))
        of_particle = hits["g4_id"] >= 0
        hits["g4_id"][of_particle] = tracks[hits["g4_id"][of_particle]]
        yield Event((1, 0, number), images, hits, deposits.particles(number), empty)


def event_random(seed: int, number: int) -> np.random.Generator:
    """The random numbers of an event's noise."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, number))))


def command(
    steps: Path,
    out: Path = Path("data/events.h5"),
    seed: int = 1,
    planes: str = "U,V,W",
    detector: str = "drift-volume",
    response: Response = Response(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
) -> None:
    """Let the detector answer energy deposits from elsewhere, such as Geant4, and write an event file.

    docs/generating.md describes the file of steps. Labels, noise and hits are made as by
    data_gen.generate; labels.delta_ray_shower does not apply: each step says what it counts as.

    Args:
        steps: HDF5 file of energy deposits
        out: the event file (HDF5); one that exists is replaced
        seed: of the noise
        planes: wire planes to read out, for example W or U,V,W
        detector: drift-volume, one of the six of ProtoDUNE-SP, or protodune-sp, all of them
        response: how the detector answers
        labels: how truth becomes labels
    """
    from data_gen.production.progress import shown_progress

    configuration = Configuration(response=response, labels=labels, detector=detector)
    names = tuple(name.strip() for name in planes.split(","))
    compile_kernels()
    started = time.monotonic()
    summary = respond_to_file(steps, out, seed, names, configuration, shown_progress)
    say_summary(out, summary.events, summary, time.monotonic() - started, "with 1 worker")
    suggest("training.fit", "--data.path", out)


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(command, args, prog="python -m data_gen.respond", configs=CONFIGS)


if __name__ == "__main__":
    raise SystemExit(main())

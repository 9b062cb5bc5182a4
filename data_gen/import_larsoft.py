"""Import training dumps of LArSoft: python -m data_gen.import_larsoft."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from data_gen.larsoft.dump_labels import Selection
from data_gen.larsoft.dump_numpy import PSEUDO_EVENT, NpyArrays, NumpyTable, Track, untracked
from data_gen.larsoft.dump_patches import PatchEvents
from data_gen.larsoft.dump_planes import PlaneEvents
from data_gen.larsoft.dump_root import find_root
from data_gen.larsoft.dump_scale import DumpScale
from data_gen.larsoft.dump_text import find_text
from lartpc.command import run
from lartpc.detector import PIXEL_TICKS
from lartpc.errors import UserError
from lartpc.event import Event
from lartpc.event_file import SPLITS, EventWriter, split_of
from lartpc.files import check_target, sha256
from lartpc.provenance import Provenance
from lartpc.served.contract import Label
from lartpc.terminal import say, suggest

GENERATOR = "larsoft-import"
GENERATOR_VERSION = 1
"""Rises when the same dump gives other events."""

FORMATS = ("root", "text", "numpy", "npy")

_SOURCES_NAMED = 50  # more files are recorded by one digest


class Events(Protocol):
    """Events of a dump, read while iterating."""

    @property
    def planes(self) -> tuple[str, ...]:
        """Names of the planes that some event has."""

    def samples(self) -> NDArray[np.void]:
        """The sample table."""

    def __len__(self) -> int:
        """How many events there are."""

    def __iter__(self) -> Iterator[Event]:
        """The events."""


@dataclass
class Imported:
    """What has been imported so far.

    Attributes:
        events: by (run, subrun, event).
        hits: by label, in the order of lartpc.served.contract.Label.
        michel: Michel hits, which are among the shower hits.
        empty: empty pixels.
    """

    events: set[tuple[int, int, int]] = field(default_factory=set)
    hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Label), np.int64))
    michel: int = 0
    empty: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        self.events.add(event.event_id)
        self.hits += np.bincount(event.hits["label"], minlength=len(Label))
        self.michel += int(event.hits["michel"].sum())
        self.empty += len(event.empty)

    def splits(self) -> dict[str, int]:
        """Number of events in each split."""
        counts = Counter(SPLITS[split_of(number)] for _, _, number in self.events)
        return {split: counts[split] for split in SPLITS}


def import_dumps(
    sources: list[Path],
    form: str,
    scale: DumpScale,
    out: Path,
    selection: Selection = Selection(),  # noqa: B008 (frozen)
    ticks_per_column: int = PIXEL_TICKS,
    accept_clipped: bool = False,
    track: Track = untracked,
) -> Imported:
    """Write the events of dumps to an event file, which appears whole or not at all.

    The file's bytes depend on the dumps' content and names and on the arguments.

    Args:
        sources: files or folders of the form.
        form: one of :data:`FORMATS`.
        scale: what the pixels mean.
        out: the file; one that exists is replaced.
        selection: which pixels of a plane become hits and empty pixels; patches are taken all.
        ticks_per_column: of text and ROOT planes, 6 or 1.
        accept_clipped: take pixels clipped to a narrower window than every era's.
        track: shows the progress.

    Raises:
        UserError: a source is missing, damaged or not of the form, or the file cannot be written.
    """
    stored = scale.stored(accept_clipped)
    missing = [source for source in sources if not source.exists()]
    if missing:
        raise UserError(f"no file or folder {missing[0]}")
    events, files = _open(sources, form, scale, selection, ticks_per_column, track)
    of_planes = {"keep": selection.keep, "empty": selection.empty, "ticks_per_column": ticks_per_column}
    data = {
        "generator": GENERATOR,
        "version": GENERATOR_VERSION,
        "format": form,
        "adc_scale": scale.name,
        "accepted_clipped": stored.lowest < scale.lowest or stored.highest > scale.highest,
        "sources": _record(files, track),
        "seed": selection.seed,
        **(of_planes if isinstance(events, PlaneEvents) else {}),
        "events": len(events),
        "planes": events.planes,
        "pseudo_events": form == "npy",
    }
    imported = Imported()
    with EventWriter(out, Provenance(data=data), events.samples(), stored) as writer:
        for event in track(events, "importing events", len(events)):
            writer.append(event)
            imported.add(event)
        if not imported.hits.sum():
            raise UserError(f"none of the {len(events)} events has a hit: nothing to train on")
    return imported


def _open(
    sources: list[Path],
    form: str,
    scale: DumpScale,
    selection: Selection,
    ticks_per_column: int,
    track: Track,
) -> tuple[Events, list[Path]]:
    if form in ("root", "text"):
        found, files = find_root(sources) if form == "root" else find_text(sources)
        return PlaneEvents(found, scale, ticks_per_column, selection), files
    source = NumpyTable(sources, track) if form == "numpy" else NpyArrays(sources)
    return PatchEvents(source, scale), source.files


def _record(files: list[Path], track: Track) -> dict[str, str]:
    """Name and SHA-256 of each file; of many, one SHA-256 of what sha256sum would list, sorted by name."""
    digests = sorted((path.name, sha256(path)) for path in track(files, "reading checksums", len(files)))
    seen: dict[str, str] = {}
    for name, digest in digests:
        if name.endswith("_x.npy") and digest in seen:
            raise UserError(f"{name} is a copy of {seen[digest]}; name one of them")
        seen[digest] = name
    if len(digests) > _SOURCES_NAMED or len(dict(digests)) < len(digests):
        listing = "".join(f"{digest}  {name}\n" for name, digest in digests)
        return {f"{len(digests)} files": hashlib.sha256(listing.encode()).hexdigest()}
    return dict(digests)


def progress(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """Iterate under a progress bar, where someone looks."""
    from rich.progress import track

    return track(items, what, total, transient=True, disable=not sys.stdout.isatty())


def command(
    sources: list[Path],
    format: Literal["root", "text", "numpy", "npy"] | None = None,
    adc_scale: str | None = None,
    out: Path = Path("data/imported.h5"),
    seed: int = 1,
    keep: float = 0.3,
    empty: float = 0.1,
    ticks_per_column: Literal[1, 6] = 6,
    accept_clipped: bool = False,
) -> None:
    """Import training dumps that LArSoft's PointIdTrainingData has written into an event file.

    No dump says what its pixels mean: --adc-scale does. It is deconvolved, or an era of the experiment's
    configuration (2021: [-10, 30] ADC as [-5, 15]; 2020: [-50, 150]), or ADCMIN,ADCMAX,OUTMIN,OUTMAX as
    configured, with ,calibrated behind where calibration and lifetime correction were on.

    Args:
        sources: files or folders of the dump
        format: root (histograms), text (.raw .deposit .pdg), numpy (table of patches), npy (db_view_V_x.npy)
        adc_scale: unit of the pixels; write --adc-scale=-10,30,... where it begins with a minus
        out: the event file (HDF5); one that exists is replaced
        seed: of the choice of pixels in root and text planes
        keep: share kept of their signal pixels; all Michel, near-stop and vertex pixels are kept
        empty: their empty pixels per hit
        ticks_per_column: ticks of one of their columns: 6 (drift pixels) or 1 (ticks)
        accept_clipped: import pixels although they were clipped to a narrower window than any era's
    """
    if format is None:
        raise UserError(f"--format is missing: one of {', '.join(FORMATS)}")
    if adc_scale is None:
        raise UserError(
            "--adc-scale is missing: deconvolved, 2021, 2020 or ADCMIN,ADCMAX,OUTMIN,OUTMAX[,calibrated]"
        )
    if not 0.0 < keep <= 1.0:
        raise UserError(f"--keep {keep:g} must lie in (0, 1]")
    if not 0.0 <= empty <= 100.0:
        raise UserError(f"--empty {empty:g} must lie in [0, 100]")
    if seed < 0:
        raise UserError(f"--seed {seed} must be 0 or more")
    check_target(out, "--out")
    scale = DumpScale.parse(adc_scale)
    selection = Selection(keep, empty, seed)
    done = import_dumps(sources, format, scale, out, selection, ticks_per_column, accept_clipped, progress)
    _report(out, format, done)


def _report(out: Path, form: str, done: Imported) -> None:
    hits = int(done.hits.sum())
    share = 100.0 * np.append(done.hits, done.michel) / hits
    splits = done.splits()
    say(
        f"{out}  {out.stat().st_size / 1e6:.1f} MB, {len(done.events)} events, {hits:,} hits, "
        f"{done.empty:,} empty pixels"
    )
    say(
        f"track {share[Label.TRACK]:.1f} %, shower {share[Label.SHOWER]:.1f} % "
        f"(Michel {share[-1]:.1f} %), none {share[Label.NONE]:.1f} %"
    )
    say("events by split: " + ", ".join(f"{split} {count}" for split, count in splits.items()))
    for split in (name for name, count in splits.items() if not count):
        say(f"no event is in the {split} split: import more; the event number decides")
    if form == "npy":
        say(
            f"the dump names no events: blocks of {PSEUDO_EVENT} patches stand for them, "
            "so patches of one real event may lie in two splits"
        )
    suggest("training.fit", "--data.path", out)


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(command, args, prog="python -m data_gen.import_larsoft")


if __name__ == "__main__":
    raise SystemExit(main())

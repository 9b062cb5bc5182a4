"""Draw an event file's events and patches: python -m data_gen.display."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import DEFAULT_ERA, AdcScale, adc_scale
from lartpc.command import run
from lartpc.detector import plane as wire_plane
from lartpc.errors import UserError
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    from lartpc.event_file import EventFile
    from lartpc.patches.plane_hits import PlaneHits

MOST_VOLUMES = 6
"""Drift volumes in one picture: those of ProtoDUNE-SP."""

MOST_EACH = 40
"""Patches in a row of the gallery."""

DPI = 150


def display(
    file: Path,
    event: int | None = None,
    plane: str | None = None,
    truth: bool = False,
    volume: int | None = None,
    gallery: bool = False,
    each: int = 8,
    era: str = DEFAULT_ERA,
    seed: int = 1,
    out: Path | None = None,
) -> None:
    """Draw one plane of an event, or patches of each class, as a picture.

    Args:
        file: event file, or folder of event files
        event: index of the event in the file, from 0; by default that with the most Michel hits in the
            plane; the command then names the next four, worth a look too
        plane: U, V or W; by default W, or the file's first plane where it has no W
        truth: draw beside the charge the true class of each hit, and a closer look at a Michel electron
        volume: drift volume, from 0; by default each that has charge, up to six
        gallery: draw patches of each class, as a network sees them, instead of an event
        each: patches of each class, with --gallery
        era: ADC scale of the patches' network units, with --gallery
        seed: draws the patches by lot, with --gallery
        out: the picture, whose suffix is .png, .pdf or .svg; by default it lies beside the event file:
            of data/quick.h5 data/quick-event.png, or data/quick-gallery.png with --gallery
    """
    from lartpc.drawing.target import picture_file
    from lartpc.event_folder import open_events

    if gallery:
        refuse_gallery(event, truth, volume, each, seed)
    scale = adc_scale(era)
    picture = picture_file(out, file, "gallery" if gallery else "event")
    with open_events(file) as events:
        name = choose_plane(events, plane)
        if gallery:
            draw_gallery(events, name, each, scale, seed, picture)
        else:
            draw_event(events, name, event, volume, truth, picture)


def refuse_gallery(event: int | None, truth: bool, volume: int | None, each: int, seed: int) -> None:
    """Refuse what makes no sense with --gallery.

    Raises:
        UserError: --event, --truth or --volume is given, or --each or --seed is out of range.
    """
    if event is not None or truth or volume is not None:
        raise UserError("--gallery draws from the whole file: leave out --event, --truth and --volume")
    if not 1 <= each <= MOST_EACH:
        raise UserError(f"--each {each} must be 1 to {MOST_EACH}")
    if seed < 0:
        raise UserError(f"--seed {seed} must be 0 or more")


def choose_plane(events: "EventFile", name: str | None) -> str:
    """The plane to draw: the one named, else W, else the file's first.

    Raises:
        UserError: the file has no such plane, or no event.
    """
    if not len(events):
        raise UserError(f"{events.path} has no events; generate it anew")
    if name is None:
        return "W" if "W" in events.planes else events.planes[0]
    if name not in events.planes:
        raise UserError(f"{events.path} has the planes {', '.join(events.planes)}, no plane {name!r}")
    return name


def draw_event(
    events: "EventFile", plane: str, event: int | None, volume: int | None, truth: bool, out: Path
) -> None:
    """Draw one plane of one event, and say what is in it.

    Raises:
        UserError: the file has no such event or drift volume, or the picture cannot be written.
    """
    from data_gen.pictures.plane_picture import plane_picture
    from lartpc.drawing.plane import KINDS, hit_kind, save
    from lartpc.drawing.target import event_name
    from lartpc.patches.plane_hits import PlaneHits

    reason = "as --event says"
    if event is None:
        event, reason = most_michel_hits(events, plane, volume)
    of_plane = PlaneHits.read(events, event, plane, empty_pixels=True)
    drawn, left_out = drift_volumes(of_plane, volume)
    save(plane_picture(of_plane, drawn, truth), out, DPI)
    hits = of_plane.hits[of_plane.is_hit & np.isin(of_plane.hits["tpc"], drawn)]
    number = np.bincount(hit_kind(hits), minlength=len(KINDS))
    content = ", ".join(f"{number[kind]} {name}" for kind, (name, *_) in KINDS.items())
    say(f"{event_name(event, of_plane.event_id)}: {reason}")
    shown = f"event {event}, plane {plane}, drift volume {', '.join(map(str, drawn))}"
    say(f"{shown}: {len(hits)} hits ({content})")
    if left_out:
        say(f"{left_out} more drift volumes have charge; name one with --volume")
    say(str(out))
    other = ["--gallery"] if truth else ["--event", event, "--plane", plane, "--truth"]
    suggest("data_gen.display", events.path, *other)


def most_michel_hits(events: "EventFile", plane: str, volume: int | None) -> tuple[int, str]:
    """The event with the most Michel hits, or hits where there are none; and that in words."""
    michel, counts = count_hits(events, plane, volume)
    first, *others = np.lexsort((-counts, -michel))[:5].tolist()
    reason, number = f"the most Michel hits in plane {plane}, {michel[first]}", michel
    if not michel[first]:
        reason, number = f"no event has Michel hits in plane {plane}; the most hits, {counts[first]}", counts
    after = ", ".join(f"{index} ({number[index]})" for index in others)
    return first, f"{reason}; then {after}" if after else reason


def count_hits(
    events: "EventFile", plane: str, volume: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(E,) Michel hits and (E,) hits of each event in a plane, of one drift volume or of all."""
    number = wire_plane(plane).index
    counts = np.zeros((2, len(events)), np.int64)
    for index in range(len(events)):
        hits = events.hits(index)
        wanted = hits["local_plane"] == number
        if volume is not None:
            wanted &= hits["tpc"] == volume
        counts[:, index] = np.count_nonzero(hits["michel"][wanted]), np.count_nonzero(wanted)
    return counts[0], counts[1]


def drift_volumes(of_plane: "PlaneHits", volume: int | None) -> tuple[list[int], int]:
    """Those that are drawn: the one that is asked for, or the first six that have charge.

    Returns:
        Their numbers, and how many more have charge.

    Raises:
        UserError: the plane has no such drift volume.
    """
    volumes = len(of_plane.image)
    if volume is not None and not 0 <= volume < volumes:
        raise UserError(f"{of_plane.where} has drift volumes 0 to {volumes - 1}, no volume {volume}")
    charged = np.flatnonzero(of_plane.image.any(axis=(1, 2))).tolist() or [0]
    return ([volume], 0) if volume is not None else (charged[:MOST_VOLUMES], len(charged[MOST_VOLUMES:]))


def draw_gallery(events: "EventFile", plane: str, each: int, scale: AdcScale, seed: int, out: Path) -> None:
    """Draw patches of each class, and say which class there is none of.

    Raises:
        UserError: the plane has neither hits nor empty pixels, a hit lies outside it, its pixels were
            clipped to less than the era's window, or the picture cannot be written.
    """
    from data_gen.pictures.patch_gallery import NAMES, draw_lots, patch_gallery, patches_at, places
    from lartpc.drawing.plane import save

    found = places(events, plane)
    missing = [name for kind, name in NAMES.items() if not len(found[kind])]
    if len(missing) == len(NAMES):
        raise UserError(f"{events.path} has neither hits nor empty pixels in plane {plane}; name another")
    chosen = draw_lots(found, each, seed)
    patches = patches_at(events, plane, scale, chosen)
    counts = {kind: len(rows) for kind, rows in found.items()}
    title = f"{events.path.name}, plane {plane}: patches drawn by lot, seed {seed}"
    save(patch_gallery(patches, counts, each, plane, scale, title), out, DPI)
    for name in missing:
        say(f"no {name} in plane {plane} of {events.path}: its row is left out")
    say(str(out))
    suggest("data_gen.display", events.path, "--plane", plane, "--truth")


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(display, args, prog="python -m data_gen.display")


if __name__ == "__main__":
    raise SystemExit(main())

"""Which event a picture shows, as commands say it, and the file that it is written to."""

import os
from pathlib import Path

from lartpc.errors import UserError
from lartpc.files import check_target

SUFFIXES = (".png", ".pdf", ".svg")
"""What a picture can be written as; the suffix of its name decides."""


def picture_file(out: Path | None, events: Path, what: str, option: str = "--out") -> Path:
    """The file of a picture: the one that the user names, else one beside what it is drawn from.

    Args:
        out: as the option gives it.
        events: event file, or folder of event files.
        what: the picture shows. Of data/quick.h5 and "event" it is data/quick-event.png; of the folder
            data/large it is data/large/large-event.png.
        option: that names it, for messages.

    Raises:
        UserError: the name has another suffix or none, or nothing can be written there.
    """
    if out is not None:
        if out.suffix.lower() not in SUFFIXES:
            raise UserError(f"{option} {out}: a picture's name must end in {', '.join(SUFFIXES)}")
        check_target(out, option)
        return out
    folder, name = (events, events.resolve().name) if events.is_dir() else (events.parent, events.stem)
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise UserError(f"folder {folder} cannot be written; name the picture with {option}")
    return folder / f"{name}-{what}.png"


def event_name(index: int, event_id: tuple[int, int, int]) -> str:
    """An event by its index in the file, which ``--event`` takes, and its run, subrun and event number."""
    run, subrun, number = event_id
    return f"event {index} (run {run}, subrun {subrun}, event number {number})"

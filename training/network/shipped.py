"""The weights that come along, so that a model can be exported and served before anything is trained."""

from pathlib import Path

from lartpc.errors import UserError

PREFIX = "shipped:"
QUANTISED = "-int8"
FLOAT_FILE, QUANTISED_FILE = "fp32.ckpt", "int8.ckpt"

FOLDER = Path(__file__).parents[1] / "shipped"
"""A folder a network: its calibrated checkpoint, that of its quantised training, gate file and model card."""


def located(path: Path) -> Path:
    """Where a checkpoint lies: ``shipped:compact`` names one that comes along, anything else is a path.

    ``shipped:compact-int8`` is the one of quantisation-aware training.

    Raises:
        UserError: no such weights come along.
    """
    if not is_shipped(path):
        return path
    name = str(path).removeprefix(PREFIX)
    kind = QUANTISED_FILE if name.endswith(QUANTISED) else FLOAT_FILE
    file = FOLDER / name.removesuffix(QUANTISED) / kind
    if "/" in name or not file.is_file():
        there = sorted(
            f"{PREFIX}{found.parent.name}{QUANTISED if found.name == QUANTISED_FILE else ''}"
            for found in FOLDER.glob("*/*.ckpt")
        )
        raise UserError(f"no weights {path} come along; there are {', '.join(there) or 'none'}")
    return file


def is_shipped(path: Path) -> bool:
    """Whether a checkpoint is named as one that comes along."""
    return str(path).startswith(PREFIX)


def name_of(file: Path) -> str | None:
    """What stands behind ``shipped:`` for a file; None where it is none that comes along."""
    folder = file.parent.resolve()
    if folder.parent != FOLDER.resolve():
        return None
    return folder.name + (QUANTISED if file.name == QUANTISED_FILE else "")

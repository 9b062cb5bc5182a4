"""The limits that a version must keep: ``export/gate/gates.yaml``, or a file of the same form."""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from lartpc.errors import UserError
from lartpc.packaged import packaged
from lartpc.served.contract import PRECISIONS
from lartpc.yaml_text import load

FOLDER = Path(__file__).parent
STRICT = Path("gates")
"""What a publication needs: the gates of the name alone."""

PUBLISHABLE = "publishable"


@dataclass(frozen=True)
class Limits:
    """What a version of one precision may lose; ``export/gate/gates.yaml`` says of what."""

    auc_loss: float
    average_precision_loss: float
    flips: float
    calibration_error: float
    max_dp: float
    mean_dp: float
    outliers: float


@dataclass(frozen=True)
class Gates:
    """Limits by precision.

    Attributes:
        name: of the file without its ending; versions record it.
        publishable: whether a version that passes these gates may be published, as the file says of itself.
        limits: precision -> its limits.
    """

    name: str
    publishable: bool
    limits: dict[str, Limits]

    def record(self, precision: str) -> dict[str, Any]:
        """For the manifest of a version."""
        limits = asdict(self.limits[precision])
        return {"name": self.name, "publishable": self.publishable, "limits": limits}


def read_gates(name: Path = STRICT) -> Gates:
    """Read gates of the package by their name, such as ``gates_quick``, or a file of one's own.

    Raises:
        UserError: it is missing, or a precision or limit is missing, unknown, or no number of 0 or more, or
            it does not say whether what passes it may be published.
    """
    path = packaged(name, FOLDER)
    try:
        content = load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the gates {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or set(content) != {PUBLISHABLE, *PRECISIONS}:
        raise UserError(
            f"{path} must hold limits of {', '.join(PRECISIONS)}, and {PUBLISHABLE}: true or false; "
            f"see {FOLDER / STRICT}.yaml"
        )
    if not isinstance(content[PUBLISHABLE], bool):
        raise UserError(f"{path}: {PUBLISHABLE} is {content[PUBLISHABLE]!r}; give true or false")
    limits = {precision: _limits(content[precision], precision, path) for precision in PRECISIONS}
    return Gates(path.stem, content[PUBLISHABLE], limits)


def _limits(values: object, precision: str, path: Path) -> Limits:
    names = [field.name for field in fields(Limits)]
    if not isinstance(values, dict) or set(values) != set(names):
        raise UserError(f"{path}: {precision} must have {', '.join(names)} and nothing else")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise UserError(f"{path}: {name} of {precision} is {value!r}; give a number of 0 or more")
    if values["outliers"] >= 1:
        raise UserError(f"{path}: outliers of {precision} is {values['outliers']!r}; give a share below 1")
    return Limits(**values)

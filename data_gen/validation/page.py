"""The results as a web page, as JSON and as rows of a table."""

import base64
import math
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_gen.validation.check import Check, Verdict
from data_gen.validation.study import Section


def counts(sections: list[Section]) -> dict[str, int]:
    """Checks by verdict."""
    found = Counter(check.verdict for section in sections for check in section.checks)
    return {verdict.value: found[verdict] for verdict in Verdict}


def failures(sections: list[Section]) -> list[Check]:
    """The checks that fail."""
    return [check for section in sections for check in section.checks if check.verdict == Verdict.FAIL]


def record(sections: list[Section], provenance: dict[str, Any]) -> dict[str, Any]:
    """Everything but the pictures, as JSON.

    Args:
        sections: what was found.
        provenance: where it comes from: JSON types only.
    """
    return {
        "provenance": provenance,
        "summary": counts(sections),
        "sections": [
            {
                "title": section.title,
                "text": list(section.text),
                "checks": [check.record() for check in section.checks],
                "plots": {plot.name: plot.message for plot in section.plots},
            }
            for section in sections
        ],
    }


def render(sections: list[Section], provenance: dict[str, Any]) -> str:
    """One HTML page that needs no other file."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        measured=measured, reference=reference, deviation=deviation, allowed=allowed, picture=_picture
    )
    template = environment.get_template("page.html")
    return template.render(
        sections=sections,
        summary=counts(sections),
        failures=failures(sections),
        provenance=provenance,
        tally=lambda section: counts([section]),
    )


def measured(check: Check) -> str:
    """Value with its uncertainty, to two digits of that, and unit: ``1.734(40) MeV/cm``."""
    if _tiny(check):
        return _with_unit(f"{check.value:.9g}", check.unit)
    return _with_unit(quantity_text(check.value, check.uncertainty), check.unit)


def reference(check: Check) -> str:
    """Reference and unit; a dash where there is none."""
    return "–" if check.reference is None else _with_unit(_rounded(check.reference), check.unit)


def deviation(check: Check) -> str:
    """Deviation from the reference in percent; as a power of ten where the tolerance is tiny."""
    if check.deviation is None:
        return "–"
    if _tiny(check):
        return f"{check.deviation:+.0e}".replace("-", "−")
    return f"{100.0 * check.deviation:+.2f} %".replace("-", "−")


def allowed(check: Check) -> str:
    """The tolerance in words."""
    if check.tolerance is None:
        return "–"
    if check.tolerance == 0.0:
        return f"{check.sigmas:g} σ" if check.uncertainty else "exact"
    relative = f"{check.tolerance:g}" if _tiny(check) else f"{100.0 * check.tolerance:g} %"
    return f"{relative} + {check.sigmas:g} σ" if check.uncertainty else relative


def quantity_text(value: float, uncertainty: float) -> str:
    """A value to the second digit of its uncertainty, which stands behind it in the last digits' unit."""
    if not math.isfinite(value):
        return "not a number"
    if not (math.isfinite(uncertainty) and uncertainty > 0.0):
        return _rounded(value)
    digits = max(0, 1 - math.floor(math.log10(uncertainty)))
    if digits > 8:
        return _rounded(value)
    spread = uncertainty if digits == 0 else round(uncertainty * 10.0**digits)
    return f"{value:,.{digits}f}({spread:,.0f})".replace("-", "−")


def _tiny(check: Check) -> bool:
    """Whether a check is about digits that a percentage does not show."""
    return check.tolerance is not None and 0.0 < check.tolerance < 1e-6


def _rounded(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:,.0f}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}".replace("-", "−")


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _picture(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()

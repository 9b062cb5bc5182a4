"""A check: a quantity of the generator beside its reference, and the verdict that follows."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What came of a check."""

    PASS = "pass"
    FAIL = "fail"
    REPORTED = "reported"


@dataclass(frozen=True)
class Check:
    """One number of the generator beside its reference.

    It passes where the two differ by no more than the tolerance and ``sigmas`` statistical uncertainties
    together: few events widen what is allowed by their own uncertainty, never the tolerance.

    Attributes:
        quantity: what is measured, in words.
        value: of the generator.
        unit: of value and reference; empty for a pure number.
        uncertainty: statistical, one standard deviation, of value (and reference); 0 where computed.
        reference: what it should be; None where nothing is known to compare with.
        source: where the reference comes from.
        tolerance: largest difference beyond statistics, relative to the reference; None where the number is
            reported without a verdict.
        sigmas: statistical uncertainties that are allowed on top.
        note: why there is no tolerance, or what to know about the number.
    """

    quantity: str
    value: float
    unit: str = ""
    uncertainty: float = 0.0
    reference: float | None = None
    source: str = ""
    tolerance: float | None = None
    sigmas: float = 2.0
    note: str = ""

    def __post_init__(self) -> None:
        if self.tolerance is not None and (self.reference is None or not self.source):
            raise ValueError(f"{self.quantity}: a check with a tolerance needs a reference and its source")
        if self.tolerance is None and not self.note:
            raise ValueError(f"{self.quantity}: a number without a tolerance needs a note that says why")

    @property
    def deviation(self) -> float | None:
        """Value over reference, less 1; None without a reference."""
        return None if self.reference is None else self.value / self.reference - 1.0

    @property
    def allowed(self) -> float | None:
        """Largest difference from the reference that passes, in the unit; None without a tolerance."""
        if self.tolerance is None or self.reference is None:
            return None
        return self.tolerance * abs(self.reference) + self.sigmas * self.uncertainty

    @property
    def verdict(self) -> Verdict:
        """Pass, fail (so too for what is not a number), or reported where there is no tolerance."""
        if self.allowed is None or self.reference is None:
            return Verdict.REPORTED
        passed = abs(self.value - self.reference) <= self.allowed and math.isfinite(self.allowed)
        return Verdict.PASS if passed else Verdict.FAIL

    def record(self) -> dict[str, Any]:
        """As JSON: every attribute, the deviation and the verdict; what is not finite becomes null."""
        numbers = ("value", "uncertainty", "reference", "tolerance", "sigmas", "deviation", "allowed")
        record: dict[str, Any] = {name: _finite(getattr(self, name)) for name in numbers}
        texts = {name: getattr(self, name) for name in ("quantity", "unit", "source", "note")}
        return {**texts, **record, "verdict": self.verdict.value}


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None

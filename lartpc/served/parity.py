"""How far answers lie from reference answers, and what that changes for a physicist."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import CLASS_OUTPUT, MICHEL_CUTS, MICHEL_OUTPUT, OUTPUT_NAMES, TRACK_CUTS, Label
from lartpc.served.manifest import Tolerance

Request = dict[str, NDArray[Any]]
"""Input name -> tensor."""

Outputs = dict[str, NDArray[np.float32]]
"""Output name -> (N, 3) or (N, 1) probabilities."""


@dataclass(frozen=True)
class Parity:
    """Differences between two sets of answers to the same patches.

    Attributes:
        hits: number of patches.
        max_dp: output name -> largest absolute difference of a probability.
        mean_dp: output name -> mean absolute difference.
        flips: decision -> hits on which it changes: ``class`` (largest probability) and each cut in use.
    """

    hits: int
    max_dp: dict[str, float]
    mean_dp: dict[str, float]
    flips: dict[str, int]

    @property
    def class_agreement(self) -> float:
        """Share of the hits whose class of largest probability is the same."""
        return 1 - self.flips["class"] / self.hits

    def beyond(self, tolerances: dict[str, Tolerance], class_agreement: float) -> list[str]:
        """What exceeds its tolerance, in words; empty where nothing does.

        Args:
            tolerances: by output.
            class_agreement: share of the hits that must keep their class of largest probability.
        """
        found = []
        if self.class_agreement < class_agreement:
            found.append(f"{self.class_agreement:.2%} keep their class, wanted {class_agreement:.2%}")
        for name in OUTPUT_NAMES:
            if name not in tolerances:
                found.append(f"no tolerance of {name} is recorded")
                continue
            for kind, value, limit in (
                ("max", self.max_dp[name], tolerances[name].max),
                ("mean", self.mean_dp[name], tolerances[name].mean),
            ):
                if not value <= limit:
                    found.append(f"{kind} |dp| of {name} is {value:.2g}, allowed {limit:.2g}")
        return found

    def as_record(self) -> dict[str, Any]:
        """The figures for a manifest."""
        return {
            "hits": self.hits,
            "max_dp": self.max_dp,
            "mean_dp": self.mean_dp,
            "class_agreement": self.class_agreement,
            "flips": self.flips,
        }


def compare(answers: Outputs, reference: Outputs) -> Parity:
    """Compare answers with reference answers to the same patches; a NaN counts as infinitely far."""
    difference = {
        name: np.nan_to_num(np.abs(answers[name] - reference[name]), nan=np.inf) for name in OUTPUT_NAMES
    }
    flips = {"class": _changed(answers[CLASS_OUTPUT].argmax(1), reference[CLASS_OUTPUT].argmax(1))}
    track = (answers[CLASS_OUTPUT][:, Label.TRACK], reference[CLASS_OUTPUT][:, Label.TRACK])
    michel = (answers[MICHEL_OUTPUT][:, 0], reference[MICHEL_OUTPUT][:, 0])
    for name, (ours, theirs), cuts in (("track", track, TRACK_CUTS), ("michel", michel, MICHEL_CUTS)):
        for cut in cuts:
            flips[f"{name}>{cut}"] = _changed(ours > cut, theirs > cut)
    return Parity(
        hits=len(reference[CLASS_OUTPUT]),
        max_dp={name: float(values.max()) for name, values in difference.items()},
        mean_dp={name: float(values.mean()) for name, values in difference.items()},
        flips=flips,
    )


def _changed(ours: NDArray, theirs: NDArray) -> int:
    return int(np.count_nonzero(ours != theirs))

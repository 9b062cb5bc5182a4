"""Where mistaken hits come from: what made the showers that are called track, and what passes for Michel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, Label
from training.evaluation.bootstrap import ratio
from training.evaluation.cuts import passed_by
from training.evaluation.tasks import weights

RADIOACTIVITY = b"radioactivity"
"""Name of the sample of isolated decays (data_gen.sources.primary)."""

DELTA = b"delta"
"""How a delta ray arose (data_gen.physics.record.Process)."""

ORIGINS = {
    b"primary": "muon, hadron or electron from outside",
    DELTA: "delta ray",
    b"decay": "decay: pion, kaon or muon",
    b"inelastic": "hadron's collision",
    b"capture": "capture by a nucleus",
    b"radiation": "muon's radiation",
}
"""By how the particle arose that made most of the hit (data_gen.physics.record.Process)."""

EFFICIENCY = 0.5
"""For Michel electrons, at which their background is told apart."""


def of_radioactivity(scores: NDArray[np.void], samples: NDArray[np.void]) -> NDArray[np.bool_]:
    """(N,) which hits are isolated decays'."""
    return np.isin(scores["sample"], np.flatnonzero(samples["name"] == RADIOACTIVITY))


def origins(scores: NDArray[np.void], samples: NDArray[np.void]) -> NDArray[np.str_]:
    """(N,) what made each hit, in words."""
    process = scores["process"]
    named = np.full(len(scores), "unknown", "<U48")
    for code, words in ORIGINS.items():
        named[process == code] = words
    named[of_radioactivity(scores, samples)] = "radioactive decay"
    named[scores["michel"] == 1] = "Michel electron"
    named[(scores["label"] == Label.NONE) & (scores["g4_id"] < 0)] = "noise"
    return named


def showers_called_track(
    scores: NDArray[np.void],
    samples: NDArray[np.void],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> list[dict[str, Any]]:
    """Of each origin of shower hits in the natural mixture: its share of them, of the mistakes, and the rate.

    Args:
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        samples: (S,) of lartpc.event.SAMPLE_DTYPE.
        event: (N,) number of each hit's event.
        drawn: (R, E) from training.evaluation.bootstrap.resamples.

    Returns:
        ``origin``, ``hits``, ``share`` of the shower hits, ``of_mistakes`` and ``rate`` with their intervals,
        the most frequent mistake first.
    """
    predicted = outputs_of(scores)[CLASS_OUTPUT].argmax(axis=1)
    shower = scores["label"] == Label.SHOWER
    return _by_origin(scores, samples, event, drawn, shower, predicted == Label.TRACK)


def michel_background(
    scores: NDArray[np.void],
    samples: NDArray[np.void],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
) -> list[dict[str, Any]]:
    """As :func:`showers_called_track`: others beyond the Michel score that half of the Michel hits pass."""
    weight = weights(scores, "natural")
    michel = scores["michel"] == 1
    if not weight[michel].sum() > 0.0:
        return []
    cut = passed_by(scores["michel_score"][michel], weight[michel], EFFICIENCY)
    return _by_origin(scores, samples, event, drawn, ~michel, scores["michel_score"] >= cut)


def _by_origin(
    scores: NDArray[np.void],
    samples: NDArray[np.void],
    event: NDArray[np.integer],
    drawn: NDArray[np.integer],
    member: NDArray[np.bool_],
    mistaken: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    weight = weights(scores, "natural")
    named = origins(scores, samples)
    everything, wrong = weight * member, weight * (member & mistaken)
    found = []
    for origin in np.unique(named[member & (weight > 0.0)]):
        of_origin = named == origin
        found.append(
            {
                "origin": str(origin),
                "hits": int(np.count_nonzero(member & of_origin)),
                "share": ratio(event, everything * of_origin, everything, drawn),
                "of_mistakes": ratio(event, wrong * of_origin, wrong, drawn),
                "rate": ratio(event, wrong * of_origin, everything * of_origin, drawn),
            }
        )
    return sorted(found, key=lambda row: -(row["of_mistakes"]["value"] or 0.0))

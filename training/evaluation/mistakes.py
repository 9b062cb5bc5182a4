"""The worst mistakes, and the patches that the network made them on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale
from lartpc.event_file import EventFile
from lartpc.served.contract import PATCH_SIZE, Label
from training.data.dataset import PatchDataset
from training.evaluation.hit_scores import rows_of

EACH = 8


@dataclass(frozen=True)
class Mistakes:
    """Mistakes of a kind, the worst first.

    Attributes:
        title: what went wrong.
        rows: (up to 8,) rows of the scores, no two of the same particle.
    """

    title: str
    rows: NDArray[np.int64]


def worst_mistakes(scores: NDArray[np.void]) -> list[Mistakes]:
    """The hits that were most surely taken for something else; kinds without any are left out."""
    michel = scores["michel"] == 1
    track, shower = (scores["label"] == label for label in (Label.TRACK, Label.SHOWER))
    kinds = (
        ("track hits, taken for shower", track, scores["shower"]),
        ("shower hits, taken for track", shower & ~michel, scores["track"]),
        ("Michel hits with the lowest Michel scores", michel, -scores["michel_score"]),
        ("others with the highest Michel scores", ~michel, scores["michel_score"]),
    )
    found = []
    for title, member, badness in kinds:
        order = np.flatnonzero(member)[np.argsort(-badness[member], kind="stable")]
        maker = scores[["index", "g4_id"]][order]
        _, first = np.unique(maker, return_index=True)
        rows = order[np.sort(first)][:EACH]
        if len(rows):
            found.append(Mistakes(title, rows))
    return found


def patches_of(
    events: EventFile, scores: NDArray[np.void], rows: NDArray[np.integer], scale: AdcScale
) -> NDArray[np.float32]:
    """(R, 48, 48) patches of some rows of the scores, in network units.

    Args:
        events: the event file that was answered.
        scores: (N,) of training.evaluation.hit_scores.SCORE_DTYPE.
        rows: (R,).
        scale: of the network.
    """
    patches = np.zeros((len(rows), PATCH_SIZE, PATCH_SIZE), np.float32)
    for index in np.unique(scores["index"][rows]):
        dataset = PatchDataset(events, np.array([index]), scale)
        wanted = np.flatnonzero(scores["index"][rows] == index)
        place = rows_of(dataset.hit_id, scores["hit_id"][rows[wanted]])
        patches[wanted] = dataset.patches(place)[..., 0]
    return patches

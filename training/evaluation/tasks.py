"""The questions that the scores answer: which hits count, which are meant, and by which score."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lartpc.score_file import outputs_of
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from training.network.heads import track_against_shower

MIXTURES = ("natural", "upstream")
"""Hits as often as in the running detector, by the file's sample table; and what upstream's selection makes
of them (training.data.selection), which the published networks were trained on."""


@dataclass(frozen=True)
class Task:
    """A question with two sides.

    Attributes:
        name: in records.
        title: in words.
        counted: scores -> (N,) which hits take part.
        truth: scores -> (N,) which are meant.
        score: scores -> (N,) larger for what is meant.
        output: of the network, which the score comes from.
    """

    name: str
    title: str
    counted: Callable[[NDArray[np.void]], NDArray[np.bool_]]
    truth: Callable[[NDArray[np.void]], NDArray[np.bool_]]
    score: Callable[[NDArray[np.void]], NDArray[np.float32]]
    output: str = CLASS_OUTPUT

    def sides(
        self, scores: NDArray[np.void], mixture: str
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32], NDArray[np.float64]]:
        """(N,) which hits take part; and truth, score and weight of these."""
        weight = weights(scores, mixture)
        counted = self.counted(scores) & (weight > 0.0)
        of = scores[counted]
        return counted, self.truth(of), self.score(of), weight[counted]


def weights(scores: NDArray[np.void], mixture: str) -> NDArray[np.float64]:
    """(N,) how often each hit counts in a mixture; once in any other than :data:`MIXTURES`, as generated."""
    if mixture not in MIXTURES:
        return np.ones(len(scores))
    natural = scores["weight"].astype(np.float64)
    return natural if mixture == "natural" else natural * scores["kept"]


def _track_score(scores: NDArray[np.void]) -> NDArray[np.float32]:
    classes = torch.from_numpy(outputs_of(scores)[CLASS_OUTPUT])
    return track_against_shower(classes).numpy()


TASKS = (
    Task(
        "track",
        "track against shower",
        lambda scores: scores["label"] != Label.NONE,
        lambda scores: scores["label"] == Label.TRACK,
        _track_score,
    ),
    Task(
        "michel",
        "Michel electron against all",
        lambda scores: np.ones(len(scores), bool),
        lambda scores: scores["michel"] == 1,
        lambda scores: scores["michel_score"],
        MICHEL_OUTPUT,
    ),
    Task(
        "none",
        "none against all",
        lambda scores: np.ones(len(scores), bool),
        lambda scores: scores["label"] == Label.NONE,
        lambda scores: scores["none"],
    ),
)

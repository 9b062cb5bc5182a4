"""A table of scores as an evaluation makes it."""

import numpy as np
from numpy.typing import NDArray

from lartpc.served.contract import Label
from training.evaluation.hit_scores import SCORE_DTYPE


def some_scores(events: int = 6, hits: int = 300, seed: int = 1) -> NDArray[np.void]:
    """Scores that know a little of the truth."""
    random = np.random.default_rng(seed)
    scores = np.zeros(events * hits, SCORE_DTYPE)
    scores["index"] = np.repeat(np.arange(events), hits)
    scores["event_id"][:, 2] = scores["index"]
    scores["hit_id"] = np.tile(np.arange(hits), events)
    scores["label"] = random.choice(3, len(scores), p=[0.6, 0.35, 0.05])
    scores["michel"] = (scores["label"] == Label.SHOWER) & (random.random(len(scores)) < 0.2)
    scores["kept"] = random.choice([0.06, 0.3, 1.0], len(scores))
    logits = random.normal(0.0, 1.5, (len(scores), 3))
    logits[np.arange(len(scores)), scores["label"]] += 2.0
    classes = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores["track"], scores["shower"], scores["none"] = classes.T
    scores["michel_score"] = 1.0 / (
        1.0 + np.exp(2.0 - 3.0 * scores["michel"] - random.normal(0.0, 1.0, len(scores)))
    )
    scores["weight"] = random.choice([0.2, 1.0, 2.5], len(scores))
    return scores

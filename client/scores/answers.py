"""Events classified whole: requests of several under way, each event answered by one version."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.classifier import HitClassifier, Scores
from client.engine import ChangedError
from client.model import Model
from client.scores.sources import Place
from lartpc.errors import CheckError, UserError
from lartpc.event_file import EventFile
from lartpc.patches.plane_hits import PlaneHits
from lartpc.score_file import HIT_SCORE_DTYPE, hit_columns, set_outputs

MOST_CHANGES = 5
"""Of the version that answers, without an event done in between."""


@dataclass
class AnsweredEvent:
    """An event with the scores of its hits.

    Attributes:
        place: which it is.
        rows: (H,) of lartpc.score_file.HIT_SCORE_DTYPE, in the order of the hit table; ``index`` counts
            within the file. Hits of planes that have no image are not among them.
        left_out: number of those.
        model: the version that answered all of them.
        answered: server, or folder of the model -> hits that it answered.
    """

    place: Place
    rows: NDArray[np.void]
    left_out: int
    model: Model
    answered: Counter[str] = field(default_factory=Counter)


class _EventUnderWay:
    """An event whose planes are being answered."""

    def __init__(self, order: int, place: Place, rows: NDArray[np.void], planes: list[PlaneHits]) -> None:
        self.order, self._place, self._rows = order, place, rows
        self._numbers = deque(plane.number for plane in planes)
        self._has_image = np.zeros(len(rows), bool)
        self._answered: Counter[str] = Counter()

    def enter(self, scores: Scores) -> AnsweredEvent | None:
        """Enter the scores of the next plane; the event where that was the last."""
        number = self._numbers.popleft()
        answered = self._rows[number]
        set_outputs(answered, scores.outputs)
        self._rows[number] = answered
        self._has_image[number] = True
        self._answered.update(scores.answered)
        if self._numbers:
            return None
        rows = self._rows[self._has_image]
        left_out = len(self._rows) - len(rows)
        return AnsweredEvent(self._place, rows, left_out, scores.model, self._answered)


def answered_events(
    classifier: HitClassifier, places: Sequence[Place], damaged: dict[Path, UserError]
) -> Iterator[AnsweredEvent]:
    """Classify events, in order; where another version takes over, those not done yet are done by it.

    Args:
        classifier: that answers.
        places: the events, those of a file together.
        damaged: takes the files that cannot be read, with the reason; what is left of them is passed over.

    Raises:
        UserError: an event's hits or pixels are none.
        CheckError: no answer comes, or none that is one; the version changes without end, or to one whose
            scores are on another scale.
    """
    done = changes = 0
    while done < len(places):
        model = classifier.model
        try:
            for order, event in _stream(classifier, places, done, damaged):
                done, changes = order + 1, 0
                yield event
            return
        except ChangedError:
            changes += 1
            if changes > MOST_CHANGES:
                raise
            classifier.renew()
        if done and classifier.model.score_scale != model.score_scale:
            raise CheckError(
                f"{classifier.model} answers now, with {classifier.model.score_scale} scores after "
                f"{model.score_scale} ones; repeat the command to have all events answered by it"
            )


def _stream(
    classifier: HitClassifier, places: Sequence[Place], first: int, damaged: dict[Path, UserError]
) -> Iterator[tuple[int, AnsweredEvent]]:
    under_way: deque[_EventUnderWay] = deque()

    def planes() -> Iterator[PlaneHits]:
        for order, place, rows, of_event in _read(places, first, damaged):
            under_way.append(_EventUnderWay(order, place, rows, of_event))
            while of_event:  # whoever holds a plane longer than it is sent holds its image
                yield of_event.pop(0)

    for scores in classifier.classify_hits(planes()):
        if event := under_way[0].enter(scores):
            yield under_way.popleft().order, event


def _read(
    places: Sequence[Place], first: int, damaged: dict[Path, UserError]
) -> Iterator[tuple[int, Place, NDArray[np.void], list[PlaneHits]]]:
    """Each event with its rows, still without scores, and its planes."""
    orders = range(first, len(places))
    for source, of_file in groupby(orders, key=lambda order: places[order].source):
        try:
            with EventFile(source.path) as events:
                if str(events.provenance.data.get("digest", "")) != source.digest:
                    raise UserError(f"{source.path} was changed meanwhile; repeat the command")
                for order in of_file:
                    index = places[order].position
                    hits = events.hits(index)
                    rows = np.zeros(len(hits), HIT_SCORE_DTYPE)
                    for name, values in hit_columns(events, index, hits).items():
                        rows[name] = values
                    yield order, places[order], rows, list(PlaneHits.of_event(events, index))
        except UserError as error:
            damaged[source.path] = error

"""A job: every hit of an event file or folder answered, the scores in one file; resumed after any end."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from client.classifier import HitClassifier
from client.scores.answers import answered_events
from client.scores.output import write_output
from client.scores.parts import Parts, Version
from client.scores.progress import shown_progress
from client.scores.sources import Place, Sources
from client.server_times import Times
from lartpc.errors import CheckError
from lartpc.terminal import say


@dataclass
class Done:
    """What a job has done.

    Attributes:
        events: answered by it.
        hits: of them.
        seconds: that they took.
        resumed: events that an interrupted run had answered before.
        left_out: hits of planes without an image.
        answered: version, and server or folder of the model -> hits that it answered.
        in_file: hits of the file of scores.
        times: server -> what requests took there, those of all clients together.
    """

    events: int = 0
    hits: int = 0
    seconds: float = 0.0
    resumed: int = 0
    left_out: int = 0
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_file: int = 0
    times: dict[str, Times] = field(default_factory=dict)


def score_events(path: Path, out: Path, connected: Callable[[], HitClassifier]) -> Done:
    """Answer every hit of an event file or folder and write the scores.

    Args:
        path: event file, or folder of them.
        out: of which the suffix, .h5 or .root, is the format.
        connected: gives what answers.

    Raises:
        UserError: the events or the output cannot be used, or another process writes this output.
        CheckError: no answer comes, or an event file is damaged; what is done is kept, and the same call goes
            on from there.
    """
    sources = Sources.survey(path)
    for error in sources.damaged.values():
        say(f"Passed over: {error}")
    with Parts(out) as parts:
        with connected() as classifier:
            done = _answer(sources, parts, classifier)
        if sources.damaged:
            files = len(sources.damaged)
            raise CheckError(
                f"{next(iter(sources.damaged.values()))}"
                f"{f'; and {files - 1} more files' if files > 1 else ''}; all other events are answered, and "
                f"{out} is written once this is mended"
            )
        done.in_file = write_output(out, sources, parts)
        parts.remove()
    return done


def _answer(sources: Sources, parts: Parts, classifier: HitClassifier) -> Done:
    if removed := parts.find(sources, Version.of(classifier.model)):
        say(f"{removed:,} events of an interrupted run are of other weights or other files, and done anew")
    left = [Place(file, int(at)) for file in sources.files for at in (~parts.done(file)).nonzero()[0]]
    done = Done(resumed=sum(len(file.hit_counts) for file in sources.files) - len(left))
    if done.resumed:
        say(f"{done.resumed:,} events were answered before; {len(left):,} are left")
    start = time.perf_counter()
    with shown_progress(sum(int(place.source.hit_counts[place.position]) for place in left)) as advance:
        for event in answered_events(classifier, left, sources.damaged):
            parts.add(event)
            advance(len(event.rows) + event.left_out)
            done.events += 1
            done.hits += len(event.rows)
            done.left_out += event.left_out
            done.answered.update({(str(event.model), place): hits for place, hits in event.answered.items()})
        parts.flush()
    done.seconds = time.perf_counter() - start
    done.times = classifier.engine.times()
    return done

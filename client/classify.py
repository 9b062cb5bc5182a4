"""``python -m client.classify``: the scores of every hit of many events, or a picture of one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.served.contract import MICHEL_CUTS
from lartpc.served.names import COMPACT, NETWORKS, served_name
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.classifier import HitClassifier
    from lartpc.event_file import EventFile

REPOSITORY = Path("model_repository")
DEFAULT_MODELS = tuple(
    served_name(precision, network) for network in (COMPACT, *NETWORKS) for precision in ("int8", "fp32")
)
"""The first that is there answers where several are: the recommended network first, the fastest precision."""


def classify(
    file: Path,
    model: str | None = None,
    out: Path | None = None,
    picture: Path | None = None,
    event: int | None = None,
    plane: str | None = None,
    fallback: str | None = None,
    require_digest: str | None = None,
    require_version: int | None = None,
    require_adc_era: str | None = None,
    require_score_scale: Literal["upstream", "natural"] | None = None,
) -> None:
    """Classify every hit of every event and write the scores; or draw one event beside its truth.

    An interrupted run is gone on with by the same command.

    Args:
        file: event file, or folder of event files.
        model: what answers: onnx:FOLDER/MODEL in this process, local:FOLDER/MODEL by the embedded server,
            grpc://HOST:PORT/MODEL or http://... by a server, several of these with commas in between, or a
            YAML file of settings; by default the only model for processors in model_repository/, in this
            process, or of several the compact network's, in INT8 where it is there.
        out: the scores, as HDF5 (.h5) or as a ROOT tree (.root); by default they lie beside the events: of
            data/quick.h5 data/quick-scores.h5.
        picture: draw one event into this .png, .pdf or .svg; no scores are written unless --out is given too.
        event: index of the event in the file, from 0; by default that with the most Michel hits in the
            plane of the held-out events. For the picture.
        plane: U, V or W; default W. For the picture.
        fallback: onnx:FOLDER/MODEL that answers in this process where no server does.
        require_digest: SHA-256 of the weights that must answer, or its first 8 digits or more.
        require_version: version that must answer.
        require_adc_era: ADC era of the pixels that must answer, such as 2021.
        require_score_scale: scale of the scores that must answer: upstream, on which cuts in use mean what
            they meant, or natural; any where not given.
    """
    from client.connecting import connect
    from client.model import Demands
    from client.scores.job import score_events
    from client.scores.output import output_file
    from lartpc.drawing.target import picture_file

    if picture is None and (event is not None or plane is not None):
        raise UserError("--event and --plane choose what --picture FILE draws; give it too")
    drawing = None if picture is None else picture_file(picture, file, "classified", "--picture")
    scores = output_file(out, file) if drawing is None or out is not None else None
    demands = Demands(require_digest, require_version, require_adc_era, require_score_scale)

    def connected() -> "HitClassifier":
        url = model or default_model(REPOSITORY)
        return connect(url, fallback=fallback, require=demands, say=say)

    if scores is not None:
        if scores.exists():
            say(f"{scores} is there, and replaced when all is done")
        done = score_events(file, scores, connected)
        hits_per_s = done.hits / max(done.seconds, 1e-9)
        say(f"{done.hits:,} hits of {done.events:,} events in {done.seconds:.1f} s: {hits_per_s:,.0f} hits/s")
        for (version, place), hits in done.answered.most_common():
            say(f"{version} at {place} answered {hits:,} hits")
        for server, times in done.times.items():
            say(f"{server}: {times}")
        if done.left_out:
            say(f"Left out {done.left_out:,} hits of planes that have no image in the file")
        say(f"Wrote {done.in_file:,} hits to {scores}")
    if drawing is not None:
        draw(file, event, plane or "W", drawing, connected)
    if drawing is None:
        same = () if model is None else ("--model", model)
        suggest("client.classify", file, *same, "--picture", "event.png", note="(draws an event)")
    else:
        suggest("client.classify", "--help", note="(other events, planes and models)")


def draw(
    file: Path, event: int | None, plane: str, picture: Path, connected: "Callable[[], HitClassifier]"
) -> None:
    """Classify a plane of an event and draw it.

    Raises:
        UserError: there is no such event or plane, or it has no hits.
        CheckError: no answer comes.
    """
    from client.event_picture import event_picture
    from lartpc.drawing.plane import save
    from lartpc.drawing.target import event_name
    from lartpc.event_folder import open_events
    from lartpc.patches.plane_hits import PlaneHits
    from lartpc.terminal import working

    with open_events(file) as events:
        reason = "as --event says"
        if event is None:
            event, reason = most_michel_hits(events, plane)
        of_plane = PlaneHits.read(events, event, plane)
    count = len(of_plane.hits)
    if not count:
        raise UserError(f"{of_plane.where} has no hits; name another --event or --plane")
    with working("Classifying ..."), connected() as classifier:
        start = time.perf_counter()
        (scores,) = classifier.classify_hits([of_plane])
    seconds = time.perf_counter() - start
    score_scale = scores.model.score_scale
    title = f"{scores.model.name}, version {scores.model.version}, {score_scale} score scale"
    figure, agreement, michel = event_picture(of_plane, scores.outputs, title)
    save(figure, picture)
    say(f"{event_name(event, of_plane.event_id)}: {reason}")
    say(f"{count} hits in {seconds:.1f} s: {count / seconds:.0f} hits/s, cutting included")
    say(f"{scores.model} answered at {', '.join(scores.answered)}")
    say(f"Class as in truth: {agreement:.1%} of hits")
    say(f"Michel electrons, score > {MICHEL_CUTS[0]} on the {score_scale} score scale: {michel}")
    say(f"Wrote {picture}")


def default_model(repository: Path) -> str:
    """URL of the only model for processors in a repository, or the first of several in DEFAULT_MODELS.

    Raises:
        UserError: there is none, or several and none of those.
    """
    from lartpc.served.model_config import CONFIG_FILE, parse_config, read_config_file

    names = []
    for folder in sorted(path.parent for path in repository.glob(f"*/{CONFIG_FILE}")):
        config = parse_config(read_config_file(folder), str(folder / CONFIG_FILE))
        if not any(group.kind == group.KIND_GPU for group in config.instance_group):
            names.append(folder.name)
    for name in (*DEFAULT_MODELS, *names[:1]):
        if name in names and (name in DEFAULT_MODELS or len(names) == 1):
            return f"onnx:{repository / name}"
    raise UserError(
        f"{repository} holds {', '.join(names) or 'no model for processors'}; name one with --model, such as "
        f"onnx:{repository / (names[0] if names else 'MODEL')}, or export one: python -m export.triton"
    )


def most_michel_hits(events: "EventFile", plane_name: str) -> tuple[int, str]:
    """Index of the event of the test split with the most Michel hits in a plane; and that in words.

    Raises:
        UserError: the file has no event in the test split.
    """
    from lartpc.patches.plane_hits import plane_number

    indices, number = events.in_split("test"), plane_number(events, plane_name)
    if not len(indices):
        raise UserError(f"{events.path} has no event in its test split; name one with --event")
    counts = [np.sum(hits["michel"][hits["local_plane"] == number]) for hits in map(events.hits, indices)]
    best = int(np.argmax(counts))
    reason = f"the most Michel hits in plane {plane_name} of the held-out events, {counts[best]}"
    return int(indices[best]), reason


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m client.classify``."""
    return run(classify, args, prog="python -m client.classify")


if __name__ == "__main__":
    raise SystemExit(main())

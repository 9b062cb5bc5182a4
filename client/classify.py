"""``python -m client.classify``: every hit of an event through a served model, and a picture of it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.served.contract import MICHEL_CUTS
from lartpc.served.names import NETWORKS, served_name
from lartpc.terminal import say, suggest

if TYPE_CHECKING:
    from lartpc.event_file import EventFile
    from serving.connection import Connection


def classify(
    file: Path,
    event: int | None = None,
    plane: str = "W",
    model: str | None = None,
    url: str | None = None,
    protocol: str = "grpc",
    local: bool = False,
    repository: Path = Path("model_repository"),
    out: Path | None = None,
    require_score_scale: Literal["upstream", "natural"] | None = None,
) -> None:
    """Classify every hit of one event with a served model and draw the answer beside the truth.

    Args:
        file: event file, or folder of event files.
        event: index of the event in the file, from 0; by default that with the most Michel hits in the
            plane of the held-out events.
        plane: U, V or W.
        model: name of the served model; by default the only one, or that in FP32, of the published network
            where it is served, else of the compact one.
        url: HOST:PORT of the server; default localhost:8001 for gRPC, localhost:8000 for HTTP.
        protocol: grpc or http.
        local: start the embedded server on the repository for this event.
        repository: folder of the models, with --local.
        out: the picture, whose suffix is .png, .pdf or .svg; by default it lies beside the event file:
            of data/quick.h5 data/quick-classified.png.
        require_score_scale: scale of the scores that must answer: upstream, on which cuts in use mean what
            they meant, or natural; any where not given.
    """
    from rich.progress import track

    from client.classifier import HitClassifier
    from client.event_picture import event_picture
    from client.model import Demands
    from client.on_server import OnServer
    from client.server import connections
    from lartpc.drawing.plane import save
    from lartpc.drawing.target import event_name, picture_file
    from lartpc.event_folder import open_events
    from lartpc.patches.plane_hits import PlaneHits

    picture = picture_file(out, file, "classified")
    with open_events(file) as events:
        reason = "as --event says"
        if event is None:
            event, reason = most_michel_hits(events, plane)
        of_plane = PlaneHits.read(events, event, plane)
    if not len(of_plane.hits):
        raise UserError(f"{of_plane.where} has no hits; name another --event or --plane")
    with connections(url, (protocol,), repository, local) as opened:
        for name, why in opened.left_out.items():
            say(f"Left out {name}: {why}")
        connection = opened.connections[0]
        demands = Demands(score_scale=require_score_scale)
        classifier = HitClassifier(OnServer(connection, model or default_model(connection), None, demands))
        start = time.perf_counter()
        (scores,) = classifier.classify_hits(
            [of_plane], lambda requests, count: track(requests, "Classifying", count, transient=True)
        )
        seconds = time.perf_counter() - start
    score_scale = scores.model.score_scale
    title = f"{scores.model.name}, version {scores.model.version}, {score_scale} score scale"
    figure, agreement, michel = event_picture(of_plane, scores.outputs, title)
    save(figure, picture)
    count = len(of_plane.hits)
    say(f"{event_name(event, of_plane.event_id)}: {reason}")
    say(f"{count} hits in {seconds:.1f} s: {count / seconds:.0f} hits/s, cutting included")
    say(f"Class as in truth: {agreement:.1%} of hits")
    say(f"Michel electrons, score > {MICHEL_CUTS[0]} on the {score_scale} score scale: {michel}")
    say(f"Wrote {picture}")
    suggest("client.classify", "--help", note="(other events, planes and models)")


def default_model(connection: "Connection") -> str:
    """The only model of a server, or that in FP32: the published network's, else the compact one's.

    Raises:
        UserError: there are several, and none of these.
    """
    served = sorted(connection.served())
    names = [served_name("fp32", network) for network in NETWORKS]
    for name in (*names, *served[:1]):
        if name in served and (name in names or len(served) == 1):
            return name
    raise UserError(f"{connection} serves {', '.join(served) or 'no model'}; name one with --model")


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

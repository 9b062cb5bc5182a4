"""The paper's figures 6 and 7 and its tables 2 and 3, of this machine: ``python -m benchmarks.paper``.

One real Triton behind a real Envoy answers the compact network in INT8, by patches in small and large
batches, merged and not, and by planes; clients, balancer and server share the machine's cores.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lartpc.command import run
from lartpc.terminal import say, working

if TYPE_CHECKING:  # what is imported here each process of clients imports too
    from benchmarks.record import Figure
    from benchmarks.scaling.curve import Curve
    from benchmarks.scaling.tables import Row

PAGE = Path("runs/paper/index.html")
EVENT = Path("data/whole_event.h5")
SECONDS, ROUNDS = 6.0, 2
WITHIN = "0.85 to 1.15"


def benchmark(
    page: Path = PAGE,
    repository: Path | None = None,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
    whole_event: Path = EVENT,
) -> None:
    """Measure the paper's figures on this machine and write a page of them; about 25 minutes.

    Args:
        page: HTML file.
        repository: exported models; where not given, INT8 of the network that comes along.
        seconds: of each number of clients; longer where events are long.
        rounds: of the whole event, interleaved.
        whole_event: event file with all six drift volumes; made where it is missing.
    """
    from benchmarks.balancer import exported
    from benchmarks.record import record
    from benchmarks.scaling.page import render
    from benchmarks.scaling.tables import event, module_times, speed_ups
    from benchmarks.scaling.ways import PATCHES, PLANES, without_merging
    from lartpc.files import check_target, write_text
    from lartpc.provenance import git_commit, processor
    from lartpc.served.manifest import MODEL_FILE
    from serving.stack import running

    began = time.monotonic()
    check_target(page, "--page")
    with TemporaryDirectory(prefix="lartpc-paper-") as folder:
        merged = repository or exported(Path(folder) / "models")
        alone = without_merging(merged, Path(folder) / "unmerged")
        curves = [*curves_of(alone, seconds, merged=False), *curves_of(merged, seconds, merged=True)]
        with running(merged, servers=1) as its:
            url = f"grpc://{its.envoy.url}"
            served = {"compact INT8, served, patches": f"{url}/{PATCHES}",
                      "compact INT8, served, planes": f"{url}/{PLANES}"}  # fmt: skip
            graph = next((merged / PATCHES).glob(f"*/{MODEL_FILE}"))
            with working("A whole event, in process and served ..."):
                rows = module_times(event(whole_event), graph, served, rounds)
    facts = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "git_commit": git_commit(),
        "seconds": time.monotonic() - began,
    }
    write_text(page, render(curves, speed_ups(rows), facts))
    record("The paper's figures", "paper", [*of_curves(curves), *of_event(rows)])
    say(f"wrote {page}")


def curves_of(repository: Path, seconds: float, merged: bool) -> "list[Curve]":
    """The curves of the ways that ask such a server."""
    from benchmarks.scaling.curve import measure
    from benchmarks.scaling.ways import WAYS
    from serving.stack import running

    curves = []
    with running(repository, servers=1) as its:
        for way in WAYS:
            if way.merged is merged:
                with working(f"{way.name}: clients and a saturated server ..."):
                    curves.append(measure(its, way, seconds))
                worst = max(curves[-1].points, key=lambda point: abs(point.off))
                say(
                    f"{way.name}: {curves[-1].site.hits_a_second:,.0f} hits/s saturated; furthest from the "
                    f"model with {worst.clients} clients, {worst.off:+.0%}"
                )
    return curves


def of_curves(curves: "list[Curve]") -> "list[Figure]":
    """Their figures."""
    from benchmarks.record import Figure

    figures = []
    for curve in curves:
        figures += [
            Figure(f"{curve.way.name}: saturated", curve.site.hits_a_second, "hits/s"),
            Figure(f"{curve.way.name}: rows an execution", curve.saturation.counted.rows_an_execution, ""),
        ]
        figures += [
            Figure(f"{curve.way.name}, {point.clients} clients: time / model", 1 + point.off, "ratio", WITHIN)
            for point in curve.points
        ]
    return figures


def of_event(rows: "list[Row]") -> "list[Figure]":
    """Seconds of the whole event."""
    from benchmarks.record import Figure

    return [Figure(f"an event of {row.hits:,} hits: {row.name}", row.module_s, "s") for row in rows]


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.paper")


if __name__ == "__main__":
    raise SystemExit(main())

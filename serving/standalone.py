"""``python -m serving.standalone``: a server alone, measured as the paper measured its own."""

from pathlib import Path

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.terminal import say, show, suggest, working

PROG = "python -m serving.standalone"


def standalone(
    model: str = "emtrkmichel_compact_int8",
    url: str | None = None,
    repository: Path = Path("model_repository"),
    batch: int = 235,
    least: int = 1,
    most: int = 4,
    window_s: float = 5.0,
) -> None:
    """Ask one server with NVIDIA's perf_analyzer, as the paper did (section 3.2), and show its table.

    The program is got by pip at the first call and lies beside the embedded server's environment. The largest
    throughput is what serving.capacity takes as --hits-a-second.

    Args:
        model: of patches
        url: HOST:PORT of a server's gRPC; an embedded one on the repository where not given
        repository: folder of models
        batch: patches in a request
        least: fewest requests under way
        most: most requests under way
        window_s: of one look, of which three in a row must agree
    """
    from contextlib import ExitStack

    from rich.table import Table

    from serving.environment import find
    from serving.sizing.perf_analyzer import get, measure
    from serving.triton import TritonServer

    for name, value in (("batch", batch), ("least", least), ("most", most)):
        if not 1 <= value <= 8192:
            raise UserError(f"--{name} {value} must lie between 1 and 8192")
    if most < least:
        raise UserError(f"--most {most} is less than --least {least}")
    if not 0.5 <= window_s <= 600:
        raise UserError(f"--window-s {window_s:g} must lie between 0.5 and 600")
    program = get(find())
    with ExitStack() as stack:
        if url is None:
            with working(f"Starting Triton on {repository} ..."):
                url = stack.enter_context(TritonServer(repository)).grpc
        with working(f"perf_analyzer asks {model} at {url} ..."):
            rows = measure(program, url, model, batch, (least, most), window_s)
    table = Table("requests under way", "hits/s", "50 %, ms", "99 %, ms", "queue, ms", "compute, ms",
                  title=f"{model}, batches of {batch}, perf_analyzer")  # fmt: skip
    for row in rows:
        table.add_row(f"{row.concurrency}", f"{row.hits_a_second:,.0f}", f"{row.p50_ms:,.1f}",
                      f"{row.p99_ms:,.1f}", f"{row.queue_ms:,.1f}", f"{row.compute_ms:,.1f}")  # fmt: skip
    show(table)
    best = max(row.hits_a_second for row in rows)
    say(f"largest throughput: {best:,.0f} hits/s")
    suggest("serving.capacity", "--hits-a-second", f"{best:.0f}", "--other-s", "SECONDS", "--clients", "400")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(standalone, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

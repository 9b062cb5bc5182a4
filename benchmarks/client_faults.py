"""Clients at work while servers fail, each fault many times: what is lost, and the time that it costs.

Two real Tritons of a tiny network whose answers are known, each behind a link; twenty clients classify
without a pause. Exit code 1 where a hit is lost, answered twice, or answered by other weights than its event.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import Figure, record
from lartpc.command import run
from lartpc.errors import CheckError
from lartpc.terminal import say
from tests.helpers.faults import CLIENTS, FAULTS, cause, staged


def benchmark(rounds: int = 1) -> None:
    """Cause each fault while clients work, and say what it costs them.

    Args:
        rounds: times that each fault is caused.
    """
    figures, errors = [], []
    for fault in FAULTS:
        say(f"{fault} ...")
        with TemporaryDirectory() as folder, staged(Path(folder)) as stage:
            outcome = cause(fault, stage, rounds)
        errors += [f"{fault}: {error}" for error in outcome.errors]
        figures += [
            Figure(f"{fault}: events, each rightly by one version", outcome.events, ""),
            Figure(f"{fault}: begun again with another version", outcome.again, ""),
            Figure(f"{fault}: clients that failed", len(outcome.errors), "", "= 0"),
            Figure(f"{fault}: an event, median", outcome.usual_s, "s"),
            Figure(f"{fault}: the longest", outcome.longest_s, "s"),
        ]
    record(f"{CLIENTS} clients, each fault {rounds} times", "client_faults", figures)
    if errors:
        raise CheckError("; ".join(errors))


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.client_faults")


if __name__ == "__main__":
    raise SystemExit(main())

"""``python -m client.load``: many clients at once, as jobs ask, and what they found."""

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.files import check_target, write_text
from lartpc.terminal import say, show

if TYPE_CHECKING:
    from client.traffic.outcome import Outcome
    from client.traffic.plan import Plan
    from serving.monitoring.server_counts import Counts

PROG = "python -m client.load"
MOST_CLIENTS = 4096
OTHER_FILES = 64
"""That a process of clients opens beside its connections."""

HEADS = (
    "clients", "hits/s", "requests/s", "50 %, ms", "90 %, ms", "99 %, ms", "longest, ms", "an event, s",
    "refused", "lost", "wrong", "rows an execution", "queue, ms",
)  # fmt: skip


def load(
    url: str,
    events: Path = Path("data/quick.h5"),
    clients: str = "8",
    seconds: float = 20.0,
    batch: int = 235,
    think_s: float = 0.0,
    event_requests: int = 1,
    in_flight: int = 1,
    rate: float = 0.0,
    most_requests: int = 0,
    give_up_s: float = 120.0,
    processes: int | None = None,
    most_mb: int = 4096,
    metrics: str = "",
    seed: int = 1,
    ca: Path | None = None,
    key: Path | None = None,
    certificate: Path | None = None,
    token: Path | None = None,
    out: Path | None = None,
) -> None:
    """Let many clients ask a server, or the balancer before several, as jobs do, and say what they found.

    All clients are held until each is connected, and begin at one signal. Every answer is compared with the
    one that the same request was given alone. A refused request is sent again later, and counted; the time
    of an answer counts from when its request was due. Exit code 1 where a request is lost or an answer is
    wrong.

    Args:
        url: of the model, grpc://HOST:PORT/MODEL or grpcs://...
        events: event file or folder that the hits are of
        clients: that work at the same time; with commas in between one step after the other, as in
            1,10,100,400
        seconds: of each step
        batch: patches in a request, 235 or 1693 in the paper's jobs; planes are sent whole
        think_s: mean pause of a client between its events, as long as all else takes that a job does
        event_requests: of an event, one after the other without a pause
        in_flight: requests that a client has under way at a time; 1 blocks, as the paper's clients do
        rate: requests a second of all clients together at Poisson's times; 0 for clients that wait for
            answers
        most_requests: of a step; 0 for no limit
        give_up_s: for so long a refused request is sent again
        processes: that the clients are shared among; one a processor core where not given
        most_mb: of requests under way together; more is refused before anything is sent
        metrics: URLs of servers' metrics, with commas in between, for what happened there
        seed: of pauses, intervals and choices
        ca: certificates of those who vouch for a server by TLS; the system's where not given
        key: private key of the clients, for mutual TLS
        certificate: their chain
        token: file with the token that is sent with every request
        out: JSON file for the figures
    """
    from rich.table import Table

    from client.settings import Address
    from client.traffic.drive import drive
    from client.traffic.payloads import payloads, size_of
    from client.traffic.plan import Plan, Target
    from lartpc.terminal import working
    from serving.security import Security

    address = Address.parse(url)
    if address.protocol != "grpc":
        raise UserError(f"{url}: a load is made over gRPC, as jobs do; write grpc://HOST:PORT/MODEL")
    if out is not None:
        check_target(out, "--out")
    if batch < 1 or most_mb < 1 or (processes is not None and processes < 1):
        raise UserError("--batch, --most-mb and --processes are 1 or more")
    security = Security(ca, key, certificate, token)
    target = Target(address.server, address.secure, security)
    plan = Plan(target, 1, seconds, think_s, event_requests, in_flight, rate, most_requests, give_up_s, seed)
    steps = [replace(plan, clients=number) for number in numbers_of(clients)]
    most, workers = max(step.clients for step in steps), processes or os.cpu_count() or 1
    check_descriptors(most, workers)
    with working("Making requests and asking for their answers ..."):
        model, found = payloads(url, events, batch, security=security)
    largest = most * in_flight * size_of(found) / 1e6
    if largest > most_mb:
        raise UserError(
            f"{most} clients with {in_flight} requests of "
            f"{size_of(found) / 1e6:.1f} MB each may hold {largest:,.0f} MB; --most-mb allows {most_mb}"
        )
    say(
        f"{model} at {address.server}: {len(found)} different requests of up to {size_of(found) / 1e6:.2f} MB"
    )
    table, records, outcomes = Table(*HEADS), [], []
    for step in steps:
        before = server_counts(metrics, model.name)
        with working(f"{step.clients} clients, {seconds:g} s ..."):
            outcome = drive(step, found, workers)
        counted = server_counts(metrics, model.name).since(before) if metrics else None
        outcomes.append(outcome)
        table.add_row(*cells_of(step, outcome, counted))
        records.append(record_of(step, outcome, counted))
    show(table)
    say_losses(outcomes)
    if out is not None:
        import json

        write_text(out, json.dumps({"model": str(model), "batch": batch, "steps": records}, indent=1) + "\n")
        say(f"wrote {out}")
    check(outcomes)


def check_descriptors(clients: int, processes: int) -> None:
    """Raises UserError where a process may not open a connection for each of its clients."""
    import resource

    of_process, (_, most) = -(-clients // processes), resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and of_process + OTHER_FILES > most:
        raise UserError(
            f"{of_process:,} clients in a process need as many connections, and it may open {most:,} files; "
            "give more --processes, or raise the limit (ulimit -n)"
        )


def numbers_of(clients: str) -> list[int]:
    """The steps of a ramp.

    Raises:
        UserError: one is no number of clients.
    """
    try:
        numbers = [int(part) for part in clients.split(",")]
    except ValueError:
        numbers = [0]
    if not all(1 <= number <= MOST_CLIENTS for number in numbers):
        raise UserError(
            f"--clients {clients} must be numbers from 1 to {MOST_CLIENTS} with commas in between"
        )
    return numbers


def server_counts(metrics: str, model: str) -> "Counts":
    """What the servers have done with the model so far, together.

    Raises:
        CheckError: one does not answer.
    """
    from serving.monitoring.server_counts import Counts, counts

    urls = filter(None, metrics.split(","))
    return sum((counts(each).get(model, Counts()) for each in urls), Counts())


def cells_of(step: "Plan", outcome: "Outcome", counted: "Counts | None") -> Iterator[str]:
    """A row of the table."""
    times = [1e3 * outcome.percentile(percent) for percent in (50, 90, 99, 100)]
    yield from (f"{step.clients}", f"{outcome.hits_a_second:,.0f}")
    yield f"{outcome.requests / outcome.seconds:,.1f}" if outcome.requests else "0"
    yield from (f"{time:,.0f}" for time in times)
    yield "" if step.rate else f"{step.think_s + outcome.module_s():,.2f}"
    yield from (f"{outcome.refused.total():,}", f"{outcome.lost.total():,}", f"{outcome.wrong:,}")
    yield from (
        ("", "") if counted is None else (f"{counted.rows_an_execution:,.0f}", f"{counted.queue_ms:,.1f}")
    )


def record_of(step: "Plan", outcome: "Outcome", counted: "Counts | None") -> dict[str, Any]:
    """The same, and more, for a file."""
    return {
        "clients": step.clients,
        "in_flight": step.in_flight,
        "think_s": step.think_s,
        "event_requests": step.event_requests,
        "rate": step.rate,
        "seconds": outcome.seconds,
        "requests": outcome.requests,
        "hits": outcome.hits,
        "hits_a_second": outcome.hits_a_second,
        "took_s": {str(percent): outcome.percentile(percent) for percent in (50, 90, 99, 100)},
        "event_asks_s": outcome.module_s(),
        "unsent": outcome.unsent,
        "longest_wait_before_sending_s": float(outcome.waited.max(initial=0.0)),
        "longest_gap_s": outcome.longest_gap_s,
        "refused": dict(outcome.refused),
        "lost": dict(outcome.lost),
        "wrong": outcome.wrong,
        "peak_mb_of_clients": outcome.peak_mb,
        "server": None if counted is None else asdict(counted),
    }


def say_losses(outcomes: "list[Outcome]") -> None:
    """Say why requests were refused or lost."""
    for kind in ("refused", "lost"):
        for reason, number in sum(
            (getattr(each, kind) for each in outcomes), start=type(outcomes[0].lost)()
        ).items():
            say(f"{kind} {number:,} times: {reason}")


def check(outcomes: "list[Outcome]") -> None:
    """Raises CheckError where a request was lost, an answer was wrong, or nothing was answered."""
    lost, wrong = sum(each.lost.total() for each in outcomes), sum(each.wrong for each in outcomes)
    if lost or wrong:
        raise CheckError(f"{lost:,} requests were lost and {wrong:,} answers wrong")
    if unsent := sum(each.unsent for each in outcomes):
        raise CheckError(
            f"the rate was not kept: {unsent:,} requests were due and never sent, for no client was free; "
            "the times are of the others. Give more --clients, or a lower --rate"
        )
    if not all(each.requests for each in outcomes):
        raise CheckError("a step ended without an answer; give it more --seconds")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(load, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

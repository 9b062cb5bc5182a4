"""``make stack-demo``: the paper's cluster on one machine, with load and faults, and a page of what happened.

Two Tritons behind Envoy; clients that ask without a pause while a server is killed and a version published
and rolled back; then more clients than are admitted; then planes. Exit code 1 where a request is lost or an
answer is none of the versions'.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.stack.page import render
from benchmarks.stack.processes import CLIENTS as ROLE
from benchmarks.stack.processes import memory_mb
from client.traffic.drive import drive
from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload, payloads
from client.traffic.plan import Plan, Target
from export.publish import main as publish
from export.registry import main as registry
from export.triton import main as export
from lartpc.command import run
from lartpc.errors import CheckError
from lartpc.files import write_text
from lartpc.provenance import git_commit
from lartpc.terminal import say
from serving.monitoring.board import Board, Line
from serving.stack import Stack, running
from training.data.gate_file import GATE_FILE, write_gate_file
from training.network.shipped import FLOAT_FILE, FOLDER, QUANTISED_FILE

PAGE = Path("runs/stack/index.html")
MODEL, PLANES = "emtrkmichel_compact_int8", "emtrkmichel_compact_plane_int8"
EVENTS = FOLDER / "compact" / GATE_FILE
JUDGED_EVENTS = 3
BATCH = 235
CLIENTS, TOO_MANY, OF_PLANES = 24, 96, 12
MOST_REQUESTS = 40
FAULTS = "Two servers; one is killed, a version published and rolled back"


@dataclass
class Phase:
    """One load, and what was seen while it ran.

    Attributes:
        title: of it.
        clients: that asked.
        outcome: what they found.
        events: second, and what was done.
        lines: second, and what the servers did since the last look.
        refused: requests that the balancer refused.
        again: requests that it sent to another server.
        memory_mb: name of a process -> its memory at most, in MB.
    """

    title: str
    clients: int
    outcome: Outcome = field(default_factory=Outcome)
    events: list[tuple[float, str]] = field(default_factory=list)
    lines: list[tuple[float, list[Line]]] = field(default_factory=list)
    refused: int = 0
    again: int = 0
    memory_mb: dict[str, float] = field(default_factory=dict)


Actions = list[tuple[float, str, Callable[[], object]]]
"""Second, what is done, and how."""


def demonstrate(page: Path = PAGE, seconds: float = 30.0) -> None:
    """Run several Tritons behind Envoy under load and faults, and write a page of what happened.

    Args:
        page: HTML file; its figures lie beside it as JSON.
        seconds: of the load with faults; the others take half of it.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="lartpc-demo-") as folder:
        published = Path(folder) / "published"
        versions(Path(folder), published)
        with running(published, servers=2, most_requests=MOST_REQUESTS, threads=1) as its:
            url = f"grpc://{its.envoy.url}"
            first = f"onnx:{published / MODEL}@1"
            _, patches = payloads(f"{url}/{MODEL}", EVENTS, BATCH, others=(first,))
            _, planes = payloads(f"{url}/{PLANES}", EVENTS, BATCH)
            phases = [
                phase(its, FAULTS, CLIENTS, patches, seconds, faults(its, published, seconds)),
                phase(its, "More clients than the balancer admits", TOO_MANY, patches, seconds / 2, []),
                phase(its, "Whole planes", OF_PLANES, planes, seconds / 2, []),
            ]
        left = [
            process.name()
            for process in psutil.Process().children(recursive=True)
            if "multiprocessing.resource_tracker" not in " ".join(process.cmdline())  # Python's own
        ]
    facts = {"git_commit": git_commit(), "cores": psutil.cpu_count(), "seconds": time.monotonic() - began}
    write_text(page, render(phases, facts))
    write_text(page.with_suffix(".json"), json.dumps(figures(phases), indent=1) + "\n")
    for each in phases:
        say(summary(each))
    say(f"wrote {page}; left running: {', '.join(left) or 'nothing'}")
    check(phases, left)


def versions(folder: Path, published: Path) -> None:
    """Publish INT8 of the shipped network: version 1 calibrated here, version 2 with its learnt scales.

    They are judged on few events: this shows what servers do, not how well a network answers.
    """
    calibrated, learnt = folder / "calibrated", folder / "learnt"
    for beside, files in ((calibrated, [FLOAT_FILE]), (learnt, [FLOAT_FILE, QUANTISED_FILE])):
        beside.mkdir()
        write_gate_file(EVENTS, beside / GATE_FILE, JUDGED_EVENTS)
        for name in files:
            shutil.copy(FOLDER / "compact" / name, beside / name)
    gates, models = "--gates=gates_quick", folder / "models"
    for beside, requests in ((calibrated, "patch"), (learnt, "patch"), (learnt, "plane")):
        options = [f"--checkpoint={beside / FLOAT_FILE}", "--precision=int8", f"--requests={requests}"]
        if export([*options, f"--repository={models}", gates]) != 0:
            raise CheckError("the demonstration's models cannot be exported")
        trial = [] if published.exists() else ["--trial"]
        if publish([str(models), str(published), "--profile=cpu", *trial]) != 0:
            raise CheckError("the demonstration's models cannot be published")


def faults(its: Stack, published: Path, seconds: float) -> Actions:
    """What happens to the servers, and when."""
    victim = its.fleet.members[0]

    def kill() -> None:
        assert victim.server is not None
        psutil.Process(victim.server.group).kill()

    return [
        (0.2 * seconds, "server 1 killed", kill),
        (0.5 * seconds, "version 1 promoted", lambda: registry(["promote", str(published), MODEL, "1"])),
        (0.75 * seconds, "rolled back", lambda: registry(["rollback", str(published), MODEL])),
    ]


def phase(
    its: Stack, title: str, clients: int, found: list[Payload], seconds: float, actions: Actions
) -> Phase:
    """Let clients work while this process looks after the stack, acts, and notes what it sees."""
    seen, signal = Phase(title, clients), threading.Event()
    plan = Plan(Target(its.envoy.url), clients, seconds)
    outcomes: list[Outcome] = []
    work = threading.Thread(target=lambda: outcomes.append(drive(plan, found, 1, signal.set)), daemon=True)
    before, board = its.envoy.statistics(), Board(its.fleet, its.envoy)
    work.start()
    signal.wait()
    start, waiting, looks = time.monotonic(), list(actions), 0
    while work.is_alive():
        work.join(1.0)
        now, looks = time.monotonic() - start, looks + 1
        if waiting and now >= waiting[0][0]:
            _, what, act = waiting.pop(0)
            act()
            seen.events.append((now, what))
        for line in its.look(canaries=looks % 5 == 0):
            seen.events.append((time.monotonic() - start, line))
        seen.lines.append((now, board.lines()))
        for name, megabytes in memory_mb(its).items():
            seen.memory_mb[name] = max(seen.memory_mb.get(name, 0.0), megabytes)
    after = its.envoy.statistics()
    if not outcomes:
        raise CheckError(f"the clients of {title!r} ended early")
    seen.outcome = outcomes[0]
    seen.refused = sum(
        after[name] - before[name] for name in ("upstream_rq_active_overflow", "upstream_rq_pending_overflow")
    )
    seen.again = after["upstream_rq_retry"] - before["upstream_rq_retry"]
    seen.memory_mb[ROLE] = seen.outcome.peak_mb
    return seen


def figures(phases: list[Phase]) -> list[dict[str, object]]:
    """What the page shows, for a program."""
    return [
        {
            "title": each.title,
            "clients": each.clients,
            "requests": each.outcome.requests,
            "hits_a_second": each.outcome.hits_a_second,
            "took_s": {str(percent): each.outcome.percentile(percent) for percent in (50, 90, 99, 100)},
            "longest_gap_s": each.outcome.longest_gap_s,
            "lost": each.outcome.lost.total(),
            "wrong": each.outcome.wrong,
            "by_version": [int((each.outcome.version == number).sum()) for number in (0, 1)],
            "refused_by_the_balancer": each.refused,
            "sent_to_another_server": each.again,
            "events": [{"second": round(second, 1), "what": what} for second, what in each.events],
            "memory_mb": each.memory_mb,
        }
        for each in phases
    ]


def summary(seen: Phase) -> str:
    """A phase in two lines."""
    outcome = seen.outcome
    times = "/".join(f"{1e3 * outcome.percentile(percent):,.0f}" for percent in (50, 99, 100))
    return (
        f"{seen.title}: {seen.clients} clients, {outcome.requests:,} requests, "
        f"{outcome.hits_a_second:,.0f} hits/s, {times} ms (50 %, 99 %, longest)\n"
        f"  lost {outcome.lost.total()}, wrong {outcome.wrong}, refused and sent again {seen.refused}, "
        f"asked elsewhere {seen.again}, longest time without an answer {outcome.longest_gap_s:.2f} s"
    )


def check(phases: list[Phase], left: list[str]) -> None:
    """Raises CheckError where something is not as it was promised."""
    faults = [
        f"{each.title}: {each.outcome.lost.total()} requests lost" for each in phases if each.outcome.lost
    ]
    faults += [f"{each.title}: {each.outcome.wrong} answers wrong" for each in phases if each.outcome.wrong]
    if not phases[1].refused:
        faults.append("the balancer refused nothing")
    if left:
        faults.append(f"left running: {', '.join(left)}")
    if faults:
        raise CheckError("; ".join(faults))


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(demonstrate, args, prog="python -m benchmarks.stack_demo")


if __name__ == "__main__":
    raise SystemExit(main())

"""What the balancer costs, and what a server that is killed behind it does.

Throughput through Envoy against the same two servers asked directly, clients, balancer and servers on the
same cores; then one of the servers killed under load, again and again.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from benchmarks.record import Figure, record
from client.traffic.drive import drive
from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload, payloads
from client.traffic.plan import Plan, Target
from export.triton import main as export
from lartpc.command import run
from lartpc.errors import CheckError
from serving.stack import Stack, running
from training.data.gate_file import GATE_FILE
from training.network.shipped import FOLDER

EVENTS = FOLDER / "compact" / GATE_FILE
ROUNDS, SECONDS, CLIENTS, BATCH = 5, 6.0, 4, 235
KILL_SECONDS = 3.0
MODELS = {"emtrkmichel_compact_int8": "", "emtrkmichel_compact_plane_int8": ">= 0.9"}
"""Model -> what is wanted of its throughput through the balancer, against direct."""


def benchmark(repository: Path | None = None, rounds: int = ROUNDS, kills: int = 2) -> None:
    """Measure what the balancer costs, and kill servers behind it.

    Args:
        repository: exported models; where not given, INT8 of the network that comes along.
        rounds: of each throughput, interleaved.
        kills: of a server under load.
    """
    with ExitStack() as stack:
        folder = repository or exported(Path(stack.enter_context(TemporaryDirectory())) / "models")
        its = stack.enter_context(running(folder, servers=2))
        figures = [figure for model, goal in MODELS.items() for figure in through(its, model, goal, rounds)]
        figures += killed(its, kills)
    record(f"Envoy before two Tritons, median of {rounds} rounds", "balancer", figures)
    if any(figure.value for figure in figures if figure.goal == "= 0"):
        raise CheckError("requests were lost or answers wrong")


def exported(folder: Path) -> Path:
    """INT8 of the network that comes along, for patches and planes."""
    for requests in ("patch", "plane"):
        options = ["--checkpoint=shipped:compact", "--precision=int8", f"--requests={requests}"]
        if export([*options, f"--repository={folder}"]) != 0:
            raise SystemExit(1)
    return folder


def through(its: Stack, model: str, goal: str, rounds: int) -> list[Figure]:
    """Throughput of some clients by the balancer, and of as many shared among the servers directly."""
    _, found = payloads(f"grpc://{its.envoy.url}/{model}", EVENTS, BATCH)
    balanced, direct = [], []
    for number in range(rounds):
        plan = Plan(Target(its.envoy.url), CLIENTS, SECONDS, seed=number)
        balanced.append(drive(plan, found, 1).hits_a_second)
        halves = [replace(plan, target=Target(each.grpc), clients=CLIENTS // 2) for each in its.fleet.members]
        direct.append(together(halves, found))
    ratios = [ours / theirs for ours, theirs in zip(balanced, direct, strict=True)]
    return [
        Figure(f"{model}: two servers directly", median(direct), "hits/s"),
        Figure(f"{model}: by the balancer", median(balanced), "hits/s"),
        Figure(f"{model}: by the balancer / directly", median(ratios), "ratio", goal),
    ]


def together(plans: list[Plan], found: list[Payload]) -> float:
    """Hits a second of several loads at the same time."""
    with ThreadPoolExecutor(len(plans)) as pool:
        return sum(outcome.hits_a_second for outcome in pool.map(lambda plan: drive(plan, found, 1), plans))


def killed(its: Stack, kills: int) -> list[Figure]:
    """Kill a server under load and let it come again, so many times."""
    _, found = payloads(f"grpc://{its.envoy.url}/emtrkmichel_compact_int8", EVENTS, BATCH)
    total, gaps = Outcome(), []
    before = its.envoy.statistics()["upstream_rq_retry"]
    for number in range(kills):
        victim = its.fleet.members[number % 2]
        assert victim.server is not None
        process = psutil.Process(victim.server.group)
        outcome = drive(Plan(Target(its.envoy.url), 2 * CLIENTS, KILL_SECONDS), found, 1, process.kill)
        gaps.append(outcome.longest_gap_s)
        total = total + outcome
        its.look(canaries=False)
    again = its.envoy.statistics()["upstream_rq_retry"] - before
    return [
        Figure(f"a server killed under load, {kills} times: requests answered", total.requests, ""),
        Figure("requests lost", total.lost.total(), "", "= 0"),
        Figure("answers wrong", total.wrong, "", "= 0"),
        Figure("requests that clients sent again", total.refused.total(), ""),
        Figure("requests that the balancer sent to the other server", again, ""),
        Figure("longest time without any answer, median", median(gaps) if gaps else 0.0, "s"),
        Figure("longest time without any answer, at most", max(gaps, default=0.0), "s"),
    ]


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.balancer")


if __name__ == "__main__":
    raise SystemExit(main())

"""One server under as much as it can take: hits, processor time and batches of each second (figure 6)."""

import threading
import time
from dataclasses import dataclass, field

from benchmarks.stack.processes import processor_s
from client.traffic.drive import drive
from client.traffic.outcome import Outcome
from client.traffic.payloads import Payload
from client.traffic.plan import Plan, Target
from serving.monitoring.server_counts import Counts, counts
from serving.stack import Stack

CLIENTS = 16
LOOK_S = 1.0


@dataclass
class Saturation:
    """What was seen of it.

    Attributes:
        clients: that asked without a pause.
        outcome: what they found.
        seconds: (S,) of the looks, since the signal.
        cores: of each look, role -> processor cores in use since the look before.
        rows: of each look, rows an execution since the look before.
        counted: what the server did in all of it.
    """

    clients: int
    outcome: Outcome = field(default_factory=Outcome)
    seconds: list[float] = field(default_factory=list)
    cores: list[dict[str, float]] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    counted: Counts = field(default_factory=Counts)

    @property
    def mean_cores(self) -> dict[str, float]:
        """Role -> processor cores in use, mean of the looks but the first and the last."""
        inner = self.cores[1:-1] or self.cores
        return {role: sum(look[role] for look in inner) / len(inner) for role in inner[0]}


def saturate(its: Stack, model: str, found: list[Payload], seconds: float, clients: int) -> Saturation:
    """Let clients ask without a pause and look at the server every second.

    Args:
        its: the stack, of one server.
        model: that they ask.
        found: the requests.
        seconds: that they do.
        clients: how many.
    """
    seen, signal = Saturation(clients), threading.Event()
    metrics = its.fleet.members[0].metrics
    plan = Plan(Target(its.envoy.url), clients, seconds)
    outcomes: list[Outcome] = []
    work = threading.Thread(target=lambda: outcomes.append(drive(plan, found, 1, signal.set)), daemon=True)
    work.start()
    signal.wait()
    start = time.monotonic()
    first = before = counts(metrics).get(model, Counts())
    busy, looked = processor_s(its), start
    while work.is_alive() and time.monotonic() - start < seconds:
        work.join(LOOK_S)
        now, counted, used = time.monotonic(), counts(metrics).get(model, Counts()), processor_s(its)
        seen.seconds.append(now - start)
        seen.cores.append({role: (used[role] - busy.get(role, 0.0)) / (now - looked) for role in used})
        seen.rows.append(counted.since(before).rows_an_execution)
        before, busy, looked = counted, used, now
    work.join()
    seen.outcome, seen.counted = outcomes[0], before.since(first)
    return seen

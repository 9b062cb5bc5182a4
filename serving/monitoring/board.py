"""A table of what each server of a stack does now."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lartpc.errors import CheckError
from serving.balancer.envoy import Envoy
from serving.fleet import Fleet, Member
from serving.monitoring.server_counts import Counts, counts

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One server, or all of them.

    Attributes:
        name: of it.
        state: what it may be sent, or that it is ejected or gone.
        models: what it serves.
        seconds: over which it was counted.
        counts: of its models together, in that time.
        under_way: requests that the balancer has there now.
        errors: that the balancer got from it, ever.
    """

    name: str
    state: str
    models: str
    seconds: float
    counts: Counts
    under_way: int
    errors: int

    @property
    def cells(self) -> list[str]:
        """As text."""
        rate = self.counts.requests / self.seconds
        return [
            self.name,
            self.state,
            self.models,
            f"{rate:,.1f}",
            f"{self.counts.rows / self.seconds:,.0f}",
            f"{self.counts.rows_an_execution:,.0f}",
            f"{self.counts.queue_ms:,.1f}",
            f"{self.counts.pending:,.0f}",
            f"{self.under_way}",
            f"{self.counts.failed:,.0f}",
            f"{self.errors}",
        ]


HEADS = (
    "server",
    "state",
    "models",
    "requests/s",
    "rows/s",
    "rows an execution",
    "queue, ms",
    "waiting",
    "under way",
    "failed",
    "errors",
)


class Board:
    """Counts what happens between two looks.

    Args:
        fleet: the servers.
        envoy: the balancer before them.
    """

    def __init__(self, fleet: Fleet, envoy: Envoy) -> None:
        self._fleet, self._envoy = fleet, envoy
        self._before = {member.number: self._counts(member) for member in fleet.members}
        self._at = time.monotonic()

    def lines(self) -> list[Line]:
        """Of each server, since the last look."""
        now, seconds = time.monotonic(), max(time.monotonic() - self._at, 1e-3)
        hosts = self._envoy.hosts()
        lines = []
        for member in self._fleet.members:
            found = self._counts(member)
            before, self._before[member.number] = self._before[member.number], found
            host = hosts.get(member.grpc, {})
            state = "gone" if member.server is None else member.health.value.lower()
            lines.append(
                Line(
                    f"{member.number} {member.grpc}",
                    "ejected" if host.get("ejected") else state,
                    self._models(member),
                    seconds,
                    found.since(before),
                    host.get("under_way", 0),
                    host.get("errors", 0),
                )
            )
        self._at = now
        return lines

    def table(self) -> "Table":
        """The same for a terminal, and what the balancer has done in all."""
        from rich.table import Table

        statistics = self._envoy.statistics()
        refused = statistics.get("upstream_rq_pending_overflow", 0) + statistics.get(
            "upstream_rq_overflow", 0
        )
        table = Table(
            *HEADS,
            title=f"{self._envoy.url}: {statistics.get('upstream_rq_active', 0)} requests under way, "
            f"{statistics.get('upstream_rq_total', 0):,} sent to servers, "
            f"{statistics.get('upstream_rq_retry', 0):,} of them again, {refused:,} refused, "
            f"{self._envoy.memory() / 1e6:.0f} MB",
        )
        for line in self.lines():
            table.add_row(*line.cells)
        return table

    def _counts(self, member: Member) -> Counts:
        if member.server is None:
            return Counts()
        try:
            return sum(counts(member.metrics).values(), Counts())
        except CheckError:
            return Counts()

    def _models(self, member: Member) -> str:
        if member.server is None:
            return ""
        try:
            found = member.server.versions()
        except CheckError:
            return ""
        return ", ".join(f"{name} {'/'.join(map(str, versions))}" for name, versions in found.items())

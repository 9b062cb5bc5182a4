"""What requests take on a server: Triton adds up the times of all clients, and tells no answer its own."""

from dataclasses import dataclass

from lartpc.errors import CheckError
from serving.answers import counter
from serving.connection import Connection

COMPUTING = ("compute_input", "compute_infer", "compute_output")
"""Stages of Triton's statistics after the queue."""


@dataclass(frozen=True)
class Times:
    """Of the requests to a version of a model, those of all clients together.

    Attributes:
        requests: that were answered.
        queue_s: that they waited for others and for an instance, in sum.
        compute_s: that they were computed, in sum.
    """

    requests: int = 0
    queue_s: float = 0.0
    compute_s: float = 0.0

    @classmethod
    def on(cls, connection: Connection, model: str, version: int) -> "Times":
        """Since the version was loaded; none where the server does not tell."""
        try:
            stages = connection.statistics(model, version).get("inference_stats", {})
            requests, queue_ns = (
                counter(stages.get("success", {}), "count"),
                counter(stages.get("queue", {}), "ns"),
            )
            compute_ns = sum(counter(stages.get(stage, {}), "ns") for stage in COMPUTING)
        except (CheckError, ValueError, TypeError, AttributeError):
            return cls()
        return cls(requests, queue_ns / 1e9, compute_ns / 1e9)

    def since(self, before: "Times") -> "Times":
        """What came after; all, where the server was started anew in between."""
        if self.requests < before.requests:
            return self
        return Times(
            self.requests - before.requests, self.queue_s - before.queue_s, self.compute_s - before.compute_s
        )

    def __str__(self) -> str:
        number = max(self.requests, 1)
        waited, computed = 1e3 * self.queue_s / number, 1e3 * self.compute_s / number
        return (
            f"a request waited {waited:.1f} ms, computing took {computed:.1f} ms (mean of {self.requests:,})"
        )

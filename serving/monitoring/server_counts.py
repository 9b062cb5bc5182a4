"""A Triton's own counters, from its Prometheus endpoint."""

from dataclasses import dataclass, fields
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from lartpc.errors import CheckError

SECONDS = 5.0
LARGEST = 16 << 20
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Counts:
    """What one model of a server has done since it was loaded, or several together.

    Attributes:
        requests: answered.
        failed: refused or broken off.
        rows: patches, or planes, in them.
        executions: of the model, of rows of several requests together.
        queue_s: time that requests have waited, in s, added up.
        compute_s: time of the executions, counted for each request in it.
        pending: requests that wait now.
    """

    requests: float = 0
    failed: float = 0
    rows: float = 0
    executions: float = 0
    queue_s: float = 0
    compute_s: float = 0
    pending: float = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def since(self, before: "Counts") -> "Counts":
        """What has been added since; of a server started anew all of it. What is pending stays."""
        if self.requests < before.requests:
            return self
        values = {each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)}
        return Counts(**{**values, "pending": self.pending})

    @property
    def rows_an_execution(self) -> float:
        """Mean batch of the model; 0 where it has done nothing."""
        return self.rows / self.executions if self.executions else 0.0

    @property
    def queue_ms(self) -> float:
        """Mean wait of a request, in ms."""
        return 1e3 * self.queue_s / self.requests if self.requests else 0.0


NAMES = {
    "nv_inference_request_success": "requests",
    "nv_inference_request_failure": "failed",
    "nv_inference_count": "rows",
    "nv_inference_exec_count": "executions",
    "nv_inference_queue_duration_us": "queue_s",
    "nv_inference_compute_infer_duration_us": "compute_s",
    "nv_inference_pending_request_count": "pending",
}
"""Triton's metrics (docs/user_guide/metrics.md) -> the field that they add to."""

MICROSECONDS = ("queue_s", "compute_s")


def counts(metrics_url: str) -> dict[str, Counts]:
    """The counts of each model of a server.

    Args:
        metrics_url: of its Prometheus endpoint.

    Raises:
        CheckError: it does not answer, or not in Prometheus' form.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        with build_opener(ProxyHandler({})).open(metrics_url, timeout=SECONDS) as answer:
            text = answer.read(LARGEST).decode()
        found: dict[str, dict[str, float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = NAMES.get(sample.name.removesuffix("_total"))
                if name is not None and "model" in sample.labels:
                    of_model = found.setdefault(sample.labels["model"], {})
                    factor = 1e-6 if name in MICROSECONDS else 1.0
                    of_model[name] = of_model.get(name, 0.0) + factor * sample.value
    except (URLError, OSError, ValueError) as error:
        raise CheckError(f"the metrics at {metrics_url} cannot be read: {error}") from error
    return {model: Counts(**values) for model, values in found.items()}

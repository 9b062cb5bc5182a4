"""A canary beside a server: it asks every version of every model for an answer, and knows what answered.

Triton calls a model ready whose process has died; only an answer tells. A server that is slow, refuses for
want of room, starts or ends is not dead: dead is a version that fails for another reason, several rounds in a
row, while the server itself answers.
"""

import time
from collections import Counter
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from lartpc.errors import UserError
from lartpc.served.model_config import ALIAS
from serving.connection import Connection, GoneError, ServerError, SlowServerError
from serving.least_request import least_request

UNSTATED = "unstated"

LOADED = ("UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED", "ABORTED")
"""Statuses of gRPC by which a server that has no room, or ends, refuses a request."""


class Canary:
    """Asks one server, round after round.

    Args:
        url: HOST:PORT of its gRPC.
        timeout_s: after which an answer is missing, in s.
        rounds: failures in a row by which a version is dead.
        demanded: ``score_scale`` and ``adc_era`` that models must have, where a site demands them.
    """

    def __init__(self, url: str, timeout_s: float, rounds: int, demanded: Mapping[str, str]) -> None:
        self._url, self._rounds, self._demanded = url, rounds, dict(demanded)
        self.timeout_s = timeout_s
        self._connection: Connection | None = None
        self._failures: Counter[tuple[str, int]] = Counter()
        self.registry = CollectorRegistry()
        self._metrics = _Metrics(self.registry)
        self.round_at = time.time()

    @property
    def dead(self) -> list[str]:
        """Versions that are ready and give no answer, in words."""
        return [
            f"{name} version {version}"
            for (name, version), failures in sorted(self._failures.items())
            if failures >= self._rounds
        ]

    def text(self) -> bytes:
        """The metrics in Prometheus' form."""
        return generate_latest(self.registry)

    def look(self) -> list[str]:
        """One round; what went wrong in it, in words."""
        try:
            served = self._asked().served()
        except UserError as error:  # the server is not there yet or no longer: its own probes see to that
            self._failures.clear()
            self._metrics.forget()
            self._close()
            return [str(error)]
        finally:
            self._go_on()
        versions = [(name, version) for name, numbers in served.items() for version in numbers]
        self._failures = Counter({each: self._failures[each] for each in versions})
        self._metrics.forget()
        return [fault for name, version in versions for fault in self._look_at(name, version)]

    def _go_on(self) -> None:
        self.round_at = time.time()
        self._metrics.round.set(self.round_at)

    def _look_at(self, name: str, version: int) -> list[str]:
        self._go_on()  # a round of a dozen models that all time out takes minutes
        faults = []
        try:
            began = time.monotonic()
            metadata = self._asked().metadata(name, version)
            self._asked().infer(name, version, least_request(metadata["inputs"]), (), self.timeout_s)
            self._metrics.answer.labels(name, version).set(time.monotonic() - began)
            self._failures[name, version] = 0
            faults = self._mismatches(name, version)
        except (GoneError, SlowServerError) as error:
            faults.append(str(error))
        except ServerError as error:
            faults.append(str(error))
            if error.status not in LOADED:
                self._failures[name, version] += 1
        except UserError as error:
            faults.append(str(error))
        self._metrics.failing.labels(name, version).set(self._failures[name, version])
        self._metrics.dead.labels(name, version).set(self._failures[name, version] >= self._rounds)
        return faults

    def _mismatches(self, name: str, version: int) -> list[str]:
        parameters = self._asked().parameters(name, version)
        if ALIAS in parameters:
            return []
        found = {
            what: parameters.get(f"v{version}.{what}", UNSTATED)
            for what in ("digest", "score_scale", "adc_era")
        }
        self._metrics.served.labels(name, version, *found.values()).set(1)
        faults = []
        for what, wanted in self._demanded.items():
            self._metrics.mismatch.labels(name, version, what).set(found[what] != wanted)
            if found[what] != wanted:
                faults.append(f"{name} version {version} has {what} {found[what]}, this site serves {wanted}")
        return faults

    def _asked(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._url, timeout_s=self.timeout_s, connect_s=self.timeout_s)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"emtrkmichel_canary_{name}", text, labels, registry=registry)

        of_version = ("model", "version")
        self.round = gauge("round_seconds", "Time of the last round, seconds since 1970")
        self.answer = gauge("answer_seconds", "Time of the last answer, in s", *of_version)
        self.failing = gauge("failing_rounds", "Rounds in a row without an answer, not for load", *of_version)
        self.dead = gauge("dead", "Whether a version is ready and gives no answer", *of_version)
        self.mismatch = gauge(
            "mismatch", "Whether a version has what this site does not serve", *of_version, "what"
        )
        self.served = gauge("served_info", "What is served", *of_version, "digest", "score_scale", "adc_era")

    def forget(self) -> None:
        """What is said of versions: those that are no longer served are not spoken of."""
        for metric in (self.answer, self.failing, self.dead, self.mismatch, self.served):
            metric.clear()

"""A real Prometheus that keeps what servers and balancer count, where it is installed."""

import json
import shutil
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import quote

from lartpc.errors import CheckError
from lartpc.files import write_text
from serving.bound_process import BoundProcess
from serving.ports import LOOPBACK

SCRAPE_SECONDS = 2
START_SECONDS, GRACE_SECONDS = 30, 10
PATHS = {"triton": "/metrics", "envoy": "/stats/prometheus"}
"""Job -> where its targets show their figures."""


def find_prometheus() -> str | None:
    """The program; None where it is not installed (Debian: apt-get install prometheus)."""
    return shutil.which("prometheus")


def configuration(targets: Mapping[str, list[str]]) -> str:
    """Prometheus' configuration.

    Args:
        targets: job of :data:`PATHS` -> HOST:PORT of each target.
    """
    jobs = [
        {"job_name": job, "metrics_path": PATHS[job], "static_configs": [{"targets": places}]}
        for job, places in targets.items()
    ]
    every = f"{SCRAPE_SECONDS}s"
    document = {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": jobs}
    return json.dumps(document, indent=1) + "\n"  # JSON is YAML


class Prometheus:
    """Scrapes while its ``with`` block runs; what it has kept goes with it.

    Args:
        program: see :func:`find_prometheus`.
        port: of its page, on the loopback interface.
        targets: see :func:`configuration`.

    Raises:
        CheckError: on entering: it does not start, with the end of its log.
    """

    def __init__(self, program: str, port: int, targets: Mapping[str, list[str]]) -> None:
        self._program, self.port, self._targets = program, port, targets
        self._told = False

    @property
    def url(self) -> str:
        """Of its page."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="lartpc-prometheus-")
        folder = Path(self._folder.name)
        write_text(folder / "prometheus.yml", configuration(self._targets))
        command = [
            self._program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--log.level=warn",
        ]
        try:
            self._process = BoundProcess("Prometheus", command, None, GRACE_SECONDS)
        except BaseException:
            self._folder.cleanup()
            raise
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.stop()
        self._folder.cleanup()

    def end(self) -> str:
        """That it has ended by itself, in words and once; empty otherwise."""
        if self._told or not self._process.ended:
            return ""
        self._told = True
        return f"Prometheus has ended, and figures are kept no longer; {self._process.log_tail()}"

    def ask(self, expression: str) -> dict[str, float]:
        """Value of an expression of PromQL for each of its label sets, as JSON.

        Raises:
            CheckError: Prometheus refuses it, or does not answer.
        """
        try:
            answer = json.loads(self._get(f"/api/v1/query?query={quote(expression)}"))
        except (OSError, HTTPException, ValueError) as error:
            raise CheckError(f"Prometheus does not answer: {error}") from error
        if answer.get("status") != "success":
            raise CheckError(f"Prometheus refuses {expression}: {answer.get('error')}")
        return {
            json.dumps(each["metric"], sort_keys=True): float(each["value"][1])
            for each in answer["data"]["result"]
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._process.check_alive()
            try:
                if "Ready" in self._get("/-/ready"):
                    return
            except (OSError, HTTPException):
                time.sleep(0.1)
        raise CheckError(f"Prometheus did not start within {START_SECONDS} s; {self._process.log_tail()}")

    def _get(self, path: str) -> str:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

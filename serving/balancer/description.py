"""What an Envoy is to do, on this machine's stack and on a cluster alike."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Dns:
    """A name whose addresses are the servers, asked for again while Envoy runs.

    Attributes:
        name: such as that of a headless service of Kubernetes, whose addresses are its ready pods.
        port: of each server's gRPC.
    """

    name: str
    port: int


@dataclass(frozen=True)
class Waiting:
    """Where requests wait while there is no server, as when the first one is being started.

    Attributes:
        port: on the loopback interface, of the listener that holds them and asks again.
        pause_port: on the loopback interface, of the listener that lets time pass.
        pause_s: between two looks for a server, in s.
        most_s: then they are refused as UNAVAILABLE, in s.
    """

    port: int
    pause_port: int
    pause_s: int
    most_s: int


@dataclass(frozen=True)
class Tls:
    """Files by which the balancer and its clients know each other.

    Attributes:
        certificate: the balancer's chain.
        key: its private key.
        ca: certificates of those who vouch for clients, which must then have one.
    """

    certificate: Path
    key: Path
    ca: Path | None = None


@dataclass(frozen=True)
class Jwt:
    """Tokens that a request must bring.

    Attributes:
        issuer: who issues them.
        audience: for whom.
        jwks: file with the keys that sign them (RFC 7517).
    """

    issuer: str
    audience: str
    jwks: Path


@dataclass(frozen=True)
class Tracing:
    """Where spans go, by OpenTelemetry's protocol over gRPC.

    Attributes:
        host: of the collector.
        port: of it.
        percent: of the requests that are traced.
    """

    host: str
    port: int
    percent: int


@dataclass(frozen=True)
class Balancer:
    """What an Envoy is to do.

    Attributes:
        servers: file that names them (:mod:`serving.balancer.endpoints`), or the name of all of them; either
            is followed while it runs.
        address: to listen on.
        port: for gRPC.
        admin_port: of its statistics, always on the loopback interface.
        most_requests: admitted at a time; more are refused.
        most_bytes: that it may hold; near that, requests are refused until it holds less.
        tls: encrypts what comes from clients.
        jwt: demands a token.
        stats_port: to listen on for those who ask whether it is ready, or for its metrics.
        waiting: holds requests while there is no server; without it they are refused.
        tracing: sends spans.
    """

    servers: Path | Dns
    address: str
    port: int
    admin_port: int
    most_requests: int
    most_bytes: int
    tls: Tls | None = None
    jwt: Jwt | None = None
    stats_port: int | None = None
    waiting: Waiting | None = None
    tracing: Tracing | None = None

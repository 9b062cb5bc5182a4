"""Envoy's configuration in a chart: the very one of this machine's stack, with the chart's values in it.

It is made with numbers and words that stand for values, and these are replaced by Helm's expressions. What a
site may leave out, TLS, tokens and traces, are files of their own that the chart's template puts in.
"""

import json
from pathlib import Path

from serving.balancer.configuration import configuration
from serving.balancer.description import Balancer, Dns, Jwt, Tls, Tracing, Waiting
from serving.balancer.parts import Json

GRPC_PORT, ADMIN_PORT, STATS_PORT = 8001, 9901, 9902
WAITING_PORT, PAUSE_PORT = 10001, 10002
PAUSE_SECONDS = 2

MOST_REQUESTS, MOST_BYTES, WAITING_TRIES, PERCENT, TRACING_PORT = (
    900000001,
    900000002,
    900000003,
    97,
    900000005,
)
ADDRESS, SERVERS, ISSUER, AUDIENCE, COLLECTOR = "ADDRESS_", "SERVERS_", "ISSUER_", "AUDIENCE_", "COLLECTOR_"

EXPRESSIONS = {
    f"{MOST_REQUESTS}": ".Values.balancer.mostRequests | int64",
    f"{MOST_BYTES}": "mul .Values.balancer.mostMb 1000000",
    f"{WAITING_TRIES}": f"div .Values.balancer.waitSeconds {PAUSE_SECONDS}",
    f'"value": {PERCENT}': ".Values.tracing.percent",
    f"{TRACING_PORT}": ".Values.tracing.grpcPort | int64",
    f'"{ADDRESS}"': ".Values.balancer.address | toJson",
    f'"{SERVERS}"': 'printf "%s-triton.%s.svc" (include "its.name" .) .Release.Namespace | toJson',
    f'"{ISSUER}"': ".Values.balancer.jwt.issuer | toJson",
    f'"{AUDIENCE}"': ".Values.balancer.jwt.audience | toJson",
    f'"{COLLECTOR}"': ".Values.tracing.host | toJson",
}
"""What stands in the configuration for a value -> Helm's expression of it."""

SECRETS = Path("/etc/balancer")
"""Where the chart mounts certificates and keys."""


def envoy_files() -> dict[str, str]:
    """The files of the chart, by name: the whole configuration, and each part that may be left out."""
    whole = configuration(_balancer())
    listeners = {each["name"]: each for each in whole["static_resources"]["listeners"]}
    chain = listeners["grpc"]["filter_chains"][0]
    manager = chain["filters"][0]["typed_config"]
    clusters = whole["static_resources"]["clusters"]
    parts = {
        "tls": chain.pop("transport_socket"),
        "tokens": manager["http_filters"].pop(0),
        "tracing": manager.pop("tracing"),
        "collector": clusters.pop(),
    }
    return {f"envoy/{name}.json": _with_expressions(part) for name, part in {"envoy": whole, **parts}.items()}


def _balancer() -> Balancer:
    return Balancer(
        servers=Dns(SERVERS, GRPC_PORT),
        address=ADDRESS,
        port=GRPC_PORT,
        admin_port=ADMIN_PORT,
        most_requests=MOST_REQUESTS,
        most_bytes=MOST_BYTES,
        tls=Tls(SECRETS / "tls" / "tls.crt", SECRETS / "tls" / "tls.key", SECRETS / "tls" / "ca.crt"),
        jwt=Jwt(ISSUER, AUDIENCE, SECRETS / "jwt" / "jwks.json"),
        stats_port=STATS_PORT,
        waiting=Waiting(WAITING_PORT, PAUSE_PORT, PAUSE_SECONDS, PAUSE_SECONDS * WAITING_TRIES),
        tracing=Tracing(COLLECTOR, TRACING_PORT, PERCENT),
    )


def _with_expressions(part: Json) -> str:
    text = json.dumps(part, indent=1)
    for placeholder, expression in EXPRESSIONS.items():
        name, colon, _ = placeholder.rpartition(": ")
        text = text.replace(placeholder, f"{name}{colon}{{{{ {expression} }}}}")
    return text + "\n"

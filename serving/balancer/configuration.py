"""Envoy's configuration: what is on this machine's stack and on a cluster alike.

Each choice answers a fault that others have met:

- ``request_body_buffer_limit``: Envoy gives up the retry of a request whose body is larger than 1 MiB,
silently
  (envoyproxy/envoy#29386); ours are 2 to 16 MB. Its memory is bounded by that times the requests admitted.
- ``retry_on``: a Triton that stops says CANCELLED or UNAVAILABLE, one whose model's process died INTERNAL.
- ``retry_budget``: the default of three retries at a time is used up by the first server that dies.
- ``max_requests``: more are refused by their headers, before a body is read, as UNAVAILABLE, "overflow".
- No timeout of a route: 15 s by default, less than a full queue takes. A client sets its own deadline.
- ``connection_keepalive``: a server that is stopped, or cut off, closes no connection; pings tell.
- Outliers are told by gRPC statuses; a server whose model does not answer stays READY by its health check.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TYPE = "type.googleapis.com/envoy.extensions"
CLUSTER = "triton"
RETRY_ON = "cancelled,unavailable,internal,reset,connect-failure,refused-stream"
RETRIES = 3

LARGEST_BODY = 80 << 20
"""Bytes of the largest request, 8192 patches of 9216 bytes and a margin."""

CONNECTION_WINDOW = 64 << 20
"""Bytes of a connection, and of a request, that are under way before the other side takes them."""

PING_SECONDS, PING_TIMEOUT_SECONDS = 5, 5
EJECTION_SECONDS = 5


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
class Balancer:
    """What an Envoy is to do.

    Attributes:
        endpoints: file that names the servers (:mod:`serving.balancer.endpoints`), followed while it runs.
        address: to listen on.
        port: for gRPC.
        admin_port: of its statistics, always on the loopback interface.
        most_requests: admitted at a time; more are refused.
        most_bytes: that it may hold; near that, requests are refused until it holds less.
        tls: encrypts what comes from clients.
        jwt: demands a token.
    """

    endpoints: Path
    address: str
    port: int
    admin_port: int
    most_requests: int
    most_bytes: int
    tls: Tls | None = None
    jwt: Jwt | None = None


def configuration(balancer: Balancer) -> Json:
    """The static configuration of an Envoy, as it reads it from JSON."""
    return {
        "node": {"id": "balancer", "cluster": CLUSTER},
        "admin": {"address": _address("127.0.0.1", balancer.admin_port)},
        "static_resources": {"listeners": [_listener(balancer)], "clusters": [_cluster(balancer)]},
        "overload_manager": _overload_manager(balancer.most_bytes),
    }


def _overload_manager(most_bytes: int) -> Json:
    heap = "envoy.resource_monitors.fixed_heap"
    thresholds = {"shrink_heap": 0.8, "stop_accepting_requests": 0.9}
    return {
        "refresh_interval": "0.1s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{TYPE}.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": most_bytes,
                },
            }
        ],
        "actions": [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": heap, "threshold": {"value": threshold}}],
            }
            for action, threshold in thresholds.items()
        ],
    }


def _listener(balancer: Balancer) -> Json:
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "grpc",
        "codec_type": "HTTP2",
        "http2_protocol_options": _http2(),
        "stream_idle_timeout": "0s",
        "route_config": {"name": "servers", "virtual_hosts": [_virtual_host()]},
        "http_filters": [*_token_filters(balancer.jwt), _filter("router", "router.v3.Router")],
    }
    chain: Json = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    }
    if balancer.tls:
        chain["transport_socket"] = _transport_socket(balancer.tls)
    return {
        "name": "grpc",
        "address": _address(balancer.address, balancer.port),
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "filter_chains": [chain],
    }


def _virtual_host() -> Json:
    previous = "envoy.retry_host_predicates.previous_hosts"
    return {
        "name": "servers",
        "domains": ["*"],
        "request_body_buffer_limit": LARGEST_BODY,
        "routes": [
            {
                "match": {"prefix": "/"},
                "route": {
                    "cluster": CLUSTER,
                    "timeout": "0s",
                    "retry_policy": {
                        "retry_on": RETRY_ON,
                        "num_retries": RETRIES,
                        "retry_back_off": {"base_interval": "0.025s", "max_interval": "1s"},
                        "host_selection_retry_max_attempts": 5,
                        "retry_host_predicate": [
                            {
                                "name": previous,
                                "typed_config": {
                                    "@type": f"{TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                                },
                            }
                        ],
                    },
                },
            }
        ],
    }


def _cluster(balancer: Balancer) -> Json:
    budget = {"budget_percent": {"value": 100.0}, "min_retry_concurrency": balancer.most_requests}
    most = balancer.most_requests
    return {
        "name": CLUSTER,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {
                    "path": str(balancer.endpoints),
                    "watched_directory": {"path": str(balancer.endpoints.parent)},
                },
            }
        },
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {
                        **_http2(),
                        "connection_keepalive": {
                            "interval": f"{PING_SECONDS}s",
                            "timeout": f"{PING_TIMEOUT_SECONDS}s",
                        },
                    }
                },
            }
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 4096,
                    "max_requests": most,
                    "max_pending_requests": most,
                    "track_remaining": True,
                    "retry_budget": budget,
                }
            ]
        },
        "outlier_detection": {
            "consecutive_5xx": 3,
            "consecutive_gateway_failure": 3,
            "enforcing_consecutive_gateway_failure": 100,
            "interval": "1s",
            "base_ejection_time": f"{EJECTION_SECONDS}s",
            "max_ejection_time": "60s",
            "max_ejection_percent": 100,
        },
        "common_lb_config": {"healthy_panic_threshold": {"value": 0.0}},
        "close_connections_on_host_health_failure": True,
    }


def _http2() -> Json:
    return {
        "initial_stream_window_size": CONNECTION_WINDOW,
        "initial_connection_window_size": 4 * CONNECTION_WINDOW,
        "max_concurrent_streams": 1024,
    }


def _token_filters(jwt: Jwt | None) -> list[Json]:
    if jwt is None:
        return []
    provider = {
        "issuer": jwt.issuer,
        "audiences": [jwt.audience],
        "local_jwks": {"filename": str(jwt.jwks)},
        "forward": False,
    }
    config = {
        "providers": {"site": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "site"}}],
    }
    return [_filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", **config)]


def _filter(name: str, kind: str, **config: Any) -> Json:
    typed = {"@type": f"{TYPE}.filters.http.{kind}", **config}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed}


def _transport_socket(tls: Tls) -> Json:
    common: Json = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(tls.certificate)},
                "private_key": {"filename": str(tls.key)},
            }
        ],
    }
    if tls.ca:
        common["validation_context"] = {"trusted_ca": {"filename": str(tls.ca)}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": tls.ca is not None,
            "common_tls_context": common,
        },
    }


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}

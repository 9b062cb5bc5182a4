"""Where Envoy listens, whom it lets in, and how it asks again."""

from typing import Any

from serving.balancer.clusters import ADMINISTRATION, CLUSTER, SERVERS_OR_WAITING, TRACES
from serving.balancer.description import Balancer, Jwt, Tls, Tracing
from serving.balancer.parts import CONNECTION_WINDOW, TYPE, Json, address, http2, http_filter

RETRY_ON = "cancelled,unavailable,internal,reset,connect-failure,refused-stream"
RETRIES = 3

LARGEST_BODY = 80 << 20
"""Bytes of the largest request, 8192 patches of 9216 bytes and a margin."""

READY_PATH, METRICS_PATH = "/ready", "/stats/prometheus"


def grpc_listener(balancer: Balancer) -> Json:
    """For clients."""
    cluster = SERVERS_OR_WAITING if balancer.waiting else CLUSTER
    manager = connection_manager("grpc", route(cluster, RETRIES), token_filters(balancer.jwt))
    if balancer.tracing:
        manager["tracing"] = tracing(balancer.tracing)
    chain: Json = {"filters": [network_filter(manager)]}
    if balancer.tls:
        chain["transport_socket"] = _transport_socket(balancer.tls)
    return {
        "name": "grpc",
        "address": address(balancer.address, balancer.port),
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "filter_chains": [chain],
    }


def stats_listener(host: str, port: int) -> Json:
    """For probes and Prometheus: two pages of the administration, which itself no other machine reaches.

    It answers when requests are refused for want of memory, too: who restarted an overloaded balancer for
    its silence would break off what is under way.
    """
    pages = (READY_PATH, METRICS_PATH)
    routes = [{"match": {"path": page}, "route": {"cluster": ADMINISTRATION}} for page in pages]
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "route_config": {
            "name": "stats",
            "virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": routes}],
        },
        "http_filters": [http_filter("router", "router.v3.Router")],
    }
    return {
        "name": "stats",
        "address": address(host, port),
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [network_filter(manager)]}],
    }


def connection_manager(name: str, its_route: Json, filters: list[Json]) -> Json:
    """How requests of gRPC are taken: any path, with the filters before the route.

    Args:
        name: in statistics.
        its_route: see :func:`route`.
        filters: of HTTP, in order; the router comes after them.
    """
    return {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "HTTP2",
        "http2_protocol_options": http2(),
        "stream_idle_timeout": "0s",
        "route_config": {
            "name": name,
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "request_body_buffer_limit": LARGEST_BODY,
                    "routes": [{"match": {"prefix": "/"}, "route": its_route}],
                }
            ],
        },
        "http_filters": [*filters, http_filter("router", "router.v3.Router")],
    }


def network_filter(manager: Json) -> Json:
    """The filter of a listener that holds a connection manager."""
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def route(cluster: str, retries: int) -> Json:
    """To a cluster, without a timeout, and to another host of it after a failure."""
    previous = "envoy.retry_host_predicates.previous_hosts"
    return {
        "cluster": cluster,
        "timeout": "0s",
        "retry_policy": {
            "retry_on": RETRY_ON,
            "num_retries": retries,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "1s"},
            "host_selection_retry_max_attempts": 5,
            "retry_host_predicate": [
                {
                    "name": previous,
                    "typed_config": {"@type": f"{TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
        },
    }


def token_filters(jwt: Jwt | None) -> list[Json]:
    """The filter that demands a token; none where none is demanded."""
    if jwt is None:
        return []
    provider = {
        "issuer": jwt.issuer,
        "audiences": [jwt.audience],
        "local_jwks": {"filename": str(jwt.jwks)},
        "forward": False,
    }
    config: dict[str, Any] = {
        "providers": {"site": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "site"}}],
    }
    return [http_filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", **config)]


def tracing(its: Tracing) -> Json:
    """Of a connection manager: spans of a share of the requests."""
    provider = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": TRACES}, "timeout": "1s"},
        "service_name": "balancer",
    }
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "random_sampling": {"value": its.percent},
    }


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

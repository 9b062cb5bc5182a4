"""What Envoy sends to: the servers, the place where requests wait for one, its own administration."""

from pathlib import Path

from serving.balancer.description import Balancer, Dns, Tracing, Waiting
from serving.balancer.parts import CONNECTION_WINDOW, LOOPBACK, TYPE, Json, address, keepalive_options

CLUSTER, WAITING, PAUSE = "triton", "waiting", "pause"
SERVERS_OR_WAITING, SERVERS_OR_PAUSE = "triton_or_waiting", "triton_or_pause"
ADMINISTRATION, TRACES = "administration", "traces"
"""Names of them, in Envoy's statistics too."""

PING_SECONDS, PING_TIMEOUT_SECONDS = 5, 5
EJECTION_SECONDS = 5
DNS_SECONDS = 2
"""Between two questions for the servers' addresses."""


def clusters(balancer: Balancer) -> list[Json]:
    """All of them."""
    found = [_servers(balancer)]
    if balancer.waiting:
        found += _waiting(balancer.waiting, balancer.most_requests)
    if balancer.stats_port:
        found.append(_one(ADMINISTRATION, LOOPBACK, balancer.admin_port))
    if balancer.tracing:
        found.append(_collector(balancer.tracing))
    return found


def _servers(balancer: Balancer) -> Json:
    return {
        "name": CLUSTER,
        **_discovery(balancer.servers),
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "typed_extension_protocol_options": keepalive_options(
            {"interval": f"{PING_SECONDS}s", "timeout": f"{PING_TIMEOUT_SECONDS}s"}
        ),
        "circuit_breakers": _admission(balancer.most_requests),
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


def _discovery(servers: Path | Dns) -> Json:
    if isinstance(servers, Dns):
        return {
            "type": "STRICT_DNS",
            "dns_lookup_family": "ALL",
            "dns_refresh_rate": f"{DNS_SECONDS}s",
            "respect_dns_ttl": False,
            "load_assignment": _assignment(CLUSTER, servers.name, servers.port),
        }
    return {
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {
                    "path": str(servers),
                    "watched_directory": {"path": str(servers.parent)},
                },
            }
        },
    }


def _admission(most: int) -> Json:
    return {
        "thresholds": [
            {
                "max_connections": 4096,
                "max_requests": most,
                "max_pending_requests": most,
                "track_remaining": True,
                "retry_budget": {"budget_percent": {"value": 100.0}, "min_retry_concurrency": most},
            }
        ]
    }


def _waiting(waiting: Waiting, most: int) -> list[Json]:
    """The two places on the loopback interface, and the servers with each of them behind."""
    places = ((WAITING, waiting.port), (PAUSE, waiting.pause_port))
    either = ((SERVERS_OR_WAITING, WAITING), (SERVERS_OR_PAUSE, PAUSE))
    return [
        *({**_one(name, LOOPBACK, port, most), "typed_extension_protocol_options": keepalive_options()}
          for name, port in places),
        *(_first_of(name, most, CLUSTER, behind) for name, behind in either),
    ]  # fmt: skip


def _first_of(name: str, most: int, *clusters: str) -> Json:
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": _admission(most),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0.0}},
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": f"{TYPE}.clusters.aggregate.v3.ClusterConfig",
                "clusters": list(clusters),
            },
        },
    }


def _one(name: str, host: str, port: int, most: int | None = None) -> Json:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "load_assignment": _assignment(name, host, port),
        **({"circuit_breakers": _admission(most)} if most else {}),
    }


def _collector(tracing: Tracing) -> Json:
    return {
        "name": TRACES,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": keepalive_options(),
        "load_assignment": _assignment(TRACES, tracing.host, tracing.port),
    }


def _assignment(cluster: str, host: str, port: int) -> Json:
    return assignment(cluster, [{"endpoint": {"address": address(host, port)}}])


def assignment(cluster: str, endpoints: list[Json]) -> Json:
    """The hosts of a cluster. As long as one of them is healthy nothing goes to the place behind it.

    Args:
        cluster: its name.
        endpoints: its hosts, in Envoy's form.
    """
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": endpoints}],
        "policy": {"overprovisioning_factor": 1_000_000},
    }

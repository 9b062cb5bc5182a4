"""Envoy's configuration: what is on this machine's stack and on a cluster alike.

Each choice answers a fault that others have met:

- ``request_body_buffer_limit``: Envoy gives up the retry of a request whose body is larger than 1 MiB, and
  says nothing (envoyproxy/envoy#29386); ours are 2 to 16 MB. Its memory is bounded by that times the
  requests admitted.
- ``retry_on``: a Triton that stops says CANCELLED or UNAVAILABLE, one whose model's process died INTERNAL.
- ``retry_budget``: the default of three retries at a time is used up by the first server that dies.
- ``max_requests``: more are refused by their headers, before a body is read, as UNAVAILABLE, "overflow".
- No timeout of a route: 15 s by default, less than a full queue takes. A client sets its own deadline.
- ``connection_keepalive``: a server that is stopped, or cut off, closes no connection; pings tell.
- Outliers are told by gRPC statuses; a server whose model does not answer stays READY by its health check.
"""

from serving.balancer.clusters import clusters
from serving.balancer.description import Balancer
from serving.balancer.listeners import grpc_listener, stats_listener
from serving.balancer.parts import LOOPBACK, TYPE, Json, address
from serving.balancer.waiting import waiting_listeners


def configuration(balancer: Balancer) -> Json:
    """The static configuration of an Envoy, as it reads it from JSON."""
    listeners = [grpc_listener(balancer)]
    if balancer.waiting:
        listeners += waiting_listeners(balancer.waiting)
    if balancer.stats_port:
        listeners.append(stats_listener(balancer.address, balancer.stats_port))
    return {
        "node": {"id": "balancer", "cluster": "balancer"},
        "admin": {"address": address(LOOPBACK, balancer.admin_port)},
        "static_resources": {"listeners": listeners, "clusters": clusters(balancer)},
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

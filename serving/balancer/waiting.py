"""Requests that come while there is no server wait for one, as when the first of them is being started.

Envoy alone does it, by two listeners of the loopback interface. A request goes to the servers, and where
there is none to the first listener, which keeps it: it asks for a server again and again, and where there
still is none the second listener lets some seconds pass and says UNAVAILABLE. How many wait stands in the
statistics of the cluster ``waiting``, by which servers can be started.
"""

from serving.balancer.clusters import SERVERS_OR_PAUSE
from serving.balancer.description import Waiting
from serving.balancer.listeners import connection_manager, network_filter, route
from serving.balancer.parts import CONNECTION_WINDOW, LOOPBACK, Json, address, http_filter

UNAVAILABLE = 14
"""gRPC's status (grpc: doc/statuscodes.md)."""

NO_RETRY = "x-envoy-ratelimited"
"""By this header of an answer Envoy's router asks no more (Envoy: HTTP filters, Router): who has waited his
time does not wait it once for every retry."""


def waiting_listeners(waiting: Waiting) -> list[Json]:
    """The one that keeps requests, and the one that lets time pass."""
    retries = -(-waiting.most_s // waiting.pause_s)
    keeping = connection_manager("waiting", route(SERVERS_OR_PAUSE, retries), [])
    [host] = keeping["route_config"]["virtual_hosts"]
    host["response_headers_to_add"] = [{"header": {"key": NO_RETRY, "value": "true"}}]
    always = {"numerator": 100, "denominator": "HUNDRED"}
    pause = {
        "delay": {"fixed_delay": f"{waiting.pause_s}s", "percentage": always},
        "abort": {"grpc_status": UNAVAILABLE, "percentage": always},
    }
    pausing = connection_manager("pause", {}, [http_filter("fault", "fault.v3.HTTPFault", **pause)])
    [host] = pausing["route_config"]["virtual_hosts"]
    host["routes"] = [{"match": {"prefix": "/"}, "direct_response": {"status": 503}}]
    return [_listener("waiting", waiting.port, keeping), _listener("pause", waiting.pause_port, pausing)]


def _listener(name: str, port: int, manager: Json) -> Json:
    return {
        "name": name,
        "address": address(LOOPBACK, port),
        "per_connection_buffer_limit_bytes": CONNECTION_WINDOW,
        "filter_chains": [{"filters": [network_filter(manager)]}],
    }

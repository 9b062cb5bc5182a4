"""The file by which Envoy knows its servers, replaced whole while it runs."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from lartpc.files import write_text
from serving.balancer.clusters import CLUSTER, assignment


class Health(StrEnum):
    """What a server may be sent, in Envoy's words (envoy.config.core.v3.HealthStatus)."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    """Nothing; what is under way there is broken off and asked elsewhere."""
    DRAINING = "DRAINING"
    """Nothing more; what is under way there is answered."""


def write_endpoints(path: Path, servers: Mapping[str, Health]) -> None:
    """Name the servers.

    Args:
        path: the file; its folder must be one that Envoy watches.
        servers: HOST:PORT of each server's gRPC -> its health.
    """
    endpoints = []
    for server, health in servers.items():
        host, _, port = server.rpartition(":")
        address = {"socket_address": {"address": host, "port_value": int(port)}}
        endpoints.append({"endpoint": {"address": address}, "health_status": health.value})
    resource = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        **assignment(CLUSTER, endpoints),
    }
    write_text(path, json.dumps({"resources": [resource]}, indent=1) + "\n")

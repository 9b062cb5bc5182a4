"""Parts of Envoy's configuration that listeners and clusters share."""

from typing import Any

Json = dict[str, Any]

TYPE = "type.googleapis.com/envoy.extensions"
LOOPBACK = "127.0.0.1"

CONNECTION_WINDOW = 64 << 20
"""Bytes of a connection, and of a request, that are under way before the other side takes them."""


def http2() -> Json:
    """Options of HTTP/2, whichever side it is."""
    return {
        "initial_stream_window_size": CONNECTION_WINDOW,
        "initial_connection_window_size": 4 * CONNECTION_WINDOW,
        "max_concurrent_streams": 1024,
    }


def address(host: str, port: int) -> Json:
    """A place to listen on or to connect to."""
    return {"socket_address": {"address": host, "port_value": port}}


def keepalive_options(keepalive: Json | None = None) -> Json:
    """How a cluster is spoken to: HTTP/2, and where given pings that tell whether a connection lives."""
    options = {**http2(), **({"connection_keepalive": keepalive} if keepalive else {})}
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": options},
        }
    }


def http_filter(name: str, kind: str, **config: Any) -> Json:
    """A filter of HTTP, with its settings."""
    typed = {"@type": f"{TYPE}.filters.http.{kind}", **config}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed}

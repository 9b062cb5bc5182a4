"""Which protocol a port speaks, where the one that was asked for found nobody."""

import socket
from http.client import HTTPConnection, HTTPException

SECONDS = 1.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
"""How a connection of HTTP/2, and so of gRPC, begins, with empty settings (RFC 9113, sections 3.4, 6.5)."""

SETTINGS = 4
"""Kind of the frame that the other side answers with."""


def spoken_at(url: str) -> str | None:
    """``http`` or ``grpc``, as Triton's ports speak them without TLS; None where it is neither.

    Args:
        url: HOST:PORT.
    """
    host, _, port = url.rpartition(":")
    host = host.strip("[]")
    try:
        connection = HTTPConnection(host, int(port), timeout=SECONDS)
        try:
            connection.request("GET", "/v2/health/live")
            if connection.getresponse().status == 200:
                return "http"
        finally:
            connection.close()
    except (OSError, HTTPException):
        pass
    try:
        with socket.create_connection((host, int(port)), SECONDS) as caller:
            caller.settimeout(SECONDS)
            caller.sendall(PREFACE)
            answer = caller.recv(9)
    except OSError:
        return None
    return "grpc" if len(answer) > 3 and answer[3] == SETTINGS else None

"""Which protocol a port speaks, where the one that was asked for found nobody."""

import socket

SECONDS = 1.0
REQUEST = b"GET /v2/health/live HTTP/1.1\r\nHost: triton\r\nConnection: close\r\n\r\n"
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
    place = host.strip("[]"), int(port)
    if _answer(place, REQUEST)[:13].startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
        return "http"
    answer = _answer(place, PREFACE)
    return "grpc" if len(answer) > 3 and answer[3] == SETTINGS else None


def _answer(place: tuple[str, int], content: bytes) -> bytes:
    """The first bytes that come back, in one piece: who drips is not waited for."""
    try:
        with socket.create_connection(place, SECONDS) as caller:
            caller.settimeout(SECONDS)
            caller.sendall(content)
            return caller.recv(64)
    except OSError:
        return b""

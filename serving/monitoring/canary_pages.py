"""What a canary tells others by HTTP: its metrics, whether it goes on asking, whether a model is dead."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from lartpc.errors import UserError
from serving.monitoring.canary import Canary

SILENT_ROUNDS = 10
"""Time of so many rounds, or answers that are waited for, without another: the canary itself hangs."""


@contextmanager
def pages(canary: Canary, address: str, port: int, every_s: float) -> Iterator[int]:
    """Serve while the block runs; yields the port.

    ``/dead`` is found, 200, only where a version is proved dead, and names it: who restarts a server asks
    that, and a canary that is not there proves nothing. ``/alive`` is the canary's own health.

    Args:
        canary: that is asked.
        address: to listen on.
        port: of it; 0 is a free one.
        every_s: between two rounds.

    Raises:
        UserError: the port is taken.
    """

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        daemon_threads = True

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """One page."""
            found = _page(self.path, canary, every_s)
            status, content = found if found else (404, b"there are /metrics, /alive and /dead\n")
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing: a probe comes every few seconds."""

    try:
        server = Server((address, port), Handler)
    except OSError as error:
        raise UserError(
            f"cannot listen on {address}:{port}: {error.strerror}; give another --port"
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _page(path: str, canary: Canary, every_s: float) -> tuple[int, bytes] | None:
    if path == "/metrics":
        return 200, canary.text()
    if path == "/alive":
        silent = time.time() - canary.round_at > SILENT_ROUNDS * max(every_s, canary.timeout_s) + 60
        return (503, b"no round for long\n") if silent else (200, b"alive\n")
    if path == "/dead" and canary.dead:
        return 200, f"{'; '.join(canary.dead)}\n".encode()
    return None

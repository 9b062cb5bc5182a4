"""What whoever reaches a server's ports may ask of it: one rule for every server that we start.

Open are health, inference, metadata, configurations, statistics and the index of models: clients, balancers
and CMS's and LArSoft's own C++ clients ask them without a key. Closed are the others. Models are loaded and
unloaded by nobody, for Triton itself refuses that while it polls its repository: in its explicit mode a
request could bring a model whose Python code then runs as the server's user. Trace and log settings write
files; shared memory reads and writes this machine's. They are closed by a key that no request can carry
(Triton: "Limit Endpoint Access", --http-restricted-api and --grpc-restricted-protocol).
"""

import secrets

from lartpc.errors import UserError
from serving.ports import is_loopback

CLOSED = ("trace", "logging")
UNSENDABLE = "\n"
"""No header of HTTP and no metadata of gRPC holds it: who reads the key in ps cannot send it."""

SHARED_MEMORY = "shared-memory"
"""Closed as well, unless a user wants it: clients on the same machine save a copy by it."""

POLL_SECONDS = 1
"""Between two looks of the server at the folder that it serves."""


def exposure_flags(address: str, shared_memory: bool = False) -> list[str]:
    """Options of tritonserver.

    Args:
        address: to listen on, of this machine's loopback interface.
        shared_memory: leave it open, for clients on this machine.

    Raises:
        UserError: the address is another one.
    """
    if not is_loopback(f"{address}:0"):
        raise UserError(
            f"the embedded server listens on this machine alone, not on {address}: it has neither TLS nor "
            "tokens; put a proxy that has them before it"
        )
    groups = ",".join(CLOSED if shared_memory else (*CLOSED, SHARED_MEMORY))
    key = f"key={UNSENDABLE}{secrets.token_hex(16)}"
    return [
        *(f"--{name}-address={address}" for name in ("http", "grpc", "metrics")),
        "--model-control-mode=poll",
        f"--repository-poll-secs={POLL_SECONDS}",
        f"--http-restricted-api={groups}:{key}",
        f"--grpc-restricted-protocol={groups}:{key}",
    ]

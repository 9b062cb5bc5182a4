"""The server that a command asks: one that runs somewhere, or the embedded one for as long as it is asked."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lartpc.errors import UserError
from serving.connection import Connection


@dataclass(frozen=True)
class Opened:
    """What a command asks.

    Attributes:
        connections: one for each protocol.
        left_out: models that the embedded server does not serve -> why.
    """

    connections: list[Connection]
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def connections(
    url: str | None, protocols: tuple[str, ...], repository: Path, local: bool
) -> Iterator[Opened]:
    """One connection for each protocol, as long as the ``with`` block runs.

    Args:
        url: HOST:PORT of a running server; default the protocol's usual port on this machine.
        protocols: grpc, http.
        repository: folder of models for the embedded server.
        local: start the embedded server, and stop it when the ``with`` block ends.

    Raises:
        UserError: the request contradicts itself, or there is no server.
        CheckError: the embedded server does not start.
    """
    if url and local:
        raise UserError("--url names a running server and --local starts one; give one of them")
    if url and len(protocols) > 1:
        raise UserError("--url names the port of one protocol; give --protocol grpc or http with it")
    with ExitStack() as stack:
        urls, left_out = dict.fromkeys(protocols, url), {}
        if local:
            from serving.triton import TritonServer

            server = stack.enter_context(TritonServer(repository))
            urls, left_out = {"grpc": server.grpc, "http": server.http}, server.left_out
        opened = [stack.enter_context(Connection(urls.get(protocol), protocol)) for protocol in protocols]
        yield Opened(opened, left_out)

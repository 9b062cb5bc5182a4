"""The server that a command asks: one that runs somewhere, or the embedded one for as long as it is asked."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from client.connection import Connection
from lartpc.command import say
from lartpc.errors import UserError


@contextmanager
def connections(
    url: str | None, protocols: tuple[str, ...], repository: Path, local: bool
) -> Iterator[list[Connection]]:
    """One connection for each protocol.

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
        urls = dict.fromkeys(protocols, url)
        if local:
            from serving.triton import TritonServer

            server = stack.enter_context(TritonServer(repository))
            for name, reason in server.left_out.items():
                say(f"Left out {name}: {reason}")
            urls = {"grpc": server.grpc, "http": server.http}
        yield [stack.enter_context(Connection(urls.get(protocol), protocol)) for protocol in protocols]

"""``python -m serving.local``: the embedded Triton on a model repository, until Ctrl-C."""

import signal
from contextlib import ExitStack, suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.terminal import say, suggest, working
from serving.ports import DEFAULT_PORTS, choose_ports

if TYPE_CHECKING:
    from serving.triton import TritonServer


def local(
    repository: Path = Path("model_repository"),
    http_port: int | None = None,
    grpc_port: int | None = None,
    metrics_port: int | None = None,
    log: Path | None = None,
    shared_memory: bool = False,
) -> None:
    """Serve a model repository on this machine with a real Triton (CPU, loopback only).

    Runs until Ctrl-C. A version promoted or withdrawn in a model's config.pbtxt is followed
    within seconds; a model that stops answering is loaded anew.

    Args:
        repository: folder of models, as export.triton writes it.
        http_port: for HTTP; default 8000, or a free one where that is taken.
        grpc_port: for gRPC; default 8001, or a free one.
        metrics_port: for Prometheus; default 8002, or a free one.
        log: file for the server's log; default a temporary one.
        shared_memory: let clients on this machine pass tensors by it, as whoever reaches a port may then do.
    """
    from serving.triton import TritonServer
    from serving.watch import watch

    ports = choose_ports(http_port, grpc_port, metrics_port)
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        with working(f"Starting Triton on {repository} ..."):
            server = stack.enter_context(TritonServer(repository, ports, log, shared_memory))
        with suppress(KeyboardInterrupt):
            _say_what_is_served(server, asked=(http_port, grpc_port, metrics_port))
            watch(server)
        say("Stopping.")


def _say_what_is_served(server: "TritonServer", asked: tuple[int | None, ...]) -> None:
    from serving.watch import say_models

    for name, port, given in zip(("http", "grpc", "metrics"), astuple(server.ports), asked, strict=True):
        default = getattr(DEFAULT_PORTS, name)
        if given is None and port != default:
            say(f"Port {default} is taken: {name} is on {port}.")
    say_models(server)
    say(f"Ready: HTTP http://{server.http}  gRPC {server.grpc}  metrics {server.metrics}")
    suggest("client.parity", "--url", f"localhost:{server.ports.grpc}", note="(Ctrl-C here stops the server)")


def _interrupt(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would break off the end of the server
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m serving.local``."""
    return run(local, args, prog="python -m serving.local")


if __name__ == "__main__":
    raise SystemExit(main())

"""The three ports of a server: asked for, default or free."""

import ipaddress
import socket
from dataclasses import astuple, dataclass

from lartpc.errors import UserError

LOOPBACK = "127.0.0.1"


def is_loopback(url: str) -> bool:
    """Whether HOST:PORT is this machine itself."""
    host = url.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Ports:
    """The ports of one server on the loopback interface."""

    http: int
    grpc: int
    metrics: int


DEFAULT_PORTS = Ports(http=8000, grpc=8001, metrics=8002)


def free_ports() -> Ports:
    """Three ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(3)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return Ports(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


def free_port() -> int:
    """A port that nobody uses now."""
    return free_ports().grpc


def choose_ports(http: int | None, grpc: int | None, metrics: int | None) -> Ports:
    """Take the ports that were asked for; for the others the default, or a free one where it is taken.

    Raises:
        UserError: a port that was asked for is taken, given twice, or not a port.
    """
    asked = {"http": http, "grpc": grpc, "metrics": metrics}
    given = [port for port in asked.values() if port is not None]
    if len(set(given)) < len(given):
        raise UserError(f"the ports {given} are not all different; give three different ones, or none")
    free = astuple(free_ports())
    chosen = {}
    for (name, port), replacement in zip(asked.items(), free, strict=True):
        if port is None:
            default = getattr(DEFAULT_PORTS, name)
            chosen[name] = default if default not in given and is_free(default) else replacement
        elif not 0 < port < 65536:
            raise UserError(f"--{name}-port {port} is not a port; give one between 1 and 65535, or none")
        elif not is_free(port):
            raise UserError(f"--{name}-port {port} is taken; give another one, or none for a free one")
        else:
            chosen[name] = port
    return Ports(**chosen)


def is_free(port: int) -> bool:
    """Whether nobody listens there on the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

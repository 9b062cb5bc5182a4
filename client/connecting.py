"""From a URL to a classifier: in this process, on a server, on one of several, or on one that is started."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lartpc.errors import UserError

if TYPE_CHECKING:
    from client.classifier import HitClassifier
    from client.engine import Engine
    from client.followed import Followed
    from client.settings import Address, Settings


def connect(source: str, *, say: Callable[[str], None] | None = None, **settings: Any) -> "HitClassifier":
    """A hit classifier.

    Args:
        source: ``onnx:model_repository/emtrkmichel_compact_int8`` answers in this process,
            ``local:model_repository/emtrkmichel_compact_int8`` by the embedded server, started where none
            runs and shared by this machine's clients; ``grpc://HOST:PORT/MODEL`` by a server, ``http://``
            likewise, ``grpcs://`` and ``https://`` by TLS; several servers with commas in between; or the
            path of a YAML file of :class:`client.settings.Settings`.
        say: takes what a user must know, once; default a warning of the logger ``client``.
        settings: of :class:`client.settings.Settings`, over those of the file.

    Raises:
        UserError: it is no such URL, or there is no such model.
        CheckError: what answers is not the hit classifier, or not what is demanded.
    """
    from client.classifier import HitClassifier
    from client.followed import Followed
    from client.settings import Settings, is_file

    followed = Followed(source, settings) if is_file(source) else None
    chosen = Settings.of(source, **settings)
    engine = _engine(chosen, say, followed)
    return HitClassifier(engine, chosen.batch_size, chosen.in_flight, chosen.bytes_in_flight)


def _engine(settings: "Settings", say: Callable[[str], None] | None, followed: "Followed | None") -> "Engine":
    addresses = settings.addresses
    local = None if settings.fallback is None else _fallback(settings)
    if addresses[0].scheme == "onnx":
        return in_process(addresses[0], settings)
    from client.failover import GIVE_UP_S, Failover

    def named() -> "dict[str, Callable[[], Engine]] | None":
        changed = followed.changed() if followed else None
        return None if changed is None else servers_of(changed)

    give_up_s = GIVE_UP_S if settings.give_up_s is None else settings.give_up_s
    own = {} if say is None else {"say": say}
    return Failover(servers_of(settings), local, give_up_s=give_up_s, named=named, **own)


def servers_of(settings: "Settings") -> "dict[str, Callable[[], Engine]]":
    """Each server's name, and how it is connected to."""
    return {
        str(address): partial(_on_server if address.server else _on_demand, address, settings)
        for address in settings.addresses
    }


def _fallback(settings: "Settings") -> "Callable[[], Engine]":
    from client.settings import Address

    address = Address.parse(str(settings.fallback))
    if address.scheme != "onnx":
        raise UserError(f"the fallback {settings.fallback} is no folder; write onnx:FOLDER/MODEL")
    from client.in_process import check_there

    check_there(address.folder)
    return partial(in_process, address, settings)


def in_process(address: "Address", settings: "Settings") -> "Engine":
    """A model that answers in this process."""
    from client.in_process import InProcess

    return InProcess(address.folder, address.version, settings.threads, settings.require)


def _on_server(address: "Address", settings: "Settings") -> "Engine":
    from client.on_server import OnServer
    from serving.connection import Connection

    connection = Connection(
        address.server,
        address.protocol,
        security=settings.security if address.secure else None,
        compression=settings.compression,
        shared_memory=settings.shared_memory,
    )
    try:
        return OnServer(connection, address.model, address.version, settings.require, settings.timeout_s)
    except BaseException:
        connection.close()
        raise


def _on_demand(address: "Address", settings: "Settings") -> "Engine":
    from client.on_demand import OnDemand

    return OnDemand(address.folder, address.version, settings.require, settings.timeout_s, settings.idle_s)

"""``python -m serving.job``: servers in a batch job, which clients find by a file."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.files import write_text
from lartpc.terminal import say, suggest
from serving.ports import free_port, is_loopback

if TYPE_CHECKING:
    from serving.certificates import Authority, Pair
    from serving.stack import Stack

QUIET_SECONDS = 5.0
"""Servers that were relieved end after so long without a request; clients look at the file each second."""

CERTIFICATE_DAYS = 365.0
MODEL = "emtrkmichel_compact_int8"

log = logging.getLogger("serving.job")


def job(
    file: Path,
    repository: Path = Path("model_repository"),
    model: str = MODEL,
    servers: int = 1,
    host: str | None = None,
) -> None:
    """Serve a model repository in a batch job, to clients that find it by a file, until another job does.

    Real Tritons behind a real Envoy, on a free port of this machine. The file holds a client's settings: the
    URL, and certificates made for this job, without which nobody is answered. The next job that writes the
    file relieves this one, which ends when its clients have gone over: start it before this one's time ends.

    Args:
        file: NAME.yaml, in a folder that clients share; it is written when the servers answer.
        repository: folder of models, as export.triton writes it
        model: that the file's URL names
        servers: how many Tritons
        host: by which clients reach this machine; by default its own name
    """
    from serving.balancer.description import Tls
    from serving.certificates import Authority
    from serving.stack import check_number, running

    if file.suffix not in (".yaml", ".yml"):
        raise UserError(f"{file} is no file of settings; name one that ends in .yaml")
    check_number("servers", servers)
    name = host or socket.gethostname()
    address = _address(name)
    if host is None and is_loopback(f"{address}:0"):
        log.warning(
            "%s is %s here, which no other machine reaches; --host names it as they do", name, address
        )
    with _certificates(file) as folder:
        authority = Authority(folder, CERTIFICATE_DAYS)
        own = authority.vouch_for("server", (name, address))
        client = authority.vouch_for("client")
        tls = Tls(own.certificate, own.key, authority.ca)
        with running(repository, servers, free_port(), tls=tls, address=address) as its:
            if model not in its.models():
                raise UserError(f"{repository} serves no {model}; it serves {', '.join(its.models())}")
            text = settings(f"grpcs://{name}:{its.envoy.balancer.port}/{model}", authority, client)
            write_text(file, text)
            say(f"Ready: {file}")
            suggest(
                "client.classify", "data/quick.h5", "--model", file, note="(Ctrl-C here stops everything)"
            )
            try:
                with suppress(KeyboardInterrupt):
                    serve(its, file, text)
            finally:
                if _said(file) == text:
                    file.unlink(missing_ok=True)
    say("Stopped.")


def serve(its: "Stack", file: Path, text: str) -> None:
    """Look after the servers until another job has the file and no client asks these any more."""
    asked, quiet_since, relieved = -1, time.monotonic(), False
    for _ in its.looks():
        if not relieved and _said(file) not in (text, None):
            relieved = True
            say(f"Relieved: {file} names other servers")
        statistics = its.envoy.statistics()
        if statistics["upstream_rq_total"] != asked or statistics["upstream_rq_active"]:
            asked, quiet_since = statistics["upstream_rq_total"], time.monotonic()
        if relieved and time.monotonic() - quiet_since > QUIET_SECONDS:
            return


def settings(url: str, authority: "Authority", client: "Pair") -> str:
    """What clients read, as YAML."""
    import yaml

    security = {"ca": authority.ca, "key": client.key, "certificate": client.certificate}
    return yaml.safe_dump(
        {"urls": [url], "security": {name: str(path) for name, path in security.items()}}, sort_keys=False
    )


@contextmanager
def _certificates(file: Path) -> Iterator[Path]:
    """A folder beside the file that this user alone may read, for as long as the block runs."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(prefix=f".{file.stem}-", dir=file.parent.absolute())
    except OSError as error:
        raise UserError(f"cannot write beside {file}: {error.strerror}; name another place") from error
    with folder as made:
        yield Path(made)


def _said(file: Path) -> str | None:
    """What the file says, nothing where it is gone; None where the disk does not tell just now."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError:
        return None


def _address(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError) as error:  # of a name that is none
        reason = error.strerror if isinstance(error, OSError) else "no name has such letters"
        raise UserError(
            f"{host} has no address ({reason}); give --host, by which clients reach this machine"
        ) from error


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m serving.job``."""
    return run(job, args, prog="python -m serving.job")


if __name__ == "__main__":
    raise SystemExit(main())

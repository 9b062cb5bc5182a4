"""``python -m serving.beside``: a server for one command, such as a LArSoft job on a grid's worker."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lartpc.command import run
from lartpc.errors import UserError, unread
from lartpc.terminal import say

if TYPE_CHECKING:
    from serving.fleet import Fleet, Member

TABLE = "physics.producers.emtrkmichelid.PointIdAlg"
TRIES = 5
"""Free ports may be taken by another job of the same worker before the server has them."""

LOOK_SECONDS, CANARY_LOOKS = 0.2, 50
GRACE_SECONDS = 30.0
ANY_LETTER = "surrogateescape"
"""Comments of a FHiCL may be in any encoding."""


def beside(
    command: list[str],
    repository: Path = Path("model_repository"),
    fhicl: Path | None = None,
    table: str = TABLE,
    model: str | None = None,
    logs: Path | None = None,
) -> int:
    """Run a command beside a server of its own, which starts before it on free ports and ends with it.

    In the command's words {grpc} and {http} are the server's HOST:PORT, and {fhicl} is the job's FHiCL with
    that server in it. The environment has them as LARTPC_GRPC, LARTPC_HTTP and LARTPC_FHICL. A server that
    ends is started anew on the same ports. The exit code is the command's.

    Args:
        command: program and arguments, behind --
        repository: folder of models, as export.triton writes it
        fhicl: the job's configuration; it is not changed
        table: of the FHiCL, whose TritonURL is set
        model: set TritonModelName as well
        logs: folder for the server's log
    """
    text = None if fhicl is None else patched(_read(fhicl), table, "{grpc}", model)
    if text is None and any("{fhicl}" in word for word in command):
        raise UserError("the command names {fhicl}; say which with --fhicl JOB.fcl")
    with _fleet(repository, logs) as fleet, TemporaryDirectory(prefix="lartpc-job-") as folder:
        (member,) = fleet.members
        places = {"grpc": member.grpc, "http": _http(member)}
        if text is not None and fhicl is not None:
            places["fhicl"] = str(Path(folder, fhicl.name))
            Path(places["fhicl"]).write_text(text.replace("{grpc}", member.grpc), "utf-8", ANY_LETTER)
        say(f"Serving {', '.join(member.server.models if member.server else ())} at {member.grpc}")
        return _run([_placed(word, places) for word in command], places, fleet)


def patched(text: str, table: str, url: str, model: str | None) -> str:
    """A job's FHiCL with a server's URL: assignments at its end, for later ones win.

    Args:
        text: of the job.
        table: full name of the tool's table, such as :data:`TABLE`.
        url: HOST:PORT of the server.
        model: that is asked; None leaves it.
    """
    lines = [f'{table}.TritonURL: "{url}"']
    if model is not None:
        lines.append(f'{table}.TritonModelName: "{model}"')
    return "\n".join([text.rstrip("\n"), "", *lines, ""])


@contextmanager
def _fleet(repository: Path, logs: Path | None) -> "Iterator[Fleet]":
    """One server on free ports; on others where somebody else took one of them first."""
    from serving.fleet import Fleet
    from serving.process import PortTakenError

    for left in reversed(range(TRIES)):
        fleet = Fleet(repository, 1, logs)
        try:
            fleet.__enter__()
            break
        except PortTakenError:
            if not left:
                raise
    try:
        yield fleet
    finally:
        fleet.close()


def _run(command: list[str], places: Mapping[str, str], fleet: "Fleet") -> int:
    """Run it, and look after its server; its exit code, 128 and the number of a signal that ended it."""
    variables = {f"LARTPC_{name.upper()}": value for name, value in places.items()}
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        raise UserError(f"cannot run {command[0]}: {error.strerror}; name a program behind --") from error
    looks = 0
    try:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            looks += 1
            for line in fleet.look(canaries=looks % CANARY_LOOKS == 0):
                say(line)
    except BaseException:
        process.terminate()
        raise
    finally:
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _placed(word: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _http(member: "Member") -> str:
    host = member.grpc.rpartition(":")[0]
    return f"{host}:{member.ports.http}"


def _read(fhicl: Path) -> str:
    try:
        return fhicl.read_text("utf-8", ANY_LETTER)
    except OSError as error:
        raise unread(fhicl, error, "is no FHiCL; name the job's configuration") from error


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m serving.beside``."""
    return run(beside, args, prog="python -m serving.beside")


if __name__ == "__main__":
    raise SystemExit(main())

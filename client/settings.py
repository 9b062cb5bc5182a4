"""What a classifier is made of: a URL, several, or a small YAML file."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

from client.in_flight import BYTES_IN_FLIGHT, IN_FLIGHT
from client.model import Demands
from client.requests import BATCH_SIZE
from lartpc.errors import UserError, unread
from lartpc.yaml_text import load
from serving.rendezvous import IDLE_S
from serving.security import Security

SERVERS = {"grpc": False, "http": False, "grpcs": True, "https": True}
"""Scheme of a server's URL -> whether it is reached by TLS."""

PORTS = {"grpc": 8001, "http": 8000, "grpcs": 443, "https": 443}
LOCAL = ("onnx", "local")
"""Schemes of folders: answered in this process, or by the embedded server."""

FORMS = (
    "onnx:FOLDER/MODEL (in this process), local:FOLDER/MODEL (the embedded server), "
    "grpc://HOST:PORT/MODEL, http://..., grpcs://... or https://... (by TLS), several of the last four with "
    "commas in between, or a .yaml file"
)


@dataclass(frozen=True)
class Address:
    """Where a model is.

    Attributes:
        scheme: grpc, http, grpcs, https, onnx or local.
        server: HOST:PORT; empty of a folder.
        model: its name; of a folder in the repository, the folder's.
        folder: of the model, of a scheme of folders.
        version: of the model; None for the one that is served.
    """

    scheme: str
    server: str
    model: str
    folder: Path = Path()
    version: int | None = None

    @classmethod
    def parse(cls, url: str, model: str | None = None) -> "Address":
        """Read a URL.

        Args:
            url: of one of the forms.
            model: its name, where the URL of a server does not say it.

        Raises:
            UserError: it is none.
        """
        scheme, colon, rest = url.partition(":")
        if colon and scheme in LOCAL and rest:
            path, _, version = rest.partition("@")
            folder = Path(path)
            return cls(scheme, "", folder.name, folder, _version(version, url))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # no port, or brackets without an address in them
            parts, port = urlsplit(""), 0
        if parts.scheme not in SERVERS or not parts.hostname or parts.username or parts.query or port == 0:
            raise UserError(f"{url!r} names no model; write {FORMS}")
        name, _, number = unquote(parts.path.strip("/")).partition("/")
        if not (name or model):
            raise UserError(f"{url} names no model; write {parts.scheme}://HOST:PORT/MODEL")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        server = f"{host}:{port or PORTS[parts.scheme]}"
        return cls(parts.scheme, server, name or str(model), version=_version(number, url))

    @property
    def secure(self) -> bool:
        """Whether it is reached by TLS."""
        return SERVERS.get(self.scheme, False)

    @property
    def protocol(self) -> str:
        """Of the wire: grpc or http."""
        return self.scheme.removesuffix("s")

    def __str__(self) -> str:
        version = "" if self.version is None else f"/{self.version}"
        return (
            f"{self.scheme}://{self.server}/{self.model}{version}"
            if self.server
            else f"{self.scheme}:{self.folder}"
        )


@dataclass(frozen=True)
class Settings:
    """Of a classifier.

    Attributes:
        urls: of the model, as :meth:`Address.parse` reads them.
        model: its name, where a URL does not say it.
        fallback: URL of a folder (onnx:...), answered in this process where no server answers; said aloud.
        require: what must answer.
        batch_size: patches in a request, of a model of patches.
        in_flight: requests under way at a time.
        bytes_in_flight: of them, together.
        timeout_s: longest wait for an answer; default learnt from the answers.
        give_up_s: for so long a server that does not answer is tried again; default 30 s.
        threads: processor threads of onnx:...; default all.
        idle_s: of local:..., where it starts a server, which ends when nobody has used it for so long, in s.
        compression: of what is sent: gzip; default none.
        shared_memory: hand tensors to servers on this machine in shared memory, where they allow it.
        security: files of TLS and the token.
    """

    urls: tuple[str, ...]
    model: str | None = None
    fallback: str | None = None
    require: Demands = Demands()
    batch_size: int = BATCH_SIZE
    in_flight: int = IN_FLIGHT
    bytes_in_flight: int = BYTES_IN_FLIGHT
    timeout_s: float | None = None
    give_up_s: float | None = None
    threads: int | None = None
    idle_s: float = IDLE_S
    compression: str | None = None
    shared_memory: bool = False
    security: Security = field(default_factory=Security)

    @property
    def addresses(self) -> list[Address]:
        """Of the URLs.

        Raises:
            UserError: one is none, several are folders, a token would be sent in clear, or a setting is not
                for it.
        """
        found = [Address.parse(url, self.model) for url in self.urls]
        for name in ("timeout_s", "threads"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} is {value}; it must be above 0")
        if self.give_up_s is not None and self.give_up_s < 0:
            raise UserError(f"give_up_s is {self.give_up_s}; it must be 0 or more")
        if len(found) > 1 and any(not address.server for address in found):
            raise UserError("a folder is no server among others; name it as fallback")
        if self.security != Security() and not all(address.secure for address in found):
            raise UserError("certificates and tokens are for TLS; write grpcs:// or https://")
        if found[0].scheme == "local" and (self.shared_memory or self.compression):
            raise UserError("shared_memory and compression are for servers that a URL names, not for local:")
        return found

    @classmethod
    def of(cls, source: str, **given: Any) -> "Settings":
        """From a URL, several with commas in between, or the path of a YAML file, with more settings.

        Raises:
            UserError: the file cannot be read, or says what is no setting.
        """
        known: dict[str, Any] = {}
        if is_file(source):
            known = _read(Path(source))
        else:
            known["urls"] = source.split(",")
        known |= {name: value for name, value in given.items() if value is not None}
        for name, kind in (("require", Demands), ("security", Security)):
            if isinstance(known.get(name), dict):
                known[name] = _made(kind, known[name], f"{source}: {name}")
            elif not isinstance(known.get(name, kind()), kind):
                raise UserError(f"{source}: {name} is {known[name]!r}; write it as NAME: VALUE pairs")
        urls = known.get("urls") or ()
        listed = [urls] if isinstance(urls, str) else urls
        if (
            not isinstance(listed, list | tuple)
            or not all(isinstance(url, str) for url in listed)
            or not listed
        ):
            raise UserError(f"{source} names no model; write urls: [grpc://HOST:PORT/MODEL]")
        known["urls"] = tuple(listed)
        return _made(cls, known, source)


def is_file(source: str) -> bool:
    """Whether it is the path of a file of settings, and no URL."""
    return re.search(r"\.ya?ml$", source) is not None


def _read(path: Path) -> dict[str, Any]:
    from yaml import YAMLError

    try:
        content = load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise unread(path, error, f"is no YAML file of settings ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no settings; write lines of NAME: VALUE, urls among them")
    return content


def _made(kind: type, values: dict[str, Any], where: str) -> Any:
    """An object of a class of settings, its values of their types."""
    known = {each.name: each.type for each in fields(kind)}
    if unknown := set(values) - set(known):
        names = ", ".join(sorted(map(str, unknown)))
        raise UserError(f"{where}: {names} is no setting; there are {', '.join(known)}")
    return kind(**{name: _of_type(known[name], value, f"{where}: {name}") for name, value in values.items()})


def _of_type(kind: Any, value: Any, where: str) -> Any:
    allowed = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if Path in allowed and isinstance(value, str):
        return Path(value)
    plain = [each for each in allowed if each in (str, int, float, bool, type(None))]
    fits = type(value) in plain or (float in plain and type(value) is int)
    if Path in allowed and not (fits or isinstance(value, Path)):
        raise UserError(f"{where} is {value!r}, which is no path")
    if plain and not fits and Path not in allowed:
        raise UserError(f"{where} is {value!r}, which is no {plain[0].__name__}")
    return value


def _version(text: str, url: str) -> int | None:
    if text and not (text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        raise UserError(f"{url[:200]} names version {text[:20]!r}, which is none; versions begin at 1")
    return int(text) if text else None

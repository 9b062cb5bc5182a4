"""config.pbtxt: read through Triton's own protobuf, and what it says of a model beside its tensors."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lartpc.errors import UserError, unread
from lartpc.served.contract import CONTRACTS, PATCH, PRECISIONS, Contract, Signature, TensorSpec
from lartpc.served.manifest import Manifest

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

CONFIG_FILE = "config.pbtxt"

_OURS = re.compile(r"v\d+\.(digest|manifest)")
"""Parameters that no other project's configurations have."""

CLAIM = "removed_by"
"""Parameter that holds :attr:`Visibility.claim`."""

ALIAS = "alias_of"
"""Parameter of an alias: the name of the model that it points at."""

_KEY = re.compile(rb'key:\s*"([^"]*)"')


@dataclass(frozen=True)
class Visibility:
    """Which version a server loads, and what a registry must remember of it.

    Attributes:
        visible: the one version that a server loads. Replacing the file is what makes it visible.
        history: versions that were visible before, the latest last: where a rollback goes.
        pinned: versions that are never pruned.
        removing: versions whose files are being removed.
        claim: mark of the process that removes them, the last one that began to.
    """

    visible: int
    history: tuple[int, ...] = ()
    pinned: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    claim: str = ""

    LISTS = ("history", "pinned", "removing")

    @classmethod
    def of(cls, config: "ModelConfig", place: str) -> "Visibility":
        """Read it from a configuration.

        Raises:
            UserError: the configuration shows no version, several, or lists what are no versions.
        """
        versions = list(config.version_policy.specific.versions)
        try:
            (visible,) = versions
            lists = {
                name: tuple(map(int, filter(None, config.parameters[name].string_value.split(","))))
                for name in cls.LISTS
                if name in config.parameters
            }
        except ValueError as error:
            raise UserError(f"{place} shows versions {versions}; export the model anew ({error})") from error
        claim = config.parameters[CLAIM].string_value if CLAIM in config.parameters else ""
        return cls(visible, **lists, claim=claim)

    def moved_to(self, version: int) -> "Visibility":
        """The same with another visible version, and the one of before at the end of the history."""
        if version == self.visible:
            return self
        history = (*(number for number in self.history if number != version), self.visible)
        return replace(self, visible=version, history=history)


@dataclass(frozen=True)
class Facts:
    """What a served model is, as parameters of its configuration.

    Attributes:
        network: whose weights it has.
        contract: name of the tensor contract that it keeps.
        precision: of the arithmetic inside the graph.
    """

    network: str
    contract: str
    precision: str

    @classmethod
    def of(cls, config: "ModelConfig", versions: Iterable[Manifest], place: str) -> "Facts":
        """Read them from a configuration, or where it was written before it held them from the manifests.

        Args:
            config: the configuration.
            versions: manifests of the model's versions.
            place: where the configuration lies, for messages.

        Raises:
            UserError: neither says what the model is, or what is said is unknown.
        """
        versions = list(versions)
        if says_facts(config):
            facts = cls(**{name: config.parameters[name].string_value for name in FACTS})
        else:
            of_versions = {
                (str(manifest.provenance.training.get("network", "")), manifest.precision)
                for manifest in versions
            }
            if len(of_versions) != 1 or not all(network for network, _ in of_versions):
                raise UserError(
                    f"{place} does not say of which network and precision the model is, nor do the manifests "
                    "of its versions with one voice; export the model anew"
                )
            ((network, precision),) = of_versions
            facts = cls(network, PATCH.name, precision)
        if not facts.network or facts.contract not in CONTRACTS or facts.precision not in PRECISIONS:
            raise UserError(
                f"{place}: the model is of network {facts.network!r}, contract {facts.contract!r} and "
                f"precision {facts.precision!r}; known are the contracts {', '.join(CONTRACTS)} and the "
                f"precisions {', '.join(PRECISIONS)}: export the model anew"
            )
        for manifest in versions:
            network = str(manifest.provenance.training.get("network", facts.network))
            if (network, manifest.precision) != (facts.network, facts.precision):
                raise UserError(
                    f"{place} says that the model is of network {facts.network!r} and precision "
                    f"{facts.precision!r}, the manifest of version {manifest.version} that it is of "
                    f"{network!r} and {manifest.precision!r}; export the model anew"
                )
        return facts

    @property
    def of_contract(self) -> Contract:
        """The contract itself."""
        return CONTRACTS[self.contract]

    def parameters(self) -> dict[str, str]:
        """For a configuration."""
        return asdict(self)


FACTS = tuple(field.name for field in fields(Facts))
"""Names of their parameters."""


def says_facts(config: "ModelConfig") -> bool:
    """Whether a configuration says what its model is; those of before the manifest's schema 1 do not."""
    return all(name in config.parameters for name in FACTS)


def is_ours(text: bytes) -> bool:
    """Whether the content of a config.pbtxt is of a model of this project; others may lie beside them."""
    return says_what_it_is(key.decode(errors="replace") for key in _KEY.findall(text))


def says_what_it_is(parameters: Iterable[str]) -> bool:
    """Whether the names of a configuration's parameters are those of a model of this project."""
    return any(_OURS.fullmatch(name) for name in parameters)


def signature_of(config: "ModelConfig") -> Signature:
    """The tensors of a configuration."""
    from tritonclient.grpc import model_config_pb2 as triton

    def dtype(number: int) -> str:
        known = number in triton.DataType.values()
        return triton.DataType.Name(number).removeprefix("TYPE_") if known else f"type {number}"

    def specs(tensors: Iterable) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(each.name, dtype(each.data_type), tuple(each.dims)) for each in tensors)

    return Signature(specs(config.input), specs(config.output), config.max_batch_size)


def config_text(config: "ModelConfig") -> str:
    """Content of a config.pbtxt."""
    from google.protobuf import text_format

    return text_format.MessageToString(config)


def read_config_file(folder: Path) -> bytes:
    """Content of a model's config.pbtxt.

    Raises:
        UserError: it is missing or cannot be read.
    """
    path = folder / CONFIG_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{folder} has no {CONFIG_FILE}; export the model anew") from None
    except OSError as error:
        raise unread(path, error, f"cannot be read ({error}); export the model anew") from error


def parse_config(text: bytes, place: str) -> "ModelConfig":
    """Read the content of a config.pbtxt.

    Raises:
        UserError: Triton's protobuf does not parse it.
    """
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2 as triton

    try:
        return text_format.Parse(text.decode(), triton.ModelConfig())
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise UserError(f"{place} is not a Triton model configuration ({error}); export it anew") from error

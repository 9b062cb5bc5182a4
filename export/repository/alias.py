"""Another name for a published model, such as ``mycnn``, by which LArSoft's configurations call theirs.

It is an ensemble of one step. Object stores know no links, a manifest refuses them, and a copy would have
to be promoted and rolled back apart. The step names no version, so whatever version the model shows is
answered.
"""

import json

from tritonclient.grpc import model_config_pb2 as triton

from export.repository.config import describe
from export.repository.find import find_models
from export.repository.model_folder import ModelFolder
from export.store.interface import Store
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import PATCH
from lartpc.served.model_config import ALIAS, CONFIG_FILE, config_text, is_ours, parse_config
from lartpc.served.names import PLAIN_NAME

VERSION = 1
VERSION_FILE = f"{VERSION}/alias.json"
"""Keeps the version's folder, of which Triton wants one, where folders are no more than parts of names."""

ENSEMBLE = "ensemble"


def alias_config(name: str, model: str) -> triton.ModelConfig:
    """The configuration of an alias.

    Args:
        name: of the alias.
        model: that it points at, of patches.
    """
    config = triton.ModelConfig(name=name, platform=ENSEMBLE)
    config.version_policy.specific.versions.append(VERSION)
    describe(config, PATCH)
    step = config.ensemble_scheduling.step.add(model_name=model, model_version=-1)
    step.input_map.update({spec.name: spec.name for spec in PATCH.signature.inputs})
    step.output_map.update({spec.name: spec.name for spec in PATCH.signature.outputs})
    config.parameters[ALIAS].string_value = model
    return config


def aliases(store: Store) -> tuple[dict[str, str], list[str]]:
    """Alias -> model that it points at, of those at a store; and of what cannot be read the reasons."""
    found, faults = {}, []
    for name in store.names():
        try:
            model = points_at(store, name)
        except UserError as error:
            faults.append(str(error))
            continue
        if model is not None:
            found[name] = model
    return found, faults


def points_at(store: Store, name: str) -> str | None:
    """The model that an alias points at; None where the name is of no alias.

    Raises:
        UserError: its configuration cannot be read.
    """
    content = store.read(f"{name}/{CONFIG_FILE}")
    if content is None or ALIAS.encode() not in content[0]:
        if is_ours(content[0] if content else b"") or store.read(f"{name}/{VERSION_FILE}") is None:
            return None
        raise UserError(
            f"{store.place(f'{name}/{CONFIG_FILE}')} was emptied, removed or overwritten; write the alias "
            f"anew: python -m export.registry alias {store.name} {name} MODEL"
        )
    try:
        parameters = parse_config(content[0], store.place(f"{name}/{CONFIG_FILE}")).parameters
    except UserError as error:
        raise UserError(
            f"{error}; write the alias anew: python -m export.registry alias {store.name} {name} MODEL"
        ) from error
    return parameters[ALIAS].string_value if ALIAS in parameters else None


def is_alias(store: Store, name: str) -> bool:
    """Whether a name is one of an alias, damaged or not."""
    try:
        return points_at(store, name) is not None
    except UserError:
        return store.read(f"{name}/{VERSION_FILE}") is not None


def point(store: Store, name: str, model: str) -> bool:
    """Let an alias point at a model; whether anything changed.

    Args:
        store: where both lie.
        name: of the alias, new or pointing elsewhere.
        model: of this project, of patches.

    Raises:
        UserError: there is no such model, it takes no patches, or the name is another model's.
        ConflictError: another publisher has changed the alias meanwhile.
    """
    if not PLAIN_NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name of a model: letters a-z, A-Z, 0-9, _, - and .")
    if (other := points_at(store, model)) is not None:
        raise UserError(f"{model} is an alias itself; point at {other}")
    target = _target(store, model)
    before = store.read(f"{name}/{CONFIG_FILE}")
    if name == model or (before is not None and not is_alias(store, name)):
        raise UserError(f"{store.place(name)} is a model already; give the alias another name")
    config = config_text(alias_config(name, target.name)).encode()
    files = {labels.name: labels.text.encode() for labels in PATCH.label_files}
    files[VERSION_FILE] = (json.dumps({ALIAS: "see config.pbtxt"}) + "\n").encode()
    for path, content in files.items():
        there, token = store.read(f"{name}/{path}") or (None, None)
        if there != content:
            store.replace(f"{name}/{path}", content, token)
    if before is not None and before[0] == config:
        return False
    store.replace(f"{name}/{CONFIG_FILE}", config, before and before[1])
    return True


def remove(store: Store, name: str) -> None:
    """Remove an alias; the model stays.

    Raises:
        UserError: there is no alias of this name.
    """
    if not is_alias(store, name):
        raise UserError(
            f"{store.place(name)} is no alias; there are {', '.join(aliases(store)[0]) or 'none'}"
        )
    store.delete_all(name)


def check(store: Store, name: str) -> None:
    """Compare an alias with what is written, and look whether servers can follow it.

    Raises:
        CheckError: it differs, or the model is not there.
        UserError: a configuration cannot be read.
    """
    model = points_at(store, name)
    found = store.read(f"{name}/{CONFIG_FILE}")
    if model is None or found is None:
        raise CheckError(f"{store.place(name)} is no alias")
    again = f"write it anew: python -m export.registry alias {store.name} {name} {model}"
    if found[0] != config_text(alias_config(name, model)).encode():
        raise CheckError(f"{store.place(f'{name}/{CONFIG_FILE}')} was altered; {again}")
    for labels in PATCH.label_files:
        there = store.read(f"{name}/{labels.name}")
        if there is None or there[0] != labels.text.encode():
            raise CheckError(f"{store.place(f'{name}/{labels.name}')} was altered; {again}")
    if store.read(f"{name}/{VERSION_FILE}") is None:
        raise CheckError(f"{store.place(f'{name}/{VERSION_FILE}')} is missing; {again}")
    try:
        _target(store, model)
    except UserError as error:
        raise CheckError(f"{store.place(name)} points at what is not there ({error})") from error


def _target(store: Store, model: str) -> ModelFolder:
    found = find_models(store, model)
    found.check()
    (target,) = found.models
    if target.served.facts.of_contract is not PATCH:
        raise UserError(
            f"{target.place()} takes {target.served.facts.contract} requests; LArSoft's clients send patches"
        )
    return target

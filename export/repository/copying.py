"""What a server is to serve, from where it is published to a folder on its own disk.

A version's files come first, each hashed against its manifest, and ``config.pbtxt`` last: a Triton that polls
the folder never sees half a version. What it served before goes when it is no longer named.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from export.repository.alias import VERSION_FILE, alias_config, aliases
from export.repository.find import Found, look_for_models
from export.repository.model_folder import ModelFolder
from export.store.folder import FolderStore
from export.store.interface import Store
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import PATCH
from lartpc.served.manifest import MANIFEST_FILE
from lartpc.served.model_config import CONFIG_FILE, config_text, parse_config
from lartpc.served.tuning import Tuning

log = logging.getLogger(__name__)

NOTHING: Mapping[str, Tuning] = {}


@dataclass(frozen=True)
class Copied:
    """What a look at the source has changed in the copy.

    Attributes:
        shown: model -> version that is shown since.
        gone: models that have left the source.
        faults: why a model could not be copied; what was there of it stays.
    """

    shown: dict[str, int]
    gone: list[str]
    faults: list[str]


def copy(
    source: Store, copy: FolderStore, gpu: tuple[bool, ...], tunings: Mapping[str, Tuning] = NOTHING
) -> Copied:
    """Bring the copy to what the source shows.

    Args:
        source: where versions are published.
        copy: the folder, which a server may be serving.
        gpu: whether models that need a GPU are wanted, models that run anywhere, or both.
        tunings: model -> how servers of the copy are to run it; others as the source says.

    Raises:
        UserError: the source cannot be reached, or holds no such model.
    """
    found = look_for_models(source)
    wanted = [model for model in found.models if model.served.variant.gpu in gpu and model.config is not None]
    pointing, alias_faults = aliases(source)
    pointing = {name: model for name, model in pointing.items() if model in {each.name for each in wanted}}
    faults = [*found.faults, *(fault for fault in alias_faults if fault not in found.faults)]
    if not wanted and not faults:
        raise UserError(
            f"{source.name} shows no model that is wanted here; publish one, or name another profile"
        )
    for name in sorted(set(tunings) - {model.name for model in found.models}):
        faults.append(f"{source.name} has no model {name!r}, of which there are settings")
    shown = {}
    for model in wanted:
        try:
            if _copied(model, copy, tunings.get(model.name)):
                shown[model.name] = model.visibility.visible
        except UserError as error:
            faults.append(str(error))
    for name, target in pointing.items():
        if _alias(copy, name, target):
            shown[name] = 1
    gone = _gone(copy, {*(model.name for model in wanted), *pointing}, found)
    return Copied(shown, gone, faults)


def sweep(copy: FolderStore) -> list[str]:
    """Remove versions that no configuration shows any more; their places."""
    removed = []
    for model in look_for_models(copy).models:
        if model.config is None:
            continue
        for version in filter(str.isdecimal, copy.names(model.name)):
            if int(version) != model.visibility.visible:
                copy.delete_all(f"{model.name}/{version}")
                removed.append(model.place(version))
    return removed


def _copied(model: ModelFolder, copy: FolderStore, tuning: Tuning | None) -> bool:
    """Whether the copy shows something else since."""
    visible = model.visibility.visible
    config = model.store.read(f"{model.name}/{CONFIG_FILE}")
    there = copy.read(f"{model.name}/{CONFIG_FILE}")
    if config is None or config[1] != model.token:
        raise model.store.changed(f"{model.name}/{CONFIG_FILE}")
    manifest = model.manifest(visible)
    for name, expected in {MANIFEST_FILE: manifest.own_digest, **manifest.files}.items():
        path = f"{model.name}/{visible}/{name}"
        digest = copy.sha256(path)
        if digest is not None and digest != expected:
            raise CheckError(f"{copy.place(path)} was altered; remove the folder {copy.place(model.name)}")
        if digest is None:
            copy.create(path, manifest.content if name == MANIFEST_FILE else model.content(manifest, name))
    for labels in model.served.facts.of_contract.label_files:
        _put(copy, f"{model.name}/{labels.name}", labels.text.encode())
    content = config[0]
    if tuning is not None:
        tuned = parse_config(content, model.place(CONFIG_FILE))
        tuning.write(tuned)
        content = config_text(tuned).encode()
    if there is not None and there[0] == content:
        return False
    copy.replace(f"{model.name}/{CONFIG_FILE}", content, there and there[1])
    return True


def _alias(copy: FolderStore, name: str, target: str) -> bool:
    for labels in PATCH.label_files:
        _put(copy, f"{name}/{labels.name}", labels.text.encode())
    _put(copy, f"{name}/{VERSION_FILE}", b"{}\n")
    return _put(copy, f"{name}/{CONFIG_FILE}", config_text(alias_config(name, target)).encode())


def _put(copy: FolderStore, path: str, content: bytes) -> bool:
    there, token = copy.read(path) or (None, None)
    if there == content:
        return False
    copy.replace(path, content, token)
    return True


def _gone(copy: FolderStore, named: set[str], found: Found) -> list[str]:
    """Models of the copy that the source has no longer; none while something there cannot be read."""
    if found.faults:
        return []
    pointing, _ = aliases(copy)
    own = {*(model.name for model in look_for_models(copy).models), *pointing}
    gone = sorted(own - named)
    for name in gone:
        copy.delete_all(name)
    return gone

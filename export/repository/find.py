"""Which models of this project lie at a store, among whatever else lies there."""

from dataclasses import dataclass

from export.repository.model_folder import ModelFolder
from export.store.interface import Store
from lartpc.errors import CheckError, UserError
from lartpc.served.manifest import MANIFEST_FILE, is_manifest
from lartpc.served.model_config import CONFIG_FILE, is_ours, parse_config


@dataclass(frozen=True)
class Found:
    """What lies at a store.

    Attributes:
        models: those of this project; others may lie beside them.
        faults: what is wrong with those that cannot be read, in words.
    """

    models: list[ModelFolder]
    faults: list[str]

    def check(self) -> None:
        """Raises CheckError where a model cannot be read."""
        if self.faults:
            raise CheckError("; ".join(self.faults))


def find_models(store: Store, name: str | None = None) -> Found:
    """The models of this project at a store.

    Args:
        store: where.
        name: of the one that is wanted; the others are not read then.

    Raises:
        UserError: there is none, or not that one.
    """
    found = look_for_models(store, name)
    if found.models or found.faults:
        return found
    if name is not None:
        known = ", ".join(model.name for model in find_models(store).models)
        raise UserError(f"{store.name} has no model {name!r}; it has {known}")
    raise UserError(
        f"{store.name} holds no model; export one: python -m export.triton, and publish: python -m "
        f"export.publish model_repository {store.name}"
    )


def look_for_models(store: Store, name: str | None = None) -> Found:
    """The same, where there may be none."""
    models, faults = [], []
    names = store.names()
    for candidate in names if name is None else sorted({name} & set(names)):
        try:
            model = _ours(store, candidate)
        except UserError as error:
            faults.append(str(error))
            continue
        if model is not None:
            models.append(model)
    return Found(models, faults)


def _ours(store: Store, name: str) -> ModelFolder | None:
    """The model, where its configuration or a manifest of it is of this project."""
    config = store.read(f"{name}/{CONFIG_FILE}")
    if config is not None and is_ours(config[0]):
        return ModelFolder.read(store, name)
    for version in filter(str.isdecimal, store.names(name)):
        path = f"{name}/{version}/{MANIFEST_FILE}"
        text = store.read(path)
        if text is None or not is_manifest(text[0]):
            continue
        if config is not None:
            parse_config(config[0], store.place(f"{name}/{CONFIG_FILE}"))
            raise UserError(
                f"{store.place(f'{name}/{CONFIG_FILE}')} is not the configuration of the versions beside it, "
                "but was emptied or overwritten; export or publish the model again"
            )
        return ModelFolder.read(store, name)
    return None

"""The models of a store as they are published: configurations, manifests, and how they are changed."""

import hashlib
from dataclasses import dataclass, field, replace

from tritonclient.grpc import model_config_pb2 as triton

from export.published.store import Store
from export.repository.config import checksums, model_config
from export.variants import ServedModel
from lartpc.errors import CheckError, UserError
from lartpc.served.manifest import MANIFEST_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, config_text, is_ours, parse_config


@dataclass(frozen=True)
class PublishedModel:
    """A model at a store.

    Attributes:
        name: of its folder.
        config: its configuration; None where it has none yet.
        token: of that configuration, for :meth:`Store.replace`.
        manifests: version -> manifest, of the versions that have one.
    """

    name: str
    config: triton.ModelConfig | None
    token: str | None
    manifests: dict[int, Manifest] = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store, name: str) -> "PublishedModel":
        """Read it from a store.

        Raises:
            UserError: a file there is damaged, or the store cannot be reached.
        """
        path = f"{name}/{CONFIG_FILE}"
        found = store.read(path)
        config = parse_config(found[0], store.place(path)) if found else None
        manifests = {}
        for version in store.names(name):
            text = store.read(f"{name}/{version}/{MANIFEST_FILE}") if version.isdecimal() else None
            if text is not None:
                place = store.place(f"{name}/{version}/{MANIFEST_FILE}")
                manifests[int(version)] = Manifest.parse(text[0], place, name, version)
        return cls(name, config, found[1] if found else None, dict(sorted(manifests.items())))

    @property
    def visibility(self) -> Visibility:
        """Which version servers load.

        Raises:
            UserError: nothing is published.
        """
        if self.config is None:
            raise UserError(f"{self.name} is not published")
        return Visibility.of(self.config, f"config.pbtxt of {self.name}")

    @property
    def versions(self) -> list[int]:
        """The versions that the configuration knows: those that were published whole."""
        if self.config is None:
            return []
        return [version for version in self.manifests if f"v{version}.digest" in self.config.parameters]

    def manifest(self, version: int, store: Store) -> Manifest:
        """The manifest of a published version.

        Raises:
            UserError: there is no such version.
            CheckError: it is not the one that was published.
        """
        if self.config is None or version not in self.versions:
            known = ", ".join(map(str, self.versions)) or "none"
            raise UserError(f"{store.place(self.name)} has no version {version}; there are {known}")
        manifest = self.manifests[version]
        if self.config.parameters[f"v{version}.manifest"].string_value != manifest.own_digest:
            raise CheckError(
                f"{store.place(self.name)}: the manifest of version {version} differs from the SHA-256 in "
                "config.pbtxt; it was altered there"
            )
        return manifest

    def served(self, store: Store) -> ServedModel:
        """What the model is.

        Raises:
            UserError: neither its configuration nor its manifests say so.
        """
        assert self.config is not None
        return ServedModel.of(self.config, self.manifests.values(), store.place(f"{self.name}/{CONFIG_FILE}"))

    def show(
        self,
        store: Store,
        visibility: Visibility,
        added: tuple[ServedModel, Manifest] | None = None,
        sums: dict[str, str] | None = None,
    ) -> None:
        """Replace the configuration, where it still is the one that was read.

        Args:
            store: where.
            visibility: the new one.
            added: model and manifest of a version that becomes known.
            sums: MD5 by path inside the model's folder, of files that Triton's checksum agent is to verify.

        Raises:
            ConflictError: another publisher has changed it meanwhile.
        """
        known = {version: self.manifest(version, store) for version in self.versions}
        served = added[0] if added else self.served(store)
        if added:
            known[added[1].version] = added[1]
        for version in visibility.removing:
            known.pop(version, None)
        sums = {**checksums(self.config), **(sums or {})}
        numbers = set(map(str, known))
        sums = {path: md5 for path, md5 in sums.items() if path.split("/")[0] in numbers}
        config = model_config(served, [known[version] for version in sorted(known)], visibility, sums)
        store.replace(f"{self.name}/{CONFIG_FILE}", config_text(config).encode(), self.token)


def published_models(store: Store) -> list[PublishedModel]:
    """The models of this project at a store that have a configuration; others may lie beside them.

    Raises:
        UserError: there are none.
    """
    found = []
    for name in store.names():
        config = store.read(f"{name}/{CONFIG_FILE}")
        if config is not None and is_ours(config[0]):
            found.append(PublishedModel.read(store, name))
    if not found:
        raise UserError(
            f"{store.name} holds no published model; publish: python -m export.publish model_repository "
            f"{store.name}"
        )
    return found


def verify_files(store: Store, model: PublishedModel, manifest: Manifest) -> None:
    """Hash every file of a version and the labels of its model, as they lie at the store.

    Args:
        store: where.
        model: as it was read.
        manifest: of the version.

    Raises:
        CheckError: a file is missing or altered.
    """
    label_files = model.served(store).facts.of_contract.label_files
    files = {labels.name: hashlib.sha256(labels.text.encode()).hexdigest() for labels in label_files}
    files |= {f"{manifest.version}/{name}": digest for name, digest in manifest.files.items()}
    for name, digest in files.items():
        path = f"{manifest.model}/{name}"
        found = store.sha256(path)
        if found is None:
            raise CheckError(f"{store.place(path)} is missing; publish the version again")
        if found != digest:
            raise CheckError(f"{store.place(path)} differs from its recorded SHA-256; it was altered there")


def promoted(store: Store, model: PublishedModel, version: int) -> Visibility:
    """Make a published version the visible one, after hashing its files."""
    verify_files(store, model, model.manifest(version, store))
    before = model.visibility
    after = before.moved_to(version)
    if after != before:
        model.show(store, after)
    return after


def rolled_back(store: Store, model: PublishedModel) -> Visibility:
    """Make the version visible that was so before; it leaves the history, and the present one does not enter.

    Raises:
        UserError: none was visible before.
    """
    before = model.visibility
    earlier = [version for version in before.history if version in model.versions]
    if not earlier:
        raise UserError(f"{store.place(model.name)}: no other version was visible before {before.visible}")
    verify_files(store, model, model.manifest(earlier[-1], store))
    after = replace(before, visible=earlier[-1], history=tuple(earlier[:-1]))
    model.show(store, after)
    return after

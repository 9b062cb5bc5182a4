"""The models of a store as they are published: configurations, manifests, and how they are changed."""

import hashlib
from dataclasses import dataclass, field, replace

from tritonclient.grpc import model_config_pb2 as triton

from export.config import Visibility, checksums, config_text, model_config, parse_config
from export.store import Store
from export.variants import is_served_name
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CONFIG_FILE, LABEL_TEXTS
from lartpc.served.manifest import MANIFEST_FILE, Manifest


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

    def show(
        self,
        store: Store,
        visibility: Visibility,
        added: Manifest | None = None,
        sums: dict[str, str] | None = None,
    ) -> None:
        """Replace the configuration, where it still is the one that was read.

        Args:
            store: where.
            visibility: the new one.
            added: manifest of a version that becomes known.
            sums: MD5 by path inside the model's folder, of files that Triton's checksum agent is to verify.

        Raises:
            ConflictError: another publisher has changed it meanwhile.
        """
        known = {version: self.manifest(version, store) for version in self.versions}
        if added is not None:
            known[added.version] = added
        for version in visibility.removing:
            known.pop(version, None)
        sums = {**checksums(self.config), **(sums or {})}
        numbers = set(map(str, known))
        sums = {path: md5 for path, md5 in sums.items() if path.split("/")[0] in numbers}
        config = model_config(self.name, [known[version] for version in sorted(known)], visibility, sums)
        store.replace(f"{self.name}/{CONFIG_FILE}", config_text(config).encode(), self.token)


def published_models(store: Store) -> list[PublishedModel]:
    """The models of this family at a store that have a configuration; others may lie beside them.

    Raises:
        UserError: there are none.
    """
    found = [PublishedModel.read(store, name) for name in store.names() if is_served_name(name)]
    found = [model for model in found if model.config is not None]
    if not found:
        raise UserError(
            f"{store.name} holds no published model; publish: python -m export.publish model_repository "
            f"{store.name}"
        )
    return found


def verify_files(store: Store, manifest: Manifest) -> None:
    """Hash every file of a version and the labels of its model, as they lie at the store.

    Raises:
        CheckError: a file is missing or altered.
    """
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in LABEL_TEXTS.items()}
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
    verify_files(store, model.manifest(version, store))
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
    verify_files(store, model.manifest(earlier[-1], store))
    after = replace(before, visible=earlier[-1], history=tuple(earlier[:-1]))
    model.show(store, after)
    return after

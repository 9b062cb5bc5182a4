"""A model at a store, exported or published: its configuration, its versions, and how both change."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tritonclient.grpc import model_config_pb2 as triton

from export.engines.plan_builder import BUILDER_FILE, BUILT_ON_SERVER
from export.repository.config import checksums, model_config
from export.store.interface import ConflictError, Store
from export.variants import ServedModel
from lartpc.errors import CheckError, UserError
from lartpc.served.manifest import MANIFEST_FILE, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, config_text, parse_config
from lartpc.served.tuning import Tuning

ATTEMPTS = 5
"""To name a version that is written, where others change the configuration at the same time."""


@dataclass(frozen=True)
class ModelFolder:
    """A model as it was read; what changes it leaves it as it was, read it again then.

    Attributes:
        store: where it lies.
        name: of its folder.
        config: its configuration; None where it has none yet.
        token: of that configuration, for :meth:`Store.replace`.
        manifests: version -> manifest, of the versions that have one, in order.
    """

    store: Store
    name: str
    config: triton.ModelConfig | None
    token: Any | None
    manifests: dict[int, Manifest] = field(default_factory=dict)

    @classmethod
    def read(cls, store: Store, name: str) -> "ModelFolder":
        """Read it from a store.

        Raises:
            UserError: a file there is damaged, or the store cannot be reached.
        """
        path = f"{name}/{CONFIG_FILE}"
        found = store.read(path)
        config, token = (parse_config(found[0], store.place(path)), found[1]) if found else (None, None)
        manifests = {}
        for version in sorted(filter(str.isdecimal, store.names(name)), key=int):
            path = f"{name}/{version}/{MANIFEST_FILE}"
            text = store.read(path)
            if text is not None:
                manifests[int(version)] = Manifest.parse(text[0], store.place(path), name, version)
        return cls(store, name, config, token, manifests)

    def place(self, *path: str | int) -> str:
        """The place of a file or folder of the model, for messages."""
        return self.store.place("/".join(map(str, (self.name, *path))))

    @cached_property
    def served(self) -> ServedModel:
        """What the model is.

        Raises:
            UserError: neither its configuration nor its manifests say so.
        """
        return ServedModel.of(self.known_config, self.manifests.values(), self.place(CONFIG_FILE))

    @property
    def visibility(self) -> Visibility:
        """Which version servers load.

        Raises:
            UserError: there is no configuration.
        """
        return Visibility.of(self.known_config, self.place(CONFIG_FILE))

    @property
    def versions(self) -> list[int]:
        """The versions that the configuration knows: those that were written whole."""
        if self.config is None:
            return []
        return [version for version in self.manifests if f"v{version}.digest" in self.config.parameters]

    def manifest(self, version: int) -> Manifest:
        """The manifest of a version that the configuration knows.

        Raises:
            UserError: there is no such version.
            CheckError: it is not the one that was written.
        """
        if self.config is None or version not in self.versions:
            known = ", ".join(map(str, self.versions)) or "none"
            raise UserError(f"{self.place()} has no version {version}; there are {known}")
        manifest = self.manifests[version]
        recorded = self.config.parameters.get(f"v{version}.manifest")
        if recorded is None or recorded.string_value != manifest.own_digest:
            raise CheckError(
                f"{self.place(version, MANIFEST_FILE)} differs from its SHA-256 in {CONFIG_FILE}; it was "
                "altered there"
            )
        return manifest

    def check_labels(self) -> None:
        """Compare the label files with those of the contract.

        Raises:
            CheckError: one is missing or altered.
        """
        for labels in self.served.facts.of_contract.label_files:
            found = self.store.read(f"{self.name}/{labels.name}")
            if found is None or found[0] != labels.text.encode():
                raise CheckError(f"{self.place(labels.name)} does not list {', '.join(labels.labels)}")

    def check(self, manifest: Manifest) -> None:
        """Hash every file of a version, as it lies at the store; a plan built on the server has no hash.

        Raises:
            CheckError: a file is missing, altered or not recorded.
        """
        built = BUILT_ON_SERVER if BUILDER_FILE in manifest.files else ()
        folder = f"{self.name}/{manifest.version}"
        unrecorded = set(self.store.names(folder)) - {MANIFEST_FILE, *manifest.files, *built}
        for name in sorted(unrecorded):
            raise CheckError(f"{self.place(manifest.version, name)} is not in the manifest; remove it")
        for name, digest in {MANIFEST_FILE: manifest.own_digest, **manifest.files}.items():
            self._compare(manifest, name, digest, self.store.sha256(f"{folder}/{name}"))

    def content(self, manifest: Manifest, name: str) -> bytes:
        """A file of a version.

        Raises:
            CheckError: it is missing or altered.
        """
        found = self.store.read(f"{self.name}/{manifest.version}/{name}")
        digest = found and hashlib.sha256(found[0]).hexdigest()
        self._compare(manifest, name, manifest.files[name], digest)
        assert found is not None
        return found[0]

    def add(self, served: ServedModel, manifest: Manifest, files: Mapping[str, bytes]) -> "ModelFolder":
        """Write a version whole, then make it the visible one; the model as it is then.

        Args:
            served: what the model is.
            manifest: of the version.
            files: content of its other files, by name.

        Raises:
            ConflictError: another export has written a version of this number meanwhile.
        """
        self.store.create_all(f"{self.name}/{manifest.version}", {MANIFEST_FILE: manifest.content, **files})
        return self._known(served, manifest)

    def finished(self, served: ServedModel, version: int) -> "ModelFolder":
        """Finish an export that was killed before its configuration, and renew one of an older form.

        Raises:
            CheckError: a file of the version is missing or altered.
        """
        known = version in self.versions
        manifest = self.manifest(version) if known else self.manifests[version]
        try:
            self.check(manifest)
        except CheckError as error:
            raise CheckError(f"{error}: remove the folder {self.place(version)} first") from error
        return self._known(served, manifest)

    def changed(
        self,
        visibility: Visibility,
        added: tuple[ServedModel, Manifest] | None = None,
        sums: dict[str, str] | None = None,
        tuning: Tuning | None = None,
    ) -> "ModelFolder":
        """Replace the configuration, where it still is the one that was read; the model as it is then.

        Args:
            visibility: the new one.
            added: model and manifest of a version that becomes known.
            sums: MD5 by path inside the model's folder, of files that Triton's checksum agent is to verify.
            tuning: how servers are to run the model; what was set before stays where not given.

        Raises:
            ConflictError: another publisher has changed it meanwhile.
        """
        staying = [number for number in self.versions if number not in visibility.removing]
        known = {number: self.manifest(number) for number in staying}
        served = added[0] if added else self.served
        if added:
            known[added[1].version] = added[1]
        sums = {**checksums(self.config), **(sums or {})}
        sums = {path: md5 for path, md5 in sums.items() if path.split("/")[0] in map(str, known)}
        tuning = tuning or (Tuning() if self.config is None else self.tuning)
        config = model_config(served, [known[number] for number in sorted(known)], visibility, sums, tuning)
        if config == self.config:
            if ModelFolder.read(self.store, self.name).token != self.token:
                raise self.store.changed(f"{self.name}/{CONFIG_FILE}")
            return self
        self.store.replace(f"{self.name}/{CONFIG_FILE}", config_text(config).encode(), self.token)
        return ModelFolder.read(self.store, self.name)

    @property
    def tuning(self) -> Tuning:
        """How servers run the model.

        Raises:
            UserError: there is no configuration, or it sets something else.
        """
        return Tuning.of(self.known_config)

    def tuned(self, tuning: Tuning) -> "ModelFolder":
        """Let servers run the model so; the model as it is then.

        Raises:
            ConflictError: another publisher has changed the configuration meanwhile.
        """
        return self.changed(self.visibility, tuning=tuning)

    @property
    def known_config(self) -> triton.ModelConfig:
        """The configuration.

        Raises:
            UserError: there is none.
        """
        if self.config is None:
            raise UserError(f"{self.place()} has no {CONFIG_FILE}; export or publish the model")
        return self.config

    def _known(self, served: ServedModel, manifest: Manifest) -> "ModelFolder":
        """Name a written version in the configuration, whoever else changes that meanwhile."""
        written = self
        for _ in range(ATTEMPTS):
            try:
                written._write_labels(served)
                return written.changed(written._showing(manifest.version), (served, manifest))
            except ConflictError:
                written = ModelFolder.read(self.store, self.name)
        raise self.store.changed(f"{self.name}/{CONFIG_FILE}")

    def _showing(self, version: int) -> Visibility:
        """A version that becomes known is shown; of one that is known already, what is shown stays."""
        if self.config is None:
            return Visibility(version)
        return self.visibility if version in self.versions else self.visibility.moved_to(version)

    def _write_labels(self, served: ServedModel) -> None:
        for labels in served.facts.of_contract.label_files:
            path = f"{self.name}/{labels.name}"
            content, token = self.store.read(path) or (None, None)
            if content != labels.text.encode():
                self.store.replace(path, labels.text.encode(), token)

    def _compare(self, manifest: Manifest, name: str, recorded: str, found: str | None) -> None:
        place = self.place(manifest.version, name)
        if found is None:
            raise CheckError(f"{place} is missing; publish or export the version again")
        if found != recorded:
            raise CheckError(f"{place} differs from its recorded SHA-256; it was altered there")

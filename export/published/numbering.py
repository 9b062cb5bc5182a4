"""The versions of a network's models, here and where they are published, and which number is next."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from export.published.model import PublishedModel
from export.published.store import Store
from export.repository.versions import Repository
from export.variants import ServedModel
from lartpc.errors import CheckError, UserError
from lartpc.served.manifest import MANIFEST_FILE, Manifest

Match = Callable[[Manifest], bool]


def of_recipe(recipe: str, gates: dict[str, Any], engine: dict[str, str]) -> Match:
    """Whether a version is of this recipe and has passed these gates, its plan for this engine, if any."""
    return lambda manifest: (
        manifest.provenance.export.get("recipe") == recipe and _passed(manifest, gates, engine)
    )


def of_weights(weights: bytes, gates: dict[str, Any], engine: dict[str, str]) -> Match:
    """Whether a version has these weights and has passed these gates, its plan for this engine, if any."""
    digest = hashlib.sha256(weights).hexdigest()
    return lambda manifest: manifest.digest == digest and _passed(manifest, gates, engine)


def _passed(manifest: Manifest, gates: dict[str, Any], engine: dict[str, str]) -> bool:
    recorded = manifest.gate.get("gates")
    same = isinstance(recorded, dict) and all(recorded.get(key) == gates[key] for key in ("name", "limits"))
    return same and manifest.provenance.export.get("engine", {}) == engine


class Numbering:
    """The versions of a network's models.

    Args:
        repository: here.
        family: names of all models of the network, one a variant.
        store: where they are published, if anywhere: a number that is taken there is taken here.

    Raises:
        UserError: a manifest is damaged, or the store cannot be reached.
    """

    def __init__(self, repository: Repository, family: Iterable[str], store: Store | None) -> None:
        self._repository, self._family, self._store = repository, list(family), store
        self._published = {name: PublishedModel.read(store, name) for name in self._family} if store else {}

    def here(self, model: str, match: Match) -> int | None:
        """The latest version of the repository that matches.

        One whose number is another version's at the store does not count: it can never be published.
        """
        published = self._published[model].manifests if self._published else {}
        return _latest(
            [
                manifest
                for manifest in self._repository.manifests(model)
                if published.get(manifest.version, manifest).own_digest == manifest.own_digest
            ],
            match,
        )

    def fetch(self, served: ServedModel, match: Match) -> int | None:
        """Copy the latest published version that matches into the repository, and return its number.

        Raises:
            CheckError: what lies at the store is not what was published.
            UserError: the repository has another version of this number.
        """
        if self._store is None:
            return None
        model = served.name
        published = self._published[model]
        whole = [published.manifests[number] for number in published.versions]
        number = _latest(whole, match)
        if number is None:
            return None
        if number in (manifest.version for manifest in self._repository.manifests(model)):
            raise UserError(
                f"{self._store.place(model)} has version {number} of this checkpoint, "
                f"{self._repository.root} another one; export into an empty folder: --repository NEW"
            )
        manifest = published.manifest(number, self._store)
        files = {name: self._file(manifest, name) for name in manifest.files}
        self._repository.adopt(served, manifest, files)
        return number

    def next(self, model: str, checkpoint_sha256: str) -> int:
        """Number of a new version: one checkpoint has one number across its precisions.

        Args:
            model: that the version is added to.
            checkpoint_sha256: of the checkpoint.
        """
        everything = [manifest for name in self._family for manifest in self._repository.manifests(name)]
        everything += [
            each for published in self._published.values() for each in published.manifests.values()
        ]
        taken = [manifest.version for manifest in everything if manifest.model == model]
        of_checkpoint = [
            manifest.version
            for manifest in everything
            if manifest.provenance.training.get("checkpoint_sha256") == checkpoint_sha256
        ]
        shared = max(of_checkpoint, default=None)
        if shared is not None and shared not in taken:
            return shared
        return 1 + max((manifest.version for manifest in everything), default=0)

    def _file(self, manifest: Manifest, name: str) -> bytes:
        assert self._store is not None
        path = f"{manifest.model}/{manifest.version}/{name}"
        found = self._store.read(path)
        if found is None or hashlib.sha256(found[0]).hexdigest() != manifest.files[name]:
            raise CheckError(f"{self._store.place(path)} is not what {MANIFEST_FILE} beside it records")
        return found[0]


def _latest(manifests: Iterable[Manifest], match: Match) -> int | None:
    return max((manifest.version for manifest in manifests if match(manifest)), default=None)

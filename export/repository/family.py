"""The models of one network, here and published: which versions there are, and which number is next."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from export.repository.model_folder import ModelFolder
from export.repository.version import Version
from export.store.interface import ConflictError, Store
from export.variants import ServedModel
from lartpc.errors import UserError
from lartpc.served.manifest import Manifest

Match = Callable[[Manifest], bool]

ATTEMPTS = 5
"""To add a version beside other exports."""


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


class Family:
    """The models of a network, one a variant.

    Args:
        models: all of them: one checkpoint has one number across its precisions.
        repository: where they are exported to.
        published: where they are published, if anywhere: a number that is taken there is taken here.

    Raises:
        UserError: a configuration or a manifest is damaged, or a store cannot be reached.
    """

    def __init__(
        self, models: Iterable[ServedModel], repository: Store, published: Store | None = None
    ) -> None:
        names = [served.name for served in models]
        self._here = {name: ModelFolder.read(repository, name) for name in names}
        self._published = {name: ModelFolder.read(published, name) for name in names if published}

    def check_scale(self, score_scale: str | None) -> None:
        """See that no version, here or published, has scores of another scale: cuts would change meaning.

        Raises:
            UserError: one has.
        """
        if score_scale is None:
            return
        for place, manifest in self._known():
            other = manifest.score_scale
            if other not in (None, score_scale):
                raise UserError(
                    f"{place} has version {manifest.version} with {other} scores; {score_scale} ones "
                    "would change what cuts mean: export them to another --repository"
                )

    def check_era(self, era: str) -> None:
        """See that no version, here or published, is of another ADC era: jobs would send it wrong pixels.

        Raises:
            UserError: one is.
        """
        for place, manifest in self._known():
            other = manifest.provenance.training.get("era", era)
            if other != era:
                raise UserError(
                    f"{place} has version {manifest.version} of ADC era {other}; one of era {era} would take "
                    "the same jobs' pixels for others: export it to another --repository"
                )

    def _known(self) -> Iterator[tuple[str, Manifest]]:
        """Place and manifest of every version, here and published."""
        for folder in (*self._here.values(), *self._published.values()):
            for manifest in folder.manifests.values():
                yield folder.place(), manifest

    def here(self, served: ServedModel, match: Match) -> int | None:
        """The latest version of the repository that matches; its configuration is finished or renewed.

        One whose number is another version's at the store does not count: it can never be published.

        Raises:
            CheckError: a file of the version is missing or altered.
        """
        model = self._here[served.name]
        published = self._published[served.name].manifests if self._published else {}
        candidates = [
            manifest
            for number, manifest in model.manifests.items()
            if published.get(number, manifest).own_digest == manifest.own_digest
        ]
        number = _latest(candidates, match)
        if number is not None:
            self._here[served.name] = model.finished(served, number)
        return number

    def fetch(self, served: ServedModel, match: Match) -> int | None:
        """Copy the latest published version that matches into the repository, and return its number.

        Raises:
            CheckError: what lies at the store is not what was published.
            UserError: the repository has another version of this number.
        """
        published, here = self._published.get(served.name), self._here[served.name]
        if published is None:
            return None
        number = _latest([published.manifests[version] for version in published.versions], match)
        if number is None:
            return None
        if number in here.manifests:
            raise UserError(
                f"{published.place()} has version {number} of this checkpoint, {here.store.name} another "
                "one; export into an empty folder: --repository NEW"
            )
        manifest = published.manifest(number)
        files = {name: published.content(manifest, name) for name in manifest.files}
        self._here[served.name] = here.add(served, manifest, files)
        return number

    def add(self, version: Version) -> tuple[int, bool]:
        """Write a new version into the repository, unless another export has written it meanwhile.

        Returns:
            Its number, and whether it was written now.

        Raises:
            ConflictError: others were faster, again and again.
        """
        served, export = version.served, version.provenance.export
        match = of_weights(version.weights, version.gate["gates"], export.get("engine", {}))
        for attempt in range(ATTEMPTS):
            for name, model in self._here.items():
                self._here[name] = ModelFolder.read(model.store, name)
            number = self.here(served, match)
            if number is not None:
                return number, False
            number = self._next(served.name, version.provenance.training["checkpoint_sha256"])
            try:
                self._here[served.name] = self._here[served.name].add(served, *version.numbered(number))
            except ConflictError:
                if attempt + 1 == ATTEMPTS:
                    raise
                continue
            return number, True
        raise AssertionError("unreachable")

    def _next(self, model: str, checkpoint_sha256: str) -> int:
        """Number of a new version: one checkpoint has one number across its precisions."""
        folders = [*self._here.values(), *self._published.values()]
        everything = [manifest for folder in folders for manifest in folder.manifests.values()]
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


def _latest(manifests: Iterable[Manifest], match: Match) -> int | None:
    return max((manifest.version for manifest in manifests if match(manifest)), default=None)

"""What travels from a repository to a store, and how it becomes visible there."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from export.gate.limits import Limits
from export.published.model import PublishedModel
from export.published.store import ConflictError, Store
from export.repository.versions import Repository
from export.variants import ServedModel
from lartpc.errors import CheckError
from lartpc.files import sha256
from lartpc.served.manifest import MANIFEST_FILE, MODEL_FILE, NO_GATES, Manifest
from lartpc.served.model_config import CONFIG_FILE, Visibility, read_config

NOT_PUBLISHABLE_BEFORE = "gates_quick"
"""The one name of gates that was not published before gates said of themselves whether they are."""


@dataclass(frozen=True)
class Publication:
    """One version on its way to a store.

    Attributes:
        served: what the model is.
        manifest: of the version.
        files: paths relative to the store -> file here, in the order in which they are written.
        digests: paths relative to the store -> SHA-256, as the manifest has them.
        missing: those that are not at the store yet.
        shown: which version will be visible; None where the configuration stays as it is.
        published: the model at the store, as it was read.
    """

    served: ServedModel
    manifest: Manifest
    files: dict[str, Path]
    digests: dict[str, str]
    missing: list[str]
    shown: Visibility | None
    published: PublishedModel

    @property
    def size(self) -> int:
        """Bytes that travel."""
        return sum(self.files[path].stat().st_size for path in self.missing)


def refused_by_gates(manifest: Manifest, limits: Limits, gates: str) -> list[str]:
    """Why the gates that a version was exported under do not let it be published; empty where they do.

    Args:
        manifest: of the version.
        limits: that it must keep.
        gates: name of their file.
    """
    title = f"{manifest.model} version {manifest.version}"
    if manifest.gates == NO_GATES:
        return [f"{title} was exported without gates; export it anew"]
    if not manifest.gate["gates"].get("publishable", manifest.gates != NOT_PUBLISHABLE_BEFORE):
        return [
            f"{title} has passed the gates {manifest.gates} alone, which say that what passes them is not "
            "published; export it under others"
        ]
    losses = manifest.gate.get("losses", [])
    try:
        beyond = [
            f"{loss['figure']} of {loss['of']}, {loss['group']}: {loss['edge']:.2g}, "
            f"allowed {getattr(limits, loss['figure']):g}"
            for loss in losses
            if not loss["edge"] <= getattr(limits, loss["figure"])
        ]
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        return [f"{title} has figures of its gates that cannot be read ({error!r}); export it anew"]
    if beyond or not losses:
        return [f"{title} does not pass {gates}: {'; '.join(beyond) or 'it has no figures'}"]
    return []


def visible_version(repository: Repository, model: str) -> Manifest:
    """The manifest of the version that a repository shows of a model."""
    folder = repository.root / model
    visible = Visibility.of(read_config(folder), str(folder / CONFIG_FILE)).visible
    return Manifest.read(folder / str(visible))


def plan(repository: Repository, manifest: Manifest, store: Store, hold: bool) -> Publication:
    """What it takes to publish a version.

    The configuration at the store is read before anything is hashed there: where a version is removed
    meanwhile, it is no longer the one that was read.

    The manifest goes first: it claims the version's number for its content. config.pbtxt goes last, for it
    alone makes the version visible.

    Args:
        repository: here.
        manifest: of its version.
        store: where to.
        hold: leave the visible version as it is, where there is one.

    Raises:
        CheckError: the version is published with another content, is being removed, or changes here.
    """
    model, folder = manifest.model, repository.root / manifest.model
    served = repository.served(model)
    version = folder / str(manifest.version)
    published = PublishedModel.read(store, model)
    shown = _shown(published, manifest.version, store, hold)
    label_files = served.facts.of_contract.label_files
    files = {f"{model}/{labels.name}": folder / labels.name for labels in label_files}
    names = [MANIFEST_FILE, *sorted(manifest.files, key=lambda name: name != MODEL_FILE)]
    files |= {f"{model}/{manifest.version}/{name}": version / name for name in names}
    digests = {path: _sha256(file) for path, file in files.items()}
    for name, digest in manifest.files.items():
        if digests[f"{model}/{manifest.version}/{name}"] != digest:
            raise _altered(version / name)
    missing = []
    for path, digest in digests.items():
        there = store.sha256(path)
        if there is None:
            missing.append(path)
        elif there != digest:
            raise _other_content(store, path)
    return Publication(served, manifest, files, digests, missing, shown, published)


def _sha256(file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise _altered(file) from error


def _shown(published: PublishedModel, version: int, store: Store, hold: bool) -> Visibility | None:
    """The new visibility; None where the version is known, as after a rollback, which stays."""
    if published.config is None:
        return Visibility(version)
    before = published.visibility
    if version in before.removing:
        raise ConflictError(
            f"{store.place(published.name)}: version {version} is being removed there; python -m "
            f"export.registry prune {store.name} goes on with it, publish then"
        )
    if version in published.versions:
        return None
    return before if hold or version < before.visible else before.moved_to(version)


def publish_version(
    publication: Publication,
    store: Store,
    checksum_agent: bool,
    watch: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> None:
    """Send what is missing, hash it as it lies there, and replace the configuration.

    Raises:
        CheckError: another publisher was faster, or what lies there is not what was sent.
    """
    for path in watch(publication.missing):
        content = _content(publication, path)
        with suppress(FileExistsError):  # another publisher sends the same, or something else
            store.create(path, content)
        if store.sha256(path) != publication.digests[path]:
            raise _other_content(store, path)
    if publication.shown is None:
        return
    manifest = publication.manifest
    sums = {}
    if checksum_agent:
        weights = f"{manifest.version}/{MODEL_FILE}"
        content = _content(publication, f"{manifest.model}/{weights}")
        sums[weights] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    publication.published.show(store, publication.shown, (publication.served, manifest), sums)


def _content(publication: Publication, path: str) -> bytes:
    """A file as it was when it was checked."""
    try:
        content = publication.files[path].read_bytes()
    except OSError as error:
        raise _altered(publication.files[path]) from error
    if hashlib.sha256(content).hexdigest() != publication.digests[path]:
        raise _altered(publication.files[path])
    return content


def _altered(file: Path) -> CheckError:
    return CheckError(f"{file} was altered since it was checked; run the command again")


def _other_content(store: Store, path: str) -> CheckError:
    return ConflictError(
        f"{store.place(path)} is there already with another content; a published version never changes: "
        "export under a new version"
    )

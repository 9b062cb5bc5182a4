"""A version on its way from a repository to a store, and how it becomes visible there."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from export.gate.limits import Limits
from export.repository.model_folder import ModelFolder
from export.store.interface import ConflictError, Store
from lartpc.errors import CheckError
from lartpc.served.manifest import MANIFEST_FILE, MODEL_FILE, NO_GATES, Manifest
from lartpc.served.model_config import Visibility

NOT_PUBLISHABLE_BEFORE = "gates_quick"
"""The one name of gates that was not published before gates said of themselves whether they are."""


@dataclass(frozen=True)
class Transfer:
    """One version on its way to a store.

    Attributes:
        source: the model that it is a version of, here.
        manifest: of the version.
        target: the model at the store, as it was read.
        digests: paths inside the model's folder -> SHA-256, in the order in which they are written.
        missing: those that are not at the store yet.
        size: bytes that travel.
        shown: which version will be visible; None where the configuration stays as it is.
    """

    source: ModelFolder
    manifest: Manifest
    target: ModelFolder
    digests: dict[str, str]
    missing: list[str]
    size: int
    shown: Visibility | None

    def content(self, path: str) -> bytes:
        """A file as it was when it was checked.

        Raises:
            CheckError: it is no longer so.
        """
        found = self.source.store.read(f"{self.source.name}/{path}")
        if found is None or hashlib.sha256(found[0]).hexdigest() != self.digests[path]:
            raise CheckError(
                f"{self.source.place(path)} was altered since it was checked; run the command again"
            )
        return found[0]


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
            "published; export it under others, or publish to an empty target with --trial"
        ]
    losses = manifest.gate.get("losses", [])
    try:
        left_out = manifest.gate["gates"].get("limits", {}).get("outliers", 0.0)
        if not left_out <= limits.outliers:
            return [f"{title} left a share of {left_out:g} out of max_dp, {gates} {limits.outliers:g}"]
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


def plan(source: ModelFolder, manifest: Manifest, store: Store, hold: bool) -> Transfer:
    """What it takes to publish a version.

    The configuration at the store is read before anything is hashed there: where a version is removed
    meanwhile, it is no longer the one that was read.

    The manifest goes first: it claims the version's number for its content. config.pbtxt goes last, for it
    alone makes the version visible.

    Args:
        source: the model here.
        manifest: of its version.
        store: where to.
        hold: leave the visible version as it is, where there is one.

    Raises:
        CheckError: the version is published with another content, is being removed, or changes here.
    """
    target = ModelFolder.read(store, source.name)
    shown = _shown(target, manifest.version, hold)
    source.check(manifest)
    labels = {labels.name: labels.text.encode() for labels in source.served.facts.of_contract.label_files}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in labels.items()}
    names = [MODEL_FILE, *(name for name in manifest.files if name != MODEL_FILE)]
    digests[f"{manifest.version}/{MANIFEST_FILE}"] = manifest.own_digest
    digests |= {f"{manifest.version}/{name}": manifest.files[name] for name in names}
    missing = []
    for path, digest in digests.items():
        there = store.sha256(f"{source.name}/{path}")
        if there is None:
            missing.append(path)
        elif path in labels and there != digest:
            raise CheckError(f"{target.place(path)} was altered there; remove it, and publish again")
        elif there != digest:
            raise _other_content(target.place(path))
    transfer = Transfer(source, manifest, target, digests, missing, 0, shown)
    return replace(transfer, size=sum(len(transfer.content(path)) for path in missing))


def _shown(target: ModelFolder, version: int, hold: bool) -> Visibility | None:
    """The new visibility; None where the version is known, as after a rollback, which stays."""
    if target.config is None:
        return Visibility(version)
    before = target.visibility
    if version in before.removing:
        raise ConflictError(
            f"{target.place()}: version {version} is being removed there; python -m export.registry prune "
            f"{target.store.name} goes on with it, publish then"
        )
    if version in target.versions:
        return None
    return before if hold or version < before.visible else before.moved_to(version)


def send(
    transfer: Transfer, checksum_agent: bool, watch: Callable[[Iterable[str]], Iterable[str]] = iter
) -> None:
    """Send what is missing, hash it as it lies there, and replace the configuration.

    Args:
        transfer: from :func:`plan`.
        checksum_agent: let Triton's repository agent verify the weights.
        watch: wraps the files, to show progress.

    Raises:
        CheckError: another publisher was faster, or what lies there is not what was sent.
    """
    store, manifest, target = transfer.target.store, transfer.manifest, transfer.target
    for path in watch(transfer.missing):
        with suppress(FileExistsError):  # another publisher sends the same, or something else
            store.create(f"{target.name}/{path}", transfer.content(path))
        there = store.sha256(f"{target.name}/{path}")
        if there is None:
            raise store.changed(f"{target.name}/{path}")
        if there != transfer.digests[path]:
            raise _other_content(target.place(path))
    if transfer.shown is None:
        return
    sums = {}
    if checksum_agent:
        weights = f"{manifest.version}/{MODEL_FILE}"
        sums[weights] = hashlib.md5(transfer.content(weights), usedforsecurity=False).hexdigest()
    tuning = transfer.source.tuning if target.config is None else None
    target.changed(transfer.shown, (transfer.source.served, manifest), sums, tuning)


def _other_content(place: str) -> ConflictError:
    return ConflictError(
        f"{place} is there already with another content; a published version never changes: "
        "export under a new version"
    )

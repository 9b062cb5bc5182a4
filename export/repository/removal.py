"""Removing versions, and keeping some from it."""

import secrets
from dataclasses import replace

from export.repository.model_folder import ModelFolder
from lartpc.errors import UserError
from lartpc.served.model_config import Visibility


def pinned(model: ModelFolder, version: int, pin: bool) -> Visibility:
    """Pin a version, or let it go.

    Raises:
        UserError: there is no such version.
    """
    model.manifest(version)
    before = model.visibility
    numbers = (set(before.pinned) | {version}) if pin else set(before.pinned) - {version}
    after = replace(before, pinned=tuple(sorted(numbers)))
    model.changed(after)
    return after


def candidates(model: ModelFolder, keep: int) -> list[int]:
    """Versions that may go: not visible, not pinned, not where a rollback goes, not among the newest.

    What was begun and never finished goes too, where it is older than the visible version.

    Args:
        model: as it was read.
        keep: how many of the newest stay.

    Raises:
        UserError: ``keep`` is negative.
    """
    if keep < 0:
        raise UserError(f"--keep {keep}: give 0 or more")
    visibility = model.visibility
    newest = model.versions[len(model.versions) - keep :] if keep else []
    kept = {visibility.visible, *visibility.pinned, *visibility.history[-1:], *newest}
    old = {version for version in model.versions if version not in kept}
    old |= {version for version in model.manifests if version < visibility.visible} - set(model.versions)
    return sorted(old | set(visibility.removing) - {visibility.visible, *visibility.pinned})


def remove(model: ModelFolder, versions: list[int]) -> None:
    """Remove versions: first from the configuration, which notes that they are going, then their files.

    A removal that was cut off is gone on with by the next one. Who removes claims it in the configuration,
    and looks before each version whether another one has claimed it since: a version that is removed by two
    may be published again when the first has done, and must not be removed by the second.

    Raises:
        ConflictError: another publisher has changed the configuration meanwhile; nothing is removed then.
    """
    before, claim = model.visibility, secrets.token_hex(8)
    history = tuple(version for version in before.history if version not in versions)
    going = replace(before, history=history, removing=tuple(versions), claim=claim)
    model.changed(going)
    for version in versions:
        if ModelFolder.read(model.store, model.name).visibility.claim != claim:
            raise model.store.changed(model.name)
        model.store.delete_all(f"{model.name}/{version}")
    left = ModelFolder.read(model.store, model.name)
    if left.visibility.claim != claim:
        raise model.store.changed(model.name)
    remaining = tuple(version for version in left.visibility.removing if version not in versions)
    left.changed(replace(left.visibility, removing=remaining, claim=""))

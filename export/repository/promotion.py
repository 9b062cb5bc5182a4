"""Which version of a model servers load: another one, or the one of before."""

from dataclasses import replace

from export.repository.model_folder import ModelFolder
from lartpc.errors import UserError
from lartpc.served.model_config import Visibility


def promoted(model: ModelFolder, version: int) -> Visibility:
    """Make a version the visible one, after hashing its files.

    Raises:
        UserError: there is no such version.
        CheckError: a file of it is missing or altered.
    """
    model.check_labels()
    model.check(model.manifest(version))
    after = model.visibility.moved_to(version)
    model.changed(after)
    return after


def rolled_back(model: ModelFolder) -> Visibility:
    """Make the version visible that was so before; it leaves the history, and the present one does not enter.

    Raises:
        UserError: none was visible before.
        CheckError: a file of it is missing or altered.
    """
    before = model.visibility
    earlier = [version for version in before.history if version in model.versions]
    if not earlier:
        raise UserError(f"{model.place()}: no other version was visible before {before.visible}")
    model.check_labels()
    model.check(model.manifest(earlier[-1]))
    after = replace(before, visible=earlier[-1], history=tuple(earlier[:-1]))
    model.changed(after)
    return after

"""Targets for trials: they say of themselves that what lies there has passed no gates of a publication."""

from export.store.interface import Store
from lartpc.errors import UserError

TRIAL_FILE = "TRIAL.txt"
TEXT = (
    "Models for trials: the gates that they passed, which their manifests name, may allow no publication.\n"
)


def is_for_trials(store: Store) -> bool:
    """Whether a target says so of itself."""
    return store.read(TRIAL_FILE) is not None


def check_trial(store: Store) -> None:
    """Refuse a target that cannot be one for trials.

    Raises:
        UserError: models or other things lie there, which are for no trial.
    """
    if not is_for_trials(store) and store.names():
        raise UserError(f"{store.name} is not empty and not for trials; give --trial with an empty target")


def open_trial(store: Store) -> None:
    """Make an empty target one for trials; one that is stays so.

    Raises:
        UserError: models or other things lie there, which are for no trial.
    """
    check_trial(store)
    if not is_for_trials(store):
        store.create(TRIAL_FILE, TEXT.encode())

"""Waiting for an event itself, on a machine that may be busy with something else."""

import time
from collections.abc import Callable

PATIENCE = 250.0
"""Seconds after which what has not happened never will; pytest's own limit of a test is longer."""


def wait_until(condition: Callable[[], object], pause: float = 0.02) -> None:
    """Return once a condition holds; an assertion fails where it does not in good time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(pause)

"""Estimates with statistical uncertainties from a sample of events."""

import numpy as np
from numpy.typing import ArrayLike


def mean(values: ArrayLike) -> tuple[float, float]:
    """Mean of one value an event, and its uncertainty (not a number for one event)."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return float(array.mean()), float("nan")
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> tuple[float, float]:
    """Sum of numerators over sum of denominators, one of each an event, and its uncertainty.

    Events are what is independent, not hits: the uncertainty follows from the scatter of the events about
    the ratio (W. G. Cochran, Sampling Techniques, 1977, section 6.4).
    """
    over, under = np.asarray(numerators, float), np.asarray(denominators, float)
    value = over.sum() / under.sum()
    if len(over) < 2:
        return float(value), float("nan")
    scatter = np.sum((over - value * under) ** 2) * len(over) / (len(over) - 1)
    return float(value), float(np.sqrt(scatter) / under.sum())

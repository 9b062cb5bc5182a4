"""Calibrated scores: each head's logits are scaled and shifted, and the map folded into its last layer.

Enriched samples and weighted losses shift the scores, and a cut on them would mean another purity in
every training. The class head gets one scale and a bias for each class (temperature scaling with a
correction of the priors: Guo et al., arXiv:1706.04599, and Saerens et al., Neural Comput. 14 (2002) 21),
the Michel head a scale and a bias (Platt 1999). A head is changed only as far as that helps on events which
the fit has not seen: hits of an event go wrong together, and few events can mislead. A scale is taken only
where the scores tell more there than a constant would; otherwise the best one is next to 0, which would give
every hit the same score and lose what the order of the scores says.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.model_selection import GroupKFold

from lartpc.errors import CheckError
from training.network.scaling import Scaling

LEAST_SCALE, MOST_SCALE = 1e-3, 1e3
"""Of logits with a mean of 0 and a spread of 1. Positive, so that no order of scores is turned around."""

MOST_BIAS = 20.0
"""Of the same logits: a class that has no hit in a part of the events cannot run away further."""

FOLDS = 10
"""Parts into which the events are divided, each left out in turn; fewer where there are fewer events."""


def fit_scaling(
    logits: NDArray[np.floating],
    truth: NDArray[np.integer],
    weight: NDArray[np.floating],
    event: NDArray[np.integer],
) -> Scaling:
    """Fit a scaling by weighted log-loss, which is convex in scale and bias; L-BFGS, no random numbers.

    Args:
        logits: (N, K), or (N, 1) for a sigmoid.
        truth: (N,) class, 0 or 1 for a sigmoid.
        weight: (N,) 0 or more.
        event: (N,) which event each hit is of.

    Returns:
        The scaling, whose biases have a mean of 0 over the K classes. Where a scale does not lower the
        log-loss of left-out events by more than its standard error, or the scores tell no more there than
        a constant would, or its fit runs to a bound, the biases are fitted alone; where these do not lower
        it either, where there is one event alone, and where fewer than two classes have any weight, the
        logits stay as they are. A class without any weight keeps its bias.

    Raises:
        CheckError: a logit or a weight is not finite.
    """
    if not (np.isfinite(logits).all() and np.isfinite(weight).all()):
        raise CheckError("a head's logits are not finite; train anew with a lower --model.learning-rate")
    used = weight > 0.0
    sigmoid = logits.shape[1] == 1
    z = logits[used].astype(np.float64)
    if sigmoid:
        z = np.hstack([np.zeros_like(z), z])
    classes, member = np.unique(truth[used], return_inverse=True)
    as_it_is = 1.0, (0.0,) * logits.shape[1]
    groups = event[used]
    if len(classes) < 2 or len(np.unique(groups)) < 2:
        reason = "stays as it is: it takes two classes and two events to learn from"
        return Scaling(*as_it_is, (0.0, 0.0), reason)
    sample = _Sample.of(z[:, classes], member, weight[used] / weight[used].sum())
    before = sample.loss(sample.unchanged)[0]
    left_out = _losses_on_left_out(sample, groups)
    established = _helps(left_out, "scale", besides="constant")
    kind, fitted, reason = _choose(sample, left_out, established)
    gain, error = _gain(left_out, "bias" if kind == "nothing" else kind)
    if kind == "nothing":
        return Scaling(*as_it_is, (before, before), reason, gain, error, established)
    scale = float(fitted[0] / sample.spread)
    bias = np.zeros(z.shape[1])
    bias[classes] = np.append(0.0, fitted[1:]) - scale * sample.mean
    bias[classes] -= bias[classes].mean()
    if sigmoid:
        bias = bias[1:] - bias[0]
    after = sample.loss(fitted)[0]
    return Scaling(scale, tuple(map(float, bias)), (before, after), reason, gain, error, established)


@dataclass(frozen=True)
class _Sample:
    """(N, K) logits with a mean of 0 and a spread of 1, (N,) true columns, (N,) weights.

    They are so whatever a network's logits are: the fit and its bounds do not depend on their size.

    Attributes:
        mean: (K,) of the logits as they were.
        spread: of all of them together.
    """

    logits: NDArray[np.float64]
    member: NDArray[np.int64]
    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: float

    @classmethod
    def of(
        cls, logits: NDArray[np.float64], member: NDArray[np.int64], weight: NDArray[np.float64]
    ) -> "_Sample":
        mean = np.average(logits, axis=0, weights=weight)
        spread = float(np.sqrt(np.average(((logits - mean) ** 2).sum(axis=1), weights=weight))) or 1.0
        return cls((logits - mean) / spread, member, weight, mean, spread)

    def part(self, chosen: NDArray[np.integer]) -> "_Sample":
        return replace(
            self, logits=self.logits[chosen], member=self.member[chosen], weight=self.weight[chosen]
        )

    def loss(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Sum of weight times -ln p(truth), and its gradient by scale and all biases but the first."""
        rows = np.arange(len(self.logits))
        scaled = parameters[0] * self.logits + np.append(0.0, parameters[1:])
        log_probability = log_softmax(scaled, axis=1)
        slope = np.exp(log_probability)
        slope[rows, self.member] -= 1.0
        slope *= self.weight[:, None]
        value = -np.dot(self.weight, log_probability[rows, self.member])
        return float(value), np.append(np.sum(slope * self.logits), slope.sum(axis=0)[1:])

    @property
    def unchanged(self) -> NDArray[np.float64]:
        """The parameters that give the logits as they were."""
        return np.append(self.spread, self.mean[1:] - self.mean[0])

    @property
    def constant(self) -> NDArray[np.float64]:
        """Scale 0, and the biases that give every hit the classes' shares."""
        shares = np.bincount(self.member, self.weight, minlength=self.logits.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = np.nan_to_num(np.log(shares[1:]) - np.log(shares[0]), nan=0.0)
        return np.append(0.0, np.clip(bias, -MOST_BIAS, MOST_BIAS))

    def fit(self, scaled: bool) -> NDArray[np.float64]:
        """Scale and all biases but the first; the scale stays as it was where it is not to be fitted."""
        free = self.logits.shape[1] - 1
        scale = (LEAST_SCALE, MOST_SCALE) if scaled else (self.spread, self.spread)
        bounds = [scale] + [(-MOST_BIAS, MOST_BIAS)] * free
        start = self.constant
        start[0] = 1.0 if scaled else self.spread
        total = self.weight.sum()

        def mean_loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, slope = self.loss(parameters)
            return value / total, slope / total

        return minimize(mean_loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def _losses_on_left_out(sample: _Sample, event: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
    """What is fitted -> (folds,) log-loss of the events that are left out of the fit, each part in turn."""
    folds = min(FOLDS, len(np.unique(event)))
    losses: dict[str, list[float]] = {"nothing": [], "constant": [], "bias": [], "scale": []}
    for fitted, left_out in GroupKFold(folds).split(sample.logits, groups=event):
        known, rest = sample.part(fitted), sample.part(left_out)
        for name, parameters in (
            ("nothing", sample.unchanged),
            ("constant", known.constant),
            ("bias", known.fit(scaled=False)),
            ("scale", known.fit(scaled=True)),
        ):
            losses[name].append(rest.loss(parameters)[0])
    return {name: np.array(values) for name, values in losses.items()}


def _gain(
    left_out: dict[str, NDArray[np.float64]], fitted: str, besides: str = "nothing"
) -> tuple[float, float]:
    """By how much the log-loss on left-out events falls from one fit to another, and its standard error."""
    gains = left_out[besides] - left_out[fitted]
    return float(np.sum(gains)), float(np.std(gains, ddof=1) * np.sqrt(len(gains)))


def _helps(left_out: dict[str, NDArray[np.float64]], fitted: str, besides: str) -> bool:
    gain, error = _gain(left_out, fitted, besides)
    return gain > error


def _choose(
    sample: _Sample, left_out: dict[str, NDArray[np.float64]], established: bool
) -> tuple[str, NDArray[np.float64], str]:
    """What is fitted, ``scale``, ``bias`` or ``nothing``; its parameters; and why, in words."""
    kind, parameters = "nothing", sample.unchanged
    if _helps(left_out, "bias", besides="nothing"):
        shifted = sample.fit(scaled=False)
        if not _at_bound(shifted[1:]):
            kind, parameters = "bias", shifted
    words = {"bias": "its slope stays", "nothing": "stays as it is"}[kind]
    if not established:
        told = "its scores tell no more than a constant on events left out of the fit"
        return kind, parameters, f"{words}, not worth calibrating: {told}"
    if not _helps(left_out, "scale", besides=kind):
        return kind, parameters, f"{words}: a scale does not help beyond doubt on events left out of the fit"
    scaled = sample.fit(scaled=True)
    if _at_bound(scaled[1:]) or not LEAST_SCALE * (1 + 1e-6) < scaled[0] < MOST_SCALE * (1 - 1e-6):
        return kind, parameters, f"{words}: the fit of a scale runs to its bound"
    return "scale", scaled, "scale and bias help on events left out of the fit"


def _at_bound(bias: NDArray[np.float64]) -> bool:
    return bool(np.abs(bias).max() >= MOST_BIAS - 1e-6)

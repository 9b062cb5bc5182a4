"""The map of a head's logits that puts its scores on another scale, and its folding into the last layer."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_softmax
from torch import nn

from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, OUTPUT_NAMES
from training.network.heads import Head
from training.network.networks import HitNetwork

FOLDING_TOLERANCE = 1e-4
"""Largest difference of a folded head's logits from the map of its logits, relative to 1 or their size."""


@dataclass(frozen=True)
class Scaling:
    """The map z -> scale z + bias of a head's logits, and what it does to the hits that it was fitted to.

    Attributes:
        scale: common factor, positive.
        bias: of each logit.
        log_loss: weighted mean of -ln p(truth) before and after, in nats.
        reason: why the head is scaled, shifted or left as it is, in words.
        gain: by how much the log-loss of events falls that are left out of the fit, each in turn; None
            where there are too few events to see.
        gain_error: its standard error.
        established: whether the scores tell more on these events than a constant would; None likewise.
    """

    scale: float
    bias: tuple[float, ...]
    log_loss: tuple[float, float]
    reason: str = ""
    gain: float | None = None
    gain_error: float | None = None
    established: bool | None = None

    def fold(self, head: Head) -> None:
        """Put the map into the weights and the bias of the head's layer.

        Raises:
            UserError: the layer is not linear with a bias.
        """
        layer = head.layer
        if not isinstance(layer, nn.Linear) or layer.bias is None:
            raise UserError(f"a head's layer is {type(layer).__name__}; only linear layers can be calibrated")
        with torch.no_grad():
            layer.weight.mul_(self.scale)
            layer.bias.mul_(self.scale).add_(torch.tensor(self.bias))

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def between(cls, now: dict[str, Any] | None, wanted: dict[str, Any] | None) -> "Scaling":
        """The map from the logits on one scale to those on another, by the records of both.

        Args:
            now: :meth:`record` of the map that the logits went through; None where they are as trained.
            wanted: of the one that they are to go through, likewise.
        """
        as_trained = {"scale": 1.0, "bias": 0.0}
        before, after = now or as_trained, wanted or as_trained
        scale = after["scale"] / before["scale"]
        bias = np.asarray(after["bias"], float) - scale * np.asarray(before["bias"], float)
        return cls(float(scale), tuple(map(float, np.atleast_1d(bias))), (0.0, 0.0))

    def apply(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, K) logits on the new scale."""
        return self.scale * logits.astype(np.float64) + np.array(self.bias)


Heads = dict[str, dict[str, Any]]
"""Output name -> :meth:`Scaling.record` of its head."""


def fold_all(network: HitNetwork, scalings: dict[str, Scaling], patches: torch.Tensor) -> None:
    """Fold a scaling into each head of a network, and see on some patches that its logits follow.

    Args:
        network: in evaluation mode; changed in place.
        scalings: output name -> scaling, for each head.
        patches: (B, 48, 48, 1).

    Raises:
        UserError: a head's layer is not linear.
        CheckError: the logits do not follow: a head does more than a linear layer.
    """
    with torch.no_grad():
        before = network(patches)
        for head, scaling in zip(network.heads, _in_order(scalings), strict=True):
            scaling.fold(head)
        after = network(patches)
    for name, old, new in zip(OUTPUT_NAMES, before, after, strict=True):
        wanted = scalings[name].scale * old + torch.tensor(scalings[name].bias)
        worst = float(((new - wanted).abs() / wanted.abs().clamp_min(1.0)).max())
        if not worst <= FOLDING_TOLERANCE:
            raise CheckError(
                f"the calibration cannot be folded into {name}: its logits are off by {worst:.1g}"
            )


def rescaled(
    outputs: dict[str, NDArray[np.float32]], now: Heads | None, wanted: Heads | None
) -> dict[str, NDArray[np.float32]]:
    """The scores that a network would give on another scale, from those that it gives.

    Args:
        outputs: the contract's outputs, (N, 3) and (N, 1).
        now: the maps that they went through; None where the scores are as trained.
        wanted: the maps that they are to go through, likewise.
    """
    tiny = np.finfo(np.float32).tiny
    classes = np.log(np.maximum(outputs[CLASS_OUTPUT], tiny))
    michel = np.clip(outputs[MICHEL_OUTPUT].astype(np.float64), tiny, 1.0 - 2.0**-24)
    logits = {CLASS_OUTPUT: classes, MICHEL_OUTPUT: np.log(michel) - np.log1p(-michel)}
    new = {
        name: Scaling.between(now and now[name], wanted and wanted[name]).apply(logits[name])
        for name in logits
    }
    return {
        CLASS_OUTPUT: np.exp(log_softmax(new[CLASS_OUTPUT], axis=1)).astype(np.float32),
        MICHEL_OUTPUT: expit(new[MICHEL_OUTPUT]).astype(np.float32),
    }


def _in_order(scalings: dict[str, Scaling]) -> Iterator[Scaling]:
    return (scalings[name] for name in OUTPUT_NAMES)

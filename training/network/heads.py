"""The two heads: each owns its layer, its loss, its score and its validation metrics."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lartpc.served.contract import CLASS_LABELS, MICHEL_LABELS, Label
from training.network.layers import FLOAT, Layers

if TYPE_CHECKING:
    from torchmetrics import Metric, MetricCollection


def track_against_shower(probabilities: Tensor) -> Tensor:
    """(N, 3) softmax -> (N,) probability of track given that the hit is track or shower."""
    track, shower = probabilities[:, Label.TRACK], probabilities[:, Label.SHOWER]
    return track / (track + shower).clamp_min(1e-9)


class Head(nn.Module, ABC):
    """A linear layer with its loss and metrics.

    Args:
        features: width of the trunk's output.
        outputs: number of values.
        layers: the set of layers.
    """

    def __init__(self, features: int, outputs: int, layers: Layers) -> None:
        super().__init__()
        self.layer = layers.linear(features, outputs)

    @cached_property
    def metrics(self) -> "MetricCollection":
        """What :meth:`validate` updates, where the layer is; a network that only answers never loads them."""
        from torchmetrics import MetricCollection

        return MetricCollection(self._new_metrics()).to(next(self.layer.parameters()).device)

    @abstractmethod
    def _new_metrics(self) -> "dict[str, Metric]":
        """Its validation metrics by name, before the first batch."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, features) -> (B, outputs) logits."""
        return self.layer(features)

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, outputs) logits -> (B, outputs) probabilities."""

    @abstractmethod
    def loss(self, logits: Tensor, label: Tensor, michel: Tensor) -> Tensor:
        """Loss of a batch: (B, outputs) logits, (B,) label, (B,) Michel flag."""

    @abstractmethod
    def imitation_loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of a batch with (B, outputs) probabilities that it is to answer."""

    @abstractmethod
    def validate(self, logits: Tensor, label: Tensor, michel: Tensor) -> None:
        """Add a batch to the metrics."""


class ClassHead(Head):
    """Softmax over track, shower and none.

    Args:
        features: width of the trunk's output.
        weight: factor on the cross-entropy.
        layers: the set of layers.
    """

    def __init__(self, features: int, weight: float, layers: Layers = FLOAT) -> None:
        super().__init__(features, len(CLASS_LABELS), layers)
        self.weight = weight

    def _new_metrics(self) -> "dict[str, Metric]":
        from torchmetrics.classification import BinaryAUROC

        return {"track_shower_auc": BinaryAUROC()}

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, 3) logits -> (B, 3) probabilities that sum to 1."""
        return torch.softmax(logits, dim=1)

    def loss(self, logits: Tensor, label: Tensor, michel: Tensor) -> Tensor:
        """Weighted cross-entropy."""
        return self.weight * functional.cross_entropy(logits, label)

    def imitation_loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of (B, 3) logits with (B, 3) probabilities."""
        return functional.cross_entropy(logits, wanted)

    def validate(self, logits: Tensor, label: Tensor, michel: Tensor) -> None:
        """Add a batch to the metrics; only track and shower hits enter."""
        chosen = label != Label.NONE
        score = track_against_shower(self.probabilities(logits[chosen]))
        self.metrics.update(score, (label[chosen] == Label.TRACK).int())


class MichelHead(Head):
    """Sigmoid for Michel electron.

    Args:
        features: width of the trunk's output.
        loss: ``bce`` (binary cross-entropy) or ``mse`` (of the probability, the published recipe).
        positive_weight: factor on the Michel hits of the binary cross-entropy.
        layers: the set of layers.
    """

    def __init__(
        self, features: int, loss: Literal["bce", "mse"], positive_weight: float, layers: Layers = FLOAT
    ) -> None:
        super().__init__(features, len(MICHEL_LABELS), layers)
        self.loss_kind = loss
        self.positive_weight = positive_weight

    def _new_metrics(self) -> "dict[str, Metric]":
        from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

        return {"michel_auc": BinaryAUROC(), "michel_average_precision": BinaryAveragePrecision()}

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, 1) logits -> (B, 1) probabilities."""
        return torch.sigmoid(logits)

    def loss(self, logits: Tensor, label: Tensor, michel: Tensor) -> Tensor:
        """Binary cross-entropy or squared error of the Michel flag."""
        target = michel.to(logits.dtype)
        if self.loss_kind == "mse":
            return functional.mse_loss(torch.sigmoid(logits[:, 0]), target)
        weight = logits.new_tensor(self.positive_weight)
        return functional.binary_cross_entropy_with_logits(logits[:, 0], target, pos_weight=weight)

    def imitation_loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """Binary cross-entropy of (B, 1) logits with (B, 1) probabilities."""
        return functional.binary_cross_entropy_with_logits(logits, wanted)

    def validate(self, logits: Tensor, label: Tensor, michel: Tensor) -> None:
        """Add a batch to the metrics."""
        self.metrics.update(self.probabilities(logits)[:, 0], michel.int())

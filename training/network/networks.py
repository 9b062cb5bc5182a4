"""The networks: a trunk from patch to features. The heads are added by the classifier."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lartpc.served.contract import INPUT_SHAPE, PATCH_SIZE
from training.network.compact import CompactTrunk
from training.network.dropout import Dropout
from training.network.heads import ClassHead, Head, MichelHead
from training.network.layers import FLOAT, Layers

NetworkName = Literal["paper", "compact"]

PAPER_PARAMETERS = 11_900_420
"""Trainable parameters of the published network (paper, section 2.2)."""


class PaperTrunk(nn.Sequential):
    """Conv 48 @ 5x5 valid, FC 128, FC 32, each with ReLU and dropout (paper, figure 2).

    Args:
        dropout: probability after the convolution and after the first fully connected layer.
        last_dropout: probability after the second one, which the published training script has
            and the paper's figure has not (LArSoft's train_cnn.py).
        layers: the set of layers.
    """

    features = 32

    def __init__(self, dropout: float, last_dropout: float, layers: Layers = FLOAT) -> None:
        side = PATCH_SIZE - 5 + 1
        super().__init__(
            layers.convolution(1, 48, 5),  # (B, 48, 44, 44)
            layers.relu(),
            Dropout(dropout),
            nn.Flatten(),  # (B, 92928)
            layers.linear(48 * side * side, 128),
            layers.relu(),
            Dropout(dropout),
            layers.linear(128, self.features),
            layers.relu(),
            Dropout(last_dropout),
        )


class HitNetwork(nn.Module):
    """A trunk and the two heads.

    Args:
        entry: what patches pass before the trunk; shapes stay.
        trunk: maps (B, 1, 48, 48) to (B, trunk.features).
        classes: head of track, shower and none.
        michel: head of Michel electron.
    """

    def __init__(
        self, entry: nn.Module, trunk: PaperTrunk | CompactTrunk, classes: ClassHead, michel: MichelHead
    ) -> None:
        super().__init__()
        self.entry = entry
        self.trunk = trunk
        self.classes = classes
        self.michel = michel

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads in the order of the contract's outputs."""
        return self.classes, self.michel

    def forward(self, main_input: Tensor) -> list[Tensor]:
        """(B, 48, 48, 1) patches in network units -> logits of each head."""
        image = main_input.reshape(-1, 1, PATCH_SIZE, PATCH_SIZE)  # one channel: NHWC is NCHW
        features = self.trunk(self.entry(image))  # (B, 32)
        return [head(features) for head in self.heads]


class ServedNetwork(nn.Module):
    """The network as it is served: probabilities instead of logits."""

    def __init__(self, network: HitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, main_input: Tensor) -> tuple[Tensor, ...]:
        """(B, 48, 48, 1) -> (B, 3) softmax and (B, 1) sigmoid, in the contract's order."""
        logits = self.network(main_input)
        return tuple(
            head.probabilities(value) for head, value in zip(self.network.heads, logits, strict=True)
        )


def build_network(
    name: NetworkName,
    *,
    quantised: bool = False,
    dropout: float = 0.2,
    last_dropout: float = 0.0,
    class_weight: float = 1.0,
    michel_loss: Literal["bce", "mse"] = "bce",
    michel_positive_weight: float = 1.0,
) -> HitNetwork:
    """Make a network with fresh weights.

    Args:
        name: ``paper`` is the published network, whose 11,900,420 parameters are asserted; ``compact`` is
            :class:`training.network.compact.CompactTrunk`.
        quantised: whether weights and activations pass through INT8 (:mod:`training.network.quantised`).
        dropout: see the trunks.
        last_dropout: see the trunks.
        class_weight: factor on the cross-entropy of the class head.
        michel_loss: ``bce`` or ``mse``.
        michel_positive_weight: factor on Michel hits in ``bce``.
    """
    layers = FLOAT
    if quantised:
        from training.network.quantised import INT8  # Brevitas takes a second to load

        layers = INT8
    trunk: PaperTrunk | CompactTrunk
    if name == "paper":
        trunk = PaperTrunk(dropout, last_dropout, layers)
    else:
        trunk = CompactTrunk(dropout, last_dropout, layers)
    network = HitNetwork(
        layers.entry(),
        trunk,
        ClassHead(trunk.features, class_weight, layers),
        MichelHead(trunk.features, michel_loss, michel_positive_weight, layers),
    )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if name == "paper" and not quantised and parameters != PAPER_PARAMETERS:
        raise AssertionError(f"the paper's network has {PAPER_PARAMETERS} parameters, not {parameters}")
    return network


def multiply_adds(name: NetworkName) -> int:
    """Multiplications with addition that one patch takes; two floating-point operations each."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build_network(name)(torch.zeros(1, *INPUT_SHAPE))
    return counter.get_total_flops() // 2

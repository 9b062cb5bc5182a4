"""The compact trunk: three small convolutions with pooling in place of one with a large dense layer."""

import torch
from torch import Tensor, nn

from training.network.dropout import Dropout
from training.network.layers import FLOAT, Layers

POOLING = 2
"""Side of the squares of which the maximum is kept."""


class CompactTrunk(nn.Module):
    """Conv 16 @ 5x5, conv 32 @ 3x3, conv 64 @ 3x3, each with ReLU and 2x2 maximum, then FC 128 and FC 32.

    Every convolution is valid and every map divides by its pooling, so a feature depends on 24 x 24
    pixels of the patch alone: :class:`training.network.plane_forward.PlaneNetwork` computes them for a plane.

    Args:
        dropout: probability before and after the first fully connected layer.
        last_dropout: probability after the second one.
        layers: the set of layers.
    """

    features = 32

    def __init__(self, dropout: float, last_dropout: float, layers: Layers = FLOAT) -> None:
        super().__init__()
        convolutions = nn.Sequential(
            layers.convolution(1, 16, 5),  # (B, 16, 44, 44)
            layers.relu(),
            nn.MaxPool2d(POOLING),
            layers.convolution(16, 32, 3),  # (B, 32, 20, 20)
            layers.relu(),
            nn.MaxPool2d(POOLING),
            layers.convolution(32, 64, 3),  # (B, 64, 8, 8)
            layers.relu(),
            nn.MaxPool2d(POOLING),
        )
        # half the time on a processor, in training and in answering
        self.convolutions: nn.Sequential = convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dense = nn.Sequential(
            nn.Flatten(),  # (B, 1024)
            Dropout(dropout),
            layers.linear(64 * 4 * 4, 128),
            layers.relu(),
            Dropout(dropout),
            layers.linear(128, self.features),
            layers.relu(),
            Dropout(last_dropout),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, 48, 48) -> (B, 32)."""
        return self.dense(self.convolutions(image))

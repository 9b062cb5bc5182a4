"""The layers that networks are built of: in floating point here, quantised in training.network.quantised."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn


@dataclass(frozen=True)
class Layers:
    """Makers of layers whose weights have the same names in every set.

    Attributes:
        entry: makes what a patch passes first.
        convolution: makes a two-dimensional convolution from channels in, channels out, kernel size.
        linear: makes a fully connected layer from features in, features out.
        relu: makes a rectifier.
    """

    entry: Callable[[], nn.Module]
    convolution: Callable[[int, int, int], nn.Module]
    linear: Callable[[int, int], nn.Module]
    relu: Callable[[], nn.Module]


FLOAT = Layers(nn.Identity, nn.Conv2d, nn.Linear, nn.ReLU)


@dataclass(frozen=True)
class LayerScales:
    """Steps of one layer's quantisation: real value = integer x scale.

    Attributes:
        activation: of the layer's input.
        weight: (channels out,) of the weights.
    """

    activation: np.float32
    weight: NDArray[np.float32]


Scales = dict[str, LayerScales]
"""Name of a layer in the network -> its scales."""

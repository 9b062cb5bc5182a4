"""Layers for quantisation-aware training, from Brevitas: INT8 weights and activations.

Weights have 7 bits (export.graph.quantization says why) and one scale a channel, from their largest value
(-63 .. 63); activations have 8 bits and one scale a tensor, a parameter that training moves (-128 .. 127);
biases stay in floating point. All zero points are 0, as TensorRT wants. Softmax and sigmoid lie outside.
The input of each convolution and fully connected layer is quantised: by ``entry`` for the patch, by the
rectifier before it for all others.
"""

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat
from torch import Tensor, nn

from training.network.layers import Layers, LayerScales, Scales

Network = TypeVar("Network", bound=nn.Module)

WEIGHT_BITS = 7

INT8 = Layers(
    entry=partial(qnn.QuantIdentity, act_quant=Int8ActPerTensorFloat),
    convolution=partial(
        qnn.QuantConv2d, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=WEIGHT_BITS
    ),
    linear=partial(
        qnn.QuantLinear, bias=True, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=WEIGHT_BITS
    ),
    relu=partial(qnn.QuantReLU, act_quant=Int8ActPerTensorFloat),
)


def load_float_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Take over the weights of the same network in floating point; the scales stay as they are.

    Raises:
        RuntimeError: a weight is missing, too many, or of another shape.
    """
    missing, unexpected = network.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("scaling_impl.value")]
    if missing or unexpected:
        raise RuntimeError(f"missing {missing}, unexpected {unexpected}")


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set each activation's scale so that all but 1e-5 of the values of a batch fit, on average."""
    from brevitas.graph.calibrate import calibration_mode

    network.eval()
    with calibration_mode(network):
        for batch in batches:
            network(batch)


@torch.no_grad()
def learnt_scales(network: nn.Module) -> Scales:
    """The scales of every convolution and fully connected layer."""
    found: Scales = {}
    activation = np.float32(np.nan)
    for name, module in network.named_modules():
        if isinstance(module, qnn.QuantIdentity | qnn.QuantReLU):
            activation = np.float32(module.act_quant.scale())
        elif isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
            found[name] = LayerScales(activation, module.quant_weight().scale.numpy().reshape(-1))
    return found


def without_quantisation(network: nn.Module, floating: Network) -> Network:
    """Copy the weights of a quantised network to the same network in floating point; returns that one."""
    weights = network.state_dict()
    floating.load_state_dict({name: weights[name] for name in floating.state_dict()})
    return floating.eval()

"""The compact network on a whole plane: its convolutions once for the plane, its dense layers for each hit.

A patch is a window of the plane, and inside it the network pads nothing. What its convolutions make of a
window at one place is therefore the same in every patch that holds the window in the same phase. A hit's
patch may begin at any pixel, so the plane needs every phase: pooling moves by one pixel, and each layer
after it looks at its neighbours ``step`` pixels apart, where ``step`` is 2, 4 and 8 after the poolings.
The map of a hit's patch is then every eighth value of the plane's map, from the patch's first pixel on.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from lartpc.served.contract import PATCH_SIZE
from training.network.compact import POOLING, CompactTrunk
from training.network.networks import HitNetwork


class PlaneNetwork(nn.Module):
    """A compact network that answers for the hits of a plane at once, with its own weights.

    Args:
        network: of the compact trunk, in floating point or quantised; in evaluation mode.

    Raises:
        TypeError: the trunk is another.
    """

    def __init__(self, network: HitNetwork) -> None:
        super().__init__()
        if not isinstance(network.trunk, CompactTrunk):
            raise TypeError("only the compact network can be computed on a whole plane")
        self.network = network
        self.convolutions, self.step = dilated(network.trunk.convolutions)
        self.dense = network.trunk.dense

    def forward(self, canvas: Tensor, row: Tensor, pixel: Tensor) -> list[Tensor]:
        """Logits of each head for each hit.

        Args:
            canvas: (rows, pixels) a plane image in network units, padded by lartpc.patches.pad_planes.
            row: (N,) first row of each hit's patch, from lartpc.patches.locate_hits.
            pixel: (N,) first pixel of each hit's patch.
        """
        image = self.network.entry(canvas[None, None]).to(memory_format=torch.channels_last)
        plane = self.convolutions(image)[0].permute(1, 2, 0)  # (rows - 23, pixels - 23, 64)
        margin = canvas.shape[0] - plane.shape[0]  # what valid convolutions take of a side
        offsets = torch.arange(0, PATCH_SIZE - margin, self.step, device=row.device)
        rows, pixels = row[:, None] + offsets, pixel[:, None] + offsets
        maps = plane[rows[:, :, None], pixels[:, None, :]]  # (N, 4, 4, 64)
        features = self.dense(maps.permute(0, 3, 1, 2))
        return [head(features) for head in self.network.heads]


def dilated(convolutions: nn.Sequential) -> tuple[nn.Sequential, int]:
    """Layers that give the maps of every phase at once, and the distance of neighbours in them."""
    copies = deepcopy(convolutions)
    step = 1
    for layer in copies:
        if isinstance(layer, nn.Conv2d):
            layer.dilation = (step, step)
        elif isinstance(layer, nn.MaxPool2d):
            layer.stride, layer.dilation = 1, step
            step *= POOLING
    return copies, step

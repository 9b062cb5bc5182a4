"""Patches at a plane's edge, whose rest is padding, against patches inside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lartpc.detector import PIXEL_TICKS
from lartpc.patches import HALF, cut_patches, pad_planes

_PATCHES = 600


def patch_statistics(image: NDArray[np.float16], hits: NDArray[np.void], rng: np.random.Generator) -> dict[str, Any]:
    """Zeros in the patches around some of a plane's hits.

    Args:
        image: (wires, 1000) of one plane of a drift volume.
        hits: (H,) of that plane.
        rng: for the choice of 600 hits.

    Returns:
        ``zeros``: share of pixels of the image that are exactly 0; ``inside`` and ``edge``: (N,) share of
        zeros in patches without padding, and in the part within the plane of patches with some;
        ``inside_margin`` and ``edge_margin``: (N,) empty rows on that side of the patch that has more.
    """
    chosen = rng.choice(hits, min(_PATCHES, len(hits)), replace=False)
    wire = chosen["local_wire"].astype(np.int64)
    pixel = (chosen["local_time"] / PIXEL_TICKS).astype(np.int64)
    wires, pixels = image.shape
    patches = cut_patches(pad_planes(image[None].astype(np.float32)), wire, pixel)[..., 0] != 0
    rows = np.arange(-HALF, HALF)
    of_plane = ((wire[:, None] + rows >= 0) & (wire[:, None] + rows < wires))[:, :, None]
    of_plane = of_plane & ((pixel[:, None] + rows >= 0) & (pixel[:, None] + rows < pixels))[:, None, :]
    zeros = 1.0 - patches.sum(axis=(1, 2)) / of_plane.sum(axis=(1, 2))
    filled = patches.any(axis=2)
    margin = np.maximum(filled.argmax(axis=1), filled[:, ::-1].argmax(axis=1))
    whole = of_plane.all(axis=(1, 2))
    padded = ~of_plane.any(axis=2).all(axis=1)  # rows beyond the plane's first or last wire
    return {
        "zeros": float(np.mean(image == 0)),
        "inside": zeros[whole],
        "edge": zeros[~whole],
        "inside_margin": margin[whole],
        "edge_margin": margin[padded],
    }

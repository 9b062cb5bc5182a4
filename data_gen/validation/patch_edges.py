"""Patches at a plane's edge, whose rest is padding, against patches inside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_gen.validation.check import Check
from data_gen.validation.estimates import mean
from data_gen.validation.figures import OURS, REFERENCE, drawing, label
from data_gen.validation.study import Plot
from lartpc.patches.cut import HALF, cut_patches, drift_pixel, pad_planes

TEXT = (
    "Outside regions of interest a pixel is exactly 0, inside the plane as in the padding beyond its "
    "edge. With noise everywhere, padding would be a noise-free rectangle that marks the edge. As it is, "
    "strips of zeros occur in patches deep inside the plane as well, and the part of an edge patch that "
    "lies within the plane holds as many zeros as any other."
)
_PATCHES = 600


def patch_statistics(
    image: NDArray[np.float16], hits: NDArray[np.void], rng: np.random.Generator
) -> dict[str, Any]:
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
    pixel = drift_pixel(chosen["local_time"])
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


def checks(patches: list[dict[str, Any]]) -> list[Check]:
    """Shares of zeros, in the image and in patches; one dictionary of :func:`patch_statistics` an event."""
    why = "Follows from the mixture and the regions of interest."
    image = mean([each["zeros"] for each in patches])
    joined = {key: np.concatenate([each[key] for each in patches]) for key in ("inside", "edge")}
    margins = {
        key: np.concatenate([each[key] for each in patches]) for key in ("inside_margin", "edge_margin")
    }
    rows = [
        ("Pixels of plane W that are exactly 0", 100.0 * image[0], 100.0 * image[1]),
        ("Zeros in patches that lie inside the plane", *_percent(joined["inside"])),
        ("Zeros in the part within the plane of patches at its edge", *_percent(joined["edge"])),
        (
            "Patches inside the plane with 8 or more empty rows on one side",
            *_percent(margins["inside_margin"] >= 8),
        ),
        ("Patches at the plane's first and last wires, the same", *_percent(margins["edge_margin"] >= 8)),
    ]
    return [Check(name, value, "%", uncertainty=error, note=why) for name, value, error in rows]


def _percent(values: NDArray[Any]) -> tuple[float, float]:
    return 100.0 * float(values.mean()), 100.0 * float(values.std() / np.sqrt(len(values)))


def plot(patches: list[dict[str, Any]]) -> Plot:
    """How wide the empty strips of patches are."""
    message = (
        "Empty strips at the side of a patch occur inside the plane as well, though less often than at "
        "its edge."
    )
    margins = {
        key: np.concatenate([each[key] for each in patches]) for key in ("inside_margin", "edge_margin")
    }
    rows = np.arange(0, 25)
    with drawing("patch-edges", message) as canvas:
        axes = canvas.axes[0]
        for key, colour, name in (
            ("inside_margin", OURS, "inside the plane"),
            ("edge_margin", REFERENCE, "at its first and last wires"),
        ):
            share = [100.0 * np.mean(margins[key] >= row) for row in rows]
            axes.plot(rows, share, "o-", ms=3, color=colour, label=f"patches {name}")
        label(axes, "empty rows on one side of the patch, at least", "patches (%)", ylim=(0, 103))
    return canvas.plot

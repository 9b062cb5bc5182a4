"""Regions of interest: outside them a waveform is exactly 0, and those too weak for a signal are dropped."""

import numpy as np
from numpy.typing import NDArray

from data_gen.compiled import compiled

LINK_RMS = 3.0
"""Two regions on neighbouring channels touch where both exceed this many noise RMS at a tick (WireCell
r_th_factor, pdsp/sp.jsonnet)."""


@compiled
def keep_regions(waveforms: NDArray[np.float32], threshold: float, padding: int) -> None:
    """Set samples outside regions of interest to exactly 0, in place.

    A region holds the samples above ``threshold`` and ``padding`` ticks on both sides.
    """
    channels, ticks = waveforms.shape
    for channel in range(channels):
        done = 0  # samples before this are settled
        k = 0
        while k < ticks:
            if waveforms[channel, k] > threshold:
                begin = max(done, k - padding)
                waveforms[channel, done:begin] = 0.0
                end = k
                while k < ticks and k <= end + padding:
                    if waveforms[channel, k] > threshold:
                        end = k
                    k += 1
                done = k
            else:
                k += 1
        waveforms[channel, done:ticks] = 0.0


@compiled
def drop_weak_regions(waveforms: NDArray[np.float32], peak: float, mean: float, link: float) -> None:
    """Set regions to 0, in place, that are too weak for a signal and touch no strong one.

    A region is strong where a sample exceeds ``peak`` or its mean exceeds ``mean``. A weak one stays where
    it and a strong one on a neighbouring channel exceed ``link`` at the same tick. (WireCell,
    ROI_refinement.cxx, CleanUpCollectionROIs, on waveforms of its Wiener filter.)
    """
    channels, ticks = waveforms.shape
    strong = np.zeros((channels, ticks), np.bool_)
    for channel in range(channels):
        k = 0
        while k < ticks:
            if waveforms[channel, k] == 0.0:
                k += 1
                continue
            begin = k
            while k < ticks and waveforms[channel, k] != 0.0:
                k += 1
            region = waveforms[channel, begin:k]
            if region.max() > peak or region.mean() > mean:
                strong[channel, begin:k] = True
    for channel in range(channels):
        k = 0
        while k < ticks:
            if waveforms[channel, k] == 0.0:
                k += 1
                continue
            begin = k
            touches = strong[channel, begin]
            while k < ticks and waveforms[channel, k] != 0.0:
                if waveforms[channel, k] > link:
                    for other in (channel - 1, channel + 1):
                        if 0 <= other < channels and strong[other, k] and waveforms[other, k] > link:
                            touches = True
                k += 1
            if not touches:
                waveforms[channel, begin:k] = 0.0

"""The detector's answer to energy deposits: images and hits of every plane."""

import numpy as np
from numpy.typing import NDArray

from data_gen.configuration import Configuration, Response
from data_gen.response.drift import Arrivals, drift
from data_gen.response.empty_pixels import draw_empty_pixels
from data_gen.response.hits import find_hits
from data_gen.response.regions import LINK_RMS, drop_weak_regions, keep_regions
from data_gen.response.waveforms import add_charge, coherent_noise, noise, noise_rms, pixels
from lartpc.detector import DETECTORS, DRIFT_PIXELS, Plane, plane
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE


def respond(
    steps: NDArray[np.void], configuration: Configuration, planes: tuple[str, ...], rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.float16]], NDArray[np.void], NDArray[np.void]]:
    """The detector's answer to energy deposits, wherever they come from.

    Args:
        steps: (S,) of :data:`data_gen.physics.steps.STEP_DTYPE`.
        configuration: how the detector answers and how truth becomes labels.
        planes: names of the planes to read out.
        rng: for the noise and the choice of empty pixels.

    Returns:
        Images by plane, (drift volumes, wires, 1000) float16, the hits of all volumes and planes, of
        :data:`lartpc.event.HIT_DTYPE`, and empty pixels, of :data:`lartpc.event.EMPTY_DTYPE`.
    """
    volumes = DETECTORS[configuration.detector].volumes
    wires = [plane(name) for name in planes]
    images = {each.name: np.zeros((len(volumes), each.wires, DRIFT_PIXELS), np.float16) for each in wires}
    tables, empty = [np.zeros(0, HIT_DTYPE)], [np.zeros(0, EMPTY_DTYPE)]
    for tpc, volume in enumerate(volumes):
        arrivals = drift(steps, volume, configuration.response)
        for each in wires:
            image, hits = _read_plane(arrivals, each, tpc, configuration, rng)
            tables.append(hits)
            images[each.name][tpc] = image
            count = configuration.labels.empty_pixels
            empty.append(draw_empty_pixels(image, count, tpc, each.index, rng))
    hits = np.concatenate(tables)
    hits["hit_id"] = np.arange(len(hits))
    return images, hits, np.concatenate(empty)


def dead_channels(each: Plane, tpc: int, response: Response) -> NDArray[np.int64]:
    """Channels of a plane of a drift volume that give nothing, the same in every event."""
    random = np.random.default_rng((response.dead_seed, tpc, each.index))
    return np.flatnonzero(random.random(each.channels) < response.dead_channels)


def _read_plane(
    arrivals: Arrivals, each: Plane, tpc: int, configuration: Configuration, rng: np.random.Generator
) -> tuple[NDArray[np.float16], NDArray[np.void]]:
    """Image (wires, 1000) and hits of one plane of a drift volume.

    Regions begin above the noise that the plane has; what is too weak for a signal, and the least peak of a
    hit, do not depend on it.
    """
    response = configuration.response
    waveforms = noise(each.channels, response.raw_noise, rng)
    if response.coherent_noise:
        waveforms += coherent_noise(each.channels, response.coherent_noise, rng)
    truth = add_charge(arrivals, each, waveforms)
    waveforms[dead_channels(each, tpc, response)] = 0.0
    rms = noise_rms(float(np.hypot(response.raw_noise, response.coherent_noise)))
    keep_regions(waveforms, response.region_threshold * rms, response.region_padding)
    drop_weak_regions(waveforms, response.region_peak, response.region_mean, LINK_RMS * rms)
    hits = find_hits(waveforms, truth, each, response.hit_threshold, configuration.labels)
    hits["tpc"] = tpc
    return pixels(waveforms)[each.channel_of_wire], hits

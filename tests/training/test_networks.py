"""The networks: what they cost, the contract they share, and the compact one on a whole plane."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lartpc.adc_scale import adc_scale, network_units
from lartpc.event_file import EventFile
from lartpc.patches.cut import cut_patches, locate_hits, pad_planes
from lartpc.served.contract import INPUT_SHAPE
from training.network.layers import FLOAT
from training.network.networks import HitNetwork, build_network, multiply_adds
from training.network.plane_forward import PlaneNetwork
from training.network.quantised import INT8, calibrate


def compact(quantised: bool = False) -> HitNetwork:
    """A compact network with the weights of a fixed seed, scaled so that its answers differ."""
    torch.manual_seed(1)
    network = build_network("compact", quantised=quantised)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(".weight"):
                weight *= 1.5
    return network.eval()


@pytest.fixture(scope="module")
def plane(events_file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canvas of 200 wires of a generated plane, and the patches of its hits and of its four corners."""
    with EventFile(events_file) as events:
        hits, images = events.hits(0), events.image(0, "W")
    volume = np.bincount(hits["tpc"]).argmax()
    of_volume = hits[hits["tpc"] == volume]
    of_volume["tpc"] = 0
    first = int(np.median(of_volume["local_wire"])) - 100
    of_volume["local_wire"] -= first
    of_volume = of_volume[(of_volume["local_wire"] >= 0) & (of_volume["local_wire"] < 200)]
    image = images[volume : volume + 1, first : first + 200]
    row, pixel = locate_hits(of_volume, image.shape, "event 0")
    wires, pixels = image.shape[1:]
    return (
        pad_planes(network_units(image, "W", adc_scale("2021"))),
        np.concatenate([row, [0, 0, wires - 1, wires - 1]]),
        np.concatenate([pixel, [0, pixels - 1, 0, pixels - 1]]),
    )


def test_the_compact_network_takes_28_percent_of_the_papers_multiply_adds() -> None:
    """The paper's: 44 x 44 x 25 x 48 + 92928 x 128 + 128 x 32 + 32 x 4."""
    assert multiply_adds("paper") == 14_222_208
    assert multiply_adds("compact") == 3_932_544
    assert multiply_adds("compact") / multiply_adds("paper") == pytest.approx(0.28, abs=0.01)


@pytest.mark.parametrize("name", ["paper", "compact"])
@pytest.mark.parametrize("layers", [FLOAT, INT8], ids=["float", "int8"])
def test_networks_share_their_contract(name: str, layers: object) -> None:
    network = build_network(name, quantised=layers is INT8).eval()
    answers = network(torch.zeros(5, *INPUT_SHAPE))
    assert [tuple(value.shape) for value in answers] == [(5, 3), (5, 1)]
    assert network.trunk.features == 32


@pytest.mark.parametrize("quantised", [False, True])
def test_a_whole_plane_answers_like_its_patches(
    plane: tuple[np.ndarray, np.ndarray, np.ndarray], quantised: bool
) -> None:
    canvas, row, pixel = plane
    network = compact(quantised)
    patches = torch.from_numpy(cut_patches(canvas, row, pixel))
    if quantised:
        calibrate(network, patches.split(256))
    with torch.no_grad():
        expected = network(patches)
        answers = PlaneNetwork(network)(*map(torch.from_numpy, (canvas, row, pixel)))
    assert len(row) > 100
    for value, reference in zip(answers, expected, strict=True):
        assert reference.std(dim=0).min() > 1e-2
        difference = (value - reference).abs()
        assert difference.max() < (5e-2 if quantised else 1e-5)
        assert difference.median() < 1e-5


def test_a_patch_elsewhere_answers_otherwise(plane: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    canvas, row, pixel = map(torch.from_numpy, plane)
    on_plane = PlaneNetwork(compact())
    with torch.no_grad():
        here, there = on_plane(canvas, row[:-4], pixel[:-4]), on_plane(canvas, row[:-4], pixel[:-4] + 1)
    assert (here[0] - there[0]).abs().max() > 1e-2


def test_the_papers_network_is_not_computed_on_a_plane() -> None:
    with pytest.raises(TypeError, match="only the compact network"):
        PlaneNetwork(build_network("paper"))

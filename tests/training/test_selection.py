"""Upstream's selection: which share of which hits it keeps."""

import numpy as np
import pytest

from lartpc.event import HIT_DTYPE, PARTICLE_DTYPE
from lartpc.served.contract import Label
from training.data.selection import SHARES, levels

MUON, ELECTRON, PROTON = 0, 1, 2


def particles() -> np.ndarray:
    table = np.zeros(3, PARTICLE_DTYPE)
    table["g4_id"], table["type"] = [MUON, ELECTRON, PROTON], [-13, 11, 2212]
    return table


def hit(wire: int, pixel: int, label: Label, g4_id: int, michel: int = 0, tpc: int = 0) -> np.ndarray:
    """A hit that covers two pixels."""
    made = np.zeros(1, HIT_DTYPE)
    made["local_plane"], made["local_wire"], made["local_time"] = 2, wire, 6 * pixel + 3
    made["label"], made["g4_id"], made["michel"], made["tpc"], made["rms"] = label, g4_id, michel, tpc, 3.0
    return made


def shares(*hits: np.ndarray, known: bool = True) -> list[float]:
    of = levels(np.concatenate(hits), particles() if known else np.zeros(0, PARTICLE_DTYPE))
    return [SHARES[level] for level in of]


def test_michel_hits_are_kept_and_30_percent_of_other_showers() -> None:
    showers = [hit(100 + k, 500, Label.SHOWER, ELECTRON) for k in range(3)]
    assert shares(*showers, hit(104, 500, Label.SHOWER, ELECTRON, michel=1)) == [0.3, 0.3, 0.3, 1.0]


def test_clean_tracks_are_a_fifth_of_that_and_muons_near_showers_three_tenths() -> None:
    assert (
        shares(hit(100, 500, Label.TRACK, MUON), hit(101, 500, Label.TRACK, PROTON))
        == [pytest.approx(0.06)] * 2
    )
    showers = [hit(110 + k, 510, Label.SHOWER, ELECTRON) for k in range(4)]
    muon, proton = hit(100, 500, Label.TRACK, MUON), hit(101, 500, Label.TRACK, PROTON)
    assert shares(muon, proton, *showers)[:2] == [pytest.approx(0.09), 0.3]
    assert shares(muon, proton, *showers[:3])[:2] == [pytest.approx(0.06)] * 2


def test_a_muon_near_its_electron_is_kept_where_that_is_in_its_patch() -> None:
    muon = hit(100, 500, Label.TRACK, MUON)
    electron = [hit(120, 500 + k, Label.SHOWER, ELECTRON, michel=1) for k in range(4)]
    assert shares(muon, *electron)[0] == 1.0
    assert shares(muon, *electron[:2])[0] == pytest.approx(0.2)
    assert shares(muon, *electron[:1])[0] == pytest.approx(0.06)
    assert shares(muon, *(hit(123, 500 + k, Label.SHOWER, ELECTRON, michel=1) for k in range(4)))[0] == (
        pytest.approx(0.09)
    )
    assert shares(muon, *(hit(120, 500 + k, Label.SHOWER, ELECTRON, 1, tpc=1) for k in range(4)))[0] == (
        pytest.approx(0.06)
    )


def test_noise_is_never_taken_and_without_particles_every_track_is_a_muons() -> None:
    showers = [hit(110 + k, 510, Label.SHOWER, ELECTRON) for k in range(4)]
    assert shares(hit(100, 500, Label.NONE, -1), *showers)[0] == 0.0
    assert shares(hit(100, 500, Label.TRACK, -1), *showers, known=False)[0] == pytest.approx(0.09)
    assert not len(levels(np.zeros(0, HIT_DTYPE), particles()))


def test_a_hit_outside_every_plane_takes_no_memory() -> None:
    assert len(shares(hit(100, 1e12, Label.TRACK, -1), hit(110, 510, Label.SHOWER, ELECTRON))) == 2

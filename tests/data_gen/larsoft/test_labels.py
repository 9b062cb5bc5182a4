"""Labels, and which pixels become hits and empty pixels, as upstream chooses them."""

import numpy as np
import pytest

from data_gen.larsoft.dump_labels import KEPT_ALWAYS, Selection, choose, labels
from lartpc.served.contract import Label
from tests.helpers.dumps import TABLES, Plane, dumped_plane
from tests.helpers.imports import patch

EVERYTHING = Selection(keep=1.0)


def test_label_rule():
    deposit = np.array([1.9e-5, 2e-5, 1e-3, 1e-3, 1e-3, 1e-3])
    pdg = np.array([11, 11, 13 | 0x8000, 11 | 0x2000, 211 | 0x2000, 11 | 0x2000 | 0x40000])
    label, michel = labels(deposit, pdg)
    none, shower, track = Label.NONE, Label.SHOWER, Label.TRACK
    assert label.tolist() == [none, shower, track, shower, track, shower]
    assert michel.tolist() == [0, 0, 0, 1, 0, 1]


def chosen(tables: Plane, selection: Selection):
    random = np.random.default_rng(1)
    return choose(tables["raw"] > 0, tables["deposit"], tables["pdg"], selection, random)


def test_michel_near_stop_and_vertex_pixels_are_always_kept():
    tables = dumped_plane()
    picked = chosen(tables, Selection(keep=1e-9))
    code = tables["pdg"][tuple(picked.hits.T)]
    assert np.count_nonzero(code & 0x2000) == 10 and np.count_nonzero(code >> 16) == 1
    muon = picked.hits[code == 13]
    assert len(muon) > 0 and set(picked.sample) == {KEPT_ALWAYS}
    for wire, pixel in muon:
        inner = tables["pdg"][wire - 22 : wire + 22, pixel - 22 : pixel + 22]
        assert np.count_nonzero(inner & 0x2000) > 2


def test_edge_and_invisible_pixels_are_no_hits():
    ones = np.ones((60, 70))
    tables = {"raw": ones.copy(), "deposit": ones, "pdg": np.full(ones.shape, 211)}
    tables["raw"][30, 30] = 0.0
    hits = chosen(tables, EVERYTHING).hits
    assert hits.min(axis=0).tolist() == [24, 24] and hits.max(axis=0).tolist() == [36, 46]
    assert [30, 30] not in hits.tolist() and len(hits) == 13 * 23 - 1


@pytest.mark.parametrize(("pixels", "found"), [(6, False), (7, True)])
def test_empty_pixels_lie_near_signal_but_not_beside_it(pixels, found):
    tables = {kind: np.zeros((60, 60)) for kind in TABLES} | {"pdg": np.zeros((60, 60), np.int64)}
    wires = np.arange(30, 30 + pixels)
    tables["raw"][wires, 30], tables["deposit"][wires, 30], tables["pdg"][wires, 30] = 1.0, 1.0, 13
    empty = chosen(tables, Selection(keep=1.0, empty=10.0)).empty
    assert bool(len(empty)) == found
    for wire, pixel in empty:
        assert not tables["deposit"][wire - 2 : wire + 3, pixel - 2 : pixel + 3].any()
        assert np.count_nonzero(patch(tables["deposit"], wire, pixel)) == 7


def test_share_of_empty_pixels():
    tables = dumped_plane()
    for share in (0.0, 0.1, 1.0):
        picked = chosen(tables, Selection(keep=1.0, empty=share))
        assert len(picked.empty) == round(share * len(picked.hits))
        assert len(np.unique(picked.empty, axis=0)) == len(picked.empty)

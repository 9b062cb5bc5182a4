"""The sample dump of the documentation: what the writer writes, and what an import makes of it."""

import numpy as np

from lartpc.event_file import SPLITS, EventFile
from lartpc.served.contract import Label
from tests.helpers.imports import imported
from tests.helpers.sample_dump import EVENTS, MICHEL, SAMPLE, SHAPE, sample_plane, write_sample


def test_the_sample_is_what_the_writer_writes(tmp_path):
    write_sample(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name: path.read_bytes() for path in SAMPLE.iterdir()} == written
    assert len(written) == 3 * len(EVENTS)
    assert sum(map(len, written.values())) < 300_000


def test_an_import_of_the_sample_gives_the_pixels_with_deposits(tmp_path):
    out = imported(tmp_path, SAMPLE, "--format=text", "--adc-scale=2021", "--keep=1", "--empty=0.3")
    with EventFile(out) as events:
        assert {SPLITS[split] for split in events.splits} == set(SPLITS)
        for index, number in enumerate(EVENTS):
            hits, plane = events.hits(index), sample_plane(number)
            inside = np.zeros(SHAPE, bool)
            inside[24 : SHAPE[0] - 23, 24 : SHAPE[1] - 23] = True
            expected = inside & (plane["deposit"] >= 2e-5) & (plane["raw"] >= 0.01)
            place = hits["local_wire"].astype(int), hits["local_time"].astype(int) // 6
            assert np.array_equal(np.argwhere(expected), np.column_stack(place))
            code = plane["pdg"][place]
            assert np.array_equal(hits["label"] == Label.SHOWER, code & 0xFFF == 11)
            assert np.array_equal(hits["michel"] == 1, code & 0xF000 == MICHEL)
            assert min(np.sum(hits["label"] == Label.TRACK), np.sum(hits["michel"])) >= 50
            assert len(events.empty_pixels(index)) == round(0.3 * len(hits))

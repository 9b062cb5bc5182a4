"""The unit of the pixels, and its way back to ADC."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.import_larsoft import main
from data_gen.larsoft.dump_scale import DumpScale
from lartpc.adc_scale import StoredPixels
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.served.contract import PATCH_SIZE
from tests.helpers.dumps import table
from tests.helpers.imports import ERA
from training.data.dataset import PatchDataset


@given(st.sampled_from(["2021", "2020", "0,30,0,1", "-20,100,-1,5,calibrated"]), st.floats(0, 1))
def test_scales_undo_larsofts_map(name, fraction):
    scale = DumpScale.parse(name)
    adc = scale.lowest + fraction * (scale.highest - scale.lowest)
    out = scale.out_lowest + scale.gain * (adc - scale.lowest)
    assert scale.adc(np.array([out]), str)[0] == pytest.approx(adc, abs=2e-5 * (scale.highest - scale.lowest))
    zero = np.array([scale.out_lowest - scale.gain * scale.lowest])
    assert scale.adc(np.round(zero, 6), str)[0] == 0.0


def test_scales_say_what_was_done_to_the_pixels():
    assert DumpScale.parse("deconvolved").stored() == StoredPixels()
    assert DumpScale.parse("2020").stored() == StoredPixels(True, -50.0, 150.0)
    assert DumpScale.parse("-10,30,0,1").stored() == StoredPixels(False, -10.0, 30.0)
    narrow = DumpScale.parse("0,30,0,1")
    with pytest.raises(UserError, match=r"clipped to \[0, 30\] ADC.*--accept-clipped"):
        narrow.stored()
    assert narrow.stored(accept_clipped=True) == StoredPixels(False, -10.0, 30.0)


def test_a_clipped_dump_is_imported_where_accepted(tmp_path, capsys):
    rows = table(8)
    for i in range(PATCH_SIZE**2):
        rows[f"x{i}"] = np.clip(rows[f"x{i}"], 0, 15) / 15
    np.save(tmp_path / "dump.npy", rows)
    args = [
        str(tmp_path / "dump.npy"),
        "--format",
        "numpy",
        "--adc-scale",
        "0,30,0,1",
        f"--out={tmp_path}/o.h5",
    ]
    assert main(args) == 2 and "clipped to [0, 30]" in capsys.readouterr().err
    assert main([*args, "--accept-clipped"]) == 0
    with EventFile(tmp_path / "o.h5") as events:
        assert events.provenance.data["accepted_clipped"]
        assert events.stored == StoredPixels(False, -10.0, 30.0)
        assert PatchDataset(events, np.array([0]), ERA).patches(slice(None)).max() <= 15.0

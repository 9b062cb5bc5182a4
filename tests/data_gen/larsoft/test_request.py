"""What is asked of the command, and what it says."""

import pytest

from data_gen.import_larsoft import main
from lartpc.event_file import EventFile
from tests.helpers.dumps import (
    dumped_plane,
    write_text,
)
from tests.helpers.imports import imported, refused


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--adc-scale=2021"], "--format is missing"),
        (["--format=csv"], "--format csv: expected"),
        (["--format=text"], "--adc-scale is missing"),
        (["--format=text", "--adc-scale=2019"], "--adc-scale 2019 is not deconvolved, 2021, 2020 or"),
        (["--format=text", "--adc-scale=1,2,3"], "--adc-scale 1,2,3 is not"),
        (["--format=text", "--adc-scale=5,30,0,1"], "the ADC window must hold 0"),
        (["--format=text", "--adc-scale=0,0,0,1"], "the ADC window is empty"),
        (["--format=text", "--adc-scale=0,nan,0,1"], "the ADC window must hold 0"),
        (["--format=text", "--adc-scale=-10,30,5,5"], "OUTMIN lie below OUTMAX"),
        (["--format=text", "--adc-scale=2021", "--keep=0"], "--keep 0 must lie in (0, 1]"),
        (["--format=text", "--adc-scale=2021", "--keep=nan"], "--keep nan"),
        (["--format=text", "--adc-scale=2021", "--empty=-1"], "--empty -1 must lie"),
        (["--format=text", "--adc-scale=2021", "--seed=-1"], "--seed -1"),
        (["--format=text", "--adc-scale=2021", "--ticks-per-column=2"], "--ticks-per-column 2"),
        (["--format=text", "--adc-scale=2021", "--ticks-per-column=1"], "name --adc-scale deconvolved"),
        (["gone", "--format=text", "--adc-scale=2021"], "no file or folder gone"),
    ],
)
def test_wrong_requests(args, message, tmp_path, capsys):
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    assert message in refused(tmp_path, capsys, raw, *args)


def test_out_is_no_folder(tmp_path, capsys):
    assert main([str(tmp_path), "--format=text", "--adc-scale=2021", f"--out={tmp_path}"]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_many_sources_are_recorded_by_one_digest(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.import_larsoft._SOURCES_NAMED", 2)
    raw = write_text(tmp_path / "text", dumped_plane(shape=(200, 250)))
    with EventFile(imported(tmp_path, raw, "--format=text", "--adc-scale=2021")) as events:
        sources = events.provenance.data["sources"]
    assert list(sources) == ["3 files"] and len(sources["3 files"]) == 64


def test_the_command_says_what_it_wrote_and_what_to_do_next(tmp_path, capsys):
    for event in (0, 3, 5):
        write_text(tmp_path / "text", dumped_plane(event, (200, 250)), event)
    out = imported(tmp_path, tmp_path / "text", "--format=text", "--adc-scale=2021")
    said = capsys.readouterr().out
    assert f"{out}" in said and "3 events" in said and "Michel" in said and "empty pixels" in said
    assert "train 1, validation 1, test 1" in said and "no event is in" not in said
    assert f"next: python -m training.fit --data.path {out}" in said

"""python -m data_gen.display: which event, which file, what is refused."""

from pathlib import Path

import pytest

from data_gen.display import main
from lartpc.drawing.target import picture_file
from tests.helpers.small_events import BARE, MICHEL_RICH, four_events, make_event, write


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return four_events(tmp_path_factory.mktemp("events"))


def test_the_event_with_the_most_michel_hits_is_drawn(path, tmp_path, capsys):
    out = tmp_path / "new" / "event.png"
    assert main([str(path), "--truth", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    why = "the most Michel hits in plane W, 10; then 0 (0)"
    assert f"event {MICHEL_RICH} (run 1, subrun 2, event number {MICHEL_RICH}): {why}" in text
    assert "80 hits (24 track, 22 shower, 10 Michel, 24 none)" in text
    assert "next: python -m data_gen.display" in text


def test_without_michel_hits_the_event_with_the_most_hits_is_drawn(tmp_path, capsys):
    path = write(tmp_path / "events.h5", [make_event(0, hits=10), make_event(1, hits=20)])
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    text = capsys.readouterr().out
    assert "event 1, plane W" in text
    assert "no event has Michel hits in plane W; the most hits, 20; then 0 (10)" in text


def test_the_event_that_is_asked_for_is_named(path, tmp_path, capsys):
    assert main([str(path), "--event=1", "--out", str(tmp_path / "event.png")]) == 0
    assert "event 1 (run 1, subrun 2, event number 1): as --event says" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--truth"], ["--truth", "--plane=V"]])
def test_an_event_without_hits_is_drawn_all_the_same(path, tmp_path, options, capsys):
    out = tmp_path / "event.png"
    assert main([str(path), f"--event={BARE}", "--out", str(out), *options]) == 0
    assert out.exists()
    assert "0 hits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [(".png", b"\x89PNG"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")],
)
def test_the_suffix_decides_what_a_picture_is_written_as(path, tmp_path, suffix, begins):
    pictures = []
    for folder in ("a", "b"):
        out = tmp_path / folder / f"picture{suffix}"
        assert main([str(path), "--out", str(out)]) == 0
        pictures.append(out.read_bytes())
    assert pictures[0].startswith(begins) and pictures[0] == pictures[1]


@pytest.mark.parametrize("name", ["event", "event.jpg", "event.h5", "."])
def test_another_suffix_is_refused_before_the_file_is_opened(tmp_path, name, capsys):
    assert main([str(tmp_path / "none.h5"), "--out", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert "a picture's name must end in .png, .pdf, .svg" in error and error.count("\n") == 1


@pytest.mark.parametrize(("options", "what"), [([], "event"), (["--gallery", "--each=1"], "gallery")])
def test_a_picture_lies_beside_its_event_file(tmp_path, monkeypatch, options, what, capsys):
    folder = tmp_path / "large"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    file = write(folder / "quick.h5", [make_event(0)])
    for source, name in ((file, f"quick-{what}.png"), (folder, f"large-{what}.png")):
        assert main([str(source), *options]) == 0
        assert str(folder / name) in capsys.readouterr().out
        assert (folder / name).is_file()
    monkeypatch.chdir(folder)
    assert picture_file(None, Path(), what) == Path(f"large-{what}.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["large"]


def test_where_the_folder_cannot_be_written_the_line_names_out(path, tmp_path, monkeypatch, capsys):
    out = tmp_path / "event.png"
    out.mkdir()
    assert main([str(path), f"--out={out}"]) == 2
    assert "event.png is a folder; name a file" in capsys.readouterr().err
    monkeypatch.setattr("lartpc.drawing.target.os.access", lambda *_: False)
    assert main([str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: folder {path.parent} cannot be written; name the picture with --out\n"
    )


def test_a_file_without_collection_plane_shows_its_first(tmp_path, capsys):
    path = write(tmp_path / "events.h5", [make_event(0, planes=("U", "V"))])
    assert main([str(path), "--out", str(tmp_path / "event.png")]) == 0
    assert "plane U" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--event=4"], "has events 0 to 3, no event 4"),
        (["--event=-1"], "no event -1"),
        (["--plane=X"], "has the planes V, W, no plane 'X'"),
        (["--volume=2"], "has drift volumes 0 to 1, no volume 2"),
        (["--volume=-1"], "no volume -1"),
        (["--gallery", "--event=1"], "leave out --event"),
        (["--gallery", "--truth"], "leave out --event"),
        (["--gallery", "--each=0"], "--each 0 must be 1 to 40"),
        (["--gallery", "--seed=-1"], "--seed -1 must be 0 or more"),
        (["--gallery", "--era=1999"], "no ADC scale is called '1999'"),
        (["--gallery", "--plane=U"], "no plane 'U'"),
        (["--out=/proc/event.png"], "cannot write /proc/event.png"),
    ],
)
def test_wrong_requests_are_exit_code_2(path, tmp_path, options, reason, capsys):
    out = [] if options[0].startswith("--out") else ["--out", str(tmp_path / "picture.png")]
    assert main([str(path), *out, *options]) == 2
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_files_with_nothing_to_draw_are_exit_code_2(tmp_path, capsys):
    bare = write(tmp_path / "bare.h5", [make_event(BARE)])
    for arguments, reason in (
        ([str(tmp_path / "none.h5")], "python -m data_gen.generate"),
        ([str(write(tmp_path / "no_events.h5", []))], "has no events"),
        ([str(bare), "--gallery"], "neither hits nor empty pixels in plane W"),
    ):
        assert main([*arguments, "--out", str(tmp_path / "picture.png")]) == 2
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "picture.png").exists()

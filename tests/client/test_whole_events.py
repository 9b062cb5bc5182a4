"""python -m client.classify: the scores of every hit of many events, whatever happens on the way."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot

from client.classify import main
from client.scores.output import in_blocks
from client.scores.parts import Parts
from lartpc.adc_scale import ADC_SCALES
from lartpc.event import Event
from lartpc.event_file import EventFile
from lartpc.event_folder import open_events
from lartpc.patches.plane_hits import PlaneHits
from lartpc.score_file import HIT_SCORE_DTYPE, outputs_of
from lartpc.served.manifest import MODEL_FILE
from serving.triton import TritonServer
from tests.helpers.limits import largest_file
from tests.helpers.paths import ROOT
from tests.helpers.served_repository import answer
from tests.helpers.small_events import BARE, make_event, write
from training.evaluation.hit_scores import read_scores

MODEL = "emtrkmichel_fp32"
FILES, EVENTS_A_FILE = 3, 4

EVERY_POINT = bool(os.environ.get("EVERY_POINT"))


def of_both_planes(number: int) -> Event:
    """Hits in two drift volumes of two planes, in no order."""
    event = make_event(number)
    event.hits["local_plane"][::3] = 1
    return event


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "events"
    folder.mkdir()
    for file in range(FILES):
        numbers = range(file * EVENTS_A_FILE, (file + 1) * EVENTS_A_FILE)
        write(folder / f"{file}.h5", map(of_both_planes, numbers))
    return folder


@pytest.fixture(scope="module")
def model(tiny_repository: Path) -> str:
    return f"--model=onnx:{tiny_repository / MODEL}@2"


@pytest.fixture(scope="module")
def whole(folder: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scores of the folder by a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("scores") / "scores.h5"
    assert main([str(folder), model, f"--out={out}"]) == 0
    return out


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "events"))


def test_rows_are_those_of_the_hit_tables_with_the_scores_of_their_patches(
    folder: Path, whole: Path, tiny_repository: Path
) -> None:
    scores = read_scores(whole)
    with open_events(folder) as events:
        hits = [events.hits(index) for index in range(len(events))]
        assert [len(rows) for rows in hits] == events.hit_counts.tolist()
        assert hits[BARE].size == 0 and len(np.unique(hits[0][["tpc", "local_plane"]])) == 4
        table = np.concatenate(hits)
        index = np.repeat(np.arange(len(events)), events.hit_counts)
        for name in ("hit_id", "tpc", "g4_id", "label", "michel", "amplitude"):
            np.testing.assert_array_equal(scores[name], table[name])
        for name in ("plane", "wire", "time"):
            np.testing.assert_array_equal(scores[name], table[f"local_{name}"])
        np.testing.assert_array_equal(scores["index"], index)
        np.testing.assert_array_equal(scores["event_id"], events.event_ids[index])
        for at in (0, 7):
            for plane in PlaneHits.of_event(events, at):
                patches = np.concatenate(list(plane.patches(ADC_SCALES["2021"])))
                wanted = answer(tiny_repository / MODEL / "2" / MODEL_FILE, patches)
                found = outputs_of(scores[index == at][plane.number])
                for name, values in wanted.items():
                    np.testing.assert_allclose(found[name], values, atol=1e-6)
    assert np.isnan(scores["drift"]).all() and (scores["electron"] == -1).all()
    assert (scores["process"] == b"").all()


def test_the_file_says_what_it_was_made_of_and_by(folder: Path, whole: Path, tiny_repository: Path) -> None:
    with h5py.File(whole) as file, open_events(folder) as events:
        assert file.attrs["data_digest"] == events.provenance.data["digest"]
        assert (file.attrs["model"], file.attrs["model_version"]) == (MODEL, 2)
        assert (file.attrs["adc_era"], file.attrs["score_scale"]) == ("2021", "unstated")
        (digest,) = file["model_table/digest"][:]
        assert digest.decode() == file.attrs["model_digest"]
        assert (file["model"][:] == 0).all()
        assert file["sample_table/name"][:].tolist() == [b"all"]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_server_gives_the_same_scores(
    protocol: str, folder: Path, whole: Path, tiny_server: TritonServer, tmp_path: Path, capsys
) -> None:
    url, out = f"{protocol}://{getattr(tiny_server, protocol)}/{MODEL}", tmp_path / "scores.h5"
    assert main([str(folder), f"--model={url}", f"--out={out}", "--require-version=2"]) == 0
    said = capsys.readouterr().out
    found, wanted = read_scores(out), read_scores(whole)
    assert f"{len(wanted)} hits of 12 events in" in said and "hits/s" in said
    assert f"{MODEL} version 2 at {getattr(tiny_server, protocol)}" in said
    assert f"answered {len(wanted)} hits" in said and f"--model {url}" in said.splitlines()[-1]
    for name in HIT_SCORE_DTYPE.names:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.h5"]


def test_root_holds_what_hdf5_holds(folder: Path, whole: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "scores.root"
    assert main([str(folder), model, f"--out={out}"]) == 0
    with uproot.open(out) as root, h5py.File(whole) as file:
        columns = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
        assert sorted(root["hits"].keys()) == sorted(columns)
        for name in columns:
            np.testing.assert_array_equal(root["hits"][name].array(library="np"), file[name][:])
        about = json.loads(str(root["about"]))
        assert about["data_digest"] == file.attrs["data_digest"]
        assert about["model_table"]["version"] == [2]


@pytest.mark.parametrize("suffix", [".h5", ".root"])
def test_events_without_hits_make_a_file_without_rows(tmp_path: Path, model: str, suffix: str) -> None:
    events = write(tmp_path / "bare.h5", [make_event(BARE)])
    assert main([str(events), model, f"--out={tmp_path / 'scores'}{suffix}"]) == 0


def test_scores_lie_beside_their_events_and_not_among_them(copy: Path, model: str, tmp_path: Path) -> None:
    assert main([str(copy), model]) == 0
    assert main([str(copy / "0.h5"), model, f"--out={tmp_path / '0-scores.h5'}"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"events", "events-scores.h5", "0-scores.h5"}
    assert len(read_scores(tmp_path / "0-scores.h5")) == 3 * 80


def test_hits_of_planes_without_an_image_are_left_out_and_counted(tmp_path: Path, model: str, capsys) -> None:
    event = of_both_planes(0)
    of_w = replace(event, images={"W": event.images["W"]})
    events = write(tmp_path / "w.h5", [of_w])
    assert main([str(events), model]) == 0
    assert "Left out 27 hits of planes that have no image in the file" in capsys.readouterr().out
    scores = read_scores(tmp_path / "w-scores.h5")
    np.testing.assert_array_equal(scores["hit_id"], np.flatnonzero(event.hits["local_plane"] == 2))


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def killed(point: int, log: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "tests.helpers.killed", str(log), str(point), "classify", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).returncode


def test_a_killed_run_is_gone_on_with_to_the_same_file(
    folder: Path, whole: Path, model: str, tmp_path: Path, capsys
) -> None:
    out, log = tmp_path / "scores.h5", tmp_path / "points"
    assert killed(0, log, str(folder), model, f"--out={out}") == 0
    assert out.read_bytes() == whole.read_bytes()
    points = log.read_text().splitlines()
    after_parts = [int(line.split()[0]) for line in points if "after replace" in line]
    resumed = []
    for point in (3, *after_parts, len(points)) if EVERY_POINT else after_parts[-1:]:
        out.unlink(missing_ok=True)
        assert killed(point, tmp_path / "log", str(folder), model, f"--out={out}") == -9
        assert main([str(folder), model, f"--out={out}"]) == 0
        assert out.read_bytes() == whole.read_bytes(), points[point - 1]
        resumed.append("events were answered before" in capsys.readouterr().out)
        assert {path.name for path in tmp_path.iterdir()} == {"scores.h5", "points", "log"}
    assert resumed.count(True) >= (FILES if EVERY_POINT else 1)


def test_parts_of_other_weights_or_events_are_done_anew(
    folder: Path, whole: Path, model: str, tiny_repository: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    out = tmp_path / "scores.h5"
    for events, other in ((folder, model.replace("@2", "@1")), (folder / "1.h5", model)):
        with monkeypatch.context() as ended:
            ended.setattr("client.scores.job.write_output", interrupt)
            assert main([str(events), other, f"--out={out}"]) == 130
        assert main([str(folder), model, f"--out={out}"]) == 0
        assert out.read_bytes() == whole.read_bytes()
    assert "events of an interrupted run are of other weights or other files" in capsys.readouterr().out


def test_two_jobs_do_not_write_one_output(folder: Path, model: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores.h5"
    with Parts(out):
        assert main([str(folder), model, f"--out={out}"]) == 2
    error = capsys.readouterr().err
    assert error == f"error: another process writes {out}; name another --out, or wait\n"
    assert list(tmp_path.iterdir()) == []


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4000])


def with_a_wrong_chunk(path: Path) -> None:
    with h5py.File(path) as file:
        offset = file["plane_images/W"].id.get_chunk_info(2 * 2).byte_offset
    with path.open("r+b") as file:
        file.seek(offset + 10)
        file.write(b"wrong")


@pytest.mark.parametrize(("damage", "done"), [(cut_short, 8), (with_a_wrong_chunk, 10)])
def test_a_damaged_file_is_named_and_all_else_kept(
    damage, done: int, copy: Path, folder: Path, whole: Path, model: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "scores.h5"
    damage(copy / "1.h5")
    for _ in range(2):
        assert main([str(copy), model, f"--out={out}"]) == 1
        said = capsys.readouterr()
        assert str(copy / "1.h5") in said.err and "all other events are answered" in said.err
        assert said.err.count("\n") == 1 and not out.exists()
        assert f"{done} events are done and kept" in said.out
    shutil.copy(folder / "1.h5", copy)
    assert main([str(copy), model, f"--out={out}"]) == 0
    assert f"{done} events were answered before; {12 - done} are left" in capsys.readouterr().out
    assert out.read_bytes() == whole.read_bytes()


def test_a_full_place_is_one_line_and_what_is_done_is_kept(
    folder: Path, whole: Path, model: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "scores.h5"
    command = largest_file(30_000, "client.classify", str(folder), model, f"--out={out}")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: cannot write ") and done.stderr.count("\n") == 1
    assert "free the space or name another target" in done.stderr and not out.exists()
    assert main([str(folder), model, f"--out={out}"]) == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--out={folder}/scores.h5"], "lies among the event files"),
        (["--out=/proc/scores.h5"], "cannot write /proc/scores.h5"),
        (["--out=scores.txt"], "scores end in .h5 or .root"),
        (["--plane=W"], "--event and --plane choose what --picture FILE draws"),
        (["--require-digest=00000000"], "--require-digest wants 00000000"),
    ],
)
def test_wrong_requests_are_one_line(options, reason: str, copy: Path, model: str, capsys) -> None:
    given = [option.format(folder=copy) for option in options]
    assert main([str(copy), model, *given]) in (1, 2)
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1
    assert {path.name for path in copy.parent.iterdir()} == {"events"}


def test_an_event_file_is_not_written_over(copy: Path, model: str, capsys) -> None:
    file = copy / "0.h5"
    assert main([str(file), model, f"--out={file}"]) == 2
    assert "is the event file itself" in capsys.readouterr().err
    with EventFile(file) as events:
        assert len(events) == EVENTS_A_FILE


def test_blocks_do_not_depend_on_the_pieces() -> None:
    rows = np.zeros(23, [("a", "i4")])
    rows["a"] = np.arange(23)
    for pieces in ([rows], np.split(rows, [1, 2, 13]), [rows[:0], rows]):
        blocks = list(in_blocks(pieces, 5))
        assert [len(block) for block in blocks] == [5, 5, 5, 5, 3]
        np.testing.assert_array_equal(np.concatenate(blocks), rows)
    assert list(in_blocks([], 5)) == []


def test_scores_beside_the_events_are_no_events(
    folder: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = Path(shutil.copytree(folder, tmp_path / "events"))
    assert main([str(events / "0.h5"), model]) == 0
    assert (events / "0-scores.h5").is_file()
    assert main([str(events), model, f"--out={tmp_path / 'all.h5'}"]) == 0
    assert "Passed over" not in capsys.readouterr().out

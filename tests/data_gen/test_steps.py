"""Energy deposits from elsewhere: the file's form, and the same answer as the response gives directly."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_gen.configuration import Configuration, Sources
from data_gen.respond import event_random, main
from data_gen.response.readout import respond
from data_gen.simulate import transport
from data_gen.sources.mixture import primaries
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.served.contract import Label
from tests.helpers.paths import ROOT

LIGHT = Configuration(Sources(cosmic_muons=0.0, stopping_muons=2.0, showers=1.0, beam=0.0))
GUIDE = ROOT / "docs" / "generating.md"


@pytest.fixture(scope="module")
def steps() -> np.ndarray:
    """Deposits of one event, by the project's own transport."""
    rng = np.random.default_rng(3)
    record = transport(primaries(LIGHT, rng), LIGHT, rng)
    return record.steps[: record.counts[0]]


def columns(steps: np.ndarray, event: int = 4) -> dict[str, np.ndarray]:
    rows = {name: steps[name] for name in ("x", "y", "z", "t", "energy", "length", "deposit")}
    return {"event": np.full(len(steps), event), **rows, "track_id": steps["g4_id"]}


def write(path: Path, table: dict[str, np.ndarray], name: str = "steps", compound: bool = False) -> Path:
    with h5py.File(path, "a") as file:
        if compound:
            dtype = [(column, values.dtype) for column, values in table.items()]
            rows = np.zeros(len(table["event"]), dtype)
            for column, values in table.items():
                rows[column] = values
            file[name] = rows
        else:
            for column, values in table.items():
                file[f"{name}/{column}"] = values
    return path


def short(event: int = 0) -> dict[str, np.ndarray]:
    """A few deposits in the middle of the drift volume."""
    z = np.arange(100.0, 130.0, 0.1)
    table = {"event": np.full(len(z), event), "x": np.full(len(z), 100.0), "y": z + 200.0, "z": z}
    table |= {"t": 0 * z, "energy": 0.3 + 0 * z, "length": 0.15 + 0 * z}
    return table | {"deposit": np.zeros(len(z), int), "track_id": np.full(len(z), 7)}


@pytest.mark.parametrize("compound", [False, True])
def test_a_file_gives_the_hits_of_the_response_itself(steps, tmp_path, compound) -> None:
    path = write(tmp_path / "steps.h5", columns(steps), compound=compound)
    out = tmp_path / "events.h5"
    assert main([str(path), "--out", str(out), "--planes", "W", "--seed", "5"]) == 0
    images, hits, empty = respond(steps, Configuration(), ("W",), event_random(5, 4))
    with EventFile(out) as file:
        assert file.event_ids.tolist() == [[1, 0, 4]]
        assert np.array_equal(file.image(0, "W"), images["W"])
        assert np.array_equal(file.hits(0), hits)
        assert np.array_equal(file.empty_pixels(0), empty)
        assert len(hits) > 300 and {Label.TRACK, Label.SHOWER} <= set(hits["label"])
        data = file.provenance.data
    assert data["generator"] == "steps" and data["seed"] == 5 and data["steps_sha256"] == sha256(path)
    assert "sources" not in data["configuration"] and data["configuration"]["detector"] == "drift-volume"


def test_the_example_of_the_guide(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    script = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert script
    exec(compile(script[1], "example", "exec"), {})
    assert main(["steps.h5", "--out", "events.h5"]) == 0
    assert "1 events" in capsys.readouterr().out
    with EventFile(tmp_path / "events.h5") as file:
        hits = file.hits(0)
        assert file.particles(0)["g4_id"].tolist() == [1] and file.particles(0)["type"].tolist() == [13]
    collected = hits[(hits["local_plane"] == 2) & (hits["label"] == Label.TRACK)]
    assert set(collected["g4_id"]) == {1}
    assert len(set(collected["local_wire"])) > 470  # one hit a wire, from the first to the last
    assert len(collected) < 520
    expected = 500 + 180.0 / 0.1565 / 0.5  # trigger tick, drift distance over speed, tick
    assert np.abs(collected["local_time"] - expected).max() < 6


def test_deposits_in_the_wrong_place_give_nothing(tmp_path) -> None:
    table = short()
    for axis, shift in (("x", 400.0), ("y", 800.0), ("z", -500.0), ("t", 10_000.0)):
        moved = {**table, axis: table[axis] + shift}
        path = write(tmp_path / f"{axis}.h5", moved)
        out = tmp_path / "events.h5"
        assert main([str(path), "--out", str(out), "--planes", "W", "--labels.empty_pixels", "0"]) == 0
        with EventFile(out) as file:
            assert set(file.hits(0)["label"]) <= {Label.NONE} and len(file.hits(0)) < 50


def test_track_ids_are_kept_however_large(tmp_path) -> None:
    table = short()
    table["track_id"] = np.where(table["z"] < 115.0, 2**31 - 1, 12)
    out = tmp_path / "events.h5"
    assert main([str(write(tmp_path / "steps.h5", table)), "--out", str(out), "--planes", "W"]) == 0
    with EventFile(out) as file:
        assert set(file.hits(0)["g4_id"]) - {-1} == {12, 2**31 - 1}


def test_several_events_and_those_without_deposits(tmp_path) -> None:
    tables = [short(2), short(5), short(9)]
    table = {name: np.concatenate([each[name] for each in tables]) for name in tables[0]}
    out = tmp_path / "events.h5"
    assert main([str(write(tmp_path / "steps.h5", table)), "--out", str(out), "--planes", "W"]) == 0
    with EventFile(out) as file:
        assert file.event_ids[:, 2].tolist() == [2, 5, 9]
        counts = [np.count_nonzero(file.hits(index)["label"] == Label.TRACK) for index in range(3)]
        assert min(counts) > 40 and max(counts) - min(counts) < 10
        assert not np.array_equal(file.image(0, "W"), file.image(1, "W"))  # noise of its own


def changed(column: str, row: int, value: float) -> Callable[[dict], dict]:
    def change(table: dict) -> dict:
        table[column][row] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: {}, "/steps is missing"),
        (lambda table: {k: v for k, v in table.items() if k != "length"}, "lacks the columns length"),
        (lambda table: {k: v for k, v in table.items() if k != "event"}, "lacks the columns event"),
        (lambda table: {**table, "t": table["t"][1:]}, "/steps/t has 299 rows, event 300"),
        (lambda table: {k: v[:0] for k, v in table.items()}, "/steps has no rows"),
        (lambda table: {**table, "deposit": table["x"]}, "/steps/deposit holds float64"),
        (lambda table: {**table, "event": table["x"]}, "/steps/event must hold integers"),
        (changed("event", 0, 3), "event 0 in row 1 comes after event 3; sort the rows"),
        (changed("event", 0, -1), "/steps/event must hold integers from 0"),
        (changed("x", 8, np.nan), "/steps/x holds NaN"),
        (changed("t", 8, np.inf), "/steps/t holds NaN or infinity in event 0"),
        (changed("energy", 8, -1.0), "event 0, row 8 of the event has a negative energy"),
        (changed("length", 8, 0.0), "row 8 of the event has energy over a length"),
        (changed("deposit", 8, 3), "row 8 of the event has a deposit that is not 0, 1 or 2"),
        (changed("track_id", 8, -7), "/steps/track_id of event 0 must lie between 0"),
    ],
)
def test_wrong_files_are_one_line_and_write_nothing(change, message, tmp_path, capsys) -> None:
    path = write(tmp_path / "steps.h5", change(short()))
    out = tmp_path / "new" / "events.h5"
    assert main([str(path), "--out", str(out), "--planes", "W"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists() and not list(tmp_path.rglob("*.part"))


def test_particles_must_be_whole(tmp_path, capsys) -> None:
    path = write(tmp_path / "steps.h5", short())
    write(path, {"event": np.zeros(1, int), "track_id": np.ones(1, int)}, "particles")
    assert main([str(path), "--out", str(tmp_path / "events.h5")]) == 2
    assert "/particles lacks the columns parent_id, type" in capsys.readouterr().err


def test_other_wrong_requests(tmp_path, capsys) -> None:
    (tmp_path / "text").write_text("no HDF5")
    path = write(tmp_path / "steps.h5", short())
    for args, message in (
        ([str(tmp_path / "none.h5")], "no file of steps"),
        ([str(tmp_path / "text")], "not a readable HDF5 file"),
        ([str(path), "--planes", "X"], "--planes X must be"),
        ([str(path), "--seed", "-1"], "--seed -1 must be"),
        ([str(path), "--detector", "icarus"], "--detector: none is called"),
    ):
        assert main([*args, "--out", str(tmp_path / "events.h5")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "events.h5").exists()

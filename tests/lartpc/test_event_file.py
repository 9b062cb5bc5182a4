"""The event file: what is written is read, damage is named, nothing half-written stays."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lartpc.adc_scale import StoredPixels, adc_scale, network_units
from lartpc.errors import UserError
from lartpc.event import EMPTY_DTYPE, HIT_DTYPE, PARTICLE_DTYPE, SAMPLE_DTYPE, Event
from lartpc.event_file import SPLITS, EventFile, EventWriter, split_of
from lartpc.files import DeferredWrites
from lartpc.provenance import Provenance


def make_event(number: int, hits: int = 7) -> Event:
    random = np.random.default_rng(number)
    image = np.where(random.random((1, 480, 1000)) < 0.01, 30, 0).astype("f2")
    rows = np.zeros(hits, HIT_DTYPE)
    rows["local_wire"] = random.integers(0, 480, hits)
    rows["local_time"] = random.uniform(0, 6000, hits)
    particles = np.zeros(2, PARTICLE_DTYPE)
    particles["start_position"] = random.normal(size=(2, 3))
    particles["start_process"] = b"primary"
    empty = np.zeros(number + 1, EMPTY_DTYPE)
    empty["local_wire"] = random.integers(0, 480, len(empty))
    return Event((1, 2, number), {"W": image}, rows, particles, empty)


def write(path: Path, events: list[Event]) -> None:
    with EventWriter(path, Provenance(data={"generator": "test"})) as writer:
        for event in events:
            writer.append(event)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "events.h5", [make_event(0), make_event(1, hits=0), make_event(5)])
    return tmp_path / "events.h5"


def test_what_is_written_is_read(path: Path) -> None:
    with EventFile(path) as file:
        assert len(file) == 3
        for index, number, hits in ((0, 0, 7), (1, 1, 0), (2, 5, 7)):
            expected, read = make_event(number, hits), file.event(index)
            assert read.event_id == (1, 2, number)
            assert np.array_equal(read.hits, expected.hits)
            assert np.array_equal(read.particles, expected.particles)
            assert np.array_equal(read.images["W"], expected.images["W"])
            assert np.array_equal(read.empty, expected.empty)
        assert file.provenance.data["generator"] == "test"


def test_plain_h5py_reads_it(path: Path) -> None:
    with h5py.File(path) as file:
        assert file["event_table/event_id"][:].tolist() == [[1, 2, 0], [1, 2, 1], [1, 2, 5]]
        assert file["hit_table/event_id"].shape == (14, 3)
        assert file["plane_images/W"].shape == (3, 1, 480, 1000)


def test_splits_are_a_property_of_the_event_number(path: Path) -> None:
    with EventFile(path) as file:
        assert file.in_split("train").tolist() == [0, 1]
        assert file.in_split("test").tolist() == [2]
    shares = np.bincount([split_of(number) for number in range(1000)]) / 1000
    assert dict(zip(SPLITS, shares, strict=True)) == {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_digest_tells_contents_apart(tmp_path: Path) -> None:
    digests = []
    for name, events in (("a", [make_event(0)]), ("b", [make_event(0)]), ("c", [make_event(1)])):
        write(tmp_path / name, events)
        with EventFile(tmp_path / name) as file:
            digests.append(file.provenance.data["digest"])
    assert digests[0] == digests[1] != digests[2]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), EventWriter(tmp_path / "x.h5", Provenance()) as writer:
        writer.append(make_event(0))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_of_its_beginning_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed there and then: HDF5 does not survive a file in Python that is open at the process's end."""
    create, calls = h5py.File.create_dataset, iter(range(5))

    def interrupted(*arguments: Any, **options: Any) -> h5py.Dataset:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return create(*arguments, **options)

    monkeypatch.setattr(h5py.File, "create_dataset", interrupted)
    writer = EventWriter(tmp_path / "x.h5", Provenance())
    with pytest.raises(KeyboardInterrupt):
        writer.__enter__()
    assert not writer._file and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [1, 2, 30])
def test_an_interruption_while_hdf5_writes_leaves_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_on, calls = DeferredWrites.write, itertools.count(1)

    def interrupted(self: DeferredWrites, data: Any) -> int:
        if next(calls) == number:
            signal.raise_signal(signal.SIGINT)
        return write_on(self, data)

    monkeypatch.setattr(DeferredWrites, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.h5", [make_event(i) for i in range(3)])
    assert next(calls) > number and list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyError), EventWriter(path, Provenance()):
        raise KeyError
    assert path.read_bytes() == before


def test_unwritable_target(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write .*file/x.h5"):
        write(tmp_path / "file" / "x.h5", [make_event(0)])


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file-size limit makes the kernel refuse the write, as a full disk does."""
    code = (
        "import resource, sys; from pathlib import Path; from lartpc.errors import UserError\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_event_file import write, make_event\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n"
        f"    write(Path({str(tmp_path / 'x.h5')!r}), [make_event(i) for i in range(50)])\n"
        "except UserError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.startswith("cannot write"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_file_names_the_generator(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="data_gen.generate"):
        EventFile(tmp_path / "none.h5")


@pytest.mark.parametrize("damage", ["text", "truncated"])
def test_unreadable_file(path: Path, damage: str) -> None:
    content = path.read_bytes()
    path.write_bytes(b"no HDF5" if damage == "text" else content[: len(content) // 2])
    with pytest.raises(UserError, match="not a readable HDF5 file"):
        EventFile(path)


def test_flipped_byte_in_an_image_is_found(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["plane_images/W"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    path.write_bytes(content)
    with EventFile(path) as file, pytest.raises(UserError, match="damaged at plane_images/W"):
        file.event(0)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("schema", "other", "no event file"),
        ("schema_version", 99, "schema version 99"),
        ("provenance", "[", "damaged"),
    ],
)
def test_wrong_header(path: Path, attribute: str, value: object, message: str) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = value
    with pytest.raises(UserError, match=message):
        EventFile(path)


def test_missing_table(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["event_table/split"]
    with pytest.raises(UserError, match="damaged"):
        EventFile(path)


def test_events_may_have_different_numbers_of_drift_volumes(tmp_path: Path) -> None:
    one, three = make_event(0), make_event(1)
    wide = Event(three.event_id, {"W": np.repeat(three.images["W"], 3, axis=0)}, three.hits, three.particles)
    write(tmp_path / "events.h5", [one, wide, make_event(2)])
    with EventFile(tmp_path / "events.h5") as file:
        assert file.image(0, "W").shape == (3, 480, 1000)
        assert np.array_equal(file.image(0, "W")[0], one.images["W"][0])
        assert not file.image(0, "W")[1:].any()
        assert np.array_equal(file.image(1, "W"), wide.images["W"])
        assert not file.image(2, "W")[1:].any()


def test_hits_count_as_their_sample_does_in_nature(tmp_path: Path) -> None:
    samples = np.array([("noise", 0, 0), ("rare", 8, 2), ("made", 3, 0)], SAMPLE_DTYPE)
    event = make_event(0, hits=3)
    event.hits["sample"] = [0, 1, 2]
    with EventWriter(tmp_path / "events.h5", Provenance(data={}), samples) as writer:
        writer.append(event)
    with EventFile(tmp_path / "events.h5") as file:
        assert np.array_equal(file.samples, samples)
        assert file.natural_weights(file.hits(0)).tolist() == [1.0, 0.25, 0.0]
        event.hits["sample"] = 3
        with pytest.raises(UserError, match="sample 3"):
            file.natural_weights(event.hits)


def test_clipped_pixels_refuse_a_wider_era(tmp_path: Path) -> None:
    stored = StoredPixels(calibrated=True, lowest=-10.0, highest=30.0)
    with EventWriter(tmp_path / "events.h5", Provenance(data={}), stored=stored) as writer:
        writer.append(make_event(0))
    with EventFile(tmp_path / "events.h5") as file:
        assert file.stored == stored
        image = file.image(0, "W")
        units = network_units(image, "W", adc_scale("2021"), stored=file.stored)
        assert np.array_equal(units, 0.5 * np.clip(image.astype("f4"), -10, 30))
        with pytest.raises(UserError, match="era 2020"):
            network_units(image, "W", adc_scale("2020"), stored=file.stored)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("hit_table/g4_id", np.zeros(14, [("a", "f4"), ("b", "i4")])),
        ("hit_table/label", np.full(14, np.nan)),
        ("hit_table/michel", np.full(14, 256, "i8")),
        ("event_table/event_id", np.zeros((2, 2), "i4")),
        ("event_table/event_id", np.full((2, 3), np.nan)),
        ("sample_table/generated", np.array([b"x"])),
        ("event_table/split", h5py.Empty("u1")),
    ],
)
def test_a_column_of_another_kind_is_refused(path: Path, name: str, column: Any) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, data=column)
    with pytest.raises(UserError, match=f"damaged: {name} is .*generate it anew"):
        EventFile(path)


@pytest.mark.parametrize(
    "name", ["event_table/event_id", "event_table/split", "event_table/hits", "sample_table/natural"]
)
def test_what_a_column_declares_and_never_held_is_not_unfolded(path: Path, name: str) -> None:
    with h5py.File(path, "r+") as file:
        kind, width = file[name].dtype, file[name].shape[1:]
        del file[name]
        file.create_dataset(name, shape=(10**11, *width), dtype=kind, chunks=(16, *width))[:16] = 0
    with pytest.raises(UserError, match=f"damaged: {name} declares .* bytes, which the file does not hold"):
        EventFile(path)

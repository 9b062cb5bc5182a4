"""Large data sets: shards, interruptions at any point, a real Dask cluster, reading a folder as one file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Client, LocalCluster

from data_gen.configuration import Configuration, Sources
from data_gen.generate import generate, generate_folder, main
from data_gen.production import cluster as cluster_module
from data_gen.production.board import Board, board
from data_gen.production.data_set import Production
from data_gen.production.progress import shown_progress
from data_gen.production.shards import divide, missing, write_shard
from lartpc.adc_scale import DEFAULT_ERA, adc_scale
from lartpc.errors import CheckError, UserError
from lartpc.event_file import EventFile
from lartpc.event_folder import EventFolder, open_events
from lartpc.files import part_of, sweep
from tests.helpers.paths import ROOT
from tests.helpers.waiting import PATIENCE, wait_until
from training.data.dataset import PatchDataset

LIGHT = Configuration(Sources(cosmic_muons=0.1, stopping_muons=0.6, showers=0.5, beam=0.2))
OPTIONS = [
    "--planes=W",
    "--sources.cosmic_muons=0.1",
    "--sources.stopping_muons=0.6",
    "--sources.showers=0.5",
    "--sources.beam=0.2",
]
NAMES = [f"events-{first:08d}-{last:08d}.h5" for first, last in ((0, 2), (3, 5), (6, 8), (9, 10))]


def make(out: Path, **changes: object) -> None:
    """Eleven light events in four files."""
    request = {"events": 11, "events_per_file": 3, "seed": 4, "planes": ("W",), "configuration": LIGHT}
    generate_folder(out, **{**request, **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "reference"
    make(folder, workers=2)
    return folder


def test_bytes_do_not_depend_on_workers(reference, tmp_path):
    assert list(content(reference)) == NAMES
    make(tmp_path / "one", workers=1)
    assert content(tmp_path / "one") == content(reference)


def test_a_shard_is_the_file_of_its_events(reference, tmp_path):
    generate(tmp_path / "x.h5", events=3, seed=4, first_event=6, planes=("W",), configuration=LIGHT)
    assert (tmp_path / "x.h5").read_bytes() == (reference / NAMES[2]).read_bytes()


def test_bytes_do_not_depend_on_who_watches(reference, tmp_path):
    """A profiler, such as that of Dask's workers, holds the local variables of the functions it sees."""
    held = []

    def hold(frame, event, _):
        if frame.f_code.co_name == "_append" and event == "return":
            held.append(dict(frame.f_locals))
            del held[:-7]

    sys.setprofile(hold)
    try:
        generate(tmp_path / "x.h5", events=3, seed=4, first_event=6, planes=("W",), configuration=LIGHT)
    finally:
        sys.setprofile(None)
    assert held
    assert (tmp_path / "x.h5").read_bytes() == (reference / NAMES[2]).read_bytes()


def test_what_is_there_is_kept_and_what_is_missing_made(reference, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in (NAMES[0], NAMES[2]):
        (out / name).write_bytes((reference / name).read_bytes())
    before = {name: (out / name).stat().st_mtime_ns for name in (NAMES[0], NAMES[2])}
    make(out, workers=2)
    assert content(out) == content(reference)
    assert before == {name: (out / name).stat().st_mtime_ns for name in before}


@pytest.mark.long
def test_more_events_later(reference, tmp_path):
    make(tmp_path, events=6)
    make(tmp_path)
    assert content(tmp_path) == content(reference)
    make(tmp_path, events=2, first_event=11)
    assert len(open_events(tmp_path)) == 13


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, "made otherwise: with another seed"),
        ({"planes": ("U", "W")}, "another planes"),
        ({"configuration": replace(LIGHT, margin=30.0)}, "another configuration"),
        ({"events_per_file": 4}, "divides the events otherwise"),
        ({"events": 12}, "events-00000009-00000010.h5 divides the events otherwise"),
        ({"first_event": 1}, "divides the events otherwise"),
        ({"seed": 5, "events": 3, "first_event": 100}, "another seed"),
    ],
)
def test_a_folder_made_otherwise_is_refused_untouched(reference, changes, message):
    before = content(reference)
    with pytest.raises(UserError, match=message):
        make(reference, **changes)
    assert content(reference) == before


def test_another_generator_version_is_refused(reference, monkeypatch):
    monkeypatch.setattr("data_gen.production.data_set.GENERATOR_VERSION", 10_000)
    with pytest.raises(UserError, match="with another version"):
        make(reference)


def test_damaged_and_foreign_files_are_refused(reference, tmp_path):
    (tmp_path / NAMES[1]).write_bytes((reference / NAMES[1]).read_bytes()[:5000])
    with pytest.raises(UserError, match="not a readable HDF5 file"):
        make(tmp_path)
    (tmp_path / NAMES[1]).write_bytes((reference / NAMES[0]).read_bytes())
    with pytest.raises(UserError, match="another first_event"):
        make(tmp_path)
    (tmp_path / NAMES[1]).rename(tmp_path / "mine.h5")
    with pytest.raises(UserError, match="mine.h5 is no shard"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.h5"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--events-per-file=0"], "--events-per-file 0 must be 1 or more"),
        (["--events-per-file=3", "--out=x.h5"], "--out x.h5 names no folder"),
        (["--events-per-file=3", "--first-event=99999990"], "must be below 100000000"),
        (["--scheduler=tcp://127.0.0.1:1"], "--scheduler needs --events-per-file"),
        (["--events-per-file=3", "--scheduler=tcp://127.0.0.1:1", "--workers=2"], "--workers is for this"),
        (["--first-event=2147483640"], "event numbers end at 2147483647"),
    ],
)
def test_wrong_requests_exit_2(args, message, tmp_path, capsys):
    assert main(["--events", "11", "--out", str(tmp_path / "out"), *args]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_kept(tmp_path, capsys):
    request = ["--events-per-file=3", "--seed=4", "--workers=1", f"--out={tmp_path}", *OPTIONS]
    assert main([*request, "--events=6"]) == 0
    assert "2 files" in capsys.readouterr().out
    assert main([*request, "--events=11"]) == 0
    said = capsys.readouterr().out
    assert "4 files" in said and "5 events" in said and "6 kept" in said
    assert main([*request, "--events=11"]) == 0
    assert "0 events, 0 hits, 11 kept" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    request = ["--events-per-file=3", "--events=3", "--workers=1", *OPTIONS]
    assert main([*request, f"--out={tmp_path / 'file' / 'out'}"]) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("files", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_kill_at_any_time_costs_only_what_was_unfinished(files, reference, tmp_path):
    """Kill -9 of the process while the first, second or last files are being written; its workers follow."""
    out = tmp_path / "out"
    request = ["--events=11", "--events-per-file=3", "--seed=4", "--workers=2", f"--out={out}", *OPTIONS]
    process = subprocess.Popen(
        [sys.executable, "-m", "data_gen.generate", *request], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: len(list(out.glob("*.h5"))) >= files and list(out.glob(".events*.part")))
    finally:
        process.kill()
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in out.glob("*.h5")}
    assert {path.read_bytes() for path in done} <= set(content(reference).values())
    make(out, workers=2)
    wait_until(lambda: sweep(out) or not list(out.glob(".*.part")))  # a worker may outlive its parent
    assert content(out) == content(reference)
    assert done == {path: path.stat().st_mtime_ns for path in done}


@pytest.mark.parametrize("renamed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_kill_around_the_rename(renamed, reference, tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from data_gen.production.board import board; from data_gen.production.data_set import Production\n"
        "from data_gen.production.shards import Shard, write_shard\n"
        "from tests.data_gen.test_scale import LIGHT\n"
        "rename = Path.replace\n"
        "def fatal(path, target):\n"
        f"    {'rename(path, target)' if renamed else 'pass'}\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.replace = fatal\n"
        f"out = Path({str(tmp_path)!r})\n"
        "with board(out / '.generate.1.part', 1) as lines:\n"
        "    write_shard(Production(LIGHT, 4, ('W',)), Shard(out, range(3, 6)), lines, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob("*.h5")] == ([NAMES[1]] if renamed else [])
    (tmp_path / ".generate.1.part").unlink()
    make(tmp_path)
    assert content(tmp_path) == content(reference)


def test_a_killed_worker_ends_the_run_and_keeps_the_files(reference, tmp_path):
    def kill_a_worker(events: int, hits: int) -> None:
        if list(tmp_path.glob("*.h5")):
            os.kill(_writer(tmp_path), signal.SIGKILL)

    with pytest.raises(CheckError, match="a worker process was killed"):
        make(tmp_path, workers=2, events=300, show=lambda _: nullcontext(kill_a_worker))
    kept = content(tmp_path)
    assert kept and all(name.endswith(".h5") for name in kept)
    whole = content(reference)
    assert all(kept[name] == whole[name] for name in set(kept) & set(NAMES[:3]))


def test_ctrl_c_stops_workers_within_an_event(tmp_path):
    def interrupt(events: int, hits: int) -> None:
        if events:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make(
            tmp_path, workers=2, events=20_000, events_per_file=10_000, show=lambda _: nullcontext(interrupt)
        )
    assert time.monotonic() - started < 30.0
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_error_and_leaves_no_part(tmp_path):
    """A file-size limit makes the kernel refuse the write, as a full disk does."""
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "from data_gen.generate import main; sys.exit(main(sys.argv[1:]))"
    )
    request = ["--events=6", "--events-per-file=3", "--workers=2", f"--out={tmp_path}", *OPTIONS]
    done = subprocess.run(
        [sys.executable, "-c", limited, *request],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "error: cannot write" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_remains_of_ended_processes_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getppid()):
        part_of(tmp_path / NAMES[0], pid).write_text("")
    (tmp_path / "notes.part").write_text("")
    (tmp_path / f".{NAMES[0]}.{ended.pid}.part").write_text("of another machine")
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {
        part_of(tmp_path / NAMES[0], os.getppid()),
        tmp_path / f".{NAMES[0]}.{ended.pid}.part",
        tmp_path / "notes.part",
    }


def test_a_worker_stops_when_the_board_is_gone(tmp_path):
    (shard,) = divide(tmp_path / "out", range(3), 3)
    production = Production(LIGHT, 4, ("W",))
    with pytest.raises(UserError, match="sees another folder"):
        write_shard(production, shard, Board(tmp_path / "none"), 0)
    assert not shard.path.parent.exists()
    with board(tmp_path / "board", 2) as lines:
        lines.write(1, 5, 700)
        assert lines.read().tolist() == [[0, 0], [5, 700]]
    assert not list(tmp_path.iterdir())


def test_shards_divide_events_without_rest(tmp_path):
    for events, per_file in ((1, 1), (10, 3), (9, 3), (5, 100)):
        shards = divide(tmp_path, range(7, 7 + events), per_file)
        assert [number for shard in shards for number in shard.numbers] == list(range(7, 7 + events))
        assert max(len(shard.numbers) for shard in shards) <= per_file
        assert missing(shards, Production(LIGHT, 1, ("W",))) == shards


# a Dask cluster


@contextmanager
def local_cluster(workers: int) -> Iterator[LocalCluster]:
    """Processes on the loopback interface alone; Dask sets OMP_NUM_THREADS for them in this one."""
    anywhere = "127.0.0.1:0"
    before = dict(os.environ)
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=anywhere,
        worker_dashboard_address=anywhere,
    ) as opened:
        yield opened
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def dask() -> Iterator[LocalCluster]:
    with local_cluster(2) as opened:
        yield opened


def test_a_cluster_writes_the_same_bytes(dask, reference, tmp_path):
    seen = []
    show = lambda events: nullcontext(lambda done, hits: seen.append((events, done, hits)))  # noqa: E731
    make(tmp_path / "out", scheduler=dask.scheduler_address, show=show)
    assert content(tmp_path / "out") == content(reference)
    assert seen[-1][:2] == (11, 11) and seen[-1][2] > 0


def test_a_lost_worker_s_shard_is_made_anew(dask, reference, tmp_path):
    killed = []

    def kill_once(events: int, hits: int) -> None:
        if events and not killed:
            killed.append(_writer(tmp_path))
            os.kill(killed[0], signal.SIGKILL)

    make(tmp_path, scheduler=dask.scheduler_address, show=lambda _: nullcontext(kill_once))
    assert killed
    assert content(tmp_path) == content(reference)


def test_workers_that_die_again_and_again_are_one_error(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(dask.scheduler, "allowed_failures", 0)

    def kill(events: int, hits: int) -> None:
        if events:
            os.kill(_writer(tmp_path), signal.SIGKILL)

    with pytest.raises(CheckError, match="died on a file again and again"):
        make(tmp_path, events=60, events_per_file=30, scheduler=dask.scheduler_address,
             show=lambda _: nullcontext(kill))  # fmt: skip
    wait_until(lambda: len(dask.scheduler.workers) == 2)


def test_ctrl_c_cancels_what_is_queued(dask, tmp_path):
    def interrupt(events: int, hits: int) -> None:
        if events:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, events=9000, events_per_file=1000, scheduler=dask.scheduler_address,
             show=lambda _: nullcontext(interrupt))  # fmt: skip
    wait_until(lambda: not list(tmp_path.iterdir()))
    with Client(dask.scheduler_address, set_as_default=False) as client:
        wait_until(lambda: not any(client.processing().values()))


def test_workers_of_other_code_or_another_folder_are_named(dask, tmp_path, monkeypatch):
    with cluster_module.cluster(dask.scheduler_address) as client:
        elsewhere = Board(tmp_path / "elsewhere" / "board")
        with (
            pytest.raises(UserError, match="worker tcp.* does not see .*elsewhere"),
            cluster_module.executor_of(client, elsewhere),
        ):
            pass
    here = {**cluster_module.versions(), "numpy": "0.1"}
    monkeypatch.setattr(cluster_module, "versions", lambda: here)
    with pytest.raises(UserError, match="tcp.* has numpy .*, this process 0.1"):
        make(tmp_path, scheduler=dask.scheduler_address)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_joins_later_is_checked_too(dask, tmp_path):
    with Client(dask.scheduler_address, set_as_default=False) as client:
        (shard,) = divide(tmp_path, range(3), 3)
        arguments = (Production(LIGHT, 4, ("W",)), shard, Board(tmp_path / "board"), 0)
        future = client.submit(cluster_module.write_checked, {"h5py": "0.1"}, *arguments)
        with pytest.raises(UserError, match="has h5py"):
            future.result(timeout=PATIENCE)


def test_no_scheduler_and_no_workers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    started = time.monotonic()
    request = ["--events=3", "--events-per-file=3", f"--out={tmp_path / 'out'}"]
    assert main([*request, "--scheduler=tcp://127.0.0.1:9"]) == 2
    assert time.monotonic() - started < 25.0  # Dask itself would wait for 30 s
    error = capsys.readouterr().err
    assert "no Dask scheduler answers at --scheduler tcp://127.0.0.1:9" in error and error.count("\n") == 1
    with local_cluster(0) as empty:
        assert main([*request, f"--scheduler={empty.scheduler_address}"]) == 2
    assert "has no workers; start some with: dask worker" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# reading a folder


def test_a_folder_reads_like_one_file(reference, tmp_path):
    generate(tmp_path / "x.h5", events=11, seed=4, planes=("W",), configuration=LIGHT)
    with EventFile(tmp_path / "x.h5") as whole, open_events(reference) as folder:
        assert isinstance(folder, EventFolder) and isinstance(folder, EventFile)
        assert len(folder) == 11 and folder.path == reference
        for name in ("event_ids", "splits", "samples"):
            assert np.array_equal(getattr(folder, name), getattr(whole, name))
        assert (folder.planes, folder.stored) == (whole.planes, whole.stored)
        assert folder.in_split("test").tolist() == whole.in_split("test").tolist()
        for index in (0, 10, 3, 2, 5, 6):
            one, other = folder.event(index), whole.event(index)
            assert one.event_id == other.event_id
            for table in ("hits", "particles", "empty"):
                assert np.array_equal(getattr(one, table), getattr(other, table))
            assert np.array_equal(one.images["W"], other.images["W"])
        hits = folder.hits(4)
        assert np.array_equal(folder.natural_weights(hits), whole.natural_weights(hits))
        data, of_whole = folder.provenance.data, whole.provenance.data
    assert data.pop("files") == 4
    assert data.pop("digest") != of_whole.pop("digest")  # it depends on how the events are divided
    assert data == of_whole
    with open_events(reference) as again:
        digest = again.provenance.data["digest"]
    with open_events(reference) as again:
        assert len(digest) == 64 and again.provenance.data["digest"] == digest


def test_a_folder_trains_like_one_file(reference, tmp_path):
    generate(tmp_path / "x.h5", events=11, seed=4, planes=("W",), configuration=LIGHT)
    patches = []
    for path in (tmp_path / "x.h5", reference):
        with open_events(path) as events:
            patches.append(PatchDataset(events, events.in_split("train"), adc_scale(DEFAULT_ERA), True))
    one, other = patches
    for name in ("canvas", "row", "pixel", "label", "michel", "event", "weight"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_folders_that_are_not_one_data_set_are_refused(reference, tmp_path):
    with pytest.raises(UserError, match="holds no event file; make some with"):
        open_events(tmp_path)
    with pytest.raises(UserError, match="no event file"):
        open_events(tmp_path / "none.h5")
    for name in (NAMES[0], NAMES[2]):
        (tmp_path / name).write_bytes((reference / name).read_bytes())
    with pytest.raises(UserError, match="lacks the events 3 to 5; repeat the command"):
        open_events(tmp_path)
    (tmp_path / NAMES[2]).rename(tmp_path / "other.h5")
    (tmp_path / "twice.h5").write_bytes((reference / NAMES[0]).read_bytes())
    (tmp_path / "other.h5").unlink()
    with pytest.raises(UserError, match="holds an event twice"):
        open_events(tmp_path)
    generate(tmp_path / "twice.h5", events=3, seed=5, first_event=3, planes=("W",), configuration=LIGHT)
    with pytest.raises(UserError, match="twice.h5 was made otherwise than .*: with another seed"):
        open_events(tmp_path)


def test_lines_show_life_where_there_is_no_terminal(monkeypatch, capsys):
    moments = iter([0.0, 10.0, 31.0, 40.0, 62.0, 95.0])
    monkeypatch.setattr("data_gen.production.progress.time", SimpleNamespace(monotonic=lambda: next(moments)))
    with shown_progress(100) as progress:
        for events in (10, 31, 40, 62, 100):
            progress(events, 1000 * events)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "31 of 100 events, 1.00/s, 31,000 hits, time left 0:01:09",
        "62 of 100 events, 1.00/s, 62,000 hits, time left 0:00:38",
    ]


def _writer(folder: Path) -> int:
    """A process that is writing a shard there."""
    parts: list[Path] = []
    wait_until(lambda: bool(parts.extend(folder.glob(".events*.part")) or parts))
    return int(parts[0].name.split(".")[-2])

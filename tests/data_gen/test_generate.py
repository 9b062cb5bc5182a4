"""The command that generates events: same bytes from any number of workers, errors, nothing left behind."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from data_gen.configuration import Configuration, Sources
from data_gen.generate import generate, main
from data_gen.production.workers import available_cores, in_order
from lartpc.detector import plane
from lartpc.errors import CheckError, UserError
from lartpc.event_file import EventFile
from lartpc.served.contract import Label
from tests.helpers.paths import ROOT
from tests.helpers.waiting import PATIENCE, wait_until

LIGHT = Configuration(sources=Sources(cosmic_muons=0.1, stopping_muons=0.6, showers=0.5, beam=0.2))


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """Eight events of the default mixture, by two workers."""
    path = tmp_path_factory.mktemp("events") / "events.h5"
    generate(path, events=8, seed=11, workers=2)
    return path


def test_bytes_do_not_depend_on_workers_or_runs(sample, tmp_path):
    for workers in (1, 2):
        again = tmp_path / f"{workers}.h5"
        generate(again, events=8, seed=11, workers=workers)
        assert again.read_bytes() == sample.read_bytes()


def test_events_depend_on_seed_and_number_alone(sample, tmp_path):
    part, other = tmp_path / "part.h5", tmp_path / "other.h5"
    generate(part, events=2, seed=11, first_event=5)
    generate(other, events=2, seed=12, first_event=5)
    with EventFile(sample) as whole, EventFile(part) as later, EventFile(other) as different:
        assert later.event_ids.tolist() == [[1, 0, 5], [1, 0, 6]]
        for index in range(2):
            assert np.array_equal(later.hits(index), whole.hits(5 + index))
            assert np.array_equal(later.image(index, "W"), whole.image(5 + index, "W"))
            assert np.array_equal(later.particles(index), whole.particles(5 + index))
        assert not np.array_equal(later.image(0, "W"), different.image(0, "W"))
        assert not np.array_equal(whole.image(0, "W"), whole.image(1, "W"))


def test_a_split_alone_holds_the_events_that_any_file_has_of_it(sample, tmp_path):
    path = tmp_path / "held_out.h5"
    generate(path, events=2, seed=11, first_event=2, split="test")
    with EventFile(path) as alone, EventFile(sample) as whole:
        assert alone.event_ids[:, 2].tolist() == [5, 8]
        assert alone.in_split("test").tolist() == [0, 1]
        assert alone.provenance.data["first_event"] == 5
        assert np.array_equal(alone.hits(0), whole.hits(5))


def test_composition_of_the_default_mixture(sample):
    with EventFile(sample) as file:
        hits = np.concatenate([file.hits(index) for index in range(len(file))])
    share = np.bincount(hits["label"], minlength=3) / len(hits)
    assert 6000 < len(hits) / 8 < 16000
    assert share[Label.TRACK] > 0.3 and share[Label.SHOWER] > 0.1
    assert share[Label.NONE] < 0.01
    assert 0.015 < hits["michel"].mean() < 0.08
    assert np.all(hits["label"][hits["michel"] == 1] == Label.SHOWER)


def test_particles_and_hits_agree(sample):
    with EventFile(sample) as file:
        for index in range(len(file)):
            particles, hits = file.particles(index), file.hits(index)
            assert np.all(particles["parent_id"] < particles["g4_id"])
            michel = particles[hits["g4_id"][hits["michel"] == 1]]
            electrons = np.abs(michel["type"]) == 11
            assert np.mean(electrons) > 0.95  # the other hits also hold delta rays of their muon
            assert set(michel["start_process"][electrons]) <= {b"decay"}


def test_provenance_says_what_and_never_how(sample):
    with EventFile(sample) as file:
        data = file.provenance.data
    assert data["generator"] == "data_gen" and data["seed"] == 11
    assert data["events"] == 8 and data["first_event"] == 0 and data["planes"] == ["U", "V", "W"]
    assert data["configuration"]["sources"]["stopping_muons"] == Sources().stopping_muons
    assert set(data) == {
        "generator",
        "version",
        "seed",
        "events",
        "first_event",
        "planes",
        "configuration",
        "digest",
        "git_commit",
        "packages",
    }


def test_three_planes(tmp_path):
    out = tmp_path / "planes.h5"
    assert main(["--events", "1", "--out", str(out), "--planes", "W,U,V", "--workers", "1"]) == 0
    with EventFile(out) as file:
        assert file.planes == ("U", "V", "W")
        for name in file.planes:
            assert file.image(0, name).shape == (1, plane(name).wires, 1000)
        assert set(file.hits(0)["local_plane"]) == {0, 1, 2}


def test_the_command_says_what_it_wrote_and_what_to_do_next(tmp_path, capsys):
    out = tmp_path / "new" / "events.h5"
    assert main(["--events", "2", "--seed", "4", "--out", str(out), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert str(out) in said and "2 events" in said and "Michel" in said and "hits/s" in said
    assert f"python -m training.fit --data.path {out}" in said


def test_progress_is_reported_for_each_event(tmp_path):
    seen = []

    @contextmanager
    def show(total: int):
        yield lambda events, hits: seen.append((total, events, hits))

    summary = generate(tmp_path / "e.h5", events=3, seed=1, configuration=LIGHT, show=show)
    assert [seen[index][:2] for index in range(3)] == [(3, 1), (3, 2), (3, 3)]
    assert seen[-1][2] == summary.hits.sum() > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--events", "0"], "--events 0 must be 1 or more"),
        (["--events", "-3"], "--events -3 must be 1 or more"),
        (["--events", "many"], "--events"),
        (["--seed", "-1"], "--seed -1 must be 0 or more"),
        (["--first-event", "-1"], "--first-event -1 must be 0 or more"),
        (["--workers", "0"], "--workers 0 must be 1 or more"),
        (["--workers", "100000"], "--workers 100000 is over four times"),
        (["--planes", "X"], "--planes X must be some of U,V,W"),
        (["--planes", "U,U"], "--planes U,U must be some of U,V,W, each once"),
        (["--planes", ","], "--planes"),
        (["--planes", ""], "an argument is empty"),
        (["--evnts", "3"], "--evnts"),
        (["--split", "held-out"], "--split"),
        (["--split", "test", "--events-per-file", "2"], "--split is for a single file"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2(args, message, tmp_path, capsys):
    out = tmp_path / "events.h5"
    assert main([*args, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_unwritable_targets_exit_2(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--events", "1", "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert main(["--events", "1", "--out", str(tmp_path / "file" / "events.h5")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_on_the_way_leaves_the_old_file(tmp_path):
    out = tmp_path / "events.h5"
    out.write_text("old")

    def fail(events: int, hits: int) -> None:
        raise UserError("stop")

    with pytest.raises(UserError, match="stop"):
        generate(out, events=3, seed=1, workers=2, configuration=LIGHT, show=lambda _: nullcontext(fail))
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["events.h5"]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(in_order(abs, range(-20, 0), workers)) == list(range(20, 0, -1))


def test_a_killed_worker_is_one_line():
    with pytest.raises(CheckError, match="a worker process was killed"):
        list(in_order(os._exit, [1, 1], 2))


LOCKED = """
import os, signal, sys, threading
from data_gen.production.workers import in_order

enter = threading.Condition.__enter__

def entered(lock):
    taken = enter(lock)
    if sys._getframe(1).f_code.co_name == "result":
        threading.Condition.__enter__ = enter
        os.kill(os.getpid(), signal.SIGINT)
    return taken

if __name__ == "__main__":
    threading.Condition.__enter__ = entered
    try:
        list(in_order(abs, range(9), 2))
    except KeyboardInterrupt:
        print("interrupted")
"""

APART = """
import ctypes, os, signal
from data_gen.configuration import Configuration, Sources
from data_gen.simulate import simulate

configuration = Configuration(Sources(cosmic_muons=0.1, stopping_muons=0.6, showers=0.5, beam=0.2))
simulate(configuration, 1, 0)
cast = ctypes.cast

def taken_apart(*arguments):
    ctypes.cast = cast
    os.kill(os.getpid(), signal.SIGINT)
    return cast(*arguments)

ctypes.cast = taken_apart
try:
    simulate(configuration, 1, 1)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("code", [LOCKED, APART], ids=["a lock is taken", "Numba takes a generator apart"])
def test_ctrl_c_ends_it_also_where_it_would_do_harm(code, tmp_path):
    (tmp_path / "run.py").write_text(code)
    command = [sys.executable, tmp_path / "run.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_available_cores():
    assert available_cores() >= 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(ending, tmp_path):
    """Ctrl-C in a terminal reaches all processes; a kill only the first one."""
    out = tmp_path / "events.h5"
    command = [sys.executable, "-m", "data_gen.generate", "--events", "100000", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_until(lambda: len(_session(process.pid)) >= 3)
        if ending == signal.SIGINT:
            os.killpg(process.pid, ending)
            _, error = process.communicate(timeout=PATIENCE)
            assert (process.returncode, error.strip()) == (130, "error: interrupted")
            assert not list(tmp_path.iterdir())
        else:
            process.kill()
        wait_until(lambda: not _session(process.pid))
    finally:
        process.kill()
        process.wait()


def _session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if int(status[3]) == leader and status[0] != "Z":
            found.append(int(entry.name))
    return found


def test_the_first_generation_says_that_it_compiles(tmp_path, monkeypatch, capsys):
    """A minute without a word looks like a hang, most of all in the log of a batch job."""
    for compiled, said in ((False, True), (True, False)):
        monkeypatch.setattr("data_gen.compiled.is_compiled", lambda compiled=compiled: compiled)
        assert main(["--events=1", "--workers=1", "--planes=W", f"--out={tmp_path / 'e.h5'}"]) == 0
        assert capsys.readouterr().out.startswith("compiling the simulation") == said

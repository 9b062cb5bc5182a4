"""What surrounds a command: its terminal's letters, the signals it gets, what killed ones have left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_gen import compiled
from lartpc.files import part_of, sweep, whole_file, whole_folder
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
"""A locale whose letters are ASCII alone, as a Latin-1 one lacks most."""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.mark.long
def test_a_locale_without_utf_8_ends_nothing(
    run_folder: Path, events_file: Path, repository: Path, tmp_path: Path
) -> None:
    """Reports, cards and tables hold letters beyond ASCII."""
    best = tmp_path / "best.ckpt"
    for name in ("best.ckpt", "gate.h5", "config.yaml", "metrics.csv"):
        if (run_folder / name).is_file():
            (tmp_path / name).write_bytes((run_folder / name).read_bytes())
    for arguments in (
        ("training.evaluate", f"--checkpoint={best}", f"--data={events_file}"),
        ("export.check", str(repository)),
        ("data_gen.display", str(events_file), f"--out={tmp_path / 'event.png'}"),
    ):
        done = run(*arguments, **ASCII)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "report.html").read_text(encoding="utf-8").isascii()


@pytest.fixture
def generating(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A generation of a file that takes minutes, which has begun to write."""
    out = tmp_path / "events.h5"
    command = [sys.executable, "-m", "data_gen.generate", "--events=500", "--workers=2", f"--out={out}"]
    process = subprocess.Popen(
        ["env", "--default-signal=HUP", *command],  # also where nohup has it ignored
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_until(lambda: part_of(out, process.pid).exists() or process.poll() is not None)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_is_one_line_and_leaves_nothing(
    generating: subprocess.Popen, tmp_path: Path, ending: signal.Signals
) -> None:
    generating.send_signal(ending)
    _, said = generating.communicate()
    assert generating.returncode == 128 + ending
    assert f"error: ended by {ending.name}" in said.splitlines()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_second_ctrl_c_leaves_nothing(
    generating: subprocess.Popen, tmp_path: Path, first: int
) -> None:
    generating.send_signal(first)
    time.sleep(0.05)
    generating.send_signal(signal.SIGINT)
    _, said = generating.communicate(timeout=30)  # of the workers too: they hold the pipe
    assert generating.returncode != 0 and "error: " in said
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_goes_with_the_next(
    generating: subprocess.Popen, tmp_path: Path
) -> None:
    generating.kill()
    generating.wait()
    assert part_of(tmp_path / "events.h5", generating.pid).exists()
    done = run("data_gen.generate", "--events=2", f"--out={tmp_path / 'events.h5'}", "--workers=1")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["events.h5"]


def test_only_what_ended_processes_have_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [part_of(tmp_path / "a", os.getppid()), part_of(tmp_path / "ab", ended.pid), tmp_path / "a.part"]
    kept.append(tmp_path / f".a.{ended.pid}.part")
    for path in (*kept, part_of(tmp_path / "a", ended.pid)):
        path.touch()
    part_of(tmp_path / "folder", ended.pid).mkdir()
    with whole_file(tmp_path / "a") as part:
        part.touch()
    with whole_folder(tmp_path / "folder"):
        pass
    assert set(tmp_path.iterdir()) == {*kept, tmp_path / "a", tmp_path / "folder"}
    sweep(tmp_path)
    assert not part_of(tmp_path / "ab", ended.pid).exists() and kept[0].exists()


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without passwd entry and HOME, of an installation that cannot be written; the folder TMPDIR."""
    package = str(ROOT / "data_gen")
    writable = os.access

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(
        os, "access", lambda path, mode: not str(path).startswith(package) and writable(path, mode)
    )
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path


def test_compiled_code_of_a_user_without_home_stays_in_a_private_folder(homeless: Path) -> None:
    first, second = compiled._cache_folder(), compiled._cache_folder()
    assert first == second and first.parent == homeless / f"data_gen-{os.getuid()}"
    assert first.parent.stat().st_mode & 0o077 == 0
    assert list(homeless.iterdir()) == [first.parent]


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_code_that_another_user_could_have_put_there_is_not_run(homeless: Path, trap: str) -> None:
    place = homeless / f"data_gen-{os.getuid()}"
    if trap == "open to others":
        place.mkdir()
        place.chmod(0o777)
    elif trap == "link":
        (homeless / "elsewhere").mkdir()
        place.symlink_to(homeless / "elsewhere")
    else:
        place.touch()
    assert compiled._cache_folder().parent == homeless


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("data_gen.display $FILE --out $OUT/a.png >&-", 0, ""),
        ("data_gen.display $FILE --event 99 >&- 2>&-", 2, ""),
        ("data_gen.display $FILE --event 99 2>/dev/full", 2, ""),
        ("lartpc.commands --version >&-", 0, ""),
        ("lartpc.commands >/dev/full", 2, "error: cannot write to standard output: No space left"),
        ("data_gen.display $FILE --out $OUT/b.png >/dev/full", 2, "error: cannot write to standard output"),
        (
            "data_gen.display $FILE --out $OUT/$'\\xe9.png'",
            2,
            "is no UTF-8 text, or the locale is of another",
        ),
        ("data_gen.display $FILE --out $OUT/c.png", 0, ""),
    ],
)
def test_streams_may_be_closed_or_full_and_names_may_be_no_text(
    typed: str, code: int, said: str, events_file: Path, tmp_path: Path
) -> None:
    own = {"FILE": str(events_file), "OUT": str(tmp_path), "MPLBACKEND": "nosuch"}
    start = "import sys; from importlib import import_module as load; sys.exit(load(sys.argv.pop(1)).main())"
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "{start}" {typed}', sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **own},
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_was_removed_is_no_place_to_start_in(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["bash", "-c", 'cd "$1" && rmdir "$1" && exec "$0" -m client.parity --local', sys.executable, gone],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stderr == "error: the folder that this is started in was removed; change to another\n"

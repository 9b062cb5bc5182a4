"""One process at a time, whichever way the one before ended."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lartpc.errors import UserError
from lartpc.locks import claim, hold, let_go, one_at_a_time
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until

HOLDS = (
    "import sys, time; from pathlib import Path; from lartpc.locks import one_at_a_time\n"
    "with one_at_a_time(Path(sys.argv[1])):\n    print('in', flush=True); time.sleep(float(sys.argv[2]))\n"
)
COUNTS = (
    "import sys, time; from pathlib import Path; from lartpc.locks import one_at_a_time\n"
    "path = Path(sys.argv[1])\n"
    "for _ in range(20):\n"
    "    with one_at_a_time(path):\n"
    "        count = int(path.read_text()); time.sleep(0.002); path.write_text(str(count + 1))\n"
)


def run(program: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_no_two_are_in_the_block_at_once(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    processes = [run(COUNTS, str(count)) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert count.read_text() == "80"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_holds_nothing(tmp_path: Path, end: int) -> None:
    holder = run(HOLDS, str(tmp_path / "data"), "600")
    assert holder.stdout is not None and holder.stdout.readline() == "in\n"
    said = []
    os.kill(holder.pid, end)
    holder.wait()
    with one_at_a_time(tmp_path / "data", lambda: said.append("waiting")):
        assert said == []
    assert list(tmp_path.iterdir()) == []


def test_who_waits_is_told_so_once(tmp_path: Path) -> None:
    holder = run(HOLDS, str(tmp_path / "data"), "1")
    assert holder.stdout is not None and holder.stdout.readline() == "in\n"
    said: list[float] = []
    with one_at_a_time(tmp_path / "data", lambda: said.append(time.monotonic())):
        assert len(said) == 1
        wait_until(lambda: holder.poll() is not None)


def test_a_claimed_folder_is_refused_to_others(tmp_path: Path) -> None:
    first = claim(tmp_path, "taken")
    with pytest.raises(UserError, match="taken"):
        claim(tmp_path, "taken")
    let_go(tmp_path, first)
    let_go(tmp_path, claim(tmp_path, "taken"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write .*file/.data.lock"),
        one_at_a_time(tmp_path / "file/data"),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_named(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with (
        pytest.raises(UserError, match="cannot lock .*/.data.lock: .*; name a place"),
        one_at_a_time(tmp_path / "data"),
    ):
        pass
    with pytest.raises(UserError, match="cannot lock"):
        claim(tmp_path, "taken")


def test_a_file_is_held_by_one_or_shared_by_several_until_its_last_descriptor_is_closed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    first, second = hold(file, shared=True), hold(file, shared=True)
    copy = os.dup(second)  # as a process has that was handed it
    for descriptor in (first, second, copy):
        with pytest.raises(BlockingIOError):
            hold(file, block=False)
        os.close(descriptor)
    os.close(hold(file, block=False))
    with pytest.raises(FileNotFoundError):
        hold(tmp_path / "none" / "file")

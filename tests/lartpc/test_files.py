"""Where a file may be put: never in the place of a folder, a device, a pipe or a link to nothing."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_gen.generate import main as generate
from data_gen.import_larsoft import main as import_larsoft
from data_gen.respond import main as respond
from lartpc.errors import UserError, unread
from lartpc.event_file import EventFile
from lartpc.files import check_target, whole_file, whole_folder
from training.evaluate import main as evaluate

IN_THE_WAY: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "no regular file": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


def identity(path: Path) -> tuple[int, ...]:
    """What tells that it is the same; when it was last read is not of it."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_what_is_no_file_is_never_replaced(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    IN_THE_WAY[kind](out)
    before = identity(out)
    with pytest.raises(UserError, match=f"out is {kind}; name a file"), whole_file(out):
        pass
    missing = str(tmp_path / "missing")
    for command in (
        lambda: generate([f"--out={out}", "--events=1000000"]),
        lambda: import_larsoft([missing, "--format=npy", "--adc-scale=2021", f"--out={out}"]),
        lambda: respond([missing, f"--out={out}"]),
    ):
        assert command() == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: --out {out} is {kind}") and error.count("\n") == 1
    assert identity(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_a_device_is_never_replaced() -> None:
    """The least destructive one: nothing reads from it."""
    with pytest.raises(UserError, match="/dev/full is no regular file"):
        check_target(Path("/dev/full"))


def test_a_link_to_nothing_is_no_place_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to("nowhere")
    with pytest.raises(UserError, match="exists already"), whole_folder(tmp_path / "folder"):
        pass
    assert generate([f"--out={tmp_path / 'folder'}", "--events-per-file=1"]) == 2


def test_what_stands_above_a_file_is_refused_before_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is no folder; name another target"):
        check_target(tmp_path / "file" / "folder" / "out")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=f"nothing can be written to {tmp_path}"):
        check_target(tmp_path / "new" / "out")


def test_an_evaluation_does_not_begin_where_its_report_cannot_be_put(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "best.ckpt").symlink_to(checkpoint)
    (tmp_path / "model_card.md").mkdir()
    assert evaluate([f"--checkpoint={tmp_path / 'best.ckpt'}", f"--data={tmp_path / 'missing.h5'}"]) == 2
    assert "model_card.md is a folder; name a file" in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, 5, 13, 24, 37, 116])
def test_no_file_is_to_be_made_anew_for_what_is_the_disks_fault(number: int) -> None:
    said = str(unread("a.h5", OSError(number, "x"), "is damaged; generate it anew"))
    assert said.startswith("cannot read a.h5: ") and "anew" not in said
    assert str(unread("a.h5", OSError("no signature"), "is damaged; make it anew")).endswith("make it anew")


def test_a_file_that_another_process_writes_is_not_called_damaged(events_file: Path, tmp_path: Path) -> None:
    held = Path(shutil.copy(events_file, tmp_path))
    with held.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="cannot read .*: another process has locked it"):
            EventFile(held)

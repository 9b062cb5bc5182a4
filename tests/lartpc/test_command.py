"""Commands: exit codes, one-line errors, files whole or not at all."""

import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lartpc.command import TerminatedError, run
from lartpc.errors import CheckError, UserError
from lartpc.files import whole_file, whole_folder


def count(number: int = 1, file: Path | None = None) -> None:
    """Count.

    Args:
        number: how far.
        file: where to.
    """
    if number == 2:
        raise UserError("two\nis wrong")
    if number == 3:
        raise CheckError("three is wanting")


@dataclass(frozen=True)
class Shape:
    """A shape.

    Attributes:
        long_side: in cm.
        filled: or hollow.
    """

    long_side: float = 1.0
    filled: bool = False


def draw(files: list[Path], shape: Shape = Shape()) -> int:
    """Draw.

    Args:
        files: where to.
        shape: what.
    """
    return int(len(files) + shape.long_side) + 10 * shape.filled


def test_a_dataclass_makes_a_group_of_options_beside_positional_files(tmp_path: Path) -> None:
    assert run(draw, ["a", "b"], prog="draw") == 3
    assert run(draw, ["a", "--shape.long-side", "5", "--shape.filled"], prog="draw") == 16
    (tmp_path / "shape.yaml").write_text("shape: {long_side: 7}\n")
    assert run(draw, ["a", "--config", str(tmp_path / "shape.yaml")], prog="draw") == 8


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 0, ""),
        (["--number", "2"], 2, "error: two is wrong\n"),
        (["--number", "3"], 1, "error: three is wanting\n"),
        (["--number", "x"], 2, "error: --number x: expected int (see count --help)"),
        (["--numbre", "1"], 2, "error: unrecognized arguments: --numbre"),
        (["--num", "1"], 2, "error: unrecognized arguments: --num"),
    ],
)
def test_exit_codes(args: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(count, args, prog="count") == code
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == (1 if code else 0)


def test_an_empty_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Of an unset shell variable; a path without letters would be the working folder."""
    assert run(count, ["--file", ""], prog="count") == 2
    assert "an argument is empty" in capsys.readouterr().err


def test_a_list_without_default_takes_every_positional_argument(capsys: pytest.CaptureFixture[str]) -> None:
    taken: list[tuple[list[Path], int]] = []

    def collect(files: list[Path], number: int = 1) -> None:
        """Collect."""
        taken.append((files, number))

    assert run(collect, ["a", "b", "--number", "2"], prog="collect") == 0
    assert run(collect, ["--number", "3", "c"], prog="collect") == 0
    assert taken == [([Path("a"), Path("b")], 2), ([Path("c")], 3)]
    assert run(collect, [], prog="collect") == 2
    assert "files" in capsys.readouterr().err


def test_a_list_of_files_stands_in_the_printed_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    def command(files: list[Path], out: Path = Path("out.h5")) -> None:
        """Takes files."""

    with pytest.raises(SystemExit) as ended:
        run(command, ["a.npy", "b.npy", "--print-config"], prog="command")
    assert ended.value.code == 0
    assert "files:\n- a.npy\n- b.npy\nout: out.h5\n" in capsys.readouterr().out


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(RuntimeError), whole_folder(target) as part:
        (part / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as part:
        (part / "a").write_text("whole")
        assert not target.exists()
    assert (target / "a").read_text() == "whole"
    with pytest.raises(UserError, match="exists already"), whole_folder(target):
        pass


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A file-size limit makes the kernel refuse the write, as a full disk does."""
    code = (
        "import resource, sys; from pathlib import Path; from lartpc.files import whole_file\n"
        "from lartpc.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        f"    with whole_file(Path({str(tmp_path / 'x')!r})) as part: part.write_bytes(bytes(2000))\n"
        "except UserError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot write" in done.stderr and "too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    with whole_file(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("interruption", "code"), [(KeyboardInterrupt, 130), (TerminatedError, 143)])
def test_an_error_made_of_an_interruption_is_the_interruption(
    interruption: type[BaseException], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As torch.export does where SIGTERM comes while it imports what it catches its errors by."""

    def trace() -> None:
        """Trace."""
        try:
            raise interruption
        except BaseException as error:
            raise RuntimeError("failed to export") from error

    assert run(trace, [], prog="trace") == code
    assert capsys.readouterr().err.count("\n") == 1


def test_an_import_that_sigterm_breaks_off_is_sigterm(capsys: pytest.CaptureFixture[str]) -> None:
    """As numpy's extensions in C do: of what ended the import their error has nothing."""

    def trace() -> None:
        """Trace."""
        with suppress(TerminatedError):
            signal.raise_signal(signal.SIGTERM)
        raise ImportError("numpy._core.umath failed to import")

    assert run(trace, [], prog="trace") == 143
    assert capsys.readouterr().err == "error: ended by SIGTERM\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "holds no settings; write lines of NAME: VALUE"),
        (b"[1, 2]", "holds no settings; write lines of NAME: VALUE"),
        (b"number: [", "cannot read the configuration"),
        (b"\xff\xfe", "cannot read the configuration"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(
    text: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_bytes(text)
    for typed in (["--config", str(file)], [f"-c={file}"]):
        assert run(count, typed, prog="count", configs=tmp_path) == 2
        said = capsys.readouterr().err
        assert message in said and str(file) in said and said.count("\n") == 1


@pytest.mark.parametrize("option", ["-c", "--config"])
def test_a_configuration_goes_by_its_name(option: str, tmp_path: Path) -> None:
    (tmp_path / "three.yaml").write_text("number: 3\n")
    assert run(count, [option, "three"], prog="count", configs=tmp_path) == 1

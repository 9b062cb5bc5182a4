"""What a command writes, how loud it is, and what never reaches a terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

from lartpc.command import run
from lartpc.commands import COMMANDS, main
from lartpc.errors import UserError
from lartpc.packaged import packaged
from lartpc.terminal import printable, say, show, suggest, working
from tests.helpers.paths import ROOT


def talk(number: int = 0) -> None:
    """Talk.

    Args:
        number: what to end with.
    """
    with working("thinking"):
        say("on the way")
    show("the result")
    suggest("data_gen.display", Path("a folder/x.h5"), None, "--truth", note="(look)")
    if number:
        raise UserError("wrong") from OSError("the cause")


def test_quiet_leaves_the_result_and_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk, ["--quiet", "--number=1"], prog="talk") == 2
    assert capsys.readouterr() == ("the result\n", "error: wrong\n")
    assert run(talk, [], prog="talk") == 0
    said = capsys.readouterr().out
    assert said == (
        "on the way\nthe result\nnext: python -m data_gen.display 'a folder/x.h5' --truth (look)\n"
    )


def test_verbose_adds_where_an_error_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk, ["--number=1", "--verbose"], prog="talk") == 2
    said = capsys.readouterr().err
    assert "the cause" in said and "Traceback" in said and said.endswith("error: wrong\n")


def test_the_version_names_the_commit_and_nothing_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(talk, ["--number=1", "--version"], prog="talk") == 0
    assert capsys.readouterr().out.startswith("emtrkmichel 0.1.0, commit ")


def test_an_option_is_found_with_underscores_too(capsys: pytest.CaptureFixture[str]) -> None:
    def grow(least_height: int = 1) -> int:
        """Grow."""
        return least_height

    assert run(grow, ["--least_height=3"], prog="grow") == run(grow, ["--least-height=3"], prog="grow") == 3
    with pytest.raises(SystemExit):
        run(grow, ["--print_config"], prog="grow")
    assert capsys.readouterr().out == "least_height: 1\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://KEY:SECRET@bucket/models", "s3://***@bucket/models"),
        ("https://token@host:8001/x", "https://***@host:8001/x"),
        ("az://box/models?sv=2&sig=abc%3D&se=9", "az://box/models?sv=2&sig=***&se=9"),
        ("https://h/x?X-Amz-Signature=abc", "https://h/x?X-Amz-Signature=***"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("mail a@b", "mail a@b"),
    ],
)
def test_credentials_of_a_url_are_not_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_one_command_starts_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in COMMANDS)
    assert main(["client.clasify"]) == 2
    assert "there is no command 'client.clasify', perhaps client.classify" in capsys.readouterr().err
    assert main(["export.check", "no such folder"]) == 2
    started = subprocess.run(
        [Path(sys.executable).with_name("emtrkmichel"), "training.fit", "--version"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert started.stdout.startswith("emtrkmichel ")


def test_a_file_of_a_package_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = ROOT / "training" / "configs"
    Path("quick").touch()
    assert packaged("quick", folder) == folder / "quick.yaml"
    assert packaged("./quick", folder) == packaged(Path("quick").resolve(), folder).relative_to(tmp_path)
    with pytest.raises(UserError, match="no file slow; give the path of one, or a name: compact, default"):
        packaged("slow", folder)

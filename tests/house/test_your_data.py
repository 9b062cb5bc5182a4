"""docs/your_data.md: what it tells a physicist to type is accepted, and begins to work, in that order."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from lartpc.command import COMMANDS
from tests.helpers.paths import ROOT

TYPED = re.findall(
    r"^    python -m (\S+) (.+)$", (ROOT / "docs/your_data.md").read_text(encoding="utf-8"), re.MULTILINE
)
RUN = [typed for typed in TYPED if typed[0].startswith("data_gen.")]
"""What takes seconds; training, export and serving are run by the tests of their own."""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which the same files are seen, and into which nothing has been written."""
    for name in ("docs", "training", "export"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_import_and_pictures_do_what_the_page_says(clone: Path) -> None:
    assert [name for name, _ in RUN] == ["data_gen.import_larsoft", *["data_gen.display"] * 2]
    for name, arguments in RUN:
        assert importlib.import_module(name).main(shlex.split(arguments)) == 0
    files = ["mine-event.png", "mine-gallery.png", "mine.h5"]
    assert sorted(path.name for path in (clone / "data").iterdir()) == files


@pytest.mark.parametrize(("name", "arguments"), [typed for typed in TYPED if typed not in RUN])
def test_every_other_command_accepts_its_options(
    clone: Path, name: str, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name in COMMANDS
    option = "--print_config" if name == "training.fit" else "--print-config="
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(name).main([*shlex.split(arguments), option])
    assert stop.value.code in (0, None)
    assert "mine" in capsys.readouterr().out

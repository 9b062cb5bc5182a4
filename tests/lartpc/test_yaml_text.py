"""YAML that stands for more than it looks: refused before it unfolds."""

import re
from collections.abc import Iterator
from pathlib import Path

import jsonargparse
import pytest
import yaml

from data_gen.generate import main as generate
from export.gate.limits import read_gates
from lartpc.errors import UserError
from lartpc.yaml_text import limit_options, load
from tests.helpers.paths import ROOT

LAUGHS = "a0: &a0 [1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
TOO_MUCH = {"laughs": LAUGHS, "circle": "a: &a [*a]", "deep": "[" * 100_000}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_what_unfolds_without_end_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(yaml.YAMLError, match="nested over|leads back to itself"):
        load(TOO_MUCH[kind])
    (tmp_path / "gates.yaml").write_text(TOO_MUCH[kind])
    with pytest.raises(UserError, match="cannot read the gates .*(nested over|leads back to itself)"):
        read_gates(tmp_path / "gates.yaml")


def test_honest_aliases_and_every_shipped_file_are_read() -> None:
    assert load("a: &a {b: 1}\nc: [*a, *a]\nd: &d 3\ne: *d") == {
        "a": {"b": 1},
        "c": [{"b": 1}, {"b": 1}],
        "d": 3,
        "e": 3,
    }
    shipped = [path for room in ("data_gen", "training", "export") for path in (ROOT / room).rglob("*.yaml")]
    assert len(shipped) >= 10
    for path in shipped:
        assert load(path.read_text(encoding="utf-8")) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def own_parser() -> Iterator[None]:
    """What parses options is the same again afterwards."""
    before = jsonargparse.get_loader("yaml")
    yield
    jsonargparse.set_loader("yaml", before, (yaml.YAMLError,))


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_options_are_held_to_the_same_limits(kind: str, own_parser: None, tmp_path: Path) -> None:
    limit_options()
    limit_options()
    (tmp_path / "own.yaml").write_text(TOO_MUCH[kind])
    parser = jsonargparse.ArgumentParser(exit_on_error=False, parser_mode="yaml")
    parser.add_argument("--config", action="config")
    parser.add_argument("--numbers", type=list[int])
    assert parser.parse_args(["--numbers", "[1, 2]"]).numbers == [1, 2]
    with pytest.raises(jsonargparse.ArgumentError, match="nested over|leads back to itself"):
        parser.parse_args(["--config", str(tmp_path / "own.yaml")])


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_a_command_refuses_such_a_configuration(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(TOO_MUCH[kind])
    assert generate(["--config", str(tmp_path / "own.yaml")]) == 2
    assert re.search("nested over|leads back to itself", capsys.readouterr().err)

"""What stands beside the README: links that lead somewhere, a citation that can be read."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.helpers.paths import ROOT
from training.report.limits import NOT_SIMULATED

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_are_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/data.md", "docs/validation.md"])
def test_what_is_not_simulated_is_said_where_figures_are(document: str) -> None:
    said = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    assert [left_out for left_out in NOT_SIMULATED if left_out not in said] == []


def test_the_citation_names_the_version_that_is_installed() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["cff-version"] == "1.2.0" and citation["references"][0]["doi"].startswith("10.")

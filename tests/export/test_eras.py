"""Models of two ADC eras do not lie beside each other: a job's pixels fit one of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.check import main as check
from export.publish import main as publish
from export.repository.family import Family
from export.store.folder import FolderStore
from lartpc.errors import UserError
from tests.helpers.published_repository import MODEL, add, version_of, write


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A repository with a model of 2020."""
    version = version_of(3, "emtrkmichel_compact_fp32")
    training = {**version.provenance.training, "era": "2020"}
    provenance = replace(version.provenance, training=training)
    write(tmp_path / "older", replace(version, provenance=provenance), 1)
    return tmp_path / "older"


def test_an_export_of_another_era_is_refused(older: Path) -> None:
    family = Family([version_of(3, "emtrkmichel_compact_fp32").served], FolderStore(older), None)
    family.check_era("2020")
    with pytest.raises(UserError, match="has version 1 of ADC era 2020; one of era 2021 would take"):
        family.check_era("2021")


def test_they_are_neither_checked_nor_published_together(
    older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "newer", 1)
    target = tmp_path / "published"
    assert publish([str(tmp_path / "newer"), str(target)]) == 0
    assert publish([str(older), str(target)]) == 1
    said = capsys.readouterr().err
    assert "ADC eras lie beside each other, of which a job's pixels fit one (2020: emtr" in said
    assert f"2021: {MODEL})" in said
    add(older, 1)
    assert check([str(older)]) == 1
    assert "ADC eras lie beside each other" in capsys.readouterr().err

"""Imports of dumps and what comes of them: an event file and its patches, or one line."""

from pathlib import Path

import numpy as np
import pytest

from data_gen.import_larsoft import main
from lartpc.adc_scale import adc_scale
from lartpc.event_file import EventFile
from lartpc.served.contract import PATCH_SIZE
from training.data.dataset import PatchDataset

HALF = PATCH_SIZE // 2
ERA = adc_scale("2021")


def imported(tmp_path: Path, *args: object) -> Path:
    out = tmp_path / "out.h5"
    assert main([*map(str, args), "--out", str(out)]) == 0
    return out


def patches_of(path: Path, empty: bool = False) -> tuple[np.ndarray, PatchDataset]:
    with EventFile(path) as events:
        dataset = PatchDataset(events, np.arange(len(events)), ERA, empty_pixels=empty)
    return dataset.patches(slice(None))[..., 0], dataset


def patch(image: np.ndarray, wire: int, pixel: int) -> np.ndarray:
    return image[wire - HALF : wire + HALF, pixel - HALF : pixel + HALF]


def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """The one line with which an import ends; nothing is written."""
    out = tmp_path / "refused" / "out.h5"
    assert main([*map(str, args), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not out.exists() and not (out.parent.exists() and list(out.parent.iterdir()))
    return error

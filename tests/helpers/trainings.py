"""Trainings of seconds: their arguments, and the weights that they leave."""

import os
from pathlib import Path

import torch

from training.fit import CONFIGS
from training.fit import main as fit

QUICK = CONFIGS / "quick.yaml"


def tiny(data: Path, *options: str) -> list[str]:
    """Arguments of a training of the compact network on a few batches."""
    return [
        f"--config={QUICK}",
        f"--data.path={data}",
        "--model.network=compact",
        "--data.batch-size=64",
        "--data.patches-per-epoch=256",
        "--data.validation-patches=2000",
        "--trainer.max-epochs=2",
        "--trainer.enable-progress-bar=false",
        *options,
    ]


def trained_in(folder: Path, data: Path, *options: str) -> Path:
    """The run folder of a training of two epochs of a few thousand patches, enough to learn something."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        longer = ["--data.batch-size=128", "--data.patches-per-epoch=9216", "--data.validation-patches=3000"]
        assert fit(tiny(data, *longer, "--model.learning-rate=3e-3", *options)) == 0
    finally:
        os.chdir(before)
    return folder / "runs" / "quick"


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]

"""Patch cutting on one core, and training with Lightning against a bare PyTorch loop.

Both loops see the same batches of data/quick.h5 in the same precision, in interleaved rounds.
"""

from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import pytorch_lightning as lightning
import torch

from benchmarks.record import Figure, record
from training.data_module import PatchData
from training.dataset import Batch
from training.fit import default_precision, quiet_lightning
from training.module import HitClassifier

DATA = Path("data/quick.h5")
ROUNDS = 5
BATCHES = 12
CUTTING_BATCHES = 400


class StepClock(lightning.Callback):
    """Notes when each training step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.ends.append(perf_counter())


def cutting_rate(data: PatchData) -> float:
    """Patches cut a second by one core, in shuffled batches of 256."""
    batches = list(islice(data.train_dataloader().sampler, CUTTING_BATCHES))
    data.training.patches(batches[0])
    start = perf_counter()
    for indices in batches:
        data.training.patches(indices)
    return sum(map(len, batches)) / (perf_counter() - start)


def lightning_rate(data: PatchData, precision: str) -> float:
    """Patches a second of Lightning's loop, the first step not counted."""
    clock = StepClock()
    trainer = lightning.Trainer(
        max_steps=BATCHES,
        precision=precision,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
    )
    trainer.fit(HitClassifier(), datamodule=data)
    return data.batch_size * (BATCHES - 1) / (clock.ends[-1] - clock.ends[0])


def bare_rate(batches: list[Batch], precision: str) -> float:
    """Patches a second of a plain loop over tensors in memory, the first step not counted."""
    module = HitClassifier().train()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, weight_decay=1e-2, fused=True)
    ends = []
    for patches, label, michel in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = module.network(patches)
        heads = zip(module.network.heads, logits, strict=True)
        loss = torch.stack([head.loss(value.float(), label, michel) for head, value in heads]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ends.append(perf_counter())
    return len(batches[0][0]) * (len(batches) - 1) / (ends[-1] - ends[0])


def main() -> None:
    """Measure and record."""
    quiet_lightning()
    data = PatchData(DATA)
    data.setup()
    precision = default_precision()
    batches = list(islice(data.train_dataloader(), BATCHES))
    with_lightning, bare = [], []
    for _ in range(ROUNDS):
        with_lightning.append(lightning_rate(data, precision))
        bare.append(bare_rate(batches, precision))
    ratios = [ours / theirs for ours, theirs in zip(with_lightning, bare, strict=True)]
    record(
        f"Training, batch {data.batch_size}, {precision}, median of {ROUNDS} rounds",
        "training",
        [
            Figure("patch cutting, one core", cutting_rate(data), "patches/s", ">= 300,000"),
            Figure("training with Lightning", median(with_lightning), "patches/s"),
            Figure("bare PyTorch loop", median(bare), "patches/s"),
            Figure("Lightning / bare loop", median(ratios), "ratio", ">= 0.9"),
        ],
    )


if __name__ == "__main__":
    main()

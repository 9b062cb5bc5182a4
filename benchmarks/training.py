"""Patch cutting on one core, and training with Lightning against a bare PyTorch loop.

Both loops see the same batches of data/quick.h5 in the same precision, in interleaved rounds.
"""

from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

import psutil
import pytorch_lightning as lightning
import torch

from benchmarks.record import Figure, record
from lartpc.command import run
from training.data.augmentation import Augmentation
from training.data.batches import DrawnPatches
from training.data.data_module import PatchData
from training.data.dataset import Batch
from training.host_memory import keep_freed_memory
from training.run.command_line import default_precision, quiet_lightning
from training.run.module import HitTraining

DATA = Path("data/quick.h5")
ROUNDS = 5
BATCHES = 12
CUTTING_BATCHES = 400
EPOCH_BATCHES = 200
EVERYTHING = Augmentation(flip_drift=True, flip_wires=True, charge=0.1, noise=0.05, dead_wires=0.01)


class StepClock(lightning.Callback):
    """Notes when each training step ends, and how much memory the process then has."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.memory: list[int] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.ends.append(perf_counter())
        self.memory.append(psutil.Process().memory_info().rss)


Clock = TypeVar("Clock", bound=lightning.Callback)


def cutting_rate(data: PatchData, augmentation: Augmentation) -> float:
    """Patches cut and varied a second by one core, in shuffled batches of 256."""
    patches = DrawnPatches(augmentation, data.scale, data.seed)
    draws = list(islice(data.train_dataloader().sampler, CUTTING_BATCHES))
    patches[draws[0]]
    start = perf_counter()
    for draw in draws:
        patches[draw]
    return sum(len(draw.hits) for draw in draws) / (perf_counter() - start)


def train(
    module: HitTraining,
    data: PatchData,
    precision: str,
    batches: int,
    clock: Clock,
    accelerator: str = "auto",
) -> Clock:
    """Train with Lightning for so many batches, on one device where it is a GPU, under a clock."""
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1 if accelerator == "gpu" else "auto",
        max_steps=batches,
        precision=precision,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
    )
    trainer.fit(module, datamodule=data)
    return clock


def lightning_rate(data: PatchData, precision: str) -> float:
    """Patches a second of Lightning's loop, the first step not counted."""
    clock = train(HitTraining(), data, precision, BATCHES, StepClock())
    return data.batch_size * (BATCHES - 1) / (clock.ends[-1] - clock.ends[0])


def memory_gained(data: PatchData, precision: str) -> float:
    """Megabytes that the process grows by from a quarter of an epoch of the compact network to its end."""
    memory = train(HitTraining("compact"), data, precision, EPOCH_BATCHES, StepClock()).memory
    return (memory[-1] - memory[len(memory) // 4]) / 1e6


def bare_rate(batches: list[Batch], precision: str) -> float:
    """Patches a second of a plain loop over tensors in memory, the first step not counted."""
    module = HitTraining().train()
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


def benchmark(data: Path = DATA, rounds: int = ROUNDS) -> None:
    """Measure patch cutting on one core, and training with Lightning against a bare PyTorch loop.

    Args:
        data: event file, or folder of event files.
        rounds: of each loop, interleaved.
    """
    quiet_lightning()
    keep_freed_memory()
    patches = PatchData(data)
    patches.setup()
    precision = default_precision()
    batches = list(islice(patches.train_dataloader(), BATCHES))
    with_lightning, bare = [], []
    for _ in range(rounds):
        with_lightning.append(lightning_rate(patches, precision))
        bare.append(bare_rate(batches, precision))
    plain = cutting_rate(patches, Augmentation())
    ratios = [ours / theirs for ours, theirs in zip(with_lightning, bare, strict=True)]
    record(
        f"Training, batch {patches.batch_size}, {precision}, median of {rounds} rounds",
        "training",
        [
            Figure("patch cutting, one core", plain, "patches/s", ">= 300,000"),
            Figure("with every augmentation", cutting_rate(patches, EVERYTHING), "patches/s"),
            Figure("training with Lightning", median(with_lightning), "patches/s"),
            Figure("bare PyTorch loop", median(bare), "patches/s"),
            Figure("Lightning / bare loop", median(ratios), "ratio", ">= 0.95"),
            Figure("memory gained over an epoch", memory_gained(patches, precision), "MB", "<= 20"),
        ],
    )


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(benchmark, args, prog="python -m benchmarks.training")


if __name__ == "__main__":
    raise SystemExit(main())

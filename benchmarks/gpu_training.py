"""Training on GPUs: steps with and without the loader, against the GPU's own peak, and a recipe in short."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import get_args

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import nn

from benchmarks.record import Figure
from benchmarks.training import train
from lartpc.errors import CheckError
from lartpc.served.contract import INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.golden import GoldenHits
from training.data.data_module import PatchData
from training.network.checkpoint import load_checkpoint
from training.network.networks import NetworkName, multiply_adds
from training.run.module import HitTraining

PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
BATCHES = (256, 4096)
WARM_UP, STEPS = 20, 100
SQUARE = 8192
"""Side of the matrices whose product measures the GPU's peak."""

SHORT = 200_000
"""Patches of the shortened recipe's one epoch."""

Measured = Callable[[], tuple[list[Figure], list[str]]]
"""Gives figures, and what of them is beyond its limits."""


class GpuClock(lightning.Callback):
    """Seconds from the end of the warm-up to the last step, the GPU's work done."""

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.global_step in (WARM_UP, WARM_UP + STEPS):
            torch.cuda.synchronize()
            now = perf_counter()
            if trainer.global_step == WARM_UP:
                self.start = now
            self.seconds = now - self.start


def training_figures(data: Path) -> tuple[list[Figure], list[str]]:
    """Patches a second of each network and precision, with the loader and of the steps alone."""
    figures = []
    peaks = {name: peak(kind) for name, kind in PRECISIONS.items()}
    for name, value in peaks.items():
        figures.append(Figure(f"matrix product of {SQUARE} x {SQUARE}, {name}", value / 1e12, "TFLOP/s"))
    for network in get_args(NetworkName):
        operations = 3 * 2 * multiply_adds(network)  # forward, and backward to weights and to activations
        for precision in PRECISIONS:
            for batch in BATCHES:
                what = f"{network}, {precision}, batch {batch}"
                with_loader = fit(network, precision, PatchData(data, batch_size=batch))
                alone = steps_alone(network, precision, batch)
                figures += [
                    Figure(f"training with Lightning, {what}", with_loader, "patches/s"),
                    Figure(f"its steps alone, {what}", alone, "patches/s"),
                    Figure(f"share of peak, {what}", alone * operations / peaks[precision], "ratio"),
                ]
    return figures, []


def peak(kind: torch.dtype) -> float:
    """Operations a second of a large matrix product of random numbers."""
    left, right = (torch.randn(SQUARE, SQUARE, device="cuda", dtype=kind) for _ in range(2))
    seconds = []
    for _ in range(8):
        torch.cuda.synchronize()
        start = perf_counter()
        torch.mm(left, right)
        torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return 2 * SQUARE**3 / median(seconds[3:])


def fit(network: NetworkName, precision: str, data: PatchData) -> float:
    """Patches a second of Lightning on one GPU, cutting and copying counted."""
    module = HitTraining(network)
    clock = train(module, data, precision, WARM_UP + STEPS, GpuClock(), accelerator="gpu")
    return data.batch_size * STEPS / clock.seconds


def steps_alone(network: NetworkName, precision: str, batch: int) -> float:
    """Patches a second of forward, backward and optimiser on a batch that lies on the GPU."""
    module = HitTraining(network).cuda().train()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, fused=True)
    scaler = torch.amp.GradScaler("cuda", enabled=precision == "16-mixed")
    patches = torch.randn(batch, *INPUT_SHAPE, device="cuda").clip(-5, 14)
    label, michel = (torch.randint(0, 2, (batch,), device="cuda") for _ in range(2))
    start = 0.0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            torch.cuda.synchronize()
            start = perf_counter()
        with torch.autocast("cuda", PRECISIONS[precision], enabled=precision != "32-true"):
            logits = module.network(patches)
        heads = zip(module.network.heads, logits, strict=True)
        loss = torch.stack([head.loss(value.float(), label, michel.float()) for head, value in heads]).sum()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    torch.cuda.synchronize()
    return batch * STEPS / (perf_counter() - start)


def same_answers(golden: GoldenHits, checkpoint: Path) -> tuple[list[Figure], list[str]]:
    """How far PyTorch's answers on the GPU lie from those on the processor, in FP32."""
    network = load_checkpoint(checkpoint).network
    (request,) = golden.requests
    patches = torch.from_numpy(next(iter(request.values())))
    figures = []
    with torch.no_grad():
        here = [values.numpy() for values in network(patches)]
        for convolutions in ("tf32", "fp32"):
            torch.backends.cudnn.allow_tf32 = convolutions == "tf32"
            there = [values.cpu().numpy() for values in nn.Module.cuda(network)(patches.cuda())]
            for name, ours, theirs in zip(OUTPUT_NAMES, here, there, strict=True):
                figures.append(
                    Figure(
                        f"PyTorch on GPU against processor, convolutions in {convolutions}, {name}",
                        float(np.abs(ours - theirs).max()),
                        "max |dp|",
                    )
                )
    torch.backends.cudnn.allow_tf32 = True
    return figures, []


def short_recipe(data: Path) -> tuple[list[Figure], list[str]]:
    """The recipe ``full``, one short epoch on every GPU of this machine, from command to calibrated scores.

    Raises:
        CheckError: it fails.
    """
    name = "gpu_check"
    shutil.rmtree(Path("runs") / name, ignore_errors=True)
    command = [sys.executable, "-m", "training.fit", "--config", "full", "--name", name]
    options = [f"--data.path={data}", f"--data.patches_per_epoch={SHORT}", "--trainer.max_epochs=1"]
    start = perf_counter()
    done = subprocess.run([*command, *options, "--quiet"], capture_output=True, text=True)
    seconds = perf_counter() - start
    if done.returncode:
        raise CheckError(f"training.fit --config full fails: {done.stderr.strip()[-2000:]}")
    shutil.rmtree(Path("runs") / name)
    what = f"recipe full, one epoch of {SHORT:,} patches, {torch.cuda.device_count()} GPU(s)"
    return [Figure(what, seconds, "s")], []

"""What a training is computed on: equal weights need the same threads, kind of processor and precision."""

from typing import Any

import pytorch_lightning as lightning
import torch

from lartpc.provenance import processor


def machine_of(trainer: lightning.Trainer) -> dict[str, Any]:
    """Device, threads and precision of a trainer whose processes are set up, for the provenance.

    Sums in another order round otherwise: the number of threads divides them, and the kind of processor
    chooses the instructions.
    """
    device = trainer.strategy.root_device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"
    return {
        "device": name,
        "processes": trainer.world_size,
        "threads": torch.get_num_threads(),
        "precision": str(trainer.precision),
    }


def differences(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What is another machine's, in words; empty where nothing is."""
    return ", ".join(
        f"{name} {then.get(name)}, now {now[name]}" for name in now if now[name] != then.get(name)
    )

"""What makes training quick on a processor, and what it must not change."""

import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from training.network.dropout import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(1)
    values = torch.ones(1001, 333, requires_grad=True)
    answer = Dropout(probability)(values)
    answer.sum().backward()
    dropped = answer.detach()
    assert (dropped == 0).double().mean() == pytest.approx(probability, abs=0.004)
    assert dropped.double().mean() == pytest.approx(1.0, abs=0.004)
    assert len(dropped.unique()) == 2
    for axis in (0, 1):  # no row or column is dropped more than the others
        assert (dropped == 0).double().mean(dim=axis).std() < 0.03
    assert torch.equal(values.grad, dropped)


def test_dropout_follows_the_seed() -> None:
    values = torch.ones(7, 5, 3)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(Dropout(0.5)(values))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_dropout_is_nothing_in_evaluation_or_without_probability() -> None:
    values = torch.rand(4, 4)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc maps large arrays anew each time")
def test_freed_memory_stays_with_the_process() -> None:
    """Arrays of 40 MB made again and again: their pages are cleared by the kernel once, not each time."""
    code = (
        "import resource, torch\n"
        "{keep}\n"
        "for _ in range(10): torch.ones(10_000_000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): torch.ones(10_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    keep = "from training.host_memory import keep_freed_memory; keep_freed_memory()"
    faults = [
        int(
            subprocess.run(
                [sys.executable, "-c", code.format(keep=line)], capture_output=True, text=True
            ).stdout
        )
        for line in ("", keep)
    ]
    assert faults[1] < 0.05 * faults[0]


def test_the_trunks_drop_out() -> None:
    from training.network.networks import build_network

    for name in ("paper", "compact"):
        network = build_network(name, dropout=0.3, last_dropout=0.1)
        assert [part.probability for part in network.modules() if isinstance(part, Dropout)] == [
            0.3,
            0.3,
            0.1,
        ]
        assert not any(isinstance(part, nn.Dropout) for part in network.modules())

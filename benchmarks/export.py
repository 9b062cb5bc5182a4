"""Differences of each exported precision from the checkpoint."""

from pathlib import Path

from benchmarks.record import Figure, record
from export.gate.sample import GateSample, measure
from export.graph.fp32 import fp32_graph
from export.graph.precision import rewrite
from export.variants import VARIANTS
from lartpc.served.contract import PRECISIONS
from training.checkpoint import load_checkpoint

CHECKPOINT = Path("runs/quick/calibrated.ckpt")
GOALS = {
    "fp32": {"max": "<= 1e-5"},
    "fp16": {"max": "<= 2e-3"},
    "int8": {"mean": "<= 5e-3", "class": ">= 0.99"},
}


def main() -> None:
    """Measure and record."""
    checkpoint = load_checkpoint(CHECKPOINT)
    sample = GateSample(checkpoint, checkpoint)
    fp32 = fp32_graph(checkpoint)
    weights = {
        variant.suffix: rewrite(fp32, variant, sample.calibration).SerializeToString(deterministic=True)
        for variant in VARIANTS
        if not variant.gpu
    }
    figures = []
    for kind in PRECISIONS:
        parity, _ = measure(weights[kind], sample)
        goals = GOALS[kind]
        figures += [
            Figure(f"{kind} max |dp|", max(parity.max_dp.values()), "", goals.get("max", "")),
            Figure(f"{kind} mean |dp|", max(parity.mean_dp.values()), "", goals.get("mean", "")),
            Figure(f"{kind} same class", parity.class_agreement, "share", goals.get("class", "")),
        ]
    title = f"Export of {CHECKPOINT}, {len(sample.held_out):,} held-out hits"
    record(title, "export", figures)


if __name__ == "__main__":
    main()

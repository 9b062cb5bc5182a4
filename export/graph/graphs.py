"""The graphs of a checkpoint, one for each precision and form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph.fp32 import fp32_graph, with_metadata
from export.graph.plane_requests import wire_step
from export.graph.precision import rewrite
from export.variants import Variant
from training.network.checkpoint import Checkpoint
from training.network.layers import Scales


@dataclass(frozen=True)
class Graph:
    """A graph that one or more variants serve.

    Attributes:
        precision: of the arithmetic inside.
        weights: the graph, serialised.
        opset: its operator set.
        scales: of INT8: ``learnt`` by the training or ``calibrated`` here; empty in other precisions.
        wire_step: network units of a step, where its contract is in steps.
    """

    precision: str
    weights: bytes
    opset: int
    scales: str
    wire_step: float | None


class Graphs:
    """Makes the graphs of one checkpoint.

    Args:
        trained: the checkpoint.
        calibration: gives the (N, 48, 48, 1) patches of training events, which INT8 is calibrated with.
    """

    def __init__(self, trained: Checkpoint, calibration: Callable[[], NDArray[np.float32]]) -> None:
        self._trained, self._calibration = trained, calibration

    def make(self, variant: Variant) -> Graph:
        """The graph that a variant serves."""
        integer = variant.precision == "int8"
        calibration = self._calibration() if integer else np.empty(0, np.float32)
        graph = rewrite(self._fp32, variant, calibration, self._learnt)
        step = wire_step(graph)
        weights = with_metadata(graph, self._trained, variant.precision).SerializeToString(deterministic=True)
        scales = "" if not integer else "learnt" if self._learnt else "calibrated"
        return Graph(variant.precision, weights, graph.opset_import[0].version, scales, step)

    @cached_property
    def _fp32(self) -> onnx.ModelProto:
        return fp32_graph(self._trained)

    @cached_property
    def _learnt(self) -> Scales | None:
        if not self._trained.quantised:
            return None
        from training.network.quantised import learnt_scales

        return learnt_scales(self._trained.network.network)

"""A served graph run in this process by ONNX Runtime, without a server: as the gates and checks ask it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES, PATCH
from lartpc.served.parity import Outputs, Request

CPU = "CPUExecutionProvider"
ROWS_PER_RUN = 512
"""Patches of one run: the activations of the published network take 0.4 GB."""


class GraphSession:
    """An ONNX graph of a contract, ready to answer.

    Args:
        weights: the serialised graph, or its file.
        threads: processor threads; where not given OMP_NUM_THREADS, as PyTorch takes it, or all.
        provider: ONNX Runtime's execution provider, which answers.
        options: of the provider.

    Raises:
        UserError: ONNX Runtime does not load the graph, or has not got the provider.
    """

    def __init__(
        self,
        weights: bytes | Path,
        threads: int | None = None,
        provider: str = CPU,
        options: dict[str, str] | None = None,
    ) -> None:
        import onnxruntime

        asked = onnxruntime.SessionOptions()
        asked.intra_op_num_threads = _threads() if threads is None else threads
        asked.log_severity_level = 3
        graph = str(weights) if isinstance(weights, Path) else weights
        try:
            self._session = onnxruntime.InferenceSession(graph, asked, [(provider, options or {})])
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise UserError(f"ONNX Runtime does not load the graph: {error}") from error
        if provider not in self._session.get_providers():
            raise UserError(f"ONNX Runtime cannot use {provider} on this machine")

    def answer(self, patches: NDArray[np.float32]) -> Outputs:
        """Answers to (N, 48, 48, 1) patches, in runs that bound memory."""
        return self.answer_requests({INPUT_NAME: patches[rows]} for rows in runs(len(patches)))

    def answer_requests(self, requests: Iterable[Request]) -> Outputs:
        """Answers to requests of the graph's contract, joined."""
        parts = [self._run(request) for request in requests]
        if not parts:
            return {spec.name: np.zeros((0, *spec.shape), np.float32) for spec in PATCH.signature.outputs}
        return {
            name: np.concatenate(values)
            for name, values in zip(OUTPUT_NAMES, zip(*parts, strict=True), strict=True)
        }

    def _run(self, request: Request) -> list[NDArray[np.float32]]:
        try:
            return self._session.run(OUTPUT_NAMES, request)
        except Exception as error:  # ONNX Runtime's errors share no narrower base
            raise UserError(f"ONNX Runtime does not run the graph: {error}") from error


def _threads() -> int:
    """Of OMP_NUM_THREADS; 0, which is all, where it is not set or no plain number."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(wanted), os.cpu_count() or 1) if wanted.isdecimal() else 0


def runs(rows: int, most: int = ROWS_PER_RUN) -> Iterator[slice]:
    """Slices of at most so many of the rows."""
    for first in range(0, rows, most):
        yield slice(first, min(first + most, rows))

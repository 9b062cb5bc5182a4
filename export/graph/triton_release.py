"""The Triton release that the exported models are made for, and what its backends take."""

from dataclasses import dataclass

import onnx

from lartpc.errors import CheckError


@dataclass(frozen=True)
class TritonRelease:
    """A release of NVIDIA's container.

    Attributes:
        container: its name with tag.
        triton: version of the server.
        onnxruntime: version of ONNX Runtime in its backend.
        tensorrt: version of TensorRT in its backend, which is what a plan is bound to.
        opset: highest operator set of that ONNX Runtime.
        ir_version: highest version of the ONNX format of that ONNX Runtime.
    """

    container: str
    triton: str
    onnxruntime: str
    tensorrt: str
    opset: int
    ir_version: int


RELEASE = TritonRelease(
    container="nvcr.io/nvidia/tritonserver:25.02-py3",
    triton="2.55.0",
    onnxruntime="1.20.1",
    tensorrt="10.8.0.43",
    opset=21,
    ir_version=10,
)
"""Triton's build.py of that release (ONNX Runtime), NVIDIA's Frameworks Support Matrix (TensorRT), and ONNX
Runtime's table "ONNX versions" for opset and format."""


def check_release(model: onnx.ModelProto, name: str) -> None:
    """Refuse a graph that is newer than the release's ONNX Runtime.

    Raises:
        CheckError: its format or operator set is too new, or an operator is not of the ONNX standard.
    """
    if model.ir_version > RELEASE.ir_version:
        raise CheckError(
            f"{name} has ONNX format {model.ir_version}; {RELEASE.container} takes up to {RELEASE.ir_version}"
        )
    for opset in model.opset_import:
        if opset.domain == "" and opset.version > RELEASE.opset:
            raise CheckError(
                f"{name} has operator set {opset.version}; {RELEASE.container} takes up to {RELEASE.opset}"
            )
    foreign = {node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    if foreign:
        raise CheckError(
            f"{name} has operators that are not of the ONNX standard: {', '.join(sorted(foreign))}"
        )

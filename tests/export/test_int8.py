"""INT8 by calibration: no overflow on any processor, and scores without a shift."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.graph.bias_correction import correct_biases
from export.graph.fp32 import export_network, fp32_graph
from export.graph.not_finite import let_through
from export.graph.precision import rewrite
from export.graph.quantization import canonical_int8, cpu_int8
from export.graph.wide_convolution import widen_first_convolution
from export.variants import BY_SUFFIX
from lartpc.event_file import EventFile
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES
from training.data.dataset import PatchDataset
from training.network.checkpoint import load_checkpoint
from training.network.networks import ServedNetwork, build_network

MOST = 2**15 - 1
"""What processors without VNNI can hold of the sum of two products."""


@pytest.fixture(scope="module")
def graphs(paper_checkpoint) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """FP32, and canonical INT8."""
    trained = load_checkpoint(paper_checkpoint)
    fp32 = fp32_graph(trained)
    return fp32, canonical_int8(fp32, calibration_of(trained))


def calibration_of(trained) -> np.ndarray:
    with EventFile(trained.gate_path) as events:
        patches = PatchDataset(events, events.in_split("train")[:2], trained.scale)
    return patches.patches(np.arange(0, len(patches), 16))


@pytest.fixture(scope="module")
def held_out(paper_checkpoint) -> np.ndarray:
    trained = load_checkpoint(paper_checkpoint)
    with EventFile(trained.gate_path) as events:
        patches = PatchDataset(events, events.in_split("test")[:1], trained.scale)
    return patches.patches(np.arange(0, len(patches), 4))


def answers(graph: onnx.ModelProto, patches: np.ndarray, optimised: bool = True) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(OUTPUT_NAMES, {INPUT_NAME: patches})


def test_two_products_never_overflow_sixteen_bits(graphs) -> None:
    weights = [
        onnx.numpy_helper.to_array(tensor).astype(int)
        for tensor in cpu_int8(graphs[1]).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(weights) == 5
    assert all(2 * 255 * np.abs(values).max() <= MOST for values in weights)
    assert all(np.abs(values).max() >= 63 for values in weights)


def test_integer_kernels_answer_like_the_graph_in_floating_point(graphs, held_out) -> None:
    """Where a processor saturates, the first differ from the second by tenths."""
    graph = cpu_int8(graphs[1])
    for fused, plain in zip(answers(graph, held_out), answers(graph, held_out, optimised=False), strict=True):
        assert np.abs(fused - plain).max() < 0.03
        assert np.abs(fused - plain).mean() < 1e-3


def test_corrected_biases_take_the_shift_out_of_the_scores(paper_checkpoint, graphs, held_out) -> None:
    fp32, canonical = graphs
    calibration = calibration_of(load_checkpoint(paper_checkpoint))
    plain = cpu_int8(canonical)
    corrected = correct_biases(plain, fp32, calibration)
    reference = answers(fp32, held_out)
    shifts = [
        np.concatenate(
            [np.abs((ours - theirs).mean(axis=0)) for ours, theirs in zip(given, reference, strict=True)]
        )
        for given in (answers(plain, held_out), answers(corrected, held_out))
    ]
    assert shifts[1].sum() < 0.4 * shifts[0].sum()
    assert shifts[1].max() < 3e-3
    changed = [
        tensor.name
        for tensor, before in zip(corrected.graph.initializer, plain.graph.initializer, strict=True)
        if tensor != before
    ]
    assert len(changed) == 5 and all(name.endswith(".bias") for name in changed)


@pytest.mark.parametrize("name", ["paper", "compact"])
def test_the_first_convolution_on_four_pixels_gives_the_same_answers(name: str, held_out) -> None:
    torch.manual_seed(3)
    fp32 = export_network(ServedNetwork(build_network(name)).eval())
    wide = widen_first_convolution(fp32)
    for ours, theirs in zip(answers(wide, held_out), answers(fp32, held_out), strict=True):
        assert np.abs(ours - theirs).max() < 1e-6
    convolution = next(node for node in wide.graph.node if node.op_type == "Conv")
    shapes = {tensor.name: tuple(tensor.dims) for tensor in wide.graph.initializer}
    filters = {"paper": 48, "compact": 16}[name]
    assert shapes[convolution.input[1]] == (4 * filters, 4, 5, 2)


@pytest.mark.parametrize("name", ["paper", "compact"])
def test_after_optimisation_all_but_the_heads_are_integer_kernels(
    name: str, held_out, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    fp32 = export_network(ServedNetwork(build_network(name)).eval())
    graph = rewrite(fp32, BY_SUFFIX["int8"], held_out[:64])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    nodes = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert nodes.count("QLinearConv") == {"paper": 1, "compact": 3}[name]
    assert nodes.count("QGemm") == 2
    assert "Conv" not in nodes and nodes.count("Gemm") + nodes.count("FusedGemm") == 2
    assert nodes.count("Transpose") == {"paper": 0, "compact": 1}[name]


def test_a_graph_that_begins_otherwise_is_not_widened() -> None:
    node = onnx.helper.make_node("Relu", [INPUT_NAME], ["out"])
    value = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([node] * 4, "graph", [], [value])
    with pytest.raises(ValueError, match="not Reshape, Conv, Relu"):
        widen_first_convolution(onnx.helper.make_model(graph))


@pytest.mark.parametrize("suffix", ["int8", "int8_gpu", "fp16", "fp32"])
def test_a_patch_that_holds_no_number_is_answered_by_none(paper_checkpoint, graphs, held_out, suffix) -> None:
    """In every precision, and its neighbours in the batch as without it."""
    calibration = calibration_of(load_checkpoint(paper_checkpoint))
    graph = rewrite(graphs[0], BY_SUFFIX[suffix], calibration)
    patches = held_out[:8].copy()
    expected = answers(graph, patches)
    for row, value in ((1, np.nan), (3, np.inf), (6, -np.inf)):
        patches[row, 5, 40, 0] = value
    patches[7, 0, 0, 0], patches[7, 0, 1, 0] = np.inf, -np.inf
    for output, before in zip(answers(graph, patches), expected, strict=True):
        assert np.isnan(output[[1, 3, 6, 7]]).all()
        np.testing.assert_array_equal(output[[0, 2, 4, 5]], before[[0, 2, 4, 5]])


def test_the_guard_changes_no_answer_to_numbers(graphs, held_out) -> None:
    plain = cpu_int8(graphs[1])
    for guarded, before in zip(answers(let_through(plain), held_out), answers(plain, held_out), strict=True):
        np.testing.assert_array_equal(guarded, before)

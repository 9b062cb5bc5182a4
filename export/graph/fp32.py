"""A checkpoint as an FP32 ONNX graph."""

import contextlib
import io
import logging
import warnings

import onnx
import torch

from export.graph.plane_requests import WIRE_STEP
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from training.network.checkpoint import Checkpoint
from training.network.networks import ServedNetwork, build_network

OPSET = 18


def fp32_graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Export the network with the contract's tensor names, a free batch size and FP32 throughout.

    Of a quantised network these are the weights alone: its scales are those of
    :func:`training.network.quantised.learnt_scales`, and without them the graph does not answer as it does.
    The metadata hold the checkpoint's provenance and the ADC era; equal checkpoints give equal bytes.
    """
    return with_metadata(export_network(_floating(checkpoint)), checkpoint, "fp32")


def export_network(network: ServedNetwork) -> onnx.ModelProto:
    """The FP32 graph of a network in evaluation mode, without metadata."""
    program = _quietly_export(network, torch.export.Dim("batch"))
    model = program.model_proto
    _strip_notes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def with_metadata(model: onnx.ModelProto, checkpoint: Checkpoint, precision: str) -> onnx.ModelProto:
    """Set the graph's metadata, of which only the step of its input stays; returns the same graph."""
    step = {prop.key: prop.value for prop in model.metadata_props if prop.key == WIRE_STEP}
    onnx.helper.set_model_props(
        model,
        {
            "precision": precision,
            "data_era": checkpoint.scale.era,  # adc_era elsewhere; in the graph it is part of its digest
            "checkpoint_sha256": checkpoint.provenance.training["checkpoint_sha256"],
            "provenance": checkpoint.provenance.to_json(),
            **step,
        },
    )
    return model


def _floating(checkpoint: Checkpoint) -> ServedNetwork:
    if not checkpoint.quantised:
        return checkpoint.network
    from training.network.quantised import without_quantisation

    floating = without_quantisation(checkpoint.network.network, build_network(checkpoint.name))
    return ServedNetwork(floating).eval()


def _strip_notes(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes, which hold stack traces with paths of the exporting machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""


def _quietly_export(network: ServedNetwork, batch: torch.export.Dim) -> torch.onnx.ONNXProgram:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *INPUT_SHAPE),),
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes={INPUT_NAME: {0: batch}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return program

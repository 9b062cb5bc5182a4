"""The contract as a value: what keeps it, what differs from it, expected and found."""

from dataclasses import replace

import pytest
from tritonclient.grpc import model_config_pb2 as triton

from client.on_server import signature_of as signature_of_metadata
from export.repository.lint import signature_of_graph
from lartpc.errors import UserError
from lartpc.served.contract import INPUT_NAME, MICHEL_OUTPUT, PATCH, Signature, TensorSpec
from lartpc.served.model_config import Facts, is_ours, says_facts, signature_of
from tests.helpers.published_repository import version_of
from tests.helpers.served_repository import model_config, tiny_network

METADATA = {
    "inputs": [{"name": INPUT_NAME, "datatype": "FP32", "shape": ["-1", "48", "48", "1"]}],
    "outputs": [
        {"name": spec.name, "datatype": spec.dtype, "shape": [-1, *spec.shape]}
        for spec in PATCH.signature.outputs
    ],
}


def test_a_graph_a_configuration_and_a_live_server_keep_it(tmp_path) -> None:
    (tmp_path / "1").mkdir()
    found = (
        signature_of_graph(tiny_network(seed=1).graph, True),
        signature_of(model_config(tmp_path, (1,))),
        signature_of_metadata(METADATA, True),
    )
    assert [PATCH.faults(signature) for signature in found] == [[], [], []]
    assert [signature.max_batch for signature in found] == [None, 8192, None]


def test_what_differs_is_said_expected_and_found() -> None:
    whole = PATCH.signature
    swapped = replace(whole, outputs=whole.outputs[::-1])
    assert PATCH.faults(swapped) == [
        "output 0: expected em_trk_none_netout/Softmax FP32 [3], found michel_netout/Sigmoid FP32 [1]",
        "output 1: expected michel_netout/Sigmoid FP32 [1], found em_trk_none_netout/Softmax FP32 [3]",
    ]
    half = replace(whole, inputs=(TensorSpec(INPUT_NAME, "FP16", (48, 48, 1)),))
    assert PATCH.faults(half) == [
        "input 0: expected main_input FP32 [48, 48, 1], found main_input FP16 [48, 48, 1]"
    ]
    assert PATCH.faults(replace(whole, outputs=whole.outputs[:1])) == [
        "output 1: expected michel_netout/Sigmoid FP32 [1], found none"
    ]
    assert PATCH.faults(replace(whole, max_batch=16)) == ["batch limit: expected 8192, found 16"]


def test_a_graph_whose_batch_is_fixed_does_not_keep_it() -> None:
    model = tiny_network(seed=1)
    model.graph.output[1].type.tensor_type.shape.dim[0].dim_value = 256
    (fault,) = PATCH.faults(signature_of_graph(model.graph, True))
    assert fault == f"output 1: expected {MICHEL_OUTPUT} FP32 [1], found {MICHEL_OUTPUT} FP32 [256, 1]"


def test_a_server_with_another_type_is_told() -> None:
    inputs = [{**METADATA["inputs"][0], "datatype": "UINT8"}]
    (fault,) = PATCH.faults(signature_of_metadata({**METADATA, "inputs": inputs}, True))
    assert fault == "input 0: expected main_input FP32 [48, 48, 1], found main_input UINT8 [48, 48, 1]"
    assert len(PATCH.faults(Signature((), ()))) == 3


def config_with(**parameters: str) -> triton.ModelConfig:
    config = triton.ModelConfig(name="mycnn", backend="onnxruntime")
    for name, value in parameters.items():
        config.parameters[name].string_value = value
    return config


def test_facts_are_those_of_the_configuration_whatever_the_name() -> None:
    config = config_with(network="compact", contract="patch", precision="int8")
    assert says_facts(config)
    facts = Facts.of(config, [], "here")
    assert (facts.network, facts.of_contract, facts.precision) == ("compact", PATCH, "int8")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "here does not say of which network and precision the model is"),
        ({"network": "paper", "contract": "telepathy", "precision": "fp32"}, "contract 'telepathy'"),
        ({"network": "paper", "contract": "patch", "precision": "fp8"}, "precision 'fp8'"),
        ({"network": "", "contract": "patch", "precision": "fp32"}, "network ''"),
    ],
)
def test_facts_that_are_missing_or_unknown_are_one_line(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Facts.of(config_with(**parameters), [], "here")


def test_models_of_others_are_told_by_their_configuration() -> None:
    assert version_of(1).served.facts == Facts("paper", "patch", "fp32")
    assert is_ours(b'parameters { key: "v1.digest" value { string_value: "x" } }')
    assert is_ours(b'parameters { key: "v12.manifest" value { string_value: "x" } }')
    assert not is_ours(b'parameters { key: "contract" value { string_value: "of another kind" } }')
    assert not is_ours(b'name: "emtrkmichel_fp32" backend: "onnxruntime"')

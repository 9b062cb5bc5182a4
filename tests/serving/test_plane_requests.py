"""Plane requests through a real Triton: the answers of patches, and one clear error for what is no plane."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from client.classifier import HitClassifier
from client.classify import main as classify
from client.on_server import OnServer
from export.graph.plane_requests import SLICE, of_planes, wire_step
from export.repository.config import model_config
from export.variants import BY_SUFFIX, ServedModel
from lartpc.adc_scale import LEAST_UNIT, MOST_UNIT
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.plane_hits import PlaneHits
from lartpc.patches.wire import encoded
from lartpc.provenance import Provenance
from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    OUTPUT_NAMES,
    PLANE_ZS,
    RUN_INPUT,
    SHAPE_INPUT,
    VALUE_INPUT,
)
from lartpc.served.manifest import MODEL_FILE, Manifest, Tolerance
from lartpc.served.model_config import CONFIG_FILE, Visibility, config_text
from serving.connection import Connection, ServerError
from serving.triton import TritonServer
from tests.helpers.served_repository import answer, tiny_network, write_model

MODEL = "emtrkmichel_compact_plane_fp32"


def with_a_quantised_entry(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, which takes its pixels in steps of 0.125."""
    graph = model.graph
    constants = {"as_it_is": np.array([0, 48, 48, 1]), "step": np.float32(0.125), "no_step": np.uint8(128)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(of), name) for name, of in constants.items())
    for node in graph.node:
        node.input[:] = ["stepped" if name == INPUT_NAME else name for name in node.input]
    entry = [
        helper.make_node("Reshape", [INPUT_NAME, "as_it_is"], ["patch"]),
        helper.make_node("QuantizeLinear", ["patch", "step", "no_step"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "no_step"], ["stepped"]),
    ]
    nodes = [*entry, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network behind every contract."""
    repository = tmp_path_factory.mktemp("planes")
    write_model(repository, "emtrkmichel_fp32")
    write_planes(repository, "plane_fp32", tiny_network(seed=1))
    for suffix in ("plane_int8", "plane_u8_int8", "plane_zs_int8"):
        write_planes(repository, suffix, with_a_quantised_entry(tiny_network(seed=1)))
    return repository


def write_planes(repository: Path, suffix: str, network: onnx.ModelProto) -> None:
    served = ServedModel.named(BY_SUFFIX[suffix], "compact")
    version = repository / served.name / "1"
    version.mkdir(parents=True)
    graph = of_planes(network, served.variant)
    (version / MODEL_FILE).write_bytes(graph.SerializeToString())
    step = wire_step(graph)
    manifest = Manifest(
        model=served.name,
        version=1,
        precision=served.variant.precision,
        files={MODEL_FILE: sha256(version / MODEL_FILE)},
        tolerances={name: Tolerance(1e-5, 1e-6) for name in OUTPUT_NAMES},
        class_agreement=0.99,
        gate={},
        metrics={},
        provenance=Provenance(
            training={"network": "compact", "era": "2021"},
            export={} if step is None else {"wire_step": repr(step)},
        ),
    )
    (version / "manifest.json").write_bytes(manifest.content)
    for labels in served.facts.of_contract.label_files:
        (version.parent / labels.name).write_text(labels.text)
    config = model_config(served, [manifest], Visibility(1))
    (version.parent / CONFIG_FILE).write_text(config_text(config))


@pytest.fixture(scope="module")
def server(repository: Path, server_environment: None) -> Iterator[TritonServer]:
    with TritonServer(repository) as server:
        yield server


@pytest.fixture(params=["grpc", "http"])
def classifier(request: pytest.FixtureRequest, server: TritonServer) -> Iterator[HitClassifier]:
    with Connection(getattr(server, request.param), request.param) as connection:
        yield HitClassifier(OnServer(connection, MODEL))


def some_plane(wires: int = 96, pixels: int = 120) -> np.ndarray:
    random = np.random.default_rng(4)
    return (random.uniform(0.0, 14.0, (wires, pixels)) * (random.random((wires, pixels)) < 0.2)).astype("f4")


@pytest.mark.parametrize("number", [0, 1, SLICE + 5, 3000])
def test_hits_are_answered_as_their_patches_are(classifier, repository, number: int) -> None:
    image, random = some_plane(), np.random.default_rng(number)
    hits = np.column_stack([random.integers(0, size, number) for size in image.shape])
    found = classifier.classify(image, hits).outputs
    patches = cut_patches(pad_planes(image[None]), hits[:, 0], hits[:, 1])
    wanted = answer(repository / "emtrkmichel_fp32" / "1" / MODEL_FILE, patches)
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-6)


def test_hits_in_one_pixel_are_sent_once(classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    infer = classifier.engine.connection.infer
    monkeypatch.setattr(
        classifier.engine.connection,
        "infer",
        lambda *asked: sent.append(asked[2][HIT_INPUT]) or infer(*asked),
    )
    hits = np.array([[5, 6], [1, 2], [5, 6], [5, 6]])
    found = classifier.classify(some_plane(), hits).outputs
    assert sent[0].tolist() == [[1, 2], [5, 6]]
    for values in found.values():
        assert len(values) == 4 and (values[0] == values[2]).all() and (values[0] != values[1]).any()


WRONG = [
    ((some_plane() * np.nan, [[0, 0]]), "holds NaN or infinity, first at wire 0, pixel 0"),
    ((some_plane() * 30.0, [[0, 0]]), "network units lie within"),
    ((some_plane(), [[3, 3], [96, 0]]), "hit 1 at wire 96, pixel 0 lies outside of its plane of 96 wires"),
    ((some_plane(), [[-1, 0]]), "hit 0 at wire -1, pixel 0 lies outside"),
    ((np.zeros((0, 9), np.float32), [[0, 0]]), "lies outside of its plane of 0 wires"),
]


@pytest.mark.parametrize(("asked", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_plane_is_one_error_of_the_client_and_of_the_server(classifier, asked, message) -> None:
    image, hits = asked[0], np.array(asked[1])
    with pytest.raises(UserError, match=message):
        classifier.classify(image, hits)
    tensors = {IMAGE_INPUT: image, HIT_INPUT: hits.astype(np.int32)}
    with pytest.raises(ServerError, match=message):
        classifier.engine.connection.infer(MODEL, 1, tensors, OUTPUT_NAMES)
    assert len(classifier.classify(some_plane(), np.array([[1, 1]]))) == 1


@pytest.mark.parametrize(
    "tensors",
    [
        {IMAGE_INPUT: some_plane()[None], HIT_INPUT: np.zeros((1, 2), np.int32)},
        {IMAGE_INPUT: some_plane(), HIT_INPUT: np.zeros((1, 3), np.int32)},
        {IMAGE_INPUT: some_plane().astype("f8"), HIT_INPUT: np.zeros((1, 2), np.int32)},
        {IMAGE_INPUT: some_plane(), HIT_INPUT: np.zeros((1, 2), np.int64)},
    ],
    ids=["rank", "columns", "FP64", "INT64"],
)
def test_tensors_of_another_form_are_refused_by_triton(classifier, tensors) -> None:
    with pytest.raises(ServerError, match=f"{IMAGE_INPUT}|{HIT_INPUT}"):
        classifier.engine.connection.infer(MODEL, 1, tensors, OUTPUT_NAMES)


@pytest.mark.parametrize("wire", ["plane_u8", "plane_zs"])
def test_a_plane_in_steps_is_answered_as_in_floating_point(classifier, wire: str) -> None:
    image, random = some_plane(), np.random.default_rng(8)
    hits = np.column_stack([random.integers(0, size, 500) for size in image.shape])
    asked = {
        name: HitClassifier(OnServer(classifier.engine.connection, f"emtrkmichel_compact_{name}_int8"))
        for name in ("plane", wire)
    }
    wanted, found = (of.classify(image, hits).outputs for of in asked.values())
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(found[name], wanted[name])


RUNS = [
    ({RUN_INPUT: [[0, 3, 4], [0, 6, 2]], VALUE_INPUT: [1] * 6}, "run 1 .* begins before the end of the last"),
    ({RUN_INPUT: [[5, 0, 1], [4, 0, 1]], VALUE_INPUT: [1] * 2}, "run 1 .* begins before the end of the last"),
    ({RUN_INPUT: [[0, 118, 3]], VALUE_INPUT: [1] * 3}, "run 0 at wire 0, pixel 118, of 3 pixels, leaves"),
    ({RUN_INPUT: [[96, 0, 1]], VALUE_INPUT: [1]}, "run 0 at wire 96, .* leaves the plane; the plane has 96"),
    ({RUN_INPUT: [[1, 2, 3]], VALUE_INPUT: [1] * 2}, "the runs hold 3 pixels, and 2 values came"),
    ({SHAPE_INPUT: [-1, 4]}, "a plane of -1 wires and 4 pixels is none"),
    ({SHAPE_INPUT: [1, 2**26]}, "a plane of 1 wires and 67108864 pixels is none"),
    ({SHAPE_INPUT: [0, 2**31 - 1]}, "a plane of 0 wires and 2147483647 pixels is none"),
    ({SHAPE_INPUT: [2**20, 2**20]}, "a plane of 1048576 wires and 1048576 pixels is none"),
    ({HIT_INPUT: [[0, 120]]}, "hit 0 at wire 0, pixel 120 lies outside"),
]


@pytest.mark.parametrize(("changed", "message"), RUNS, ids=range(len(RUNS)))
def test_runs_that_are_none_are_one_error(classifier, changed: dict[str, list], message: str) -> None:
    name = "emtrkmichel_compact_plane_zs_int8"
    good = encoded(some_plane(), np.array([[1, 1]], np.int32), PLANE_ZS, 0.125)
    bad = good | {key: np.array(value, good[key].dtype) for key, value in changed.items()}
    with pytest.raises(ServerError, match=message) as refused:
        classifier.engine.connection.infer(name, 1, bad, OUTPUT_NAMES)
    assert not refused.value.again, "no other server takes it either"
    _, answers = classifier.engine.connection.infer(name, 1, good, OUTPUT_NAMES)
    assert np.isfinite(answers[OUTPUT_NAMES[0]]).all()


def test_a_model_of_planes_takes_no_patches_and_one_of_patches_cuts_them(classifier) -> None:
    with pytest.raises(UserError, match="takes planes, not patches"):
        classifier.classify_patches(np.zeros((1, 48, 48, 1), np.float32))
    of_patches = HitClassifier(OnServer(classifier.engine.connection, "emtrkmichel_fp32"))
    image, hits = some_plane(), np.argwhere(some_plane() > 0)[::7]
    wanted, found = (of.classify(image, hits) for of in (of_patches, classifier))
    np.testing.assert_allclose(found.track, wanted.track, atol=1e-6)


def test_the_backend_knows_the_window_of_network_units() -> None:
    text = (Path(__file__).parents[2] / "serving/backends/onnxruntime/model.py").read_text(encoding="utf-8")
    assert f"LEAST_UNIT, MOST_UNIT = {LEAST_UNIT}, {MOST_UNIT}" in text


def test_the_hits_of_an_event_are_answered_alike_by_plane_and_by_patch(classifier, events_file: Path) -> None:
    with EventFile(events_file) as events:
        of_plane = PlaneHits.read(events, int(events.in_split("test")[0]), "W")
    of_patches = HitClassifier(OnServer(classifier.engine.connection, "emtrkmichel_fp32"))
    wanted, found = (next(of.classify_hits([of_plane])).outputs for of in (of_patches, classifier))
    for name in OUTPUT_NAMES:
        assert len(found[name]) == len(of_plane.hits)
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-5)


def test_an_event_is_drawn_of_a_model_of_planes(
    server: TritonServer, events_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--model=grpc://{server.grpc}/{MODEL}", f"--picture={tmp_path / 'event.png'}"]
    assert classify([str(events_file), *options]) == 0
    assert "hits/s" in capsys.readouterr().out and (tmp_path / "event.png").stat().st_size > 10_000

"""Upstream's own weights: read from each of its files, answering as there, exported in all precisions."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from torch import Tensor
from torch.nn import functional

from client import connect
from export.check import main as check
from export.triton import main as export
from lartpc.errors import UserError
from lartpc.event_file import EventFile
from lartpc.served.contract import INPUT_SHAPE, PRECISIONS
from serving.triton import TritonServer
from tests.helpers.upstream_files import Arrays, architecture, random_arrays, write_graph, write_keras
from training.data.dataset import PatchDataset
from training.import_weights import main as import_weights
from training.network.checkpoint import load_checkpoint
from training.network.networks import ServedNetwork, build_network
from training.network.upstream_weights import SHAPES, published_state


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return random_arrays()


@pytest.fixture(scope="module")
def keras_file(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keras(tmp_path_factory.mktemp("keras") / "mine_weights.h5", arrays)


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Imports what must be refused; returns the error."""

    def said(path: Path, *options: str) -> str:
        assert import_weights([str(path), *options]) == 2
        return capsys.readouterr().err

    return said


def small(**changes: tuple[int, ...] | None) -> Arrays:
    """Arrays without values, some of another shape or left out."""
    shapes = {**SHAPES, **{name.replace("_", "."): shape for name, shape in changes.items()}}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if shape is not None}


def as_keras_computes(arrays: Arrays, patches: Tensor) -> tuple[Tensor, Tensor]:
    """train_cnn.py's network in its own order of axes: pixels with their channels behind."""
    at = {name: torch.from_numpy(array) for name, array in arrays.items()}
    windows = patches[..., 0].unfold(1, 5, 1).unfold(2, 5, 1)  # (N, 44, 44, 5, 5)
    kernel = at["trunk.0.weight"][:, :, 0]
    hidden = torch.einsum("nwdij,ijc->nwdc", windows, kernel) + at["trunk.0.bias"]
    hidden = functional.relu(hidden).flatten(1)
    for layer in ("trunk.4", "trunk.7"):
        hidden = functional.relu(hidden @ at[f"{layer}.weight"] + at[f"{layer}.bias"])
    classes = hidden @ at["classes.layer.weight"] + at["classes.layer.bias"]
    michel = hidden @ at["michel.layer.weight"] + at["michel.layer.bias"]
    return torch.softmax(classes, 1), torch.sigmoid(michel)


def some_patches(number: int) -> np.ndarray:
    random = np.random.default_rng(3)
    shape = (number, *INPUT_SHAPE)
    return (random.uniform(-2, 14, shape) * (random.random(shape) < 0.1)).astype(np.float32)


@pytest.mark.parametrize("form", ["weights", "whole model", "frozen graph"])
def test_it_answers_as_there(form: str, arrays: Arrays, keras_file: Path, tmp_path: Path) -> None:
    path = keras_file
    if form == "whole model":
        path = write_keras(tmp_path / "whole.h5", arrays, "model_weights")
        write_keras(path, {"training.weight": arrays["trunk.0.weight"]}, "optimizer_weights")
    elif form == "frozen graph":
        path = write_graph(tmp_path / "model.graphdef", arrays)
    network = build_network("paper")
    network.load_state_dict(published_state(path))
    patches = torch.from_numpy(some_patches(8))
    with torch.no_grad():
        ours, theirs = ServedNetwork(network).eval()(patches), as_keras_computes(arrays, patches)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-5, rtol=0)


def test_another_order_of_the_classes_is_put_right(keras_file: Path) -> None:
    usual, other = published_state(keras_file), published_state(keras_file, ("em", "none", "track"))
    for name in ("classes.layer.weight", "classes.layer.bias"):
        torch.testing.assert_close(other[name], usual[name][[2, 0, 1]], atol=0, rtol=0)


@pytest.mark.long
def test_they_are_exported_and_served_in_every_precision(
    keras_file: Path,
    arrays: Arrays,
    events_file: Path,
    loose_gates: Path,
    server_environment: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert import_weights([str(keras_file), f"--data={events_file}", "--era=2020", "--name=theirs"]) == 0
    said = capsys.readouterr().out
    assert "11,900,420 weights of mine_weights.h5, era 2020" in said
    assert "hardly better than chance: are --era and --classes those of its training?" in said
    checkpoint = load_checkpoint(Path("runs/theirs/best.ckpt"))
    assert (checkpoint.scale.era, checkpoint.score_scale) == ("2020", "upstream")
    assert export([f"--checkpoint={checkpoint.path}", f"--gates={loose_gates}"]) == 0
    with EventFile(checkpoint.gate_path) as events:
        held_out = PatchDataset(events, events.in_split("test"), checkpoint.scale)
    patches = held_out.patches(np.arange(64))
    expected = as_keras_computes(arrays, torch.from_numpy(patches))
    with TritonServer(Path("model_repository")) as server:
        larsoft = [f"grpc://{server.grpc}", "--contract=larsoft", "--adc-era=2020", "--score-scale=upstream"]
        assert check(larsoft) == 0
        for precision, tolerance in zip(PRECISIONS, (1e-5, 5e-3, 0.1), strict=True):
            url = f"grpc://{server.grpc}/emtrkmichel_{precision}"
            with connect(url, require={"score_scale": "upstream", "adc_era": "2020"}) as classifier:
                scores = classifier.classify_patches(patches)
            np.testing.assert_allclose(scores.vectors, torch.hstack(expected), atol=tolerance)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (small(classes_layer_weight=(32, 4), classes_layer_bias=(4,)), "one head of four outputs"),
        (small(trunk_0_weight=(48, 1, 5, 5)), "channels first (Theano)"),
        (small(trunk_4_weight=(40 * 44 * 48, 128)), "holds 0 arrays of [92928, 128], not one"),
        (small(michel_layer_bias=None), "holds 0 arrays of [1], not one"),
        (small(extra_weight=(7, 7, 48, 48)), "more layers than the published network: [7, 7, 48, 48]"),
        ({**small(), "trunk.7.bias": np.full(32, np.nan, np.float32)}, "not finite (trunk.7.bias)"),
    ],
)
def test_another_network_is_told(arrays: Arrays, message: str, tmp_path: Path, refused: Refused) -> None:
    path = write_keras(tmp_path / "weights.h5", arrays)
    assert message in refused(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dense": {"activation": "tanh"}}, "has activations relu, tanh, relu, softmax, sigmoid"),
        ({"conv": {"padding": "same"}}, "begins with Conv2D, padding same, channels_last"),
        ({"conv": {"data_format": "channels_first"}}, "begins with Conv2D, padding valid, channels_first"),
    ],
)
def test_another_architecture_beside_them_is_told(
    changes: dict[str, dict[str, str]], message: str, tmp_path: Path, refused: Refused
) -> None:
    path = write_keras(tmp_path / "mine_weights.h5", small())
    (tmp_path / "mine_architecture.json").write_text(architecture())
    published_state(path)
    (tmp_path / "mine_architecture.json").write_text(architecture(**changes))
    assert message in refused(path)


def test_what_is_no_such_file_is_told(tmp_path: Path, refused: Refused) -> None:
    text, truncated = tmp_path / "weights.txt", tmp_path / "truncated.h5"
    text.write_text("no weights")
    truncated.write_bytes(write_keras(tmp_path / "whole.h5", small()).read_bytes()[:-4000])
    other = write_graph(tmp_path / "other.pb", small(), softmax="cnn_output/Softmax")
    for path, message in (
        (tmp_path / "nowhere.h5", "no file"),
        (text, "neither HDF5 nor a frozen TensorFlow graph"),
        (truncated, "no whole HDF5 file"),
        (other, "has no Softmax called em_trk_none_netout/Softmax"),
    ):
        assert message in refused(path)


def test_a_wrong_request_is_told_before_anything_is_read(
    keras_file: Path, events_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.chdir(tmp_path)
    for option, message in (
        ("--classes=track,em", "must name track, em, none, each once"),
        ("--era=2019", "no ADC scale is called '2019'"),
        ("--data=nowhere.h5", "nowhere.h5"),
    ):
        assert message in refused(keras_file, f"--data={events_file}", option)
    Path("runs/imported").mkdir(parents=True)
    assert "runs/imported exists; give another --name" in refused(keras_file, f"--data={events_file}")


def test_an_import_that_fails_leaves_nothing(
    keras_file: Path, events_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*_: object) -> None:
        raise UserError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("training.data.gate_file.write_gate_file", fail)
        assert "the disk is full" in refused(keras_file, f"--data={events_file}")
    assert list(Path("runs").glob("*")) == []
    for name in ("../up", "a/b", "/tmp/x", "a\nb"):
        assert "must be one word" in refused(keras_file, f"--data={events_file}", f"--name={name}")


def test_hostile_files_are_refused_before_memory_is_taken(tmp_path: Path, refused: Refused) -> None:
    huge, text, deep = tmp_path / "huge.h5", tmp_path / "text_weights.h5", tmp_path / "deep_weights.h5"
    with h5py.File(huge, "w") as file:
        file.create_dataset("a", (2**20, 2**20), "f4", chunks=(1024, 1024))
    for path, content in ((text, b"\xff\xfe"), (deep, b"[" * 200_000)):
        write_keras(path, small())
        path.with_name(path.name.replace("_weights.h5", "_architecture.json")).write_bytes(content)
    short, wide = tmp_path / "short.pb", tmp_path / "wide.pb"
    for path, sizes in ((short, [48]), (wide, [2**40])):
        graph = GraphDef()
        graph.ParseFromString(write_graph(path, {}).read_bytes())
        tensor = graph.node.add(name="odd", op="Const").attr["value"].tensor
        tensor.dtype, tensor.tensor_content = DT_FLOAT, b"123"
        for size in sizes:
            tensor.tensor_shape.dim.add(size=size)
        path.write_bytes(graph.SerializeToString())
    for path, message in (
        (huge, "holds an array of [1048576, 1048576]"),
        (text, "cannot be read"),
        (deep, "is not Keras'"),
        (short, "odd of [48] cannot be read"),
        (wide, "holds an array of [1099511627776]"),
    ):
        assert message in refused(path)

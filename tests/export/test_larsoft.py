"""Whether LArSoft's jobs work against a model: what keeps them from it is told, on files and servers."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2 as pb

from export.check import main as check
from export.larsoft.clients import PointIdAlgSonicTriton, PointIdAlgTriton
from export.larsoft.lint import BATCHES, some_patches
from export.larsoft.service import ServerService, labels_in
from export.repository.alias import alias_config
from lartpc.files import sha256
from lartpc.provenance import Provenance
from lartpc.served.contract import MICHEL_OUTPUT, OUTPUT_NAMES, PATCH, PRECISIONS
from lartpc.served.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from serving.certificates import Authority
from serving.triton import TritonServer
from tests.helpers.secure_triton import secure_triton
from tests.helpers.served_repository import read_config, tiny_network, write_config, write_model

MODEL = "emtrkmichel_fp32"
UNINITIALISED_S = 4_294_967_295
"""The largest number that PointIdAlgSonicTriton's timeout can happen to be."""

Change = Callable[[pb.ModelConfig, onnx.ModelProto, Path], None]
"""Changes configuration, graph, and what else lies in a model's folder."""


def names_swapped(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.output.reverse()


def other_names(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.output[1].name = graph.graph.output[1].name = graph.graph.node[-1].output[0] = "michel"


def half_precision(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.input[0].data_type = pb.TYPE_FP16
    cast = helper.make_node("Cast", [graph.graph.input[0].name], ["single"], to=TensorProto.FLOAT)
    for node in graph.graph.node:
        node.input[:] = ["single" if name == cast.input[0] else name for name in node.input]
    graph.graph.node.insert(0, cast)
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def rank_3(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.input[0].ClearField("format")
    del config.input[0].dims[2:]


def label_order(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    (folder / "labels_em_trk_none.txt").write_text("em\ntrack\nnone\n")


def no_labels(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.output[0].label_filename = ""


def small_limit(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    config.max_batch_size = 256


def wrong_axis(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    (softmax,) = (node for node in graph.graph.node if node.op_type == "Softmax")
    softmax.attribute[0].i = 0


def no_probabilities(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    (sigmoid,) = (node for node in graph.graph.node if node.op_type == "Sigmoid")
    sigmoid.op_type = "Identity"


def neighbours(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    """Subtracts what the patches of a batch have in common."""
    add = next(node for node in graph.graph.node if node.output[0] == "features")
    add.output[0] = "own"
    nodes = list(graph.graph.node)
    mean = helper.make_node("ReduceMean", ["own", "first_axis"], ["common"], keepdims=1)
    nodes[nodes.index(add) + 1 : nodes.index(add) + 1] = [
        mean,
        helper.make_node("Sub", ["own", "common"], ["features"]),
    ]
    graph.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first_axis"))
    graph.graph.ClearField("node")
    graph.graph.node.extend(nodes)


def other_era(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    helper.set_model_props(graph, {"data_era": "2020"})


def other_scale(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    manifest = Manifest.read(folder / "1")
    stating = replace(manifest, provenance=Provenance(training={"score_scale": "natural"}))
    (folder / "1" / MANIFEST_FILE).write_bytes(stating.content)
    config.parameters["v1.score_scale"].string_value = "upstream"


def no_era(config: pb.ModelConfig, graph: onnx.ModelProto, folder: Path) -> None:
    del config.parameters["v1.adc_era"]


FAULTS: dict[Change, str] = {
    names_swapped: f"output 0: expected {OUTPUT_NAMES[0]} FP32 [3], found {OUTPUT_NAMES[1]} FP32 [1]",
    other_names: f"PointIdAlgSonicTriton: asks for output {MICHEL_OUTPUT}; the model has",
    half_precision: "input 0: expected main_input FP32 [48, 48, 1], found main_input FP16 [48, 48, 1]",
    rank_3: "PointIdAlgTriton: reads sizes 1, 2 and 3 of the input, which has [-1, 48, 48]",
    label_order: "expected track, em, none, found em, track, none",
    no_labels: "expected track, em, none, found none",
    small_limit: "batch limit 256; jobs send up to 1693 patches",
    wrong_axis: "track, em and none of a patch add up to",
    no_probabilities: "which are no probabilities",
    neighbours: "scores of a patch depend on those beside it",
    other_era: "version 1 states ADC era 2021, and its graph was made for 2020",
    other_scale: "version 1 states scores of upstream scale, and was exported for natural",
    no_era: "version 1 does not state its ADC era",
}
SEEN_ON_FILES_ALONE = (other_era, other_scale)
NOT_LOADED_BY_TRITON = (half_precision, rank_3)


def with_fault(repository: Path, change: Change | None, name: str = MODEL) -> Path:
    """A model that has a fault."""
    folder = write_model(repository, name)
    config, graph = read_config(folder), tiny_network(seed=1)
    if change:
        change(config, graph, folder)
    onnx.save(graph, folder / "1" / MODEL_FILE)
    digest = sha256(folder / "1" / MODEL_FILE)
    manifest = Manifest.read(folder / "1")
    changed = replace(manifest, files={**manifest.files, MODEL_FILE: digest})
    (folder / "1" / MANIFEST_FILE).write_bytes(changed.content)
    for key, value in (("digest", digest), ("manifest", changed.own_digest)):
        config.parameters[f"v1.{key}"].string_value = value
    write_config(folder, config)
    return repository


def larsoft(where: Path | str, *options: str) -> int:
    return check([str(where), "--contract=larsoft", *options])


def test_what_is_exported_passes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert larsoft(repository) == 0
    out = capsys.readouterr().out
    for precision in PRECISIONS:
        assert f"emtrkmichel_compact_{precision}: PointIdAlgTriton and PointIdAlgSonicTriton work" in out


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_each_fault_is_told_of_files(
    change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert larsoft(with_fault(tmp_path, change)) == 1
    assert FAULTS[change] in capsys.readouterr().err


@pytest.fixture(scope="module")
def faulty_server(
    tmp_path_factory: pytest.TempPathFactory, server_environment: None
) -> Iterator[TritonServer]:
    """A Triton with a model of each fault, under the fault's name, and one without."""
    repository = tmp_path_factory.mktemp("faulty") / "models"
    with_fault(repository, None)
    for change in FAULTS:
        if change not in NOT_LOADED_BY_TRITON:
            with_fault(repository, change, change.__name__)
    with TritonServer(repository) as server:
        yield server


@pytest.mark.parametrize(
    "change",
    [change for change in FAULTS if change not in (*SEEN_ON_FILES_ALONE, *NOT_LOADED_BY_TRITON)],
    ids=lambda change: change.__name__,
)
def test_each_fault_is_told_of_a_server(
    change: Change, faulty_server: TritonServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert larsoft(f"grpc://{faulty_server.grpc}", f"--model={change.__name__}") == 1
    assert FAULTS[change] in capsys.readouterr().err


def test_era_and_scale_are_those_of_the_site(
    faulty_server: TritonServer, capsys: pytest.CaptureFixture[str]
) -> None:
    one = [f"grpc://{faulty_server.grpc}", f"--model={MODEL}"]
    assert larsoft(*one, "--adc-era=2021") == 0
    assert larsoft(*one, "--adc-era=2020", "--score-scale=upstream") == 1
    said = capsys.readouterr().err
    assert "is of ADC era 2021, not 2020" in said and "of no stated scale, not upstream" in said


@pytest.fixture(scope="module")
def server(repository: Path, server_environment: None) -> Iterator[TritonServer]:
    with TritonServer(repository) as running:
        yield running


def test_what_is_exported_passes_on_a_server(
    server: TritonServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert larsoft(f"grpc://{server.grpc}") == 0
    assert capsys.readouterr().out.count("PointIdAlgTriton and PointIdAlgSonicTriton work") == len(PRECISIONS)


@pytest.mark.parametrize("timeout_s", [0, 1000, UNINITIALISED_S])
def test_both_clients_get_the_same_whatever_the_timeout_and_version(
    timeout_s: int, server: TritonServer
) -> None:
    patches = some_patches(max(BATCHES))
    with ServerService(f"grpc://{server.grpc}") as service:
        model = "emtrkmichel_compact_int8"
        by_position = PointIdAlgTriton(service, model).run(patches[:256])
        for version in ("", "1"):
            options = {"version": version, "verbose": True, "timeout_s": timeout_s}
            by_name = PointIdAlgSonicTriton(service, model, **options).run(patches[:256])
            np.testing.assert_allclose(by_name, by_position, atol=1e-6)


def test_fifty_jobs_at_once_get_what_one_gets(server: TritonServer) -> None:
    """A plane's hits in batches of 256 with a tail, as jobs send them."""
    patches = some_patches(300)

    def job(number: int) -> np.ndarray:
        with ServerService(f"grpc://{server.grpc}") as service:
            make = (PointIdAlgTriton, PointIdAlgSonicTriton)[number % 2]
            client = make(service, f"emtrkmichel_compact_{PRECISIONS[number % 3]}")
            return np.concatenate([client.run(patches[:256]), client.run(patches[256:])])

    alone = [job(number) for number in range(3)]
    with ThreadPoolExecutor(50) as jobs:
        for number, vectors in enumerate(jobs.map(job, range(50))):
            np.testing.assert_allclose(vectors, alone[number % 3], atol=1e-5)


def test_by_tls(
    tiny_repository: Path,
    server_environment: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority = Authority(tmp_path)
    own = authority.vouch_for("job")
    with secure_triton(authority, tiny_repository) as address:
        files = [f"--ca={authority.ca}", f"--key={own.key}", f"--certificate={own.certificate}"]
        assert larsoft(f"grpcs://{address}", f"--model={MODEL}", *files) == 0
    assert larsoft(f"grpcs://{address}", "--ca=nowhere.pem") == 2
    assert "nowhere.pem" in capsys.readouterr().err


def test_a_batch_beyond_the_limit_keeps_the_old_one(tmp_path: Path, faulty_server: TritonServer) -> None:
    with ServerService(f"grpc://{faulty_server.grpc}") as service:
        client = PointIdAlgSonicTriton(service, small_limit.__name__)
        assert client.set_rows(200) and not client.set_rows(257)
        with pytest.raises(Exception, match="257 patches|200|byte size"):
            client.run(some_patches(257))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["http://localhost:8000", "--contract=larsoft"], "LArSoft's clients speak gRPC"),
        (["grpc://127.0.0.1:9", "--contract=larsoft"], "no server answers at grpc://127.0.0.1:9"),
        (["grpc://127.0.0.1:9"], "add --contract larsoft"),
        (["nowhere", "--contract=larsoft"], "no folder nowhere"),
        ([".", "--contract=larsoft"], "has no model"),
        ([".", "--adc-era=2021"], "are of --contract larsoft"),
    ],
)
def test_a_wrong_request_is_told(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_model_that_is_not_there_is_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert larsoft(repository, "--model=mycnn") == 2
    assert "has no model 'mycnn'; it has emtrkmichel_compact_fp16" in capsys.readouterr().err


def folder_with(tmp_path: Path, change: Callable[[pb.ModelConfig], None]) -> Path:
    """A repository with a good model, and ``mycnn``, an ensemble of it that is changed."""
    with_fault(tmp_path, None)
    config = alias_config("mycnn", MODEL)
    change(config)
    (tmp_path / "mycnn" / "1").mkdir(parents=True)
    for labels in PATCH.label_files:
        (tmp_path / "mycnn" / labels.name).write_text(labels.text)
    write_config(tmp_path / "mycnn", config)
    return tmp_path


def to_itself(config: pb.ModelConfig) -> None:
    config.ensemble_scheduling.step[0].model_name = "mycnn"


def to_an_old_version(config: pb.ModelConfig) -> None:
    config.ensemble_scheduling.step[0].model_version = 7


def without_an_output(config: pb.ModelConfig) -> None:
    del config.ensemble_scheduling.step[0].output_map[MICHEL_OUTPUT]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (to_itself, "it points in a circle: mycnn -> mycnn"),
        (to_an_old_version, f"it asks {MODEL} for version 7, which is not shown"),
        (without_an_output, f"mycnn gets no output {MICHEL_OUTPUT} from {MODEL}"),
    ],
)
def test_an_ensemble_that_leads_nowhere_is_told(
    change: Callable[[pb.ModelConfig], None],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert larsoft(folder_with(tmp_path, lambda config: None), "--model=mycnn") == 0
    assert f"it is {MODEL}, version 1, ADC era 2021" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "mycnn")
    shutil.rmtree(tmp_path / MODEL)
    assert larsoft(folder_with(tmp_path, change), "--model=mycnn") == 1
    assert message in capsys.readouterr().err


def test_what_is_not_asked_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def of_two_steps(config: pb.ModelConfig) -> None:
        config.ensemble_scheduling.step.add().CopyFrom(config.ensemble_scheduling.step[0])

    assert larsoft(folder_with(tmp_path, of_two_steps), "--model=mycnn") == 0
    assert "its answers were not asked, for it is an ensemble of 2 steps" in capsys.readouterr().out


def test_a_version_that_is_shown_and_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault(tmp_path, None)
    config = read_config(tmp_path / MODEL)
    config.version_policy.specific.versions[:] = [2]
    write_config(tmp_path / MODEL, config)
    assert larsoft(tmp_path) == 1
    assert "shows version [2], and has [1]" in capsys.readouterr().err


def test_a_configuration_need_not_repeat_the_folders_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault(tmp_path, None)
    config = read_config(tmp_path / MODEL)
    config.name = ""
    write_config(tmp_path / MODEL, config)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.pbtxt").write_text("name {")
    assert larsoft(tmp_path, f"--model={MODEL}") == 0
    assert larsoft(tmp_path) == 1
    assert "damaged: " in capsys.readouterr().err


def test_odd_answers_by_classes_have_no_labels() -> None:
    def text(value: str) -> bytes:
        return len(value).to_bytes(4, "little") + value.encode()

    assert labels_in(text("0.9:1:em") + text("0.1:0:track")) == ("track", "em")
    assert labels_in(text("0.3:x:track") + text("0.3") + b"\xff\xff\xff\x7fshort") == ()

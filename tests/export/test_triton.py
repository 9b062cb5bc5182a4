"""Export: three precisions, gated, in a versioned repository that is whole or unchanged."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from export.check import main as check
from export.gate import judgement
from export.graph import graphs
from export.repository.config import model_config
from export.repository.promotion import promoted
from export.store.folder import FolderStore
from export.triton import main as export
from export.variants import BY_SUFFIX, VARIANTS, ServedModel
from lartpc.provenance import Provenance
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES, PATCH, PRECISIONS, Label
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import Manifest
from lartpc.served.model_config import Visibility
from lartpc.served.names import served_name
from tests.helpers.limits import largest_file
from tests.helpers.paths import GATES, QUICK_GATES, ROOT
from tests.helpers.published_repository import model_of
from tests.helpers.served_repository import read_config, write_config
from training.network.checkpoint import Checkpoint

GRAPHS = [variant for variant in VARIANTS if variant.backend == "onnxruntime" and variant.contract is PATCH]
GOLDEN_CONFIG = Path(__file__).with_name("golden_config.pbtxt")


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A repository that a test may damage."""
    return Path(shutil.copytree(repository, tmp_path / "model_repository"))


@pytest.fixture
def of_fp32(repository: Path, tmp_path: Path) -> Path:
    """The same with the FP32 model alone."""
    shutil.copytree(repository / "emtrkmichel_compact_fp32", tmp_path / "fp32" / "emtrkmichel_compact_fp32")
    return tmp_path / "fp32"


@pytest.fixture
def trained(run_folder: Path, tmp_path: Path) -> Path:
    """A run folder that a test may damage; returns its checkpoint."""
    return Path(shutil.copytree(run_folder, tmp_path / "run")) / "best.ckpt"


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def version_folders(repository: Path) -> Iterator[Path]:
    return (repository / served_name(precision, "compact") / "1" for precision in PRECISIONS)


def test_one_checkpoint_gives_one_version_in_three_precisions(repository: Path) -> None:
    for folder in version_folders(repository):
        assert {path.name for path in folder.iterdir()} == {"model.onnx", "manifest.json", "golden.h5"}
        manifest = Manifest.read(folder)
        assert manifest.version == 1
        assert manifest.provenance.training["era"] == "2021"
        assert manifest.provenance.data["seed"] == 5
        assert 0.8 < manifest.metrics["track_shower_auc"] <= 1
    assert not list(repository.rglob("*.part"))


def test_golden_patches_hold_every_class_and_are_held_out(repository: Path) -> None:
    golden = GoldenHits.read(repository / "emtrkmichel_compact_fp32" / "1" / "golden.h5")
    assert golden.requests[0][INPUT_NAME].shape == (512, 48, 48, 1)
    assert min(np.bincount(golden.label, minlength=len(Label))) >= 64
    assert golden.michel.sum() >= 64
    for spec in PATCH.signature.outputs:
        assert golden.outputs[spec.name].shape == (512, *spec.shape)


def test_config_says_what_triton_must_know(repository: Path) -> None:
    config = read_config(repository / "emtrkmichel_compact_int8")
    manifest = Manifest.read(repository / "emtrkmichel_compact_int8" / "1")
    assert config.version_policy.specific.versions == [1]
    assert [output.name for output in config.output] == list(OUTPUT_NAMES)
    assert config.parameters["v1.digest"].string_value == manifest.digest
    assert config.parameters["v1.adc_era"].string_value == "2021"


def test_config_is_the_golden_one() -> None:
    provenance = Provenance(
        data={"digest": "d" * 64},
        training={"era": "2021", "checkpoint_sha256": "c" * 64},
        export={"git_commit": "abc"},
    )
    manifests = [
        Manifest(
            "emtrkmichel_fp16", version, "fp16", {"model.onnx": digit * 64}, {}, 0.99, {}, {}, provenance
        )
        for version, digit in ((1, "1"), (3, "3"))
    ]
    served = ServedModel.named(BY_SUFFIX["fp16"], "paper")
    written = model_config(served, manifests, Visibility(3, history=(1,), pinned=(1,)))
    assert written == text_format.Parse(GOLDEN_CONFIG.read_text(), triton.ModelConfig())


def test_gpu_variants_hand_their_graph_to_tensorrt(repository: Path) -> None:
    names = {served_name(variant.suffix, "compact") for variant in GRAPHS}
    assert set(FolderStore(repository).names()) == names
    for precision in ("fp16", "int8"):
        config = read_config(repository / f"emtrkmichel_compact_{precision}_gpu")
        assert [group.kind for group in config.instance_group] == [triton.ModelInstanceGroup.KIND_GPU]
        (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert accelerator.name == "tensorrt"
        assert accelerator.parameters["precision_mode"] == precision.upper()
        assert accelerator.parameters["trt_profile_max_shapes"] == "main_input:8192x48x48x1"
    canonical = onnx.load(repository / "emtrkmichel_compact_int8_gpu" / "1" / "model.onnx").graph
    zero_points = {
        node.input[2] for node in canonical.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in canonical.initializer}
    assert all(stored[name].dtype == np.int8 and not stored[name].any() for name in zero_points)


def test_fp32_is_no_tf32_on_a_gpu_and_one_that_was_free_to_be_passes(of_fp32: Path) -> None:
    path = of_fp32 / "emtrkmichel_compact_fp32"
    config = read_config(path)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (accelerator.name, dict(accelerator.parameters)) == ("cuda", {"use_tf32": "0"})
    config.ClearField("optimization")
    (path / "config.pbtxt").write_text(text_format.MessageToString(config))
    assert check([str(of_fp32)]) == 0


def test_operators_of_each_precision(repository: Path, tmp_path: Path) -> None:
    """After ONNX Runtime's optimiser INT8 runs on integer kernels; FP16 has FP32 inputs and outputs."""
    operators = {}
    for folder in version_folders(repository):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])
        operators[folder.parent.name] = Counter(
            node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node
        )
        graph = onnx.load(folder / "model.onnx").graph
        kinds = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        assert kinds == {onnx.TensorProto.FLOAT}
    assert operators["emtrkmichel_compact_int8"]["QLinearConv"] == 3
    assert operators["emtrkmichel_compact_int8"]["QGemm"] == 2
    half = onnx.load(repository / "emtrkmichel_compact_fp16" / "1" / "model.onnx").graph
    large = [tensor for tensor in half.initializer if np.prod(tensor.dims) > 100]
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.FLOAT16}


def test_graphs_hold_no_path_of_the_exporting_machine(repository: Path) -> None:
    for folder in version_folders(repository):
        content = (folder / "model.onnx").read_bytes()
        assert str(ROOT).encode() not in content
        assert b"stack_trace" not in content


@pytest.mark.parametrize("rows", [1, 7, 513])
def test_any_batch_size_gives_the_same_answers(repository: Path, rows: int) -> None:
    folder = repository / "emtrkmichel_compact_fp32" / "1"
    golden = GoldenHits.read(folder / "golden.h5")
    patches = np.concatenate([golden.requests[0][INPUT_NAME]] * 2)[:rows]
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(OUTPUT_NAMES, {INPUT_NAME: patches})
    expected = np.concatenate([golden.outputs[OUTPUT_NAMES[0]]] * 2)[:rows]
    assert np.abs(answers[0] - expected).max() < 1e-5


def test_a_second_export_writes_nothing(
    repository: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(repository)
    assert export([f"--checkpoint={checkpoint}", f"--repository={repository}", QUICK_GATES]) == 0
    assert state(repository) == before
    assert capsys.readouterr().out.count("is unchanged; nothing written") == len(GRAPHS)


def test_an_unchanged_export_computes_nothing(
    repository: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known by what its graphs would be made of: they are not made, and no held-out hit is answered."""

    def refuse(*given: object) -> None:
        raise AssertionError("computed")

    arguments = [f"--checkpoint={checkpoint}", f"--repository={repository}", QUICK_GATES]
    with monkeypatch.context() as patch:
        patch.setattr("export.graph.graphs.fp32_graph", refuse)
        patch.setattr("export.gate.judgement.judge", refuse)
        assert export(arguments) == 0


@pytest.mark.long
def test_by_another_exporter_the_same_weights_are_recognised(
    repository: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The graphs are made again, and without an answer to any held-out hit seen to be the same."""

    def refuse(*given: object) -> None:
        raise AssertionError("answered")

    monkeypatch.setattr("export.graph.recipe.PACKAGES", ())
    monkeypatch.setattr("export.gate.judgement.judge", refuse)
    monkeypatch.setattr(Checkpoint, "answer", refuse)
    before = state(repository)
    assert export([f"--checkpoint={checkpoint}", f"--repository={repository}", QUICK_GATES]) == 0
    assert state(repository) == before
    assert capsys.readouterr().out.count("is unchanged; nothing written") == len(GRAPHS)


@pytest.mark.long
def test_under_other_gates_it_is_judged_anew(
    of_fp32: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has passed loose gates is no answer to strict ones: it would never be published."""
    arguments = [f"--checkpoint={checkpoint}", f"--repository={of_fp32}", "--precision=fp32"]
    impossible = tmp_path / "impossible.yaml"
    impossible.write_text(GATES.read_text().replace("max_dp: 1.0e-5", "max_dp: 0"))
    assert export([*arguments, f"--gates={impossible}"]) == 1
    assert "fails its gates" in capsys.readouterr().err
    others = tmp_path / "others.yaml"
    quick = (ROOT / "export" / "gate" / "gates_quick.yaml").read_text()
    others.write_text(quick.replace("publishable: false", "publishable: true"))
    assert export([*arguments, f"--gates={others}"]) == 0
    versions = [Manifest.read(of_fp32 / "emtrkmichel_compact_fp32" / number) for number in ("1", "2")]
    assert versions[0].digest == versions[1].digest
    assert [manifest.gates for manifest in versions] == ["gates_quick", "others"]
    assert check([str(of_fp32)]) == 0


@pytest.mark.parametrize("damage", ["weights", "golden.h5", "labels"])
def test_an_unchanged_export_is_whole_or_says_so(
    of_fp32: Path, checkpoint: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"--checkpoint={checkpoint}", f"--repository={of_fp32}", "--precision=fp32", QUICK_GATES]
    folder = of_fp32 / "emtrkmichel_compact_fp32"
    if damage == "labels":
        (folder / "labels_michel.txt").unlink()
        assert export(arguments) == 0
    else:
        (folder / "1" / ("model.onnx" if damage == "weights" else damage)).unlink()
        assert export(arguments) == 1
        assert f"remove the folder {folder / '1'} first" in capsys.readouterr().err
        shutil.rmtree(folder / "1")
        (folder / "config.pbtxt").unlink()
        assert export(arguments) == 0
    assert check([str(of_fp32)]) == 0


def test_each_graph_is_made_and_judged_once(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FP16 is served twice, and a third time as a plan."""
    calls: Counter[str] = Counter()
    for room, name in ((graphs, "rewrite"), (judgement, "judge"), (judgement, "judge_physics")):
        plain = getattr(room, name)

        def counted(*given: object, name: str = name, plain: Callable = plain) -> object:
            calls[name] += 1
            return plain(*given)

        monkeypatch.setattr(room, name, counted)
    arguments = [f"--checkpoint={checkpoint}", f"--repository={tmp_path}", QUICK_GATES, "--precision=fp16"]
    assert export([*arguments, "--backend=all", "--on-server"]) == 0
    assert set(calls.values()) == {1} and len(calls) == 3
    assert len(FolderStore(tmp_path).names()) == 3


def test_a_gate_file_without_enough_of_a_class_is_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(trained.with_name("gate.h5"), "r+") as file:
        file["hit_table/michel"][:] = 0
    assert export([f"--checkpoint={trained}", f"--repository={tmp_path / 'r'}", "--precision=fp32"]) in (1, 2)
    assert "michel patches, and golden hits need 64" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_export_killed_before_its_config_is_finished_by_the_next(copy: Path, checkpoint: Path) -> None:
    (copy / "emtrkmichel_compact_fp32" / "config.pbtxt").unlink()
    assert (
        export(["--precision=fp32", f"--checkpoint={checkpoint}", f"--repository={copy}", QUICK_GATES]) == 0
    )
    assert check([str(copy)]) == 0


@pytest.mark.long
def test_rollback_survives_a_repeated_export(copy: Path, trained: Path, checkpoint: Path) -> None:
    stored = torch.load(trained, weights_only=True)
    stored["state_dict"]["network.classes.layer.bias"] += 0.01
    torch.save(stored, trained)
    args = ["--precision=fp32", f"--checkpoint={trained}", f"--repository={copy}", QUICK_GATES]
    assert export(args) == 0
    folder = copy / "emtrkmichel_compact_fp32"
    assert read_config(folder).version_policy.specific.versions == [2]
    assert {"v1.digest", "v2.digest"} <= set(read_config(folder).parameters)
    promoted(model_of(copy, folder.name), 1)
    assert export(args) == 0
    assert read_config(folder).version_policy.specific.versions == [1]
    assert export(["--precision=fp16", *args[1:]]) == 0
    assert Manifest.read(copy / "emtrkmichel_compact_fp16" / "2").version == 2
    assert check([str(copy)]) == 0


def test_a_graph_that_fails_its_gate_is_not_written(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text(GATES.read_text().replace("max_dp: 4.0e-3", "max_dp: 1.0e-9"))
    target = tmp_path / "repository"
    args = ["--precision=fp16", f"--checkpoint={trained}", f"--repository={target}"]
    assert export([*args, f"--gates={strict}"]) == 1
    error = capsys.readouterr().err
    assert "of emtrkmichel_compact_fp16 and emtrkmichel_compact_fp16_gpu fails its gates: " in error
    assert "max_dp of em_trk_none_netout/Softmax, all: " in error and "allowed 1e-09" in error
    assert not target.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--precision=fp8"], "--precision fp8: expected"),
        (["--checkpoint=none.ckpt"], "no checkpoint none.ckpt"),
        (["--repository=FILE"], "is not a folder"),
        (["--gates=FILE"], "must hold limits of fp32, fp16, int8"),
        (["--repository=FILE/inside"], "cannot write"),
    ],
)
def test_wrong_requests(
    checkpoint: Path, tmp_path: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    args = [argument.replace("FILE", str(tmp_path / "file")) for argument in args]
    assert export(["--precision=fp32", f"--checkpoint={checkpoint}", *args]) == 2
    assert message in capsys.readouterr().err


def test_gate_file_of_other_data_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = trained.with_name("gate.h5")
    with h5py.File(gate, "r+") as file:
        provenance = json.loads(file.attrs["provenance"])
        provenance["data"]["source_digest"] = "0" * 64
        file.attrs["provenance"] = json.dumps(provenance)
    assert export([f"--checkpoint={trained}", f"--repository={trained.parent / 'r'}"]) == 2
    assert "was not cut from the data" in capsys.readouterr().err
    gate.unlink()
    assert export([f"--checkpoint={trained}", f"--repository={trained.parent / 'r'}"]) == 2
    assert "no event file" in capsys.readouterr().err


@pytest.mark.long
def test_a_full_target_leaves_no_version(trained: Path, tmp_path: Path) -> None:
    """A file-size limit makes the kernel refuse the write, as a full disk does."""
    target = tmp_path / "repository"
    options = ["--precision=fp32", f"--checkpoint={trained}", f"--repository={target}"]
    command = largest_file(300_000, "export.triton", *options)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write") and done.stderr.count("\n") == 1
    assert not list((target / "emtrkmichel_compact_fp32").glob("*1*"))
    assert not list(target.rglob("config.pbtxt"))


def test_check_passes_a_good_repository(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(repository)]) == 0
    assert capsys.readouterr().out.count("passed") == len(GRAPHS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("flip a weight", "differs from its recorded SHA-256"),
        ("foreign file", "is not in the manifest"),
        ("backup folder", ""),
        ("no golden hits", "golden.h5 is missing"),
        ("labels", "does not list track, em, none"),
        ("config", "is not a Triton model configuration"),
        ("hidden", "shows version 9; it knows [1]"),
        ("edited config", "is not what an export writes"),
        ("manifest", "is not a manifest"),
        ("hostile manifest", "not a plain file name"),
    ],
)
def test_check_finds_what_is_wrong(
    of_fp32: Path, damage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = of_fp32 / "emtrkmichel_compact_fp32"
    if damage == "flip a weight":
        content = bytearray((model / "1" / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (model / "1" / "model.onnx").write_bytes(content)
    elif damage == "foreign file":
        (model / "1" / "notes.txt").touch()
    elif damage == "backup folder":
        (model / "1.bak").mkdir()
        assert check([str(of_fp32)]) == 0
        return
    elif damage == "no golden hits":
        (model / "1" / "golden.h5").unlink()
    elif damage == "labels":
        (model / "labels_em_trk_none.txt").write_text("em\ntrack\nnone\n")
    elif damage == "config":
        (model / "config.pbtxt").write_text("name = 3")
    elif damage == "hidden":
        read = model_of(of_fp32, model.name)
        write_config(model, model_config(read.served, list(read.manifests.values()), Visibility(9)))
    elif damage == "edited config":
        config = read_config(model)
        config.max_batch_size = 16
        write_config(model, config)
    elif damage == "manifest":
        (model / "1" / "manifest.json").write_text("{}")
    else:
        manifest = json.loads((model / "1" / "manifest.json").read_text())
        manifest["files"]["../../config.pbtxt"] = "0" * 64
        (model / "1" / "manifest.json").write_text(json.dumps(manifest))
    assert check([str(of_fp32)]) == 1
    assert message in capsys.readouterr().err


def test_check_of_nothing_is_a_wrong_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(tmp_path)]) == 2
    assert "holds no model" in capsys.readouterr().err

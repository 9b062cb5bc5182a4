"""Quantisation-aware training: from an FP32 checkpoint to an INT8 graph with the learnt scales."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.check import main as check
from export.graph.fp32 import fp32_graph
from export.graph.quantization import canonical_int8, cpu_int8
from export.store.folder import FolderStore
from export.triton import main as export
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, Manifest
from lartpc.served.names import served_name
from lartpc.served.session import GraphSession
from tests.helpers.paths import QUICK_GATES
from training.data.dataset import PatchDataset
from training.fit import CONFIGS, main
from training.network.checkpoint import Checkpoint, load_checkpoint
from training.network.layers import Scales
from training.network.networks import build_network
from training.network.quantised import calibrate, learnt_scales, load_float_weights, without_quantisation
from training.run.module import HitTraining

ROUNDING = 0.05
"""ONNX Runtime's integer kernels round each bias to a multiple of activation scale x weight scale, so
that a few activations in a thousand move by one step; without them the graph answers exactly."""


def training(recipe: str, data: Path, *options: str) -> list[str]:
    """Arguments of a training of some batches."""
    return [
        f"--config={CONFIGS / recipe}.yaml",
        f"--data.path={data}",
        "--data.batch-size=64",
        "--data.patches-per-epoch=2048",
        "--data.validation-patches=2000",
        "--trainer.max-epochs=1",
        "--trainer.enable-progress-bar=false",
        "--model.network=compact",
        *options,
    ]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Working folder of the trainings of this module."""
    folder = tmp_path_factory.mktemp("qat")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def fp32(workshop: Path, run_folder: Path) -> Path:
    """Checkpoint of a compact network in FP32."""
    return Path(shutil.copytree(run_folder, workshop / "runs" / "compact")) / "best.ckpt"


@pytest.fixture(scope="module")
def qat(workshop: Path, events_file: Path, fp32: Path) -> Path:
    """Checkpoint that was fine-tuned from it."""
    assert main(training("qat", events_file, f"--model.init-from={fp32}")) == 0
    return workshop / "runs" / "qat" / "best.ckpt"


@pytest.fixture(scope="module")
def patches(qat: Path) -> np.ndarray:
    """(600, 48, 48, 1) held-out patches."""
    trained = load_checkpoint(qat)
    with EventFile(trained.gate_path) as events:
        return PatchDataset(events, events.in_split("test")[:1], trained.scale).patches(slice(600))


@torch.no_grad()
def torch_answers(trained: Checkpoint, patches: np.ndarray) -> list[np.ndarray]:
    return [values.numpy() for values in trained.network(torch.from_numpy(patches))]


def answers_without_fusion(graph: onnx.ModelProto, patches: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(OUTPUT_NAMES, {INPUT_NAME: patches})


def scales(trained: Checkpoint) -> Scales:
    return learnt_scales(trained.network.network)


def test_checkpoint_is_int8_and_says_what_it_started_from(qat: Path, fp32: Path) -> None:
    trained = load_checkpoint(qat)
    assert (trained.name, trained.quantised) == ("compact", True)
    assert trained.provenance.training["init_sha256"] == sha256(fp32)
    for name, layer in scales(trained).items():
        weight = trained.network.network.get_submodule(name).quant_weight().value
        steps = weight.detach().numpy().reshape(len(layer.weight), -1) / layer.weight[:, None]
        assert np.abs(steps - steps.round()).max() < 1e-3
        assert np.abs(steps).max() < 63.5


def test_training_moves_the_scales(qat: Path, fp32: Path, patches: np.ndarray) -> None:
    network = build_network("compact", quantised=True)
    load_float_weights(network, load_checkpoint(fp32).network.network.state_dict())
    calibrate(network, [torch.from_numpy(patches)])
    network.train()
    label = torch.zeros(len(patches), dtype=torch.long)
    sum(
        head.loss(logits, label, label)
        for head, logits in zip(network.heads, network(torch.from_numpy(patches)), strict=True)
    ).backward()
    moved = [value.grad for name, value in network.named_parameters() if name.endswith("scaling_impl.value")]
    assert len(moved) == 6
    assert all(gradient is not None and gradient != 0 for gradient in moved)


def test_it_learns_to_answer_like_the_network_that_it_started_from(
    qat: Path, fp32: Path, patches: np.ndarray
) -> None:
    """Its loss does not see the labels, and is least where the answers are those of its start."""
    started = load_checkpoint(fp32)
    module = HitTraining("compact", quantised=True)
    module.teacher = [started.network]
    load_float_weights(module.network, started.network.network.state_dict())
    calibrate(module.network, [torch.from_numpy(patches)])
    module._trainer = SimpleNamespace(strategy=SimpleNamespace(reduce=lambda value, reduce_op: value))
    module.log = lambda *values, **options: None

    def loss(label: int) -> float:
        labels = torch.full((len(patches),), label)
        return module.training_step((torch.from_numpy(patches), labels, labels % 2), 0).item()

    with torch.no_grad():
        logits = started.network.network(torch.from_numpy(patches))
    heads = started.network.network.heads
    least = sum(
        float(head.imitation_loss(value, head.probabilities(value)))
        for head, value in zip(heads, logits, strict=True)
    )
    imitating = loss(0)
    assert imitating == loss(1)
    assert least < imitating < least + 0.1
    module.network.classes.layer.bias.data += torch.tensor([1.0, 0.0, -1.0])
    assert loss(0) > imitating + 0.02


@pytest.mark.long
def test_it_is_judged_against_the_network_that_it_started_from(
    qat: Path, fp32: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "repository"
    options = [f"--checkpoint={qat}", f"--repository={target}", QUICK_GATES]
    assert export([*options, f"--reference={qat}"]) == 2
    assert f"{qat} is not the FP32 checkpoint that" in capsys.readouterr().err
    assert export([*options, f"--reference={fp32}"]) == 0
    manifest = Manifest.read(target / served_name("int8", "compact") / "1")
    assert manifest.provenance.export["scales"] == "learnt"
    assert manifest.class_agreement <= 0.99
    assert check([str(target)]) == 0
    golden = GoldenHits.read(target / manifest.model / "1" / GOLDEN_FILE)
    patches = golden.requests[0][INPUT_NAME]
    for name, values in zip(OUTPUT_NAMES, torch_answers(load_checkpoint(fp32), patches), strict=True):
        assert np.abs(golden.outputs[name] - values).max() < 1e-5


def test_the_graph_answers_exactly_like_the_checkpoint(qat: Path, patches: np.ndarray) -> None:
    trained = load_checkpoint(qat)
    reference = torch_answers(trained, patches)
    assert reference[0].std(axis=0).min() > 1e-3
    canonical = canonical_int8(fp32_graph(trained), patches[:1], scales(trained))
    for graph in (canonical, cpu_int8(canonical, stretch=False)):
        for value, expected in zip(answers_without_fusion(graph, patches), reference, strict=True):
            difference = np.abs(value - expected).max(axis=1)
            assert (
                np.mean(difference < 1e-5) > 0.95
            )  # elsewhere a sum in another order rounds to the next step
            assert difference.mean() < ROUNDING / 200


@pytest.mark.long
def test_the_papers_network_exports_its_scales_too(paper_checkpoint: Path, patches: np.ndarray) -> None:
    trained = load_checkpoint(paper_checkpoint)
    network = build_network("paper", quantised=True)
    load_float_weights(network, trained.network.network.state_dict())
    calibrate(network, [torch.from_numpy(patches)])  # no value lies beyond what its scales hold
    network.eval()
    floating = without_quantisation(network, build_network("paper"))
    for name, weight in trained.network.network.state_dict().items():
        assert torch.equal(weight, floating.state_dict()[name])
    graph = cpu_int8(canonical_int8(fp32_graph(trained), patches[:1], learnt_scales(network)), stretch=False)
    with torch.no_grad():
        logits = network(torch.from_numpy(patches))
    for head, value, answer in zip(
        network.heads, logits, answers_without_fusion(graph, patches), strict=True
    ):
        difference = np.abs(head.probabilities(value).numpy() - answer).max(axis=1)
        assert np.mean(difference < 1e-5) > 0.8  # elsewhere a sum in another order rounds to the next step
        assert difference.mean() < ROUNDING / 50


@pytest.mark.long
def test_export_takes_the_learnt_scales(
    qat: Path, patches: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All precisions of a quantised checkpoint are one; its file runs on integer kernels."""
    assert export([f"--checkpoint={qat}", f"--repository={tmp_path}/repository", QUICK_GATES]) == 0
    assert check([f"{tmp_path}/repository"]) == 0
    assert FolderStore(tmp_path / "repository").names() == [
        "emtrkmichel_compact_int8", "emtrkmichel_compact_int8_gpu"
    ]  # fmt: skip
    path = tmp_path / "repository" / served_name("int8", "compact") / "1" / "model.onnx"
    trained = load_checkpoint(qat)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    for name, layer in scales(trained).items():
        steps = stored[f"network.{name}.weight_scale"].reshape(-1, len(layer.weight))
        assert (steps == layer.weight).all()
    for value, expected in zip(
        GraphSession(path).answer(patches).values(), torch_answers(trained, patches), strict=True
    ):
        assert np.abs(value - expected).max() < ROUNDING
        assert np.abs(value - expected).mean() < ROUNDING / 10
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert (operators.count("QLinearConv"), operators.count("QGemm")) == (3, 2)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_quantised_checkpoint_has_no_floating_export(
    qat: Path, fp32: Path, tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "repository"
    assert export([f"--precision={precision}", f"--checkpoint={qat}", f"--repository={target}"]) == 2
    assert f"--precision int8 alone; for {precision} give the FP32 checkpoint" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.long
def test_a_resumed_training_learns_from_its_start_again(
    workshop: Path, events_file: Path, fp32: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(fp32, "start.ckpt")
    sgd = ["--model.optimizer=sgd", "--data.patches-per-epoch=512"]
    options = ["--model.init-from=start.ckpt", *sgd, "--name=resumed"]
    assert main(training("qat", events_file, *options)) == 0
    last = Path("runs/resumed/last.ckpt")
    further = training("qat", events_file, *options, "--trainer.max-epochs=2", f"--ckpt-path={last}")
    Path("start.ckpt").write_bytes(Path("runs/compact/last.ckpt").read_bytes() + b" ")
    assert main(further) == 2
    assert "start.ckpt is not the checkpoint that the training started from" in capsys.readouterr().err
    shutil.copy(fp32, "start.ckpt")
    assert main(further) == 0
    resumed = load_checkpoint(last)
    assert resumed.provenance.training["max_epochs"] == 2
    assert resumed.provenance.training["init_sha256"] == sha256(fp32)


def test_fine_tuning_in_fp32_starts_from_the_weights_alone(
    workshop: Path, events_file: Path, fp32: Path
) -> None:
    options = [f"--model.init-from={fp32}", "--model.learning-rate=1e-12", "--name=further"]
    assert main(training("compact", events_file, *options)) == 0
    further = load_checkpoint(Path("runs/further/last.ckpt"))
    for name, weight in load_checkpoint(fp32).network.state_dict().items():
        assert torch.allclose(weight, further.network.state_dict()[name], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "starts from a trained FP32 checkpoint: --model.init-from"),
        (["--model.init-from=none.ckpt"], "no checkpoint none.ckpt"),
        (["--model.init-from=text.ckpt"], "not a readable checkpoint"),
        (["--model.init-from=QAT"], "is quantised already"),
        (["--model.init-from=FP32", "--model.network=paper"], "give --model.network compact"),
        (["--model.init-from=FP32", "--data.era=2020"], "give --data.era 2021"),
    ],
)
def test_what_a_quantised_training_cannot_start_from(
    workshop: Path,
    events_file: Path,
    fp32: Path,
    qat: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("text.ckpt").write_text("no checkpoint", encoding="utf-8")
    options = [option.replace("FP32", str(fp32)).replace("QAT", str(qat)) for option in options]
    assert main(training("qat", events_file, "--name=refused", *options)) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not Path("runs/refused").exists()

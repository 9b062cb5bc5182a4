"""The exported models run with the ONNX Runtime of the named Triton container."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.graph.triton_release import RELEASE, check_release
from lartpc.errors import CheckError
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from lartpc.served.session import GraphSession

ANSWER = """
import json, sys
import numpy, onnxruntime
patches, outputs = numpy.load(sys.argv[1]), json.loads(sys.argv[2])
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
for number, path in enumerate(sys.argv[3:]):
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    numpy.savez(f"{sys.argv[1]}.{number}.npz", *session.run(outputs, {"main_input": patches}))
print(onnxruntime.__version__)
"""
ROUNDING = {"fp32": 1e-5, "fp16": 2e-3, "int8": 0.05}
"""Between two versions of ONNX Runtime on the same processor."""


@pytest.fixture(scope="module")
def container_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the container's ONNX Runtime."""
    folder = tmp_path_factory.mktemp("container")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    wanted = [f"onnxruntime=={RELEASE.onnxruntime}", "numpy==1.26.4"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, *wanted], check=True)
    return python


def test_every_model_answers_there_as_it_does_here(
    repository: Path, container_python: Path, tmp_path: Path
) -> None:
    versions = sorted(path.parent for path in repository.glob(f"*/*/{MODEL_FILE}"))
    assert len(versions) == 5
    patches = GoldenHits.read(versions[0] / GOLDEN_FILE).requests[0][INPUT_NAME][::8]
    np.save(tmp_path / "patches.npy", patches)
    graphs = [str(version / MODEL_FILE) for version in versions]
    given = ["-I", "-c", ANSWER, tmp_path / "patches.npy", json.dumps(OUTPUT_NAMES), *graphs]
    done = subprocess.run([container_python, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == RELEASE.onnxruntime
    for number, version in enumerate(versions):
        here = GraphSession(graphs[number]).answer(patches)
        there = np.load(tmp_path / f"patches.npy.{number}.npz").values()
        precision = Manifest.read(version).precision
        for ours, theirs in zip(here.values(), there, strict=True):
            assert np.abs(ours - theirs).max() < ROUNDING[precision], version


def test_graphs_lie_within_its_operators(repository: Path) -> None:
    for path in repository.glob(f"*/*/{MODEL_FILE}"):
        check_release(onnx.load(path), path.parent.name)


@pytest.mark.parametrize(
    ("ir_version", "opset", "domain", "message"),
    [
        (RELEASE.ir_version + 1, 18, "", "has ONNX format 11; "),
        (10, RELEASE.opset + 1, "", "has operator set 22; "),
        (10, 18, "com.microsoft", "operators that are not of the ONNX standard: Relu"),
    ],
)
def test_a_newer_graph_is_refused(ir_version: int, opset: int, domain: str, message: str) -> None:
    node = onnx.helper.make_node("Relu", [INPUT_NAME], ["out"], domain=domain)
    value = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1])
    opsets = [onnx.helper.make_opsetid("", opset)]
    graph = onnx.helper.make_graph([node], "graph", [], [value])
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    with pytest.raises(CheckError, match=message):
        check_release(model, "model.onnx")

"""The check that TensorRT accepts the graphs: what is asked of it, and what it says without it."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from export.engines.plan_builder import PROFILE_ROWS
from export.trt_check import BUILDER, exported, fresh, main
from lartpc.errors import UserError
from lartpc.served.contract import MAX_BATCH_SIZE


@pytest.mark.long
def test_fresh_graphs_are_those_that_gpus_are_served(tmp_path: Path) -> None:
    graphs = {title: onnx.load(path).graph for title, _, path in fresh(tmp_path)}
    assert set(graphs) == {
        f"{network}, {variant}"
        for network in ("paper", "compact")
        for variant in (  # fmt: skip
            "fp32",
            "fp16_gpu",
            "int8_gpu",
            "int8_gpu, learnt scales",
            "plane_fp16_gpu",
            "plane_int8_gpu",
            "plane_int8_gpu, learnt scales",
        )
    }
    for title, graph in graphs.items():
        kinds = {tensor.data_type for tensor in graph.initializer}
        assert (onnx.TensorProto.INT8 in kinds) == ("int8" in title)
        assert onnx.TensorProto.UINT8 not in kinds


def test_exported_graphs_leave_out_the_form_for_processors(repository: Path) -> None:
    assert [name for name, _, _ in exported(repository)] == [
        f"emtrkmichel_compact_{suffix} version 1" for suffix in ("fp16_gpu", "fp32", "int8_gpu")
    ]


def test_a_repository_without_graphs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no model; export one"):
        list(exported(tmp_path))


def test_without_its_environment_it_says_how_to_make_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--python=none/bin/python"]) == 2
    assert (
        "no interpreter none/bin/python; make its environment with: make trt-check" in capsys.readouterr().err
    )


def test_an_interpreter_without_tensorrt_fails_each_graph(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--repository={repository}", f"--python={sys.executable}"]) == 1
    assert "No module named 'tensorrt_rtx'" in capsys.readouterr().err


def test_the_builder_needs_nothing_of_the_project() -> None:
    done = subprocess.run([sys.executable, "-I", BUILDER, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--compute-capability" in done.stdout
    assert PROFILE_ROWS[2] == MAX_BATCH_SIZE

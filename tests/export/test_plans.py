"""TensorRT plans: what an export writes for them, and the step before Triton that builds or refuses them.

No GPU is at hand: trtexec and nvidia-smi are stand-ins that answer as theirs do.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from export.check import main as check
from export.engines.plan_builder import PROFILE_ROWS, PlanError, main, version_in_banner
from export.graph.triton_release import RELEASE
from export.triton import main as export
from lartpc.files import sha256
from lartpc.served.contract import MAX_BATCH_SIZE
from lartpc.served.manifest import MANIFEST_FILE, Manifest
from serving.repository import read_models
from tests.helpers.paths import QUICK_GATES
from tests.helpers.served_repository import read_config

MODEL = "emtrkmichel_compact_fp16_trt"


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans") / "model_repository"
    options = [f"--checkpoint={checkpoint}", f"--repository={folder}", QUICK_GATES, "--precision=fp16"]
    assert export([*options, "--backend=tensorrt", "--on-server"]) == 0
    assert export([*options, "--backend=tensorrt", "--on-server"]) == 0
    return folder


@pytest.fixture
def repository(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "models"))


class Machine:
    """Stand-ins for a machine's trtexec and nvidia-smi."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.has(banner="[TensorRT v100800] [b43]", gpu="7.5, Tesla T4")

    def has(self, banner: str, gpu: str, takes_graphs: bool = True) -> None:
        self._script("nvidia-smi", f"echo '{gpu}'")
        save = '--saveEngine=*) echo plan > "${option#*=}"'
        build = f'for option in "$@"; do case $option in {save};; esac; done'
        refuse = "echo '[11/25/2026-03:00:00] [E] Error[4]: no such layer'; exit 1"
        trtexec = f"echo '&&&& RUNNING TensorRT.trtexec {banner} # trtexec'\n[ $1 = --help ] && exit 0\n"
        self._script("trtexec", trtexec + f"echo $@ >> {self.calls}\n" + (build if takes_graphs else refuse))

    def _script(self, name: str, lines: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    def builds(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{found.folder}:/usr/bin:/bin")
    return found


def test_a_machine_without_a_gpu_says_why_and_how(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "models"
    assert export([f"--checkpoint={checkpoint}", f"--repository={target}", "--backend=tensorrt"]) == 2
    said = capsys.readouterr().err
    assert "no NVIDIA driver" in said and RELEASE.container in said and "--on-server" in said
    assert not target.exists()


def test_with_a_gpu_and_without_tensorrt_it_says_what_to_install(
    checkpoint: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export([f"--checkpoint={checkpoint}", "--backend=tensorrt"]) == 2
    assert f"pip install tensorrt=={RELEASE.tensorrt}" in capsys.readouterr().err


def test_on_server_belongs_to_plans(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export([f"--checkpoint={checkpoint}", "--on-server"]) == 2
    assert "give --backend tensorrt with it" in capsys.readouterr().err


def test_an_export_for_the_server_is_whole_without_a_plan(exported: Path) -> None:
    assert check([str(exported)]) == 0
    config = read_config(exported / MODEL)
    assert (config.platform, config.backend) == ("tensorrt_plan", "tensorrt")
    assert [group.kind for group in config.instance_group] == [config.instance_group[0].KIND_GPU]
    assert not config.optimization.ListFields()
    names = {path.name for path in (exported / MODEL / "1").iterdir()}
    assert names == {"model.onnx", "golden.h5", "plan_builder.py", MANIFEST_FILE}
    assert Manifest.read(exported / MODEL / "1").provenance.export["container"] == RELEASE.container
    assert read_models(exported)[MODEL].left_out == "a TensorRT plan needs a GPU"


def test_the_serving_host_builds_once_for_its_tensorrt_and_gpu(repository: Path, machine: Machine) -> None:
    script = repository / MODEL / "1" / "plan_builder.py"
    done = subprocess.run([sys.executable, "-I", script, repository], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "TensorRT 10.8.0.43, compute capability 7.5 (Tesla T4)" in done.stdout
    call = machine.calls.read_text()
    assert "--stronglyTyped" in call and f"--maxShapes=main_input:{MAX_BATCH_SIZE}x48x48x1" in call
    assert main([str(repository)]) == 0
    assert machine.builds() == 1
    assert check([str(repository)]) == 0
    machine.has("[TensorRT v100900] [b34]", "7.5, Tesla T4")
    assert main([str(repository)]) == 0
    machine.has("[TensorRT v100900] [b34]", "8.9, NVIDIA L4")
    assert main([str(repository)]) == 0
    assert machine.builds() == 3
    (repository / MODEL / "1" / "model.plan").write_text("altered")
    assert main([str(repository)]) == 0
    assert machine.builds() == 4


def test_a_plan_of_another_machine_is_refused_with_a_clear_line(
    repository: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository / MODEL / "1"
    (folder / "model.plan").write_text("built elsewhere")
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest["files"]["model.plan"] = sha256(folder / "model.plan")
    engine = {"tensorrt": "10.8.0.43", "compute_capability": "8.0", "gpu": "NVIDIA A100"}
    manifest["provenance"]["export"]["engine"] = engine
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    assert main([str(repository)]) == 1
    said = capsys.readouterr().err
    assert "model.plan is of TensorRT 10.8.0.43, compute capability 8.0 (NVIDIA A100)" in said
    assert "this machine has TensorRT 10.8.0.43, compute capability 7.5 (Tesla T4)" in said
    machine.has("[TensorRT v100800] [b43]", "8.0, NVIDIA A100")
    assert main([str(repository)]) == 0
    assert machine.builds() == 0
    (folder / "model.plan").write_text("altered")
    assert main([str(repository)]) == 1
    assert "differs from its recorded SHA-256" in capsys.readouterr().err


def test_a_graph_that_is_not_taken_leaves_no_plan(
    repository: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.has("[TensorRT v100800] [b43]", "7.5, Tesla T4", takes_graphs=False)
    assert main([str(repository)]) == 1
    assert "Error[4]: no such layer" in capsys.readouterr().err
    assert not list(repository.rglob("*.plan*"))


def test_an_altered_graph_is_not_built(
    repository: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / MODEL / "1" / "model.onnx").write_bytes(b"altered")
    assert main([str(repository)]) == 1
    assert "model.onnx differs from its recorded SHA-256" in capsys.readouterr().err
    assert machine.builds() == 0


def test_what_is_missing_is_named(
    repository: Path, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(repository), "--trtexec=/none/trtexec"]) == 1
    assert "no /none/trtexec: run this in Triton's container" in capsys.readouterr().err
    (machine.folder / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found; exit 6\n")
    assert main([str(repository)]) == 1
    assert "No devices were found" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert "has no model that is served as a TensorRT plan" in capsys.readouterr().out


def test_versions_in_banners() -> None:
    assert version_in_banner("&&&& RUNNING TensorRT.trtexec [TensorRT v100800] [b43] # ") == "10.8.0.43"
    assert version_in_banner("&&&& RUNNING TensorRT.trtexec [TensorRT v101303]") == "10.13.3"
    with pytest.raises(PlanError, match="does not tell"):
        version_in_banner("trtexec")
    assert PROFILE_ROWS[-1] == MAX_BATCH_SIZE

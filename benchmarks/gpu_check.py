"""``python -m benchmarks.gpu_check``: what a machine with a GPU shows of all that a processor cannot.

Training in every precision with its throughput and share of the GPU's peak, the recipe ``full`` in short on
every GPU, the graphs that GPUs are served in ONNX Runtime with parity against their golden hits, and TensorRT
plans and Triton where the machine has them. What it has not is said, and what is found wanting does not keep
the rest from being measured.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime
import torch

from benchmarks.gpu_graphs import PROVIDERS, Served, graph_figures, served_on_gpus
from benchmarks.gpu_server import served_parity
from benchmarks.gpu_training import Measured, same_answers, short_recipe, training_figures
from benchmarks.record import Figure, record
from export.engines.profile import profile
from export.trt_check import BUILDER
from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import PATCH
from lartpc.served.manifest import MODEL_FILE
from lartpc.terminal import say
from training.run.command_line import quiet_lightning

REPOSITORY = Path("model_repository")
DATA = Path("data/quick.h5")
CHECKPOINT = Path("shipped:compact")


def check(
    repository: Path = REPOSITORY, data: Path = DATA, checkpoint: Path = CHECKPOINT, only: str = ""
) -> None:
    """Run on this machine's GPUs what is never run on a processor; keeps benchmarks/results/gpu.json.

    Args:
        repository: exported models, with the forms for GPUs: export.triton --precision all --requests all.
        data: event file to train on.
        checkpoint: whose answers in PyTorch are compared between GPU and processor.
        only: measure only what has this in its name, such as training, recipe, PyTorch, fp16_gpu, plan.
    """
    if not torch.cuda.is_available():
        raise UserError(f"PyTorch {torch.__version__} finds no GPU of NVIDIA on this machine: {driver()}")
    for path, command in (
        (repository, "export.triton --precision all --requests all"),
        (data, "data_gen.generate"),
    ):
        if not path.exists():
            raise UserError(f"{path} is not there; make it with: python -m {command}")
    measured = dict(parts(repository, data, checkpoint))
    wanted = {name: part for name, part in measured.items() if only in name}
    if not wanted:
        raise UserError(f"--only {only} is in no name of what is measured: {', '.join(measured)}")
    quiet_lightning()
    say(driver())
    what_is_not_tried()
    figures, faults = [], []
    for name, part in wanted.items():
        say(f"{name} ...")
        try:
            found, beyond = part()
        except (UserError, CheckError, RuntimeError, OSError) as error:
            found, beyond = [], [str(error)]
        figures += found
        faults += [f"{name}: {fault}" for fault in beyond]
    record(f"On {torch.cuda.device_count()} x {torch.cuda.get_device_name()}", "gpu", figures)
    if faults:
        raise CheckError("; ".join(faults))


def driver() -> str:
    """What nvidia-smi says of the GPUs."""
    asked = "--query-gpu=name,memory.total,driver_version,compute_cap"
    try:
        said = subprocess.run(["nvidia-smi", asked, "--format=csv,noheader"], capture_output=True, text=True)
    except OSError:
        return "nvidia-smi, which comes with NVIDIA's driver, is not there"
    return "; ".join((said.stdout or said.stderr).strip().splitlines())


def what_is_not_tried() -> None:
    """Say what this machine has not."""
    if torch.cuda.device_count() == 1:
        say("one GPU: training on several (DDP) is not tried")
    for name, (provider, _) in PROVIDERS.items():
        if provider not in onnxruntime.get_available_providers():
            say(f"ONNX Runtime {onnxruntime.__version__} has no {provider}: {name} is not tried")
    if importlib.util.find_spec("tensorrt") is None:
        say("no package tensorrt: no plan is built")
    if shutil.which("tritonserver") is None:
        say("no tritonserver: its plans and answers are not tried; see docs/laboratory.md")


def parts(repository: Path, data: Path, checkpoint: Path) -> Iterator[tuple[str, Measured]]:
    """What is measured, each by its name."""
    yield "training", partial(training_figures, data)
    yield "recipe full", partial(short_recipe, data)
    served = list(served_on_gpus(repository))
    for each in served:
        if each.model.variant.contract is PATCH:
            yield "PyTorch", partial(same_answers, each.golden, checkpoint)
            break
    for each in served:
        yield each.model.name, partial(graph_figures, each)
    if shutil.which("tritonserver"):
        yield "Triton", partial(served_parity, repository)
    if importlib.util.find_spec("tensorrt"):
        for each in served:
            yield f"plan of {each.model.name}", partial(plan_figures, each)


def plan_figures(served: Served) -> tuple[list[Figure], list[str]]:
    """A TensorRT plan of a graph, built; to answer with it is Triton's."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, str(BUILDER), str(served.folder / MODEL_FILE)]
        shapes = json.dumps(profile(served.model.variant.contract))
        options = [f"--profile={shapes}", f"--out={folder}/model.plan"]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        raise CheckError(f"TensorRT builds none: {done.stderr.strip()[-500:]}")
    answer = json.loads(done.stdout)
    what = f"{served.model.name}, plan of TensorRT {answer['version']}"
    return [
        Figure(what, answer["bytes"] / 1e6, "MB"),
        Figure(f"{what}, built in", answer["seconds"], "s"),
    ], []


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(check, args, prog="python -m benchmarks.gpu_check")


if __name__ == "__main__":
    raise SystemExit(main())

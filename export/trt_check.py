"""``python -m export.trt_check``: does TensorRT accept the graphs that GPUs are served with?"""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

from export.engines.profile import profile
from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.terminal import cells, say, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from export.variants import Variant
    from lartpc.served.contract import Contract

PROG = "python -m export.trt_check"
BUILDER = Path(__file__).parent / "engines" / "engine_builder.py"
PYTHON = Path(".trt/bin/python")

CAPABILITIES = ("SM75", "SM80", "SM86", "SM89", "SM120")
"""GPUs to build for: Turing (the paper's T4), A100, A10, L4, Blackwell."""

TURING = "SM75"
TURING_PRECISIONS = ("fp16",)
"""TensorRT-RTX has no FP32 matrix product on Turing, which the FP32 graph and the heads of INT8 need."""

SEED = 1
"""Of the fresh weights and patches."""


def check(repository: Path | None = None, python: Path = PYTHON) -> None:
    """Build an engine of every graph that is served on GPUs, on this machine, with TensorRT-RTX.

    Proves that TensorRT's parser takes the graph, that its types agree and that quantisation is placed where
    TensorRT wants it. It proves no numbers and no speed, and Triton does not load these engines. The INT8
    form for processors is left out: TensorRT does not take it.

    Args:
        repository: folder of exported models; where not given, all precisions of both networks with fresh
            weights, and INT8 with learnt scales: what is accepted does not depend on the weights.
        python: interpreter of an environment that has tensorrt_rtx; make trt-check makes one.
    """
    from rich.progress import track
    from rich.table import Table

    if not python.is_file():
        raise UserError(f"no interpreter {python}; make its environment with: make trt-check")
    table = Table("graph", "GPU", "engine MB", "s", "")
    failures = []
    with TemporaryDirectory() as folder:
        found = list(exported(repository) if repository else fresh(Path(folder)))
        asked = [
            (name, variant, path, capability)
            for name, variant, path in found
            for capability in CAPABILITIES
            if capability != TURING or variant.precision in TURING_PRECISIONS
        ]
        for name, variant, path, capability in track(asked, "building", transient=True):
            answer, reason = build(python, path, variant.contract, capability)
            if answer is None:
                failures.append(f"{name} for {capability}: {reason}")
                table.add_row(*cells(name, capability, "", ""), "[red]refused")
            else:
                megabytes, seconds = f"{answer['bytes'] / 1e6:.1f}", f"{answer['seconds']:.1f}"
                table.add_row(*cells(name, capability, megabytes, seconds), "[green]built")
    show(table)
    if failures:
        raise CheckError("; ".join(failures))
    say(f"TensorRT-RTX built all {len(asked)} engines")


def build(
    python: Path, model: Path, contract: "Contract", capability: str
) -> tuple[dict[str, float] | None, str]:
    """Run the builder; its answer, or None and the last line that it gave as its reason."""
    options = ["--module", "tensorrt_rtx", "--compute-capability", capability]
    command = [
        str(python),
        "-I",
        str(BUILDER),
        str(model),
        *options,
        "--profile",
        json.dumps(profile(contract)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1]), ""
    return None, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def exported(repository: Path) -> "Iterator[tuple[str, Variant, Path]]":
    """Name, variant and graph of each visible version that TensorRT can be asked about.

    Raises:
        UserError: the repository holds none.
    """
    from export.repository.find import find_models
    from export.store.folder import FolderStore
    from lartpc.served.manifest import MODEL_FILE

    found = False
    there = find_models(FolderStore(repository))
    there.check()
    for model in there.models:
        variant, visible = model.served.variant, str(model.visibility.visible)
        if variant.for_tensorrt:
            found = True
            yield (
                f"{model.name} version {visible}",
                variant,
                repository / model.name / visible / MODEL_FILE,
            )
    if not found:
        raise UserError(f"{repository} holds no graph for GPUs; export one with: python -m export.triton")


def fresh(folder: Path) -> "Iterator[tuple[str, Variant, Path]]":
    """The same of every precision of both networks, with fresh weights, written into a folder."""
    import numpy as np
    import onnx
    import torch

    from export.graph.fp32 import export_network
    from export.graph.precision import rewrite
    from export.variants import VARIANTS
    from lartpc.served.contract import INPUT_SHAPE
    from training.network.networks import NetworkName, ServedNetwork, build_network
    from training.network.quantised import calibrate, learnt_scales, load_float_weights

    random = np.random.default_rng(SEED)
    patches = random.uniform(0.0, 15.0, (64, *INPUT_SHAPE)).astype(np.float32)
    patches *= random.random(patches.shape) < 0.15  # as many pixels show something in real patches
    torch.manual_seed(SEED)
    for name in get_args(NetworkName):
        network = build_network(name)
        quantised = build_network(name, quantised=True)
        load_float_weights(quantised, network.state_dict())
        calibrate(quantised, [torch.from_numpy(patches)])
        scales = learnt_scales(quantised.eval())
        graph = export_network(ServedNetwork(network).eval())
        for variant in VARIANTS:
            if not variant.for_tensorrt or variant.backend == "tensorrt":
                continue  # plans are built of the same graphs
            for learnt in (None, scales) if variant.precision == "int8" else (None,):
                title = f"{name}, {variant.suffix}" + (", learnt scales" if learnt else "")
                path = folder / f"{title}.onnx"
                onnx.save(rewrite(graph, variant, patches, learnt), path)
                yield title, variant, path


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(check, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

"""Builds and checks the TensorRT plans of a model repository, on the machine that is to serve them.

Runs before tritonserver, in Triton's own container, with nothing of this project (Python's standard library,
trtexec and nvidia-smi):

    python3 -I plan_builder.py /models && tritonserver --model-repository=/models

A plan works with the TensorRT and on the kind of GPU that it was built with, and Triton ends when it is given
another. Each version of a model whose configuration says tensorrt_plan gets a plan of its own model.onnx
here; one that this machine built before is kept. A plan that came with the version, built elsewhere, is
refused where it does not fit: exit code 1, and the line says what it needs.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

PLAN_FILE = "model.plan"
RECORD_FILE = "plan.json"
BUILDER_FILE = "plan_builder.py"
"""This script, as each version that is served as a plan has it."""

BUILT_ON_SERVER = (PLAN_FILE, RECORD_FILE)
PLATFORM = "tensorrt_plan"
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"
"""Where Triton's container has it."""

INPUT = "main_input"
PATCH = (48, 48, 1)
PROFILE_ROWS = (1, 2048, 8192)
"""Least, usual and most rows of a batch; most is lartpc.served.contract.MAX_BATCH_SIZE."""


class PlanError(Exception):
    """A plan cannot be built or does not fit; the text says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """What a plan is bound to.

    Attributes:
        tensorrt: its version, as 10.8.0.43.
        compute_capability: of the GPU, as 7.5.
        gpu: its name, for readers.
    """

    tensorrt: str
    compute_capability: str
    gpu: str

    def fits(self, other: "Engine") -> bool:
        """Whether a plan of one runs on the other."""
        return (self.tensorrt, self.compute_capability) == (other.tensorrt, other.compute_capability)

    def __str__(self) -> str:
        return f"TensorRT {self.tensorrt}, compute capability {self.compute_capability} ({self.gpu})"


def find_gpu() -> tuple[str, str]:
    """Compute capability and name of the first GPU.

    Raises:
        PlanError: there is none.
    """
    command = ["nvidia-smi", "--query-gpu=compute_cap,name", "--format=csv,noheader"]
    try:
        lines = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=True
        ).stdout.splitlines()
    except FileNotFoundError:
        raise PlanError("this machine has no NVIDIA driver (nvidia-smi is not there)") from None
    except subprocess.CalledProcessError as error:
        raise PlanError(f"nvidia-smi finds no GPU: {(error.stdout + error.stderr).strip()}") from None
    if not lines or "," not in lines[0]:
        raise PlanError("nvidia-smi lists no GPU")
    capability, name = lines[0].split(",", 1)
    return capability.strip(), name.strip()


def version_in_banner(text: str) -> str:
    """TensorRT's version from the first line that trtexec prints, ``[TensorRT v100800] [b43]``.

    Raises:
        PlanError: there is no such line.
    """
    found = re.search(r"\[TensorRT v(\d+)\](?: \[b(\d+)\])?", text)
    if not found:
        raise PlanError("trtexec does not tell TensorRT's version")
    number = int(found[1])
    parts = [number // 10000, number // 100 % 100, number % 100, *([int(found[2])] if found[2] else [])]
    return ".".join(map(str, parts))


def this_machine(trtexec: str) -> Engine:
    """What plans built here are bound to.

    Raises:
        PlanError: there is no trtexec, or no GPU.
    """
    try:
        banner = subprocess.run(
            [trtexec, "--help"], capture_output=True, text=True, encoding="utf-8", errors="replace"
        ).stdout
    except OSError:
        raise PlanError(f"no {trtexec}: run this in Triton's container, or name it with --trtexec") from None
    return Engine(version_in_banner(banner), *find_gpu())


def build(graph: Path, plan: Path, trtexec: str) -> None:
    """Build a plan of a strongly typed graph; it appears whole.

    Raises:
        PlanError: trtexec does not take the graph.
    """
    part = plan.with_name(f".{plan.name}.part")
    shapes = ("x".join(map(str, (rows, *PATCH))) for rows in PROFILE_ROWS)
    profile = [
        f"--{which}Shapes={INPUT}:{shape}" for which, shape in zip(("min", "opt", "max"), shapes, strict=True)
    ]
    options = ["--stronglyTyped", "--noTF32", "--skipInference", *profile]
    command = [trtexec, f"--onnx={graph}", f"--saveEngine={part}", *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode or not part.is_file():
        part.unlink(missing_ok=True)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "[E]" in line]
        raise PlanError(f"trtexec builds no plan of {graph}: {'; '.join(errors) or done.stderr.strip()}")
    part.replace(plan)


def versions(repository: Path) -> Iterator[Path]:
    """Folders of the versions that are served as plans."""
    for config in sorted(repository.glob("*/config.pbtxt")):
        if f'"{PLATFORM}"' in config.read_text(encoding="utf-8"):
            for folder in sorted(config.parent.iterdir()):
                if folder.name.isdecimal() and (folder / "manifest.json").is_file():
                    yield folder


def prepare(folder: Path, machine: Engine, trtexec: str) -> str:
    """See to it that a version has a plan for this machine; what was done, in words.

    Raises:
        PlanError: it came with a plan that does not fit, or its files are damaged, or no plan can be built.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    graph, plan, record = (folder / name for name in ("model.onnx", PLAN_FILE, RECORD_FILE))
    if _sha256(graph) != manifest["files"][graph.name]:
        raise PlanError(f"{graph} differs from its recorded SHA-256; fetch the version anew")
    if PLAN_FILE in manifest["files"]:
        built = Engine(**manifest["provenance"]["export"]["engine"])
        if not built.fits(machine):
            raise PlanError(
                f"{plan} is of {built}; this machine has {machine}: export it here, or with --on-server"
            )
        if _sha256(plan) != manifest["files"][PLAN_FILE]:
            raise PlanError(f"{plan} differs from its recorded SHA-256; fetch the version anew")
        return f"{plan} fits this machine"
    wanted = {"engine": asdict(machine), "graph": manifest["files"][graph.name]}
    if plan.is_file() and record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        if known == {**wanted, "plan": _sha256(plan)}:
            return f"{plan} was built on such a machine before"
    build(graph, plan, trtexec)
    part = record.with_name(f".{record.name}.part")
    part.write_text(json.dumps({**wanted, "plan": _sha256(plan)}, indent=2) + "\n", encoding="utf-8")
    part.replace(record)
    return f"{plan} built, {plan.stat().st_size / 1e6:.1f} MB"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(args: list[str] | None = None) -> int:
    """Prepare every plan of a repository; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path, help="folder that Triton is to serve; it is written into")
    parser.add_argument("--trtexec", default=shutil.which("trtexec") or TRTEXEC, help="default: %(default)s")
    asked = parser.parse_args(args)
    found = list(versions(asked.repository))
    if not found:
        sys.stdout.write(f"{asked.repository} has no model that is served as a TensorRT plan\n")
        return 0
    try:
        machine = this_machine(asked.trtexec)
        sys.stdout.write(f"{machine}\n")
        for folder in found:
            sys.stdout.write(f"{prepare(folder, machine, asked.trtexec)}\n")
    except (PlanError, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

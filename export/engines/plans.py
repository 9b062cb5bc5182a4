"""What a version that is served as a TensorRT plan holds beside its graph."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from export.engines import plan_builder
from export.engines.engine_builder import build
from export.engines.plan_builder import BUILDER_FILE, PLAN_FILE, Engine, PlanError, find_gpu
from export.engines.profile import profile
from export.graph.triton_release import RELEASE
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import PATCH
from lartpc.served.manifest import MODEL_FILE

HOW = (
    f"build it in {RELEASE.container}, or give --on-server, which lets the serving host build it at its start"
)


@dataclass(frozen=True)
class PlanSource:
    """Where the plans of an export come from.

    Attributes:
        engine: what they are bound to, for the provenance; empty where the serving host builds them.
        files: maps a serialised graph to the files that the version holds for its plan.
    """

    engine: dict[str, str]
    files: Callable[[bytes], dict[str, bytes]]


NO_PLAN = PlanSource({}, lambda weights: {})
"""Of a version whose graph is served itself."""


def built_on_server() -> PlanSource:
    """The serving host builds the plan at its start, with the script that each version brings."""
    return PlanSource({}, lambda weights: {BUILDER_FILE: _script()})


def built_here() -> PlanSource:
    """This machine builds the plan, with its TensorRT and for its GPU.

    Raises:
        UserError: it has no GPU, or no TensorRT.
    """
    try:
        capability, gpu = find_gpu()
    except PlanError as error:
        raise UserError(f"a TensorRT plan is built where its GPU is, and {error}; {HOW}") from error
    try:
        tensorrt = importlib.import_module("tensorrt")
    except ImportError as error:
        raise UserError(
            f"a TensorRT plan needs TensorRT ({error}), that of {RELEASE.container}: "
            f"pip install tensorrt=={RELEASE.tensorrt} --extra-index-url https://pypi.nvidia.com"
        ) from error
    engine = Engine(tensorrt.__version__, capability, gpu)

    def files(weights: bytes) -> dict[str, bytes]:
        with TemporaryDirectory() as folder:
            graph = Path(folder, MODEL_FILE)
            graph.write_bytes(weights)
            try:
                plan = build(tensorrt, graph, profile(PATCH))
            except ValueError as error:
                raise CheckError(f"TensorRT builds no plan: {error}") from error
        return {PLAN_FILE: plan, BUILDER_FILE: _script()}

    return PlanSource(asdict(engine), files)


def _script() -> bytes:
    return Path(plan_builder.__file__).read_bytes()

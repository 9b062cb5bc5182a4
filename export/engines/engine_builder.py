"""Builds a TensorRT engine of an ONNX graph; knows nothing of precision, which lies in the graph.

Runs by path in an environment that has a TensorRT and nothing else of this project:

    python -I engine_builder.py MODEL.onnx --module tensorrt_rtx --profile JSON [--out MODEL.plan]

Prints one line of JSON: version, bytes, seconds. Exit code 1 and TensorRT's reasons on standard error where
the graph is not accepted. The network is strongly typed, as TensorRT 11 wants and TensorRT 10 accepts.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def build(tensorrt: Any, model: Path, shapes: list[dict[str, list[int]]], capability: str = "") -> bytes:
    """The engine of a graph, serialised.

    Args:
        tensorrt: the module tensorrt (needs a GPU) or tensorrt_rtx (does not).
        model: ONNX graph.
        shapes: input name -> shape, for the least, the usual and the most of the one optimisation profile.
        capability: compute capability such as SM75, of tensorrt_rtx alone; empty for its default.

    Raises:
        ValueError: the graph is not parsed, or no engine can be built of it.
    """
    builder = tensorrt.Builder(tensorrt.Logger(tensorrt.Logger.ERROR))
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, tensorrt.Logger(tensorrt.Logger.ERROR))
    if not parser.parse_from_file(str(model)):
        reasons = (str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ValueError("not parsed: " + "; ".join(reasons))
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    if capability:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(tensorrt.ComputeCapability, capability), 0)
    profile = builder.create_optimization_profile()
    for name in shapes[0]:
        profile.set_shape(name, *(tuple(of_all[name]) for of_all in shapes))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ValueError("no engine can be built of it")
    return bytes(engine)


def main() -> int:
    """Build and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="ONNX graph")
    parser.add_argument("--module", default="tensorrt", choices=["tensorrt", "tensorrt_rtx"])
    parser.add_argument(
        "--profile", type=json.loads, required=True, help="JSON: three times input name -> shape"
    )
    parser.add_argument("--compute-capability", default="", help="such as SM75; of tensorrt_rtx alone")
    parser.add_argument("--out", type=Path, help="where to write the engine; by default nowhere")
    asked = parser.parse_args()
    tensorrt = importlib.import_module(asked.module)
    start = time.perf_counter()
    try:
        engine = build(tensorrt, asked.model, asked.profile, asked.compute_capability)
    except ValueError as error:
        sys.stderr.write(f"{asked.model}: {error}\n")
        return 1
    if asked.out:
        part = asked.out.with_name(f".{asked.out.name}.part")
        part.write_bytes(engine)
        part.replace(asked.out)
    seconds = round(time.perf_counter() - start, 2)
    answer = {"version": tensorrt.__version__, "bytes": len(engine), "seconds": seconds}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What an exported graph is made of, in one hash, by which a repeated export is known within seconds."""

import hashlib
from importlib import metadata
from pathlib import Path

from lartpc.files import sha256

PACKAGES = (
    "numpy",
    "torch",
    "brevitas",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "onnx-ir",
    "onnxconverter-common",
    "protobuf",
)
"""Those that write, rewrite or calibrate a graph."""

ROOMS = ("lartpc", "training", "export")
"""Packages of this project whose code does."""


def recipe(checkpoint_sha256: str, gate: Path, score_scale: str | None = None) -> str:
    """SHA-256 of whatever decides the graphs of a checkpoint, the kind of processor excepted.

    Quantisation adds up activations, and another processor rounds their sums otherwise: two graphs of one
    recipe may differ in their last digits, and either has passed its gates where it was made.

    Args:
        checkpoint_sha256: of the checkpoint's file.
        gate: the gate file, which calibrates INT8.
        score_scale: of the exported scores; None where they are not calibrated.
    """
    digest = hashlib.sha256()
    for part in (checkpoint_sha256, sha256(gate), score_scale or "", *map(metadata.version, PACKAGES)):
        digest.update(f"{part}\n".encode())
    root = Path(__file__).parents[2]
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(f"{path.relative_to(root)} {sha256(path)}\n".encode())
    return digest.hexdigest()

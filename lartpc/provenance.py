"""Where an artefact comes from: one record from the event file to the client's answer."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("emtrkmichel", "numpy", "h5py", "numba", "torch", "pytorch-lightning", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Provenance:
    """What every stage adds to the record of the stage before.

    Each stage holds ``git_commit`` and ``packages`` of the code that ran it.

    Attributes:
        data: event file: generator, seed, events, configuration, digest of the content.
        training: network, ADC era, seed, configuration, SHA-256 of the checkpoint.
        export: precision and opset.
    """

    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)

    @property
    def score_scale(self) -> str | None:
        """The scale of the scores (lartpc.served.contract.SCORE_SCALES); None where nothing states it.

        A calibration does, or the import of weights whose scores stay as they are.
        """
        stating = self.training.get("calibration", self.training)
        said = stating.get("score_scale") if isinstance(stating, dict) else None
        return said if isinstance(said, str) else None

    def to_json(self) -> str:
        """The record as JSON with sorted keys: equal records give equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Provenance":
        """Read what :meth:`to_json` wrote; raises ValueError or TypeError where it did not."""
        record = cls(**json.loads(text))
        if not all(isinstance(stage, dict) for stage in vars(record).values()):
            raise TypeError("a stage of the provenance is no table")
        return record

    def with_stage(self, **stages: dict[str, Any]) -> "Provenance":
        """This record with stages added; one without commit and packages is stamped with today's."""
        stamp = {"git_commit": git_commit(), "packages": package_versions()}
        return replace(self, **{name: {**stamp, **content} for name, content in stages.items()})


def git_commit() -> str:
    """Commit of the working tree that this package lies in, or ``unknown`` outside git."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()


def package_versions() -> dict[str, str]:
    """Versions of the installed packages among :data:`PACKAGES`."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def version() -> str:
    """The package's version and commit."""
    try:
        number = metadata.version("emtrkmichel")
    except metadata.PackageNotFoundError:
        number = "not installed"
    return f"emtrkmichel {number}, commit {git_commit()}"


def processor() -> str:
    """Model of this machine's processor, such as ``AMD EPYC 9654 96-Core Processor``."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()

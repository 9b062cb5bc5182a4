"""The versioned Triton repository: which versions there are, and how one more appears, whole."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from export.config import Visibility, model_config, read_config, write_config
from lartpc.contract import CONFIG_FILE, LABEL_TEXTS
from lartpc.errors import UserError
from lartpc.files import sha256, whole_folder, write_text
from lartpc.golden import GoldenPatches
from lartpc.manifest import GOLDEN_FILE, MODEL_FILE, Manifest, Tolerance
from lartpc.provenance import Provenance


@dataclass(frozen=True)
class Version:
    """What an export adds to the repository, before it has its files' hashes.

    Attributes are those of :class:`lartpc.manifest.Manifest`; ``weights`` is the serialised graph and
    ``more`` the content of the other files, by name.
    """

    model: str
    precision: str
    weights: bytes
    golden: GoldenPatches
    tolerances: dict[str, Tolerance]
    class_agreement: float
    gate: dict
    metrics: dict[str, float]
    provenance: Provenance
    more: dict[str, bytes] = field(default_factory=dict)


class Repository:
    """A folder of models as Triton reads it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"{root} is not a folder; name a model repository")

    def models(self) -> list[str]:
        """Names of the models that have a configuration."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{CONFIG_FILE}"))

    def manifests(self, model: str) -> list[Manifest]:
        """Manifests of a model's versions, in order."""
        names = [path.name for path in (self.root / model).glob("*") if path.name.isdecimal()]
        return [Manifest.read(self.root / model / name) for name in sorted(names, key=int)]

    def version_of_weights(self, model: str, weights: bytes, engine: dict[str, str]) -> int | None:
        """The version of a model that has exactly these weights, and a plan for this engine, if any."""
        digest = hashlib.sha256(weights).hexdigest()
        found = [
            manifest.version
            for manifest in self.manifests(model)
            if manifest.digest == digest and manifest.provenance.export.get("engine", {}) == engine
        ]
        return max(found, default=None)

    def version_for(self, checkpoint_sha256: str, model: str, family: Iterable[str]) -> int:
        """Version number of a new export: one checkpoint has one number across its precisions.

        Args:
            checkpoint_sha256: of the checkpoint.
            model: that the export adds to.
            family: all models of the network, one a precision.
        """
        everything = [manifest for name in family for manifest in self.manifests(name)]
        taken = [manifest.version for manifest in everything if manifest.model == model]
        of_checkpoint = [
            manifest.version
            for manifest in everything
            if manifest.provenance.training["checkpoint_sha256"] == checkpoint_sha256
        ]
        shared = max(of_checkpoint, default=None)
        if shared is not None and shared not in taken:
            return shared
        return 1 + max((manifest.version for manifest in everything), default=0)

    def add(self, new: Version, number: int) -> Manifest:
        """Write a version whole, then make it the visible one by replacing config.pbtxt."""
        folder = self.root / new.model / str(number)
        for name, text in LABEL_TEXTS.items():
            write_text(folder.parent / name, text)
        with whole_folder(folder) as part:
            (part / MODEL_FILE).write_bytes(new.weights)
            new.golden.write(part / GOLDEN_FILE)
            for name, content in new.more.items():
                (part / name).write_bytes(content)
            manifest = Manifest(
                model=new.model,
                version=number,
                precision=new.precision,
                files={name: sha256(part / name) for name in (MODEL_FILE, GOLDEN_FILE, *new.more)},
                tolerances=new.tolerances,
                class_agreement=new.class_agreement,
                gate=new.gate,
                metrics=new.metrics,
                provenance=new.provenance,
            )
            manifest.write(part)
        self.show(new.model, number)
        return manifest

    def show(self, model: str, number: int) -> None:
        """Make a version the visible one."""
        folder = self.root / model
        visibility = Visibility(number)
        if (folder / CONFIG_FILE).exists():
            visibility = Visibility.of(read_config(folder), str(folder / CONFIG_FILE)).moved_to(number)
        write_config(folder, model_config(model, self.manifests(model), visibility))

    def ensure_known(self, model: str, number: int) -> None:
        """Finish an export that was killed between its files and its configuration."""
        folder = self.root / model
        known = (folder / CONFIG_FILE).exists() and f"v{number}.digest" in read_config(folder).parameters
        if not known:
            self.show(model, number)

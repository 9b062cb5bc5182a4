"""The versioned Triton repository: which versions there are, and how one more appears, whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.engines.plan_builder import BUILT_ON_SERVER
from export.repository.config import checksums, model_config
from export.variants import ServedModel
from lartpc.errors import CheckError, UserError
from lartpc.files import sha256, whole_folder, write_text
from lartpc.provenance import Provenance
from lartpc.served.golden import GoldenPatches
from lartpc.served.manifest import GOLDEN_FILE, MODEL_FILE, Manifest, Tolerance
from lartpc.served.model_config import CONFIG_FILE, Visibility, read_config, write_config


@dataclass(frozen=True)
class Version:
    """What an export adds to the repository, before it has its files' hashes.

    Attributes are those of :class:`lartpc.served.manifest.Manifest`; ``served`` is the model, ``weights`` the
    serialised graph and ``more`` the content of the other files, by name.
    """

    served: ServedModel
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

    def add(self, new: Version, number: int) -> Manifest:
        """Write a version whole, then make it the visible one by replacing config.pbtxt."""

        def fill(part: Path) -> Manifest:
            (part / MODEL_FILE).write_bytes(new.weights)
            new.golden.write(part / GOLDEN_FILE)
            for name, content in new.more.items():
                (part / name).write_bytes(content)
            return Manifest(
                model=new.served.name,
                version=number,
                precision=new.served.facts.precision,
                files={name: sha256(part / name) for name in (MODEL_FILE, GOLDEN_FILE, *new.more)},
                tolerances=new.tolerances,
                class_agreement=new.class_agreement,
                gate=new.gate,
                metrics=new.metrics,
                provenance=new.provenance,
            )

        return self._write(new.served, number, fill)

    def served(self, model: str) -> ServedModel:
        """What a model is.

        Raises:
            UserError: neither its configuration nor its manifests say so.
        """
        folder = self.root / model
        return ServedModel.of(read_config(folder), self.manifests(model), str(folder / CONFIG_FILE))

    def check_files(self, served: ServedModel, manifest: Manifest) -> None:
        """Compare a version's files with their recorded hashes; a plan built on the server has none.

        Raises:
            CheckError: a file is missing, altered or not recorded.
        """
        built = BUILT_ON_SERVER if served.variant.backend == "tensorrt" else ()
        manifest.check_files(self.root / served.name / str(manifest.version), besides=built)

    def adopt(self, served: ServedModel, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """The same for a version made elsewhere: its manifest, and the content of its files by name."""

        def fill(part: Path) -> Manifest:
            for name, content in files.items():
                (part / name).write_bytes(content)
            return manifest

        self._write(served, manifest.version, fill)

    def _write(self, served: ServedModel, number: int, fill: Callable[[Path], Manifest]) -> Manifest:
        folder = self.root / served.name
        self._write_labels(served)
        with whole_folder(folder / str(number)) as part:
            manifest = fill(part)
            manifest.write(part)
        self.show(served, number)
        return manifest

    def _write_labels(self, served: ServedModel) -> None:
        for labels in served.facts.of_contract.label_files:
            folder = self.root / served.name
            if not labels.lies_in(folder):
                write_text(folder / labels.name, labels.text)

    def show(self, served: ServedModel, number: int) -> None:
        """Make a version the visible one."""
        folder = self.root / served.name
        visibility = Visibility(number)
        if (folder / CONFIG_FILE).exists():
            visibility = Visibility.of(read_config(folder), str(folder / CONFIG_FILE)).moved_to(number)
        write_config(folder, model_config(served, self.manifests(served.name), visibility))

    def ensure_known(self, served: ServedModel, number: int) -> None:
        """Finish an export that was killed before its configuration, and renew one of an older form.

        Raises:
            CheckError: a file of the version is missing or altered.
        """
        folder = self.root / served.name
        manifests = self.manifests(served.name)
        (version,) = (manifest for manifest in manifests if manifest.version == number)
        try:
            self.check_files(served, version)
        except CheckError as error:
            raise CheckError(f"{error}: remove the folder {folder / str(number)} first") from error
        self._write_labels(served)
        if not (folder / CONFIG_FILE).exists():
            return self.show(served, number)
        config = read_config(folder)
        visibility = Visibility.of(config, str(folder / CONFIG_FILE))
        if f"v{number}.digest" not in config.parameters:
            visibility = visibility.moved_to(number)
        current = model_config(served, manifests, visibility, checksums(config))
        if current != config:
            write_config(folder, current)
        return None

"""A repository whose versions are whole enough to be published: tiny networks behind the exporter's files."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from export.gate.limits import read_gates
from export.repository.model_folder import ModelFolder
from export.repository.version import Version
from export.store.folder import FolderStore
from export.store.target import open_store
from export.variants import BY_SUFFIX, ServedModel
from lartpc.provenance import Provenance
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from lartpc.served.golden import GoldenHits
from lartpc.served.manifest import MODEL_FILE, Manifest, Tolerance
from lartpc.served.model_config import CONFIG_FILE
from tests.helpers.served_repository import answer, tiny_network

MODEL = "emtrkmichel_fp32"


def version_of(seed: int, model: str = MODEL, publishable: bool = True, edge: float = 0.0) -> Version:
    """A version with weights from a seed, its golden hits, and one figure of its gates."""
    network = tiny_network(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder, MODEL_FILE)
        onnx.save(network, path)
        random = np.random.default_rng(100)
        patches = random.normal(0, 3, (64, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)
        outputs = answer(path, patches)
    suffix = model.removeprefix("emtrkmichel_").removeprefix("compact_")
    served = ServedModel.named(BY_SUFFIX[suffix], "compact" if "compact" in model else "paper")
    precision = served.variant.precision
    loss = {"figure": "auc_loss", "of": "michel", "group": "all", "value": 0.0, "edge": edge, "limit": 1.0}
    return Version(
        served=served,
        weights=network.SerializeToString(deterministic=True),
        golden=GoldenHits(
            ({INPUT_NAME: patches},),
            outputs,
            random.integers(0, 3, len(patches)).astype(np.uint8),
            (random.random(len(patches)) < 0.3).astype(np.uint8),
        ),
        tolerances={name: Tolerance(max=1e-5, mean=1e-6) for name in OUTPUT_NAMES},
        class_agreement=0.99,
        gate={"gates": {**read_gates().record(precision), "publishable": publishable}, "losses": [loss]},
        metrics={"track_shower_auc": 0.98 + seed / 1000, "michel_auc": 0.95},
        provenance=Provenance(
            training={"era": "2021", "checkpoint_sha256": f"{seed:064x}", "network": served.facts.network}
        ),
    )


def add(root: Path, seed: int, model: str = MODEL, number: int | None = None, **options) -> Manifest:
    """Add the version of a seed to a repository, under the seed's number where none is given."""
    version = version_of(seed, model, **options)
    write(root, version, seed if number is None else number)
    return model_of(root, version.served.name).manifests[seed if number is None else number]


def write(root: Path, version: Version, number: int) -> None:
    """Add a version to a repository."""
    model_of(root, version.served.name).add(version.served, *version.numbered(number))


def model_of(root: Path, name: str = MODEL) -> ModelFolder:
    """A model of a repository, as it is now."""
    return ModelFolder.read(FolderStore(root), name)


def config_of(target: str, model: str = MODEL) -> str:
    """Content of config.pbtxt at a target; empty where there is none."""
    found = open_store(target).read(f"{model}/{CONFIG_FILE}")
    return "" if found is None else found[0].decode()


def visible(target: str) -> int:
    """Number of the version that servers load."""
    text = config_of(target)
    return int(text.split("versions:")[1].split()[0])

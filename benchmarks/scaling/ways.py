"""The ways in which the clients of a curve ask, and the repositories that they are answered from."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.traffic.payloads import Payload, payloads
from export.repository.model_folder import ModelFolder
from export.store.folder import FolderStore
from lartpc.served.tuning import Tuning
from training.data.gate_file import GATE_FILE
from training.network.shipped import FOLDER

EVENTS = FOLDER / "compact" / GATE_FILE
PATCHES, PLANES = "emtrkmichel_compact_int8", "emtrkmichel_compact_plane_int8"
SMALL, SMALL_REQUESTS = 235, 5
"""Patches in a request and requests of an event of the small batches, 235 as in the paper (section 3.4); the
large batch has the same patches in one request, 1175 where the paper has 1693."""

PLANES_AN_EVENT = 3


@dataclass(frozen=True)
class Way:
    """How clients ask.

    Attributes:
        name: of it.
        model: that they ask.
        batch: patches in a request; of no meaning for planes.
        requests: of an event, one after the other.
        merged: whether the server merges requests that wait.
    """

    name: str
    model: str
    batch: int
    requests: int
    merged: bool

    def payloads(self, url: str) -> tuple[list[Payload], float]:
        """Requests, and the hits of an event of them.

        Args:
            url: grpc://HOST:PORT of the server.
        """
        _, found = payloads(f"{url}/{self.model}", EVENTS, self.batch)
        return found, self.requests * float(np.mean([payload.hits for payload in found]))


WAYS = (
    Way("small batches", PATCHES, SMALL, SMALL_REQUESTS, merged=False),
    Way("large batches", PATCHES, SMALL * SMALL_REQUESTS, 1, merged=False),
    Way("small batches, merged", PATCHES, SMALL, SMALL_REQUESTS, merged=True),
    Way("large batches, merged", PATCHES, SMALL * SMALL_REQUESTS, 1, merged=True),
    Way("planes", PLANES, 1, PLANES_AN_EVENT, merged=True),
)


def without_merging(repository: Path, target: Path) -> Path:
    """A copy of a repository whose model of patches merges no requests; the folder."""
    shutil.copytree(repository, target)
    ModelFolder.read(FolderStore(target), PATCHES).tuned(Tuning(preferred_rows=()))
    return target

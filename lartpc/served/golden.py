"""Golden patches: held-out patches with the checkpoint's own answers, by which every server is judged."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError
from lartpc.files import DeferredWrites, whole_file
from lartpc.served.contract import INPUT_NAME, OUTPUT_NAMES


@dataclass(frozen=True)
class GoldenPatches:
    """Patches with reference outputs and truth.

    Attributes:
        patches: (N, 48, 48, 1) float32, in network units.
        outputs: output name -> (N, 3) or (N, 1) float32 of the FP32 checkpoint.
        label: (N,) lartpc.served.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.
    """

    patches: NDArray[np.float32]
    outputs: dict[str, NDArray[np.float32]]
    label: NDArray[np.uint8]
    michel: NDArray[np.uint8]

    def write(self, path: Path) -> None:
        """Write the patches as HDF5, one dataset a tensor, named as in the contract."""
        tensors = {INPUT_NAME: self.patches, **self.outputs, "label": self.label, "michel": self.michel}
        with whole_file(path) as part, DeferredWrites(part) as disk:
            with h5py.File(disk, "w") as file:
                for name, tensor in tensors.items():
                    file.create_dataset(name, data=tensor, compression="gzip", shuffle=True, fletcher32=True)
            disk.check()

    @classmethod
    def read(cls, path: Path) -> "GoldenPatches":
        """Read what :meth:`write` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            with h5py.File(path, "r") as file:
                outputs = {name: file[name][:] for name in OUTPUT_NAMES}
                return cls(file[INPUT_NAME][:], outputs, file["label"][:], file["michel"][:])
        except (OSError, KeyError) as error:
            raise UserError(f"{path} holds no golden patches ({error}); export the version anew") from error

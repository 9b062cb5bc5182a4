"""Golden patches: held-out patches with the checkpoint's own answers, by which every server is judged."""

import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError, unread
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES, PATCH

LARGEST = 1 << 30
"""Bytes that the file may declare; 512 patches have 5 MB."""


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

    def content(self) -> bytes:
        """The patches as HDF5, one dataset a tensor, named as in the contract."""
        tensors = {INPUT_NAME: self.patches, **self.outputs, "label": self.label, "michel": self.michel}
        written = io.BytesIO()
        with h5py.File(written, "w") as file:
            for name, tensor in tensors.items():
                file.create_dataset(name, data=tensor, compression="gzip", shuffle=True, fletcher32=True)
        return written.getvalue()

    @classmethod
    def read(cls, path: Path) -> "GoldenPatches":
        """Read a file of :meth:`content`.

        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            return cls.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise unread(
                path, error, f"holds no golden patches ({error}); export the version anew"
            ) from error

    @classmethod
    def parse(cls, content: bytes, place: str) -> "GoldenPatches":
        """Read what :meth:`content` made.

        Args:
            content: of the file.
            place: where it lies, for messages.

        Raises:
            UserError: it is damaged.
        """
        try:
            with h5py.File(io.BytesIO(content), "r") as file:
                declared = sum(file[name].nbytes for name in (INPUT_NAME, *OUTPUT_NAMES, "label", "michel"))
                if declared > LARGEST:
                    raise ValueError(f"it declares {declared / 1e9:.0f} GB")
                outputs = {name: file[name][:] for name in OUTPUT_NAMES}
                golden = cls(file[INPUT_NAME][:], outputs, file["label"][:], file["michel"][:])
            golden._check()
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{place} holds no golden patches ({error}); export the version anew") from error
        return golden

    def _check(self) -> None:
        rows = len(self.patches)
        inputs = [(INPUT_NAME, self.patches, tuple(INPUT_SHAPE))]
        outputs = [(spec.name, self.outputs[spec.name], spec.shape) for spec in PATCH.signature.outputs]
        for name, tensor, shape in (*inputs, *outputs):
            if rows == 0 or tensor.shape != (rows, *shape) or tensor.dtype != np.float32:
                raise ValueError(f"{name} is {tensor.dtype} of shape {tensor.shape}")
        if {self.label.shape, self.michel.shape} != {(rows,)}:
            raise ValueError("the truth is of another length")

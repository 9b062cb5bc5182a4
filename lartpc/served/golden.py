"""Golden hits: held-out hits with the checkpoint's own answers, by which every server is judged."""

import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from lartpc.errors import UserError, unread
from lartpc.served.contract import OUTPUT_NAMES, PATCH, Contract, TensorSpec
from lartpc.served.parity import Outputs, Request
from lartpc.served.types import NUMPY_TYPES

LARGEST = 1 << 30
"""Bytes that the file may declare; 512 patches have 5 MB."""

TRUTH = ("label", "michel")


@dataclass(frozen=True)
class GoldenHits:
    """Requests of a contract with reference outputs and truth.

    Attributes:
        requests: the inputs of each request: 512 patches in one, or several planes.
        outputs: output name -> (N, 3) or (N, 1) float32 of the FP32 checkpoint, of the hits of all requests.
        label: (N,) lartpc.served.contract.Label.
        michel: (N,) 1 where the hit is a Michel electron's.
    """

    requests: tuple[Request, ...]
    outputs: Outputs
    label: NDArray[np.uint8]
    michel: NDArray[np.uint8]

    def content(self) -> bytes:
        """As HDF5, one dataset a tensor, named as in the contract; inputs of several requests in groups."""
        written = io.BytesIO()
        with h5py.File(written, "w") as file:
            tensors = {**self.outputs, "label": self.label, "michel": self.michel}
            for number, request in enumerate(self.requests):
                place = f"{number}/" if len(self.requests) > 1 else ""
                tensors |= {f"{place}{name}": tensor for name, tensor in request.items()}
            for name, tensor in tensors.items():
                file.create_dataset(name, data=tensor, compression="gzip", shuffle=True, fletcher32=True)
        return written.getvalue()

    @classmethod
    def read(cls, path: Path, contract: Contract = PATCH) -> "GoldenHits":
        """Read a file of :meth:`content`.

        Raises:
            UserError: the file is missing or damaged, or not of the contract.
        """
        try:
            return cls.parse(path.read_bytes(), str(path), contract)
        except OSError as error:
            raise unread(path, error, f"holds no golden hits ({error}); export the version anew") from error

    @classmethod
    def parse(cls, content: bytes, place: str, contract: Contract) -> "GoldenHits":
        """Read what :meth:`content` made.

        Args:
            content: of the file.
            place: where it lies, for messages.
            contract: of the version.

        Raises:
            UserError: it is damaged, or not of the contract.
        """
        inputs = [spec.name for spec in contract.signature.inputs]
        try:
            with h5py.File(io.BytesIO(content), "r") as file:
                numbers = sorted(filter(str.isdecimal, file), key=int)
                groups = [file[number] for number in numbers] or [file]
                asked = [[group[name] for name in inputs] for group in groups]
                of_hits = [file[name] for name in (*OUTPUT_NAMES, *TRUTH)]
                declared = sum(each.nbytes for each in (*sum(asked, []), *of_hits))
                if declared > LARGEST:
                    raise ValueError(f"it declares {declared / 1e9:.0f} GB")
                requests = tuple(
                    {name: each[:] for name, each in zip(inputs, request, strict=True)} for request in asked
                )
                outputs = {name: file[name][:] for name in OUTPUT_NAMES}
                golden = cls(requests, outputs, file["label"][:], file["michel"][:])
            golden._check(contract)
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{place} holds no golden hits ({error}); export the version anew") from error
        return golden

    def _check(self, contract: Contract) -> None:
        rows = len(self.label)
        for spec in contract.signature.inputs:
            for request in self.requests:
                _check_tensor(spec, request[spec.name], contract.batched)
        for spec in contract.signature.outputs:
            _check_tensor(spec, self.outputs[spec.name], contract.batched)
        of_requests = sum(len(request[contract.signature.inputs[-1].name]) for request in self.requests)
        numbers = {rows, of_requests, len(self.michel), *(len(values) for values in self.outputs.values())}
        if rows == 0 or numbers != {rows} or {self.label.ndim, self.michel.ndim} != {1}:
            raise ValueError("its tensors are of different lengths")


def _check_tensor(spec: TensorSpec, tensor: NDArray, batched: bool) -> None:
    shape = (-1, *spec.shape) if batched else spec.shape
    same = tensor.ndim == len(shape) and all(
        wanted in (-1, size) for wanted, size in zip(shape, tensor.shape, strict=True)
    )
    if not same or tensor.dtype != NUMPY_TYPES[spec.dtype]:
        raise ValueError(f"{spec.name} is {tensor.dtype} of shape {tensor.shape}")

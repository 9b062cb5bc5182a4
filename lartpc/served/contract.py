"""The tensor contract of the served classifier: names, types, shapes, labels, batch limit, as one value.

The names and shapes are those of the published ProtoDUNE-SP server (larsoft.github.io:
LarSoftWiki/GPU_as_a_Service_part_two.md), so the C++ clients of larrecodnn work unchanged:
one of them finds the outputs by name, the other by position, both send and read FP32.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import zip_longest

PATCH_SIZE = 48
"""Side of a patch: 48 wires by 48 drift pixels."""

INPUT_NAME = "main_input"
INPUT_SHAPE = (PATCH_SIZE, PATCH_SIZE, 1)
"""(wire, drift pixel, channel): NHWC without the batch; FP32, in network units."""

CLASS_OUTPUT = "em_trk_none_netout/Softmax"
MICHEL_OUTPUT = "michel_netout/Sigmoid"
OUTPUT_NAMES = (CLASS_OUTPUT, MICHEL_OUTPUT)
"""Position matters: PointIdAlgTriton reads output 0 as the softmax and 1 as the sigmoid."""

CLASS_LABELS = ("track", "em", "none")
MICHEL_LABELS = ("michel",)

MAX_BATCH_SIZE = 8192
"""Larger than any client's batch: NuSonic keeps its old batch size when it asks for more."""

PRECISIONS = ("fp32", "fp16", "int8")

SCORE_SCALES = ("upstream", "natural")
"""The mixtures of hits in which scores are probabilities; the first is served by default.

``upstream``: what the published networks were trained on, so that cuts in use mean what they meant.
``natural``: the running detector."""

TRACK_CUTS = (0.3,)
MICHEL_CUTS = (0.5, 0.6, 0.9)
"""Score cuts in use in protoduneana: where a change of decision counts."""


class Label(IntEnum):
    """Class of a hit, in the order of the softmax."""

    TRACK = 0
    SHOWER = 1
    NONE = 2


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of a model, of one that takes batches without its first dimension.

    Attributes:
        name: of the tensor.
        dtype: in Triton's words, such as ``FP32``.
        shape: of one row, or of all where there are no batches; -1 where a size is free.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, dtype: str, sizes: Iterable[int], batched: bool) -> "TensorSpec":
        """From all sizes of a tensor, -1 where one is free; a batch that is not free stays in the shape."""
        whole = tuple(sizes)
        return cls(name, dtype, whole[1:] if batched and whole[:1] == (-1,) else whole)

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class Signature:
    """The tensors of an ONNX graph, of a configuration or of a served model, as they are found there.

    Attributes:
        inputs: in order.
        outputs: in order.
        max_batch: most rows of a batch, 0 where there are no batches; None where the source does not say.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int | None = None


@dataclass(frozen=True)
class LabelFile:
    """The labels of an output's columns, in a file beside config.pbtxt, one a line.

    Attributes:
        output: name of the output.
        name: of the file.
        labels: in order.
    """

    output: str
    name: str
    labels: tuple[str, ...]

    @property
    def text(self) -> str:
        """Content of the file."""
        return "".join(f"{label}\n" for label in self.labels)


@dataclass(frozen=True)
class Contract:
    """What a served model takes and gives.

    Attributes:
        name: by which a configuration says what it keeps.
        signature: tensors and batch limit.
        label_files: of its outputs.
        of_planes: whether a request is a plane with the places of its hits, not the patches of hits.
        in_steps: whether the plane's pixels are numbers of steps, of a size that the version says.
    """

    name: str
    signature: Signature
    label_files: tuple[LabelFile, ...]
    of_planes: bool = False
    in_steps: bool = False

    @property
    def batched(self) -> bool:
        """Whether requests are rows of a batch, which a server may merge."""
        return bool(self.signature.max_batch)

    def faults(self, found: Signature) -> list[str]:
        """What differs from the contract, expected and found, in words; empty where nothing does."""
        faults = [*self._of("input", self.signature.inputs, found.inputs)]
        faults += self._of("output", self.signature.outputs, found.outputs)
        if found.max_batch not in (None, self.signature.max_batch):
            faults.append(f"batch limit: expected {self.signature.max_batch}, found {found.max_batch}")
        return faults

    def _of(
        self, kind: str, expected: tuple[TensorSpec, ...], found: tuple[TensorSpec, ...]
    ) -> Iterator[str]:
        for number, (wanted, given) in enumerate(zip_longest(expected, found)):
            if wanted != given:
                yield f"{kind} {number}: expected {wanted or 'none'}, found {given or 'none'}"


PATCH = Contract(
    "patch",
    Signature(
        inputs=(TensorSpec(INPUT_NAME, "FP32", INPUT_SHAPE),),
        outputs=(
            TensorSpec(CLASS_OUTPUT, "FP32", (len(CLASS_LABELS),)),
            TensorSpec(MICHEL_OUTPUT, "FP32", (len(MICHEL_LABELS),)),
        ),
        max_batch=MAX_BATCH_SIZE,
    ),
    (
        LabelFile(CLASS_OUTPUT, "labels_em_trk_none.txt", CLASS_LABELS),
        LabelFile(MICHEL_OUTPUT, "labels_michel.txt", MICHEL_LABELS),
    ),
)
"""One request holds the patches of some hits."""

IMAGE_INPUT, HIT_INPUT = "plane_image", "hit_pixel"

MOST_HITS = 8192
"""In a plane request that every server takes: TensorRT's engines are built for so many."""

SHAPE_INPUT, RUN_INPUT, VALUE_INPUT = "plane_shape", "run", "value"
"""Of a zero-suppressed plane: wires and pixels; wire, first pixel and length of each run; their pixels."""

OUTPUT_SHAPES = {spec.name: spec.shape for spec in PATCH.signature.outputs}
"""Output name -> shape of one hit's, the same of every contract."""


def _plane_contract(name: str, *image: TensorSpec, in_steps: bool = False) -> Contract:
    """One request holds the image of a plane, [wire, drift pixel], and wire and pixel of each of its hits."""
    outputs = (TensorSpec(spec.name, spec.dtype, (-1, *spec.shape)) for spec in PATCH.signature.outputs)
    inputs = (*image, TensorSpec(HIT_INPUT, "INT32", (-1, 2)))
    signature = Signature(inputs, tuple(outputs), max_batch=0)
    return Contract(name, signature, PATCH.label_files, of_planes=True, in_steps=in_steps)


PLANE = _plane_contract("plane", TensorSpec(IMAGE_INPUT, "FP32", (-1, -1)))
PLANE_F16 = _plane_contract("plane_f16", TensorSpec(IMAGE_INPUT, "FP16", (-1, -1)))
PLANE_U8 = _plane_contract("plane_u8", TensorSpec(IMAGE_INPUT, "UINT8", (-1, -1)), in_steps=True)
PLANE_ZS = _plane_contract(
    "plane_zs",
    TensorSpec(SHAPE_INPUT, "INT32", (2,)),
    TensorSpec(RUN_INPUT, "UINT16", (-1, 3)),
    TensorSpec(VALUE_INPUT, "UINT8", (-1,)),
    in_steps=True,
)
"""Zero-suppressed: what no run holds is 0."""

ZERO_STEP = 128
"""The pixel 0 in steps."""

CONTRACTS = {contract.name: contract for contract in (PATCH, PLANE, PLANE_F16, PLANE_U8, PLANE_ZS)}

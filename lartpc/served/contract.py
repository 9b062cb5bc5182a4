"""The tensor contract of the served classifier: names, shapes, label order, cuts.

The names and shapes are those of the published ProtoDUNE-SP server (larsoft.github.io:
LarSoftWiki/GPU_as_a_Service_part_two.md), so the C++ clients of larrecodnn work unchanged:
one of them finds the outputs by name, the other by position, both send and read FP32.
"""

from enum import IntEnum

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
OUTPUT_LABELS = {CLASS_OUTPUT: CLASS_LABELS, MICHEL_OUTPUT: MICHEL_LABELS}
CONFIG_FILE = "config.pbtxt"
LABEL_FILES = {CLASS_OUTPUT: "labels_em_trk_none.txt", MICHEL_OUTPUT: "labels_michel.txt"}
LABEL_TEXTS = {
    LABEL_FILES[output]: "".join(f"{label}\n" for label in labels) for output, labels in OUTPUT_LABELS.items()
}
"""Content of each label file."""

MAX_BATCH_SIZE = 8192
"""Larger than any client's batch: NuSonic keeps its old batch size when it asks for more."""

MODEL_FAMILY = "emtrkmichel"
PRECISIONS = ("fp32", "fp16", "int8")

TRACK_CUTS = (0.3,)
MICHEL_CUTS = (0.5, 0.6, 0.9)
"""Score cuts in use in protoduneana: where a change of decision counts."""


class Label(IntEnum):
    """Class of a hit, in the order of the softmax."""

    TRACK = 0
    SHOWER = 1
    NONE = 2


def model_name(precision: str, network: str = "paper") -> str:
    """Name of the served model of one precision: ``emtrkmichel_fp32``, ``emtrkmichel_compact_int8``.

    The published network goes by the family's name alone.
    """
    family = MODEL_FAMILY if network == "paper" else f"{MODEL_FAMILY}_{network}"
    return f"{family}_{precision}"

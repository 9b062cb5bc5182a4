"""How served models are called: names are built of what a model is, and never read for it."""

import re

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")
"""Names that every server takes: Triton's Python backend hands them to a shell."""

MODEL_FAMILY = "emtrkmichel"
PAPER, COMPACT = "paper", "compact"
NETWORKS = (PAPER, COMPACT)


def served_name(suffix: str, network: str = PAPER) -> str:
    """Name of the served model of a variant: ``emtrkmichel_fp32``, ``emtrkmichel_compact_int8_gpu``.

    The published network goes by the family's name alone. A model may be served under any other name too:
    what it is stands in its configuration.

    Args:
        suffix: of the variant, which begins with its precision.
        network: name of the network.
    """
    family = MODEL_FAMILY if network == PAPER else f"{MODEL_FAMILY}_{network}"
    return f"{family}_{suffix}"

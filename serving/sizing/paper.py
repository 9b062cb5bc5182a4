"""The paper's own inputs (sections 2.4 and 3.1 to 3.3), by which the model is held to the paper's results."""

from dataclasses import replace

from serving.sizing.model import Job, Site

CPU_S = 330.0
"""An event on processors alone (Table 2)."""

ACCELERATED = 0.65
"""p: the share of it that can be accelerated, the 220 s of the module less 7 s of preparation."""

MODULE_S, OTHER_S = 220.0, 110.0
"""The module on processors, and all other modules (Table 3)."""

HITS = 55_000
BYTES_A_HIT = 48 * 48 * 4
LINK_GBPS = 1.0
"""The slower of the two kinds of client (section 3.1)."""

ROUND_TRIP_S = 0.012
GPUS = 4

LARGE = Job(OTHER_S, 7.0, HITS, 32, BYTES_A_HIT, LINK_GBPS, ROUND_TRIP_S)
"""Batches of 1693, with the time of all other modules as it was measured."""

SMALL = replace(LARGE, requests=214)
"""Batches of 256."""

LARGE_SITE, SMALL_SITE = Site(GPUS, 31_000), Site(GPUS, 22_000)
"""Inferences a second of a GPU: with dynamic batching, and without it and small batches (section 3.2)."""


def literally(job: Job) -> Job:
    """The same with (1 - p) x t_CPU in place of the measured time of all other modules, as equation 2 has it.

    That counts the 7 s of preparation twice: they are in 1 - p, and in the latency.
    """
    return replace(job, other_s=(1 - ACCELERATED) * CPU_S)

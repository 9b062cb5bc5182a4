"""How the embedded server divides this machine's cores among the instances of a model of planes.

Requests of planes do not merge into a batch, as those of patches do, so one instance answers them one after
the other, and most of what it computes is too small to be divided among threads.
"""

import os

from tritonclient.grpc.model_config_pb2 import ModelConfig

from lartpc.served.tuning import THREADS

MOST_INSTANCES = 4
"""Each is a process of 0.1 GB and more."""


def divide_cores(config: ModelConfig) -> None:
    """Give a model of planes an instance a core, up to four; one whose configuration says otherwise stays."""
    said = {name: parameter.string_value for name, parameter in config.parameters.items()}
    counts = [group.count for group in config.instance_group]
    if not said.get("contract", "").startswith("plane") or THREADS in said or counts != [1]:
        return
    cores = len(os.sched_getaffinity(0))
    count = min(cores, MOST_INSTANCES)
    config.instance_group[0].count = count
    config.parameters[THREADS].string_value = str(cores // count)

"""The table of commands, and the one command that starts each of them: ``emtrkmichel COMMAND``."""

import sys
from difflib import get_close_matches
from importlib import import_module
from itertools import takewhile

from lartpc.command import guarded
from lartpc.errors import UserError
from lartpc.terminal import show

COMMANDS = {
    "data_gen.generate": "simulates events into an HDF5 file",
    "data_gen.validate": "holds the simulation against tables and formulas, on one page",
    "data_gen.display": "draws an event, or with `--gallery` patches of each class",
    "data_gen.respond": "energy deposits from Geant4 or elsewhere through the same detector",
    "data_gen.import_larsoft": "the collaboration's own training dumps into the same HDF5 form",
    "data_gen.compare_larsoft": "the patches of a LArSoft job against those cut here, pixel by pixel",
    "training.fit": "trains; `compact` is the recommended recipe, `default` that without `--config`",
    "training.calibrate": "scores on which cuts in use keep their meaning; a training ends with it",
    "training.evaluate": "held-out events: a page of figures, a model card, numbers and scores",
    "training.import_weights": "a checkpoint of weights in upstream's Keras or TensorFlow files",
    "training.ship": "puts a network into the package, as weights that come along",
    "export.triton": "latest checkpoint to ONNX, gated, into `model_repository/`",
    "export.check": "lints and replays the repository without a server",
    "export.trt_check": "TensorRT's parser and builder on the graphs of GPUs, without a GPU",
    "export.publish": "sends checked versions to a folder or bucket that servers read",
    "export.registry": "what is published there; also verify, promote, roll back, prune, alias",
    "export.fetch": "published models to the disk of the server that serves them, once or following",
    "serving.environment": "makes the embedded server's environment, where `make install` has not",
    "serving.local": "serves it with a real Triton until Ctrl-C",
    "serving.stack": "several Tritons behind Envoy, with Prometheus, on this machine until Ctrl-C",
    "serving.beside": "a server for one command: free ports, its FHiCL patched, its exit code kept",
    "serving.job": "servers in a batch job, found by a file; the next job relieves this one",
    "serving.standalone": "a server alone, measured by NVIDIA's perf_analyzer as the paper measured its own",
    "serving.tune": "the settings of a model that suit this machine, measured: merging, instances, threads",
    "serving.capacity": "how many servers for how many clients, by the paper's latency model",
    "serving.canary": "asks every model of a server for an answer, again and again, and shows what it found",
    "serving.manifests": "the Helm chart's manifests for a site, rendered and checked without a cluster",
    "client.parity": "the served answers against the golden hits",
    "client.classify": "scores of every hit of an event file or folder, or a picture of an event",
    "client.load": "many clients at once, as jobs ask, and what they found",
}
"""What each command does, ``python -m NAME``, in the order in which data flow."""


def main(args: list[str] | None = None) -> int:
    """Entry point of ``emtrkmichel``: call a command of the table by its name."""
    given = sys.argv[1:] if args is None else args
    loud = list(takewhile(lambda arg: arg in ("--quiet", "--verbose"), given))
    name, *rest = given[len(loud) :] or ["--help"]
    if name in COMMANDS:
        code: int = import_module(name).main([*loud, *rest])
        return code
    return guarded(lambda _: _explain(name), [name, *rest], prog="emtrkmichel")


def _explain(name: str) -> int:
    """Show the table of commands; refuse whatever else is named."""
    if name not in ("-h", "--help"):
        near = get_close_matches(name, COMMANDS, 1, 0.4)
        meant = f", perhaps {near[0]}" if near else ""
        raise UserError(f"there is no command {name!r}{meant} (see emtrkmichel --help)")
    width = max(map(len, COMMANDS))
    show("usage: emtrkmichel COMMAND [OPTIONS]\n")
    for command, does in COMMANDS.items():
        show(f"  {command:{width}}  {does.replace('`', '')}")
    show("\nemtrkmichel COMMAND --help explains one; python -m COMMAND is the same")
    return 0

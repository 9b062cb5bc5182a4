"""Reading a checkpoint: network, ADC era and provenance, without running code from the file."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lartpc.adc_scale import AdcScale, adc_scale
from lartpc.errors import UserError, unread
from lartpc.event_file import EventFile
from lartpc.files import sha256
from lartpc.provenance import Provenance
from lartpc.served.contract import OUTPUT_NAMES
from training.data.dataset import PatchDataset
from training.data.gate_file import GATE_FILE
from training.host_memory import keep_freed_memory
from training.network.networks import NetworkName, ServedNetwork, build_network
from training.network.scaling import Heads, Scaling
from training.network.shipped import located

RUNS = Path("runs")
BEST = "best.ckpt"
LAST = "last.ckpt"
CALIBRATED = "calibrated.ckpt"
BATCH = 256
"""Patches answered at once: more would not stay in the processor's cache."""

FORM = {"state_dict": dict, "hyper_parameters": dict, "era": str, "provenance": str}
"""What every checkpoint holds."""

FORM_OF_TRAINING = {
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "pytorch-lightning_version": str,
}
"""What one holds besides that a training can go on with."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network, ready to answer.

    Attributes:
        path: the checkpoint file.
        name: of the network.
        quantised: whether it answers with INT8 weights and activations.
        network: in evaluation mode, computing in FP32, with probabilities as outputs.
        scale: ADC window that the network was trained with.
        provenance: of data and training; ``training`` holds the SHA-256 of the checkpoint too.
    """

    path: Path
    name: NetworkName
    quantised: bool
    network: ServedNetwork
    scale: AdcScale
    provenance: Provenance

    @property
    def gate_path(self) -> Path:
        """The event file that travels beside the checkpoint."""
        return self.path.parent / GATE_FILE

    def check_gate(self, gate: EventFile) -> None:
        """Refuse a gate file that was cut from other data than this checkpoint learnt from.

        Raises:
            UserError: it was.
        """
        if gate.provenance.data.get("source_digest") != self.provenance.data.get("digest"):
            raise UserError(
                f"{gate.path} was not cut from the data of {self.path}; "
                "put the checkpoint's own gate.h5 beside it"
            )

    def check_quantised(self, quantised: "Checkpoint") -> None:
        """Refuse another checkpoint than one of quantisation-aware training that started from this one.

        Raises:
            UserError: it is not quantised, started from another one, learnt from other data, or has scores of
                another scale.
        """
        start = quantised.provenance.training.get("init_sha256")
        if not quantised.quantised or start != self.provenance.training["checkpoint_sha256"]:
            raise UserError(f"{quantised.path} is no quantised training of {self.path}; give the one that is")
        if quantised.provenance.data.get("digest") != self.provenance.data.get("digest"):
            raise UserError(f"{quantised.path} was trained on other data than {self.path}; train on the same")
        if quantised.score_scale != self.score_scale:
            raise UserError(
                f"{quantised.path} has {quantised.score_scale} scores, {self.path} {self.score_scale} ones; "
                "calibrate both: python -m training.calibrate"
            )

    @property
    def score_scale(self) -> str | None:
        """The scale of its scores; None where nothing states it."""
        return self.provenance.score_scale

    @property
    def scales(self) -> dict[str, Heads]:
        """Score scale -> output name -> record of the map of its logits; empty where it is not calibrated."""
        return self.provenance.training.get("calibration", {}).get("scales", {})

    def on_scale(self, score_scale: str) -> "Checkpoint":
        """The same network with its scores on another scale.

        Raises:
            UserError: the checkpoint is not calibrated.
        """
        if score_scale == self.score_scale:
            return self
        if score_scale not in self.scales or self.score_scale is None:
            raise UserError(
                f"{self.path} is not calibrated to the {score_scale} score scale; give a calibrated.ckpt, "
                "or make one with: python -m training.calibrate"
            )
        network = copy.deepcopy(self.network)
        for head, name in zip(network.network.heads, OUTPUT_NAMES, strict=True):
            Scaling.between(self.scales[self.score_scale][name], self.scales[score_scale][name]).fold(head)
        calibration = {**self.provenance.training["calibration"], "score_scale": score_scale}
        training = {**self.provenance.training, "calibration": calibration}
        return replace(self, network=network, provenance=replace(self.provenance, training=training))

    @torch.no_grad()
    def answer(
        self,
        dataset: PatchDataset,
        watch: Callable[[Iterable[int]], Iterable[int]] = iter,
        rows: NDArray[np.integer] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Probabilities of the hits of a data set: output name -> (N, 3) or (N, 1).

        Args:
            dataset: the hits.
            watch: wraps the batches, to show progress.
            rows: which of the hits, one or more; all where not given.
        """
        rows = np.arange(len(dataset)) if rows is None else rows
        parts = [
            self.network(torch.from_numpy(dataset.patches(rows[first : first + BATCH])))
            for first in watch(range(0, len(rows), BATCH))
        ]
        return {
            name: torch.cat(values).numpy()
            for name, values in zip(OUTPUT_NAMES, zip(*parts, strict=True), strict=True)
        }


def latest_run() -> Path:
    """The folder of the run whose best checkpoint was written last.

    Raises:
        UserError: there is none.
    """
    found = sorted(RUNS.glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no checkpoint in {RUNS}/; train one with: python -m training.fit")
    return found[-1].parent


def latest_checkpoint() -> Path:
    """The calibrated checkpoint of the latest run; the best one where none, or an older one, is calibrated.

    Raises:
        UserError: there is none.
    """
    best = latest_run() / BEST
    calibrated = best.with_name(CALIBRATED)
    newer = calibrated.is_file() and calibrated.stat().st_mtime >= best.stat().st_mtime
    return calibrated if newer else best


def read_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint file: tensors and plain containers only, never code.

    Raises:
        UserError: the file is missing or cannot be read so.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint {path}; train one with: python -m training.fit")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise unread(path, error, f"is not a readable checkpoint ({error}); train anew") from error
    except UnpicklingError as error:  # its text advises to run the code
        raise UserError(
            f"{path} is not a readable checkpoint (it holds code or no tensors); train anew"
        ) from error
    except Exception as error:  # PyTorch's reader raises errors of any class on what is no checkpoint
        reason = (str(error) or repr(error)).splitlines()[0]
        raise UserError(f"{path} is not a readable checkpoint ({reason}); train anew") from error
    wrong = _wrong_parts(content) if isinstance(content, dict) else [*FORM]
    if wrong:
        raise UserError(
            f"{path} is not a checkpoint of training.fit ({', '.join(wrong)} missing or of another form); "
            "train anew"
        )
    return content


def _wrong_parts(content: dict[str, Any]) -> list[str]:
    """What is missing in a checkpoint, or is not what it should be."""
    goes_on = "optimizer_states" in content
    form = FORM | (FORM_OF_TRAINING if goes_on else {})
    wrong = [name for name, kind in form.items() if not isinstance(content.get(name), kind)]
    if wrong:
        return wrong
    try:
        provenance = Provenance.from_json(content["provenance"])
    except (TypeError, ValueError):
        return ["provenance"]
    weights, settings = content["state_dict"], content["hyper_parameters"]
    return [
        name
        for name, good in {
            "state_dict": all(
                isinstance(key, str) and torch.is_tensor(value) for key, value in weights.items()
            ),
            "network": settings.get("network") in get_args(NetworkName),
            "quantised": isinstance(settings.get("quantised"), bool),
            "loops": not goes_on or "fit_loop" in content["loops"],
            "digest": not goes_on or "digest" in provenance.data,
            **{
                name: all(isinstance(state, dict) for state in content.get(name, []))
                for name in ("optimizer_states", "lr_schedulers")
            },
        }.items()
        if not good
    ]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint that :mod:`training.fit` wrote, or one that comes along.

    Args:
        path: of the file, or ``shipped:NAME`` (:mod:`training.network.shipped`).

    Raises:
        UserError: the file is missing, is no checkpoint of this project, holds code, or holds
            weights of another architecture than it says.
    """
    keep_freed_memory()
    path = located(path)
    content, digest = read_content(path), sha256(path)
    provenance = Provenance.from_json(content["provenance"])
    scale = adc_scale(content["era"])
    name, quantised = content["hyper_parameters"]["network"], content["hyper_parameters"]["quantised"]
    network = build_network(name, quantised=quantised)
    state = {key.removeprefix("network."): value for key, value in content["state_dict"].items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{path} holds the weights of another architecture than its network "
            f"{name!r} ({' '.join(str(error).split())[:160]}); give its own checkpoint"
        ) from error
    training = {**provenance.training, "checkpoint_sha256": digest}
    return Checkpoint(
        path=path,
        name=name,
        quantised=quantised,
        network=ServedNetwork(network).eval(),
        scale=scale,
        provenance=replace(provenance, training=training),
    )

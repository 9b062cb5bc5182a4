"""The Lightning module: losses, optimisation, validation score, and what travels in a checkpoint."""

import logging
from typing import Any, Literal

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from lartpc.errors import CheckError, UserError
from lartpc.provenance import Provenance
from training.data.data_module import PatchData
from training.data.dataset import Batch
from training.network.networks import NetworkName, ServedNetwork, build_network
from training.run.machine import differences, machine_of


class HitTraining(lightning.LightningModule):
    """Trains a network with two heads.

    Args:
        network: ``paper`` is the published network, ``compact`` takes 28 % of its multiply-adds.
        quantised: quantisation-aware training, of INT8 weights and activations; what it learns is to answer
            like the network that it starts from.
        init_from: checkpoint of the same network in FP32 whose weights the training starts from.
        dropout: after the convolution and the first fully connected layer.
        last_dropout: after the second one.
        class_weight: factor on the cross-entropy of track, shower and none.
        michel_loss: ``bce``, or ``mse`` of the probability.
        michel_positive_weight: factor on Michel hits in ``bce``.
        optimizer: ``adamw`` with a one-cycle schedule, or ``sgd`` (Nesterov momentum 0.9, the rate
            falling as 1 / (1 + 1e-5 step): the published recipe).
        learning_rate: peak rate of adamw, initial rate of sgd.
        weight_decay: of adamw.
    """

    def __init__(
        self,
        network: NetworkName = "paper",
        quantised: bool = False,
        init_from: str | None = None,
        dropout: float = 0.2,
        last_dropout: float = 0.0,
        class_weight: float = 1.0,
        michel_loss: Literal["bce", "mse"] = "bce",
        michel_positive_weight: float = 1.0,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = build_network(
            network,
            quantised=quantised,
            dropout=dropout,
            last_dropout=last_dropout,
            class_weight=class_weight,
            michel_loss=michel_loss,
            michel_positive_weight=michel_positive_weight,
        )
        self.era, self.seed, self.init_sha256 = "", 0, ""
        self.teacher: list[ServedNetwork] = []  # in a list, which keeps it out of the weights
        self.provenance = Provenance()
        self.machines: list[dict[str, Any]] = []

    def setup(self, stage: str) -> None:
        """Take over from the data what must travel with the weights."""
        data = self.trainer.datamodule
        if not isinstance(data, PatchData):
            raise UserError("training needs training.data.data_module.PatchData as its data")
        self.era, self.seed = data.scale.era, data.seed
        machine = machine_of(self.trainer)
        machines = [*(other for other in self.machines if other != machine), machine]
        record = {**self.record(data, self.trainer.max_epochs), "computed_on": machines}
        self.provenance = data.provenance.with_stage(training=record)
        if len(machines) > 1 and self.trainer.is_global_zero:
            logging.getLogger(__name__).warning(
                "what was trained so far was computed otherwise (%s): the weights will not be exactly those "
                "of an uninterrupted training",
                differences(machines[0], machine),
            )

    def record(self, data: PatchData, max_epochs: int | None) -> dict[str, Any]:
        """What a training is, for its provenance: network, optimisation, and how the data are used."""
        settings = {key: value for key, value in self.hparams.items() if not key.startswith("_")}
        return {
            **settings,
            **data.record(),
            "init_sha256": self.init_sha256,
            "max_epochs": max_epochs,
        }

    def check_resume(self, stored: Provenance, data: PatchData, max_epochs: int | None) -> None:
        """Refuse to go on with another training than the one of a checkpoint.

        Only the published recipe may get more epochs: the one-cycle schedule is planned for its length.

        Raises:
            UserError: naming what differs.
        """
        self.init_sha256 = stored.training.get("init_sha256", "")
        self.machines = stored.training.get("computed_on", [])
        now = {**self.record(data, max_epochs), "data": data.provenance.data["digest"]}
        then = {**stored.training, "data": stored.data["digest"]}
        free = {"max_epochs"} if self.hparams["optimizer"] == "sgd" else set()
        differing = [key for key in now if now[key] != then.get(key) and key not in free]
        if differing:
            words = ", ".join(f"{key} was {then.get(key)}, now {now[key]}" for key in differing)
            raise UserError(f"the checkpoint is of another training ({words}); give --config of its run")

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Seed dropout by (seed, step, rank): a resumed training drops the same units, a process its own."""
        seed = np.random.SeedSequence((self.seed, self.global_step, self.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Sum of the heads' losses.

        Raises:
            CheckError: the mean loss of all processes is not finite, which all of them see; the best and
                last checkpoints stay as they are.
        """
        patches, label, michel = batch
        logits = [value.float() for value in self.network(patches)]
        heads = self.network.heads
        if self.hparams["quantised"]:
            wanted = self._teacher_answers(patches)
            losses = [
                head.imitation_loss(*values) for head, *values in zip(heads, logits, wanted, strict=True)
            ]
        else:
            losses = [head.loss(value, label, michel) for head, value in zip(heads, logits, strict=True)]
        loss = torch.stack(losses).sum()
        mean = self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")
        if not torch.isfinite(mean):
            raise CheckError(
                f"the loss is {mean.item()} at epoch {self.current_epoch}, batch {index}; lower "
                "--model.learning-rate and resume from the last checkpoint"
            )
        self.log("train_loss", mean, prog_bar=True)
        return loss

    @torch.no_grad()
    def _teacher_answers(self, patches: Tensor) -> tuple[Tensor, ...]:
        """Probabilities of the network that a quantised training started from."""
        (teacher,) = self.teacher
        return teacher.to(patches.device)(patches)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add a batch to each head's metrics."""
        patches, label, michel = batch
        for head, logits in zip(self.network.heads, self.network(patches), strict=True):
            head.validate(logits.float(), label, michel)

    def on_validation_epoch_end(self) -> None:
        """Log each metric and their score: the mean of the two areas under the ROC curve."""
        values: dict[str, Any] = {}
        for head in self.network.heads:
            values |= head.metrics.compute()
            head.metrics.reset()
        values["val_score"] = (values["track_shower_auc"] + values["michel_auc"]) / 2
        self.log_dict(values, prog_bar=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimiser and its schedule, stepped with each batch."""
        rate = self.hparams["learning_rate"]
        scheduler: LRScheduler
        if self.hparams["optimizer"] == "sgd":
            sgd = torch.optim.SGD(self.parameters(), rate, momentum=0.9, nesterov=True)
            scheduler = LambdaLR(sgd, lambda step: 1 / (1 + 1e-5 * step))
        else:
            decay = self.hparams["weight_decay"]
            adamw = torch.optim.AdamW(self.parameters(), rate, weight_decay=decay, fused=True)
            steps = int(self.trainer.estimated_stepping_batches)
            scheduler = OneCycleLR(adamw, rate, total_steps=steps + 1)
        return {
            "optimizer": scheduler.optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that are not this network's, in one line, before Lightning loads them.

        Raises:
            UserError: naming what is missing or of another size.
        """
        try:
            self.load_state_dict(checkpoint["state_dict"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                f"the checkpoint is of another network ({reason}); give last.ckpt of its run"
            ) from error

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the ADC era and the provenance, as plain text."""
        checkpoint["era"] = self.era
        checkpoint["provenance"] = self.provenance.to_json()

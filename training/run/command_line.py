"""The command line of a training: a recipe, laid over by options, becomes trainer, network and data."""

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from lartpc.command import OneSpelling
from lartpc.errors import UserError
from lartpc.terminal import Loudness, loudness
from training.data.data_module import PatchData
from training.run.batch_job import requeued
from training.run.module import HitTraining
from training.run.run_folder import WholeCheckpoints, callbacks, hold_run

PROG = "python -m training.fit"


class FitParser(OneSpelling, LightningArgumentParser):
    """The parser of a training, with the options of Lightning's trainer."""


class FitCLI(LightningCLI):
    """LightningCLI with the name of the run and the data set that a recipe generates.

    Args:
        args: the arguments, the recipe's file among them.

    Raises:
        ArgumentError: an argument is unknown, or has a value of another kind.
        UserError: see :func:`hold_run`; or Lightning refuses what it is asked.
    """

    def __init__(self, args: list[str]) -> None:
        quiet_lightning()
        super().__init__(
            HitTraining,
            PatchData,
            run=False,
            args=args,
            save_config_callback=None,
            parser_class=FitParser,
            parser_kwargs={
                "parser_mode": "yaml",
                "allow_abbrev": False,
                "prog": PROG,
                "exit_on_error": False,
                "description": "Train the hit classifier with Lightning; --help shows what matters first.",
            },
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that are neither the trainer's, the model's nor the data's."""
        parser.add_argument("--name", type=str, default="default", help="the run's folder is runs/NAME")
        parser.add_argument("--ckpt_path", type=Path | None, help="last.ckpt of a run to go on with")
        parser.add_argument("--generate.events", type=int, default=100, help="events of the recipe's data")
        parser.add_argument("--generate.seed", type=int, default=1, help="seed of the recipe's data")
        parser.add_argument(
            "--generate.planes", type=str, default="U,V,W", help="planes of the recipe's data"
        )
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        parser.set_defaults({"trainer.num_sanity_val_steps": 0, "trainer.enable_model_summary": False})

    def before_instantiate_classes(self) -> None:
        """Choose the run's folder and bfloat16 where the processor has it."""
        if self.config.trainer.precision is None:
            self.config.trainer.precision = default_precision()
        if self.config.ckpt_path is None:
            self.config.ckpt_path = requeued(self.config.name, PROG)
        self.held = hold_run(self.config.name, self.config.ckpt_path)
        self.run = self.held.folder

    def instantiate_classes(self) -> None:
        """Make trainer, model and data; where that fails the folder is not this run's."""
        try:
            super().instantiate_classes()
        except BaseException:
            self.held.let_go()
            raise

    def instantiate_trainer(self, **kwargs: Any) -> lightning.Trainer:
        """Add the run's callbacks and, where the recipe names no logger, a CSV log.

        Every process takes its own part of each batch (training.data.batches), so Lightning divides nothing.
        """
        trainer = self.config_init.trainer
        logger = trainer.logger
        if logger in (None, True):
            logger = CSVLogger(self.run.parent, name=self.run.name, version="")
        own = [*(trainer.callbacks or []), *callbacks(self.run, logs=logger is not False)]
        if loudness() is Loudness.QUIET:
            trainer.enable_progress_bar = False
        elif trainer.enable_progress_bar is not False:
            own.append(RichProgressBar())
        try:
            return super().instantiate_trainer(
                logger=logger,
                callbacks=own,
                plugins=[*(trainer.plugins or []), WholeCheckpoints()],
                use_distributed_sampler=False,
                default_root_dir=trainer.default_root_dir or str(self.run),
                **kwargs,
            )
        except (MisconfigurationException, ModuleNotFoundError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"Lightning refuses: {error} (see {PROG} --help)") from error


def names_recipe(args: list[str]) -> bool:
    """Whether the arguments name a recipe."""
    return any(re.match(r"(-c|--config)(=|$)", arg) for arg in args)


def default_precision() -> str:
    """``bf16-mixed`` where accelerator or processor compute in bfloat16, else ``32-true``."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def quiet_lightning() -> None:
    """Silence advice that does not apply here, where batches are cut in the main process."""
    level = logging.INFO if loudness() is Loudness.VERBOSE else logging.ERROR
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(level)
    advice_here = ("many workers", "args parameter is", "is not empty", "LeafSpec", "logging interval")
    for advice in (*advice_here, "fast_hadamard_transform"):
        warnings.filterwarnings("ignore", f".*{advice}")

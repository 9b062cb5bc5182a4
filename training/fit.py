"""``python -m training.fit``: train the hit classifier with Lightning.

With no argument it takes training/configs/default.yaml and generates the data set that the recipe
names, where that is missing. Every part of a recipe can be changed on the command line, for example
``--trainer.max_epochs 3 --data.path my.h5 --model.learning_rate 5e-4``.
"""

import logging
import signal
import sys
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as lightning
import torch
from jsonargparse import ArgumentError
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger

from lartpc.command import parser_reason, report, say
from lartpc.errors import UserError
from training.data_module import PatchData
from training.gate_file import write_gate_file
from training.module import HitClassifier

PROG = "python -m training.fit"
CONFIGS = Path(__file__).parent / "configs"
RUNS = Path("runs")


class FitCLI(LightningCLI):
    """LightningCLI with the name of the run and the data set that a recipe generates."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that are neither the trainer's, the model's nor the data's."""
        parser.add_argument("--name", type=str, default="default", help="the run's folder is runs/NAME")
        parser.add_argument("--ckpt_path", type=Path | None, help="last.ckpt of a run to go on with")
        parser.add_argument("--generate.events", type=int, default=100, help="events of the recipe's data")
        parser.add_argument("--generate.seed", type=int, default=1, help="seed of the recipe's data")

    def before_instantiate_classes(self) -> None:
        """Choose the run's folder and bfloat16 where the processor has it."""
        if self.config.trainer.precision is None:
            self.config.trainer.precision = default_precision()
        self.run = run_folder(self.config.name, self.config.ckpt_path)

    def instantiate_trainer(self, **kwargs: Any) -> lightning.Trainer:
        """Add the run's callbacks and, where the recipe names no logger, a CSV log."""
        trainer = self.config_init.trainer
        logger = trainer.logger or CSVLogger(RUNS, name=self.run.name, version="")
        own = [*(trainer.callbacks or []), *callbacks(self.run)]
        if trainer.enable_progress_bar is not False:
            own.append(RichProgressBar())
        return super().instantiate_trainer(
            logger=logger,
            callbacks=own,
            default_root_dir=str(self.run),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **kwargs,
        )


def default_precision() -> str:
    """``bf16-mixed`` where accelerator or processor compute in bfloat16, else ``32-true``."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def run_folder(name: str, ckpt_path: Path | None) -> Path:
    """Folder of the run to go on with, or a new one: runs/NAME, or runs/NAME-2 where that exists.

    Raises:
        UserError: the checkpoint to go on with does not exist, or the name is not a plain one.
    """
    if ckpt_path is not None:
        if not ckpt_path.is_file():
            raise UserError(f"no checkpoint {ckpt_path}; give the last.ckpt of a run")
        return ckpt_path.parent
    if Path(name).name != name:
        raise UserError(f"--name {name!r} is not a plain folder name")
    taken = [folder.name for folder in RUNS.glob("*")]
    number = 1
    while (free := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return RUNS / free


def callbacks(run: Path) -> list[lightning.Callback]:
    """Learning rate in the log, best checkpoint by validation score and last one."""
    return [
        LearningRateMonitor("epoch"),
        ModelCheckpoint(
            run,
            filename="best",
            monitor="val_score",
            mode="max",
            save_last=True,
            enable_version_counter=False,
        ),
    ]


def ensure_data(cli: FitCLI, args: list[str]) -> None:
    """Generate the recipe's data set where it is missing; a path that the user gave must exist."""
    path = cli.datamodule.path
    if path.exists() or any(arg.startswith("--data.path") for arg in args):
        return
    from data_gen.generate import command as generate

    say(f"{path} is missing: generating the recipe's {cli.config.generate.events} events")
    generate(events=cli.config.generate.events, seed=cli.config.generate.seed, out=path)


def fit(cli: FitCLI) -> None:
    """Train. After Ctrl-C Lightning ends the process; here ``trainer.interrupted`` tells."""
    before = signal.getsignal(signal.SIGINT)
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
    except SystemExit:
        signal.signal(signal.SIGINT, before)
        if not cli.trainer.interrupted:
            raise


def main(args: list[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 1 found wanting, 2 asked wrongly."""
    args = sys.argv[1:] if args is None else args
    if not any(arg.startswith("--config") for arg in args):
        args = ["--config", str(CONFIGS / "default.yaml"), *args]
    quiet_lightning()
    start = perf_counter()
    try:
        cli = FitCLI(
            HitClassifier,
            PatchData,
            run=False,
            args=args,
            save_config_kwargs={"overwrite": True},
            parser_kwargs={
                "parser_mode": "yaml",
                "allow_abbrev": False,
                "prog": PROG,
                "exit_on_error": False,
                "description": __doc__,
            },
        )
        ensure_data(cli, args)
        cli.datamodule.setup()
        write_gate_file(cli.datamodule, cli.run / "gate.h5")
        fit(cli)
    except ArgumentError as error:
        return report(f"{parser_reason(str(error))} (see {PROG} --help)", UserError.exit_code)
    except UserError as error:
        return report(str(error), error.exit_code)
    except OSError as error:
        return report(f"cannot write {cli.run}: {error.strerror}; free the space and resume", 2)
    if cli.trainer.interrupted:
        return report(f"interrupted; go on with: {PROG} --ckpt_path {cli.run}/last.ckpt", 130)
    best = cli.run / "best.ckpt"
    score = cli.trainer.checkpoint_callback.best_model_score
    say(f"wrote {best} (validation score {score:.4f}) and gate.h5 in {perf_counter() - start:.0f} s")
    say(f"next: python -m training.evaluate --checkpoint {best}")
    return 0


def quiet_lightning() -> None:
    """Silence advice that does not apply here, where batches are cut in the main process."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for advice in ("many workers", "args parameter is", "is not empty", "LeafSpec", "logging interval"):
        warnings.filterwarnings("ignore", f".*{advice}")


if __name__ == "__main__":
    raise SystemExit(main())

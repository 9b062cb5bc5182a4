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
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from lartpc.command import parser_reason, report, say
from lartpc.errors import UserError
from lartpc.provenance import Provenance
from training.checkpoint import RUNS, read_content
from training.data_module import PatchData
from training.gate_file import GATE_FILE, write_gate_file
from training.module import HitClassifier

PROG = "python -m training.fit"
CONFIGS = Path(__file__).parent / "configs"


class FitCLI(LightningCLI):
    """LightningCLI with the name of the run and the data set that a recipe generates."""

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
        self.run = run_folder(self.config.name, self.config.ckpt_path)

    def instantiate_trainer(self, **kwargs: Any) -> lightning.Trainer:
        """Add the run's callbacks and, where the recipe names no logger, a CSV log."""
        trainer = self.config_init.trainer
        logger = trainer.logger
        if logger in (None, True):
            logger = CSVLogger(self.run.parent, name=self.run.name, version="")
        own = [*(trainer.callbacks or []), *callbacks(self.run)]
        if trainer.enable_progress_bar is not False:
            own.append(RichProgressBar())
        return super().instantiate_trainer(
            logger=logger,
            callbacks=own,
            default_root_dir=trainer.default_root_dir or str(self.run),
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
    """Learning rate in the log, best checkpoint by validation score and that of the last epoch.

    Two savers: one with ``save_last`` would renew last.ckpt only in epochs that are the best so far.
    """
    return [
        LearningRateMonitor("epoch"),
        ModelCheckpoint(run, "best", monitor="val_score", mode="max", enable_version_counter=False),
        ModelCheckpoint(run, "last", enable_version_counter=False),
    ]


def ensure_data(cli: FitCLI, args: list[str]) -> None:
    """Generate the recipe's data set where it is missing; a path that the user gave must exist."""
    path = cli.datamodule.path
    if path.exists() or any(arg.startswith("--data.path") for arg in args):
        return
    from data_gen.generate import command as generate

    recipe = cli.config.generate
    say(f"{path} is missing: generating the recipe's {recipe.events} events")
    generate(events=recipe.events, seed=recipe.seed, planes=recipe.planes, out=path)


def prepare_run(cli: FitCLI) -> None:
    """Write the gate file of a new run; of one that goes on, refuse another training and keep its log.

    Raises:
        UserError: the data set offers too little, or the checkpoint is of another training.
    """
    cli.datamodule.setup()
    if cli.config.ckpt_path is None:
        write_gate_file(cli.datamodule, cli.run / GATE_FILE)
        return
    stored = Provenance.from_json(read_content(cli.config.ckpt_path)["provenance"])
    cli.model.check_resume(stored, cli.datamodule, cli.trainer.max_epochs)
    log = cli.run / "metrics.csv"
    if log.exists():
        log.rename(log.with_suffix(f".until-{log.stat().st_mtime_ns}.csv"))


def fit(cli: FitCLI) -> None:
    """Train. After Ctrl-C Lightning ends the process; here it is a KeyboardInterrupt again."""
    before = signal.getsignal(signal.SIGINT)
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
    except SystemExit:
        signal.signal(signal.SIGINT, before)
        if cli.trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def main(args: list[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 1 found wanting, 2 asked wrongly."""
    args = sys.argv[1:] if args is None else args
    if not any(arg.startswith("--config") for arg in args):
        args = ["--config", str(CONFIGS / "default.yaml"), *args]
    resuming = any(arg.startswith("--ckpt_path") for arg in args)
    quiet_lightning()
    start = perf_counter()
    cli = None
    try:
        cli = FitCLI(
            HitClassifier,
            PatchData,
            run=False,
            args=args,
            save_config_callback=None if resuming else SaveConfigCallback,
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
        prepare_run(cli)
        fit(cli)
    except ArgumentError as error:
        return report(f"{parser_reason(str(error))} (see {PROG} --help)", UserError.exit_code)
    except UserError as error:
        return report(str(error), error.exit_code)
    except MisconfigurationException as error:
        return report(f"Lightning refuses: {error} (see {PROG} --help)", UserError.exit_code)
    except OSError as error:
        return report(f"cannot write the run: {error.strerror or error}; free the space and resume", 2)
    except KeyboardInterrupt:
        return report(interruption(cli), 130)
    best = cli.run / "best.ckpt"
    score = getattr(cli.trainer.checkpoint_callback, "best_model_score", None)
    if score is None:
        say(f"no validation took place, so {cli.run} has no best checkpoint")
        return 0
    say(f"wrote {best} (validation score {score:.4f}) and {GATE_FILE} in {perf_counter() - start:.0f} s")
    say(f"next: python -m training.evaluate --checkpoint {best}")
    return 0


def interruption(cli: FitCLI | None) -> str:
    """What to say after Ctrl-C: how to go on, where there is a checkpoint to go on with."""
    if cli is None or not (cli.run / "last.ckpt").exists():
        return "interrupted before the first checkpoint; nothing to go on with"
    return f"interrupted; go on with: {PROG} --config {cli.run}/config.yaml --ckpt_path {cli.run}/last.ckpt"


def quiet_lightning() -> None:
    """Silence advice that does not apply here, where batches are cut in the main process."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for advice in ("many workers", "args parameter is", "is not empty", "LeafSpec", "logging interval"):
        warnings.filterwarnings("ignore", f".*{advice}")


if __name__ == "__main__":
    raise SystemExit(main())

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
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from lartpc.command import parser_reason, report, say
from lartpc.errors import UserError
from lartpc.files import write_text
from lartpc.locks import one_at_a_time
from lartpc.provenance import Provenance
from training.calibrate import calibrate, say_calibration, validation_hits
from training.data.data_module import PatchData
from training.data.gate_file import GATE_FILE, write_gate_file
from training.host_memory import keep_freed_memory
from training.network.checkpoint import BEST, read_content
from training.network.networks import multiply_adds
from training.run.batch_job import job_checkpoints, requeued
from training.run.initialise import initialise, resume
from training.run.module import HitTraining
from training.run.run_folder import WholeCheckpoints, callbacks, hold_run

PROG = "python -m training.fit"
CONFIGS = Path(__file__).resolve().parent / "configs"


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
        if trainer.enable_progress_bar is not False:
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
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"Lightning refuses: {error} (see {PROG} --help)") from error


def default_precision() -> str:
    """``bf16-mixed`` where accelerator or processor compute in bfloat16, else ``32-true``."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


@rank_zero_only
def ensure_data(cli: FitCLI, args: list[str]) -> None:
    """Generate the data set of a shipped recipe where it is missing; a path that the user gave must exist.

    It is the user's on the command line, in a YAML of their own, and in the config.yaml of a run.
    """
    path = cli.datamodule.path
    given = any(arg.startswith("--data.path") for arg in args) or cli.config.ckpt_path is not None
    own = any(Path(str(config)).resolve().parent != CONFIGS for config in cli.config.config or [])
    if path.exists() or given or own:
        return
    from data_gen.generate import command as generate

    recipe = cli.config.generate
    with one_at_a_time(path, lambda: say(f"another process is making {path}; waiting for it")):
        if not path.exists():
            say(f"{path} is missing: generating the recipe's {recipe.events} events")
            generate(events=recipe.events, seed=recipe.seed, planes=recipe.planes, out=path)


@rank_zero_only
def prepare_run(cli: FitCLI) -> None:
    """Write recipe and gate file of a new run; of one that goes on, refuse another training, keep its log.

    Of processes that train together the first one does it; the others wait for it in ``fit``.

    Raises:
        UserError: the data set offers too little, or the checkpoint is of another training.
    """
    cli.datamodule.trainer = cli.trainer
    cli.datamodule.setup()
    network = cli.model.hparams["network"]
    say(f"network {network}: {multiply_adds(network) / 1e6:.1f} million multiply-adds a patch")
    if cli.config.ckpt_path is None:
        initialise(cli.model, cli.datamodule)
        write_gate_file(cli.datamodule.path, cli.run / GATE_FILE)
        write_text(cli.run / "config.yaml", cli.parser.dump(cli.config, skip_none=False))
        return
    content = read_content(cli.config.ckpt_path)
    if "optimizer_states" not in content:
        raise UserError(f"{cli.config.ckpt_path} cannot be trained on; give the last.ckpt of its run")
    stored = Provenance.from_json(content["provenance"])
    cli.model.check_resume(stored, cli.datamodule, cli.trainer.max_epochs)
    resume(cli.model, cli.datamodule)
    log = cli.run / "metrics.csv"
    if log.exists():
        log.rename(log.with_suffix(f".until-{log.stat().st_mtime_ns}.csv"))


def fit(cli: FitCLI) -> None:
    """Train. After Ctrl-C Lightning ends the process; here it is a KeyboardInterrupt again.

    Processes that this one started end with it: they would wait for it in vain.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
    except SystemExit:
        signal.signal(signal.SIGINT, before)
        if cli.trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    except UserError:
        for process in getattr(cli.trainer.strategy.launcher, "procs", []):
            process.kill()
        raise


def calibrate_best(cli: FitCLI) -> Path | None:
    """Calibrate the best checkpoint on the validation events, in the first of several processes; its path."""
    if getattr(cli.trainer.checkpoint_callback, "best_model_score", None) is None:
        return None
    if not cli.trainer.is_global_zero:
        return None
    data = cli.datamodule
    digest = data.provenance.data["digest"]
    validation = validation_hits(data.path, digest, data.scale)
    return calibrate(cli.run / BEST, validation, digest)


def main(args: list[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 1 found wanting, 2 asked wrongly."""
    args = sys.argv[1:] if args is None else args
    if not any(arg.startswith("--config") for arg in args):
        args = ["--config", str(CONFIGS / "default.yaml"), *args]
    quiet_lightning()
    keep_freed_memory()
    start = perf_counter()
    cli = None
    try:
        cli = FitCLI(
            HitTraining,
            PatchData,
            run=False,
            args=args,
            save_config_callback=None,
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
        calibrated = calibrate_best(cli)
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
    finally:
        if cli is not None:
            cli.held.let_go()
    conclude(cli, calibrated, perf_counter() - start)
    return 0


@rank_zero_only
def conclude(cli: FitCLI, calibrated: Path | None, seconds: float) -> None:
    """Say what was written and what to do next."""
    if calibrated is None:
        say(f"no validation took place, so {cli.run} has no best checkpoint")
        return
    for left in job_checkpoints(cli.run):
        left.unlink()
    score = cli.trainer.checkpoint_callback.best_model_score
    say(f"wrote {cli.run / BEST} (validation score {score:.4f}) and {GATE_FILE} in {seconds:.0f} s")
    say_calibration(calibrated)
    say(f"next: python -m training.evaluate --checkpoint {calibrated} --data {cli.datamodule.path}")


def interruption(cli: FitCLI | None) -> str:
    """What to say after Ctrl-C: how to go on, where there is a checkpoint to go on with."""
    if cli is None or not (cli.run / "last.ckpt").exists():
        return "interrupted before the first checkpoint; nothing to go on with"
    return f"interrupted; go on with: {PROG} --config {cli.run}/config.yaml --ckpt_path {cli.run}/last.ckpt"


def quiet_lightning() -> None:
    """Silence advice that does not apply here, where batches are cut in the main process."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    advice_here = ("many workers", "args parameter is", "is not empty", "LeafSpec", "logging interval")
    for advice in (*advice_here, "fast_hadamard_transform"):
        warnings.filterwarnings("ignore", f".*{advice}")


if __name__ == "__main__":
    raise SystemExit(main())

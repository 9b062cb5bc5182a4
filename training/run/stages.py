"""The stages of a training: its folder is prepared, it trains, its best checkpoint is calibrated."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from lartpc.command import TerminatedError
from lartpc.errors import UserError
from lartpc.files import write_text
from lartpc.provenance import Provenance
from lartpc.terminal import say, suggest
from training.calibrate import calibrate, ends_of, say_calibration
from training.data.gate_file import GATE_FILE, write_gate_file
from training.network.checkpoint import BEST, CALIBRATED, read_content
from training.network.networks import multiply_adds
from training.run.batch_job import job_checkpoints
from training.run.command_line import PROG, FitCLI
from training.run.initialise import initialise, resume


@contextmanager
def plainly(cli: FitCLI) -> Iterator[None]:
    """What ends a training, in a line for its user.

    Raises:
        UserError: Lightning refuses, or the run cannot be written.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, saying how to go on.
    """
    try:
        yield
    except MisconfigurationException as error:
        raise UserError(f"Lightning refuses: {error} (see {PROG} --help)") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write the run: {reason}; make room for it and go on") from error
    except KeyboardInterrupt as error:
        raise type(error)(interruption(cli)) from error


@rank_zero_only
def prepare_run(cli: FitCLI) -> None:
    """Write recipe and gate file of a new run; of one that goes on, refuse another training.

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


@rank_zero_only
def keep_log(cli: FitCLI) -> None:
    """Put the log of a run that goes on beside the one that begins."""
    log = cli.run / "metrics.csv"
    if log.exists():
        log.rename(log.with_suffix(f".until-{log.stat().st_mtime_ns}.csv"))


def is_finished(cli: FitCLI) -> bool:
    """Whether the checkpoint to go on with has all epochs of the recipe behind it."""
    path, epochs = cli.config.ckpt_path, cli.trainer.max_epochs
    return path is not None and epochs is not None and 0 <= epochs <= read_content(path)["epoch"] + 1


def fit(cli: FitCLI) -> None:
    """Train. After Ctrl-C or SIGTERM Lightning ends the process; here it is the same exception again.

    Processes that this one started end with it: they would wait for it in vain.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=cli.config.ckpt_path)
    except SystemExit as ended:
        signal.signal(signal.SIGINT, before)
        if cli.trainer.interrupted:
            cause = ended.__context__
            raise type(cause) if isinstance(cause, TerminatedError) else KeyboardInterrupt from ended
        raise
    except UserError:
        for process in getattr(cli.trainer.strategy.launcher, "procs", []):
            process.kill()
        raise


def calibrate_best(cli: FitCLI) -> Path | None:
    """Calibrate the better of best and last checkpoint, in the first of several processes; its path.

    The last one is the end of the plan, where a schedule that anneals ends; and the validation score by which
    the best one is kept is of fewer hits.
    """
    if getattr(cli.trainer.checkpoint_callback, "best_model_score", None) is None:
        return None
    if not cli.trainer.is_global_zero:
        return None
    return calibrate(ends_of(cli.run), cli.datamodule.path)


@rank_zero_only
def say_finished(cli: FitCLI) -> None:
    """Say that nothing is left to train, and what to do next."""
    say(f"nothing is left to train: {cli.config.ckpt_path} has its {cli.trainer.max_epochs} epochs")
    last = cli.run / CALIBRATED
    if not last.exists():
        suggest("training.calibrate", cli.datamodule.path, "--checkpoint", cli.run / BEST)
        return
    suggest("training.evaluate", "--checkpoint", last, "--data", cli.datamodule.path)


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
    suggest("training.evaluate", "--checkpoint", calibrated, "--data", cli.datamodule.path)


def interruption(cli: FitCLI) -> str:
    """What to say after Ctrl-C: how to go on, where there is a checkpoint to go on with."""
    if not (cli.run / "last.ckpt").exists():
        return "interrupted before the first checkpoint; nothing to go on with"
    words = ["--config", f"{cli.run}/config.yaml", "--ckpt-path", f"{cli.run}/last.ckpt"]
    return f"interrupted; go on with: {PROG} {shlex.join(words)}"

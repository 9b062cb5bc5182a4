"""``python -m training.fit``: train the hit classifier with Lightning."""

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from lartpc.command import guarded, named_configs

if TYPE_CHECKING:
    from training.run.command_line import FitCLI

PROG = "python -m training.fit"
CONFIGS = Path(__file__).resolve().parent / "configs"
HELP = Path(__file__).with_name("fit_help.txt")
"""What ``--help`` shows: the options that matter first, without loading PyTorch."""


def fit(args: list[str]) -> int:
    """Train by a recipe and options; the exit code.

    Raises:
        UserError: asked wrongly, or the data set offers too little.
        CheckError: the loss is not finite.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, saying how to go on.
    """
    if {"-h", "--help"} & set(args):
        sys.stdout.write(HELP.read_text(encoding="utf-8"))
        return 0
    from training.host_memory import keep_freed_memory
    from training.run import stages
    from training.run.command_line import FitCLI, names_recipe

    args = ["--help" if arg == "--help-all" else arg for arg in named_configs(args, CONFIGS)]
    if not names_recipe(args):
        args = ["--config", str(CONFIGS / "default.yaml"), *args]
    start = perf_counter()
    cli = FitCLI(args)
    try:
        with stages.plainly(cli):
            ensure_data(cli, args)
            stages.prepare_run(cli)
            keep_freed_memory()  # from here on: what was read in many pieces would stay beside the whole
            if stages.is_finished(cli):
                stages.say_finished(cli)
                return 0
            stages.keep_log(cli)
            stages.fit(cli)
            calibrated = stages.calibrate_best(cli)
    finally:
        cli.held.let_go()
    stages.conclude(cli, calibrated, perf_counter() - start)
    return 0


def ensure_data(cli: "FitCLI", args: list[str]) -> None:
    """Generate the data set of a shipped recipe where it is missing; a path that the user gave must exist.

    It is the user's on the command line, in a YAML of their own, and in a run's config.yaml. Of processes
    that train together the first one generates.
    """
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    from lartpc.locks import one_at_a_time
    from lartpc.terminal import say

    path = cli.datamodule.path
    given = any(arg.startswith("--data.path") for arg in args) or cli.config.ckpt_path is not None
    own = any(Path(str(config)).resolve().parent != CONFIGS for config in cli.config.config or [])
    if path.exists() or given or own or rank_zero_only.rank != 0:
        return
    from data_gen.generate import command as generate

    recipe = cli.config.generate
    with one_at_a_time(path, lambda: say(f"another process is making {path}; waiting for it")):
        if not path.exists():
            say(f"{path} is missing: generating the recipe's {recipe.events} events")
            generate(events=recipe.events, seed=recipe.seed, planes=recipe.planes, out=path)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return guarded(fit, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

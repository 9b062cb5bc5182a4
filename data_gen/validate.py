"""Check the generator's physics: python -m data_gen.validate."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.files import whole_file, write_text
from lartpc.terminal import say, show, suggest

if TYPE_CHECKING:
    from data_gen.validation.study import Section

PACKAGES = ("numpy", "scipy", "numba", "particle")
PICTURES = ("shower", "dedx")
"""Plots that are written as files of their own with --pictures."""


def validate(
    out: Path = Path("runs/validation"),
    quick: bool = False,
    seed: int = 1,
    workers: int | None = None,
    pictures: Path | None = None,
) -> None:
    """Check the generator's physics against references, and write one page about it.

    Ranges, energy loss, showers, decays, response, noise, rates, and what events hold, each with its
    reference and the source of that. Exit code 1 if a check fails.

    Args:
        out: folder for index.html and checks.json
        quick: a few minutes instead of ten: fewer showers and events, the same tolerances
        seed: of all random numbers; what is found does not depend on the number of workers
        workers: processes; one a core by default
        pictures: folder for two of the plots as PNG files, validation-shower.png and validation-dedx.png
    """
    from data_gen.production.workers import available_cores

    if workers is None:
        workers = available_cores()
    if seed < 0:
        raise UserError(f"--seed {seed} must be 0 or more")
    if not 1 <= workers <= 4 * available_cores():
        raise UserError(
            f"--workers {workers} must be 1 to four times the {available_cores()} cores of this machine"
        )
    from data_gen.production.data_set import compile_kernels
    from data_gen.validation.studies import run_studies
    from data_gen.validation.study import FULL, QUICK

    compile_kernels()
    started = time.monotonic()
    with _progress_bar() as advance:
        sections = run_studies(QUICK if quick else FULL, seed, workers, advance)
    publish(sections, out, provenance(seed, quick), pictures)
    say(f"{out / 'index.html'} and checks.json in {time.monotonic() - started:.0f} s with {workers} workers")
    conclude(sections, out)


def provenance(seed: int, quick: bool) -> dict[str, Any]:
    """Where the numbers come from."""
    from importlib.metadata import version

    from data_gen.production.data_set import GENERATOR_VERSION
    from lartpc.provenance import git_commit

    return {
        "seed": seed,
        "effort": "quick" if quick else "full",
        "generator_version": GENERATOR_VERSION,
        "git_commit": git_commit(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def publish(
    sections: "list[Section]", out: Path, source: dict[str, Any], pictures: Path | None = None
) -> None:
    """Write the page, the JSON beside it, and pictures where they are wanted.

    Args:
        sections: what was found.
        out: folder; its files are replaced.
        source: the provenance.
        pictures: folder for :data:`PICTURES`, or None.

    Raises:
        UserError: a file cannot be written.
    """
    from data_gen.validation.page import record, render

    write_text(out / "checks.json", json.dumps(record(sections, source), indent=2, ensure_ascii=False) + "\n")
    write_text(out / "index.html", render(sections, source))
    if pictures is None:
        return
    for plot in (plot for section in sections for plot in section.plots if plot.name in PICTURES):
        with whole_file(pictures / f"validation-{plot.name}.png") as part:
            part.write_bytes(plot.png)


def conclude(sections: "list[Section]", out: Path) -> None:
    """Print the checks and the next command.

    Raises:
        CheckError: a check fails.
    """
    from rich.table import Table

    from data_gen.validation.page import allowed, counts, deviation, failures, measured, reference

    table = Table("quantity", "generator", "reference", "deviation", "allowed", "verdict")
    colours = {"pass": "green", "fail": "bold red", "reported": "dim"}
    for section in sections:
        table.add_section()
        for check in section.checks:
            verdict = check.verdict.value
            table.add_row(
                check.quantity,
                measured(check),
                reference(check),
                deviation(check),
                allowed(check),
                f"[{colours[verdict]}]{verdict}[/]",
            )
    show(table)
    show(", ".join(f"{number} {verdict}" for verdict, number in counts(sections).items()))
    failed = failures(sections)
    if failed:
        raise CheckError(
            f"{len(failed)} checks failed: {'; '.join(check.quantity for check in failed)}; see "
            f"{out / 'index.html'}"
        )
    suggest("data_gen.generate")


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar; yields the callback that moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("checking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tasks, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("checking", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def main(args: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    return run(validate, args, prog="python -m data_gen.validate")


if __name__ == "__main__":
    raise SystemExit(main())

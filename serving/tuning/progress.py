"""Progress of a search: a bar on a terminal's standard error, elsewhere a line for each trial."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from lartpc.terminal import Loudness, loudness, plain, say
from serving.tuning.search import Trial


@contextmanager
def shown_progress(trials: int) -> Iterator[Callable[[Trial], None]]:
    """Yields what to call with each trial.

    Args:
        trials: about as many as there will be.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, quiet=loudness() is Loudness.QUIET)
    if not console.is_terminal:
        yield lambda trial: say(in_words(trial))
        return
    columns = (TextColumn("tuning"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.description}"))  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("the default", total=trials)
        yield lambda trial: bar.update(task, advance=1, description=plain(in_words(trial)))


def in_words(trial: Trial) -> str:
    """A trial in one line."""
    if trial.fault:
        return f"{trial.candidate.words}: not measured: {trial.fault}"
    taken = "taken" if trial.taken else "not taken"
    hits = median(row.hits_a_second for row in trial.rows)
    return f"{trial.candidate.words}: {hits:,.0f} hits/s, {median(trial.gains):.2f} of the best, {taken}"

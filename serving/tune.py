"""``python -m serving.tune``: the settings of a model that suit this machine, by measurement."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lartpc.command import run
from lartpc.errors import UserError
from lartpc.terminal import say, show, suggest

if TYPE_CHECKING:
    from lartpc.served.tuning import Tuning
    from serving.repository import RepositoryModel
    from serving.sizing.perf_analyzer import Row
    from serving.tuning.candidates import Terms

PROG = "python -m serving.tune"

SERVER_S, LOOKS, OVERHEAD_S = 3.0, 3, 1.5
"""Of a server's start; windows of a measurement, and what it takes besides."""

ANYHOW_PERCENT = 1000
"""By which the windows of a measurement may differ: the rounds tell what is noise."""


def tune(
    model: str = "emtrkmichel_compact_int8",
    repository: Path = Path("model_repository"),
    out: Path = Path("tuning.json"),
    p99_ms: float | None = None,
    clients: int = 4,
    batch: int = 235,
    rounds: int = 5,
    window_s: float = 1.0,
) -> None:
    """Find the settings with which this machine answers most hits a second, and keep them in a file.

    Tried are, one after the other, how instances and threads share the cores, the rows of one run, the rows
    that are merged at most, and how long a request waits for others. NVIDIA's perf_analyzer measures each
    beside the best so far, in turns; a setting is taken where it is better in the median, and loses at most
    one round in five. Run it on the machine that will serve, and let nothing else run there meanwhile.

    Args:
        model: of patches
        repository: folder of models; it stays as it is
        out: file of settings, for export.registry tune and export.triton --tuning; where one is there the
            model's are added
        p99_ms: what 99 of 100 answers must keep, in ms; without it throughput alone counts
        clients: with one request under way each
        batch: patches in a request
        rounds: in which a candidate and the best so far are measured in turns
        window_s: of one look of perf_analyzer; a measurement has three
    """
    from serving.environment import find
    from serving.sizing.perf_analyzer import get, measure
    from serving.tuning.candidates import Terms, beginning
    from serving.tuning.progress import shown_progress
    from serving.tuning.record import check_out, last_table, record_of, trials_table, write_settings
    from serving.tuning.search import Search
    from serving.tuning.servers import TrialServers

    for name, value, most in (("clients", clients, 256), ("batch", batch, 8192), ("rounds", rounds, 20)):
        if not 1 <= value <= most:
            raise UserError(f"--{name} {value} must lie between 1 and {most}")
    if not 0.2 <= window_s <= 600:
        raise UserError(f"--window-s {window_s:g} must lie between 0.2 and 600")
    bound_ms = float("inf") if p99_ms is None else p99_ms
    if not bound_ms > 0:
        raise UserError(f"--p99-ms {bound_ms:g} must be above 0")
    check_out(out)
    tuned = tunable(repository, model, batch)
    environment = find()
    program = get(environment)
    terms = Terms(len(os.sched_getaffinity(0)), clients, batch, bound_ms, rounds)
    start = beginning(terms.cores, os.cpu_count() or 1)

    def ask(address: str, times: int) -> "Row":
        at_once = clients, clients
        return measure(program, address, model, batch, at_once, times * window_s, ANYHOW_PERCENT)[0]

    trials, least_s, most_s = expected(start, terms, window_s)
    minutes = f"{least_s / 60:.0f} to {most_s / 60:.0f} minutes"
    say(f"{model} on {terms.cores} cores: about {trials} settings, {minutes}")
    with TrialServers(tuned, ask) as servers, shown_progress(trials) as tell:
        search = Search(terms, servers.measure, tell)
        chosen = search.choose(start)
    show(trials_table(f"{model}, {clients} clients, batches of {batch}", search.seen[start], search.trials))
    if search.last is not None:
        show(last_table(search.last))
    search.check_bound(chosen)
    say(f"{'the default is best here' if chosen == start else 'tuned'}: {chosen.in_words}")
    write_settings(out, model, chosen, record_of(tuned, environment, terms, search))
    say(f"wrote {out}")
    suggest("export.registry", "tune", repository, out)


def tunable(repository: Path, name: str, batch: int) -> "RepositoryModel":
    """The model of a repository whose settings can be tuned on this machine.

    Raises:
        UserError: there is none of that name, it does not run here, or it takes no batches of patches.
    """
    from lartpc.served.tuning import Tuning
    from serving.repository import read_models

    models = read_models(repository)
    if name not in models:
        raise UserError(f"{repository} has no model {name}; it has {', '.join(models)}")
    model = models[name]
    if model.points_at:
        raise UserError(f"{name} is another name of {model.points_at}; tune that")
    if model.left_out:
        raise UserError(f"{name} does not run on this machine: {model.left_out}")
    if model.config.max_batch_size == 0:
        raise UserError(
            f"{name} takes planes, one request at a time, for which the server divides the cores by itself; "
            "name a model of patches"
        )
    if batch > model.config.max_batch_size:
        raise UserError(f"--batch {batch} is more than {name} takes at once, {model.config.max_batch_size}")
    Tuning.of(model.config)
    return model


def expected(start: "Tuning", terms: "Terms", window_s: float) -> tuple[int, float, float]:
    """About how many settings will be tried, and the least and the most seconds that it takes.

    Least where each is given up as soon as can be, most where none is.
    """
    from serving.tuning.candidates import STEPS
    from serving.tuning.search import ROUNDS_A_LOSS

    trials = sum(len(step(start, terms)) for step in STEPS)
    look_s = LOOKS * window_s + OVERHEAD_S
    least_s = (2 * trials * (terms.rounds // ROUNDS_A_LOSS + 1) + 1) * look_s + (trials + 1) * SERVER_S
    most_s = (2 * terms.rounds * (trials + 1) + 1) * look_s + (trials + 2) * SERVER_S
    return trials, least_s, most_s


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(tune, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

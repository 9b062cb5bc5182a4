"""``python -m export.registry``: which versions are published where, and which of them servers load."""

from pathlib import Path
from typing import TYPE_CHECKING

from lartpc.command import Command, run
from lartpc.errors import CheckError, UserError
from lartpc.files import write_text
from lartpc.terminal import cells, say, show, suggest

if TYPE_CHECKING:
    from export.repository.find import Found
    from export.repository.model_folder import ModelFolder
    from export.store.interface import Store

PROG = "python -m export.registry"
COLUMNS = (
    "model",
    "version",
    "",
    "digest",
    "gates",
    "AUC t/s",
    "AUC Michel",
    "ADC era",
    "scores",
    "checkpoint",
    "commit",
)


def list_versions(target: str, model: str | None = None, markdown: Path | None = None) -> None:
    """List the published versions side by side: visible or not, gates, physics, where from.

    Args:
        target: folder or URL that was published to.
        model: this model only.
        markdown: file to write the table to as well, for a release's summary.
    """
    from rich.table import Table

    from export.repository.alias import aliases
    from export.repository.trial import TRIAL_FILE, is_for_trials

    store, found = _open(target, model)
    rows = []
    for published in found.models:
        if published.config is None:
            say(f"{published.place()}: nothing of it is whole yet; publish it again")
            continue
        visibility = published.visibility
        for version in published.versions:
            manifest = published.manifests[version]
            training, made = manifest.provenance.training, manifest.provenance.export
            marks = ["visible"] if version == visibility.visible else []
            marks += ["pinned"] if version in visibility.pinned else []
            metrics = (manifest.metrics.get(name) for name in ("track_shower_auc", "michel_auc"))
            rows.append(
                (
                    published.name,
                    str(version),
                    ", ".join(marks),
                    manifest.digest[:12],
                    manifest.gates,
                    *("" if value is None else f"{value:.4f}" for value in metrics),
                    str(training.get("era", "")),
                    manifest.score_scale or "",
                    str(training.get("checkpoint_sha256", ""))[:12],
                    str(made.get("git_commit", "")),
                )
            )
    pointing, faults = aliases(store) if model is None else ({}, [])
    for name, points_at in pointing.items():
        rows.append((name, "", f"points at {points_at}", *[""] * (len(COLUMNS) - 3)))
    table = Table(title=f"{TRIAL_FILE}: for trials" if is_for_trials(store) else None)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "model")
    for row in rows:
        table.add_row(*cells(*row))
    found.faults.extend(fault for fault in faults if fault not in found.faults)
    show(table)
    if markdown is not None:
        lines = [f"| {' | '.join(row)} |" for row in (COLUMNS, ("---",) * len(COLUMNS), *rows)]
        write_text(markdown, "\n".join([f"Published at {store.name}:", "", *lines, ""]))
    found.check()
    suggest("export.registry", "verify", store.name)


def show_version(target: str, model: str, version: int) -> None:
    """Print everything that is known of a version: its manifest.

    Args:
        target: folder or URL that was published to.
        model: its name.
        version: its number.
    """
    published = _one(target, model)
    show(published.manifest(version).content.decode())


def verify(target: str, model: str | None = None) -> None:
    """Read every published file back and compare its SHA-256 with the manifest; exit code 1 where it differs.

    Args:
        target: folder or URL that was published to.
        model: this model only.
    """
    from rich.progress import track

    from export.repository.alias import aliases
    from export.repository.alias import check as check_alias

    store, found = _open(target, model)
    pointing, faults = aliases(store) if model is None else ({}, [])
    failures, checked = [*found.faults, *faults], 0
    for name in pointing:
        try:
            check_alias(store, name)
        except UserError as error:
            failures.append(str(error))
    for published in track(found.models, "hashing", transient=True):
        if published.config is None:
            say(f"{published.place()}: nothing of it is whole yet; publish it again")
            continue
        visible = published.visibility.visible
        if visible not in published.versions:
            failures.append(f"{published.place()} shows version {visible}, which is missing")
        for version in published.versions:
            checked += 1
            try:
                published.check_labels()
                published.check(published.manifest(version))
            except UserError as error:
                failures.append(str(error))
        for version in sorted(set(published.manifests) - set(published.versions)):
            say(f"{published.place()}: version {version} is not whole; publish it again")
    if failures:
        raise CheckError("; ".join(dict.fromkeys(failures)))
    show(f"{checked} versions of {len(found.models)} models lie there as they were published")


def promote(target: str, model: str, version: int) -> None:
    """Make a published version the one that servers load.

    Args:
        target: folder or URL that was published to.
        model: its name.
        version: its number.
    """
    from export.repository.promotion import promoted

    published = _one(target, model)
    after = promoted(published, version)
    back = f"; to go back: {PROG} rollback {target} {model}" if after.history else ""
    say(f"{model}: version {after.visible} is visible{back}")


def rollback(target: str, model: str) -> None:
    """Make the version visible that was so before.

    Args:
        target: folder or URL that was published to.
        model: its name.
    """
    from export.repository.promotion import rolled_back

    published = _one(target, model)
    after = rolled_back(published)
    say(f"{model}: version {after.visible} is visible again")


def pin(target: str, model: str, version: int, remove: bool = False) -> None:
    """Keep a version from being pruned, for instance one that a production asks for by number.

    Args:
        target: folder or URL that was published to.
        model: its name.
        version: its number.
        remove: let it be pruned again.
    """
    from export.repository.removal import pinned

    published = _one(target, model)
    after = pinned(published, version, not remove)
    say(f"{model}: pinned versions {', '.join(map(str, after.pinned)) or 'none'}")


def prune(target: str, keep: int = 2, model: str | None = None, dry_run: bool = False) -> None:
    """Remove old versions, never one that servers load, that is pinned, or that a rollback would go to.

    What was begun and never finished goes too, where it is older than the version that servers load.

    Args:
        target: folder or URL that was published to.
        keep: how many of the newest versions stay besides.
        model: this model only.
        dry_run: print what would be removed and remove nothing.
    """
    from export.repository.removal import candidates, remove

    _, found = _open(target, model)
    for published in found.models:
        if published.config is None:
            continue
        versions = candidates(published, keep)
        numbers = ", ".join(map(str, versions)) or "none"
        if dry_run:
            show(f"{published.name}: would remove versions {numbers}")
            continue
        if versions:
            remove(published, versions)
        say(f"{published.name}: removed versions {numbers}")
    found.check()


def tune(target: str, tuning: Path) -> None:
    """Let servers run published models with settings that were measured: merging, instances, threads.

    They stay when versions come and go. A server that follows the target loads the models anew with them.

    Args:
        target: folder or URL that was published to.
        tuning: file of settings by model, as serving.tune writes it.
    """
    from lartpc.served.tuning import read_tunings

    models = [(_one(target, name), settings) for name, settings in read_tunings(tuning).items()]
    for published, settings in models:
        after = published.tuned(settings)
        say(f"{published.name}: {after.tuning.in_words}")


def alias(target: str, name: str, model: str) -> None:
    """Let another name point at a published model of patches, such as mycnn, LArSoft's default.

    Whatever version of the model is promoted or rolled back is what the alias answers. Called again with
    another model it points there.

    Args:
        target: folder or URL that was published to.
        name: of the alias.
        model: that it is to point at.
    """
    from export.repository.alias import point
    from export.repository.find import find_models
    from export.store.target import open_store

    store = open_store(target)
    say(f"{name} {'points' if point(store, name, model) else 'points already'} at {model}")
    if find_models(store, model).models[0].served.variant.gpu:
        say(f"{model} is served on GPUs alone: elsewhere {name} is left out")
    suggest("export.check", store.name, "--contract", "larsoft", "--model", name)


def unalias(target: str, name: str) -> None:
    """Remove an alias; the model that it points at stays.

    Args:
        target: folder or URL that was published to.
        name: of the alias.
    """
    from export.repository.alias import remove
    from export.store.target import open_store

    remove(open_store(target), name)
    say(f"{name} is gone")


def _open(target: str, model: str | None = None) -> tuple["Store", "Found"]:
    from export.repository.find import find_models
    from export.store.target import open_store

    store = open_store(target)
    return store, find_models(store, model)


def _one(target: str, model: str) -> "ModelFolder":
    """The model that is asked for."""
    from export.repository.alias import points_at
    from export.store.target import open_store

    if (alias_of := points_at(open_store(target), model)) is not None:
        raise UserError(f"{model} is an alias; name the model that it points at, {alias_of}")
    _, found = _open(target, model)
    found.check()
    return found.models[0]


COMMANDS: dict[str, Command] = {
    "list": list_versions,
    "show": show_version,
    "verify": verify,
    "promote": promote,
    "rollback": rollback,
    "pin": pin,
    "prune": prune,
    "tune": tune,
    "alias": alias,
    "unalias": unalias,
}


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(COMMANDS, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

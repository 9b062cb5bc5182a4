"""``python -m export.publish``: the checked versions of a repository, to where servers read them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.terminal import cells, plain, say, show, suggest

if TYPE_CHECKING:
    from rich.table import Table

    from export.gate.limits import Gates
    from export.repository.model_folder import ModelFolder
    from export.repository.transfer import Transfer
    from export.store.interface import Store
    from lartpc.served.manifest import Manifest

PROG = "python -m export.publish"
Profile = Literal["cpu", "gpu", "all"]


def publish(
    repository: Path,
    target: str,
    profile: Profile = "all",
    model: str | None = None,
    dry_run: bool = False,
    hold: bool = False,
    checksum_agent: bool = False,
    gates: Path = Path("gates"),
    trial: bool = False,
) -> None:
    """Send the visible versions of a repository to a folder or an object store that servers read.

    Nothing travels that export.check or the gates fail. Only what is missing is sent, and hashed as it lies
    there; config.pbtxt, which alone makes a version visible, goes last. A published version never changes. A
    rerun sends the rest after a broken connection, and leaves a version that was rolled back where it is.

    Args:
        repository: folder of exported models.
        target: folder or URL, such as s3://bucket/models (AWS_ENDPOINT_URL names another server of S3).
        profile: models that run on any machine, those that need a GPU, or all.
        model: this model only.
        dry_run: print what would be sent and send nothing.
        hold: leave the version that servers load now; export.registry promote makes this one visible.
        checksum_agent: let Triton's repository agent checksum verify the weights; needs a server that has it.
        gates: limits that every version must have kept at its export; a file, or gates, the strict ones.
        trial: make an empty target one for trials, which takes models that passed any gates.
    """
    from rich.progress import track

    from export.gate.limits import read_gates
    from export.repository.transfer import plan, send
    from export.repository.trial import check_trial, is_for_trials, open_trial
    from export.store.folder import FolderStore
    from export.store.target import open_store

    source, store = FolderStore(repository), open_store(target)
    limits = read_gates(gates)
    models = select(source, profile, model)
    check_all(models, None if trial or is_for_trials(store) else limits)
    check_scales(models, store, hold)
    if trial:
        (check_trial if dry_run else open_trial)(store)
    plans = [plan(model, shown(model), store, hold) for model in models]
    show(plan_table(f"{repository} to {target}", plans))
    if dry_run:
        say("nothing was sent")
        return
    for transfer in plans:
        name = f"{transfer.manifest.model} version {transfer.manifest.version}"
        send(transfer, checksum_agent, partial(track, description=plain(name), transient=True))
        visibility = transfer.shown
        state = f"visible: version {visibility.visible}" if visibility else "config.pbtxt stays as it is"
        say(f"{name}: {len(transfer.missing)} files, {transfer.size / 1e6:.1f} MB sent; {state}")
    suggest("export.registry", "list", target)


def select(source: "Store", profile: Profile, name: str | None) -> list["ModelFolder"]:
    """The models to publish.

    Raises:
        UserError: there is none.
    """
    from export.repository.find import find_models

    wanted = {"cpu": (False,), "gpu": (True,), "all": (False, True)}[profile]
    there = find_models(source, name)
    try:
        there.check()
    except CheckError as error:
        raise CheckError(f"nothing is published: {error}") from error
    chosen = [model for model in there.models if model.served.variant.gpu in wanted]
    if not chosen:
        names = ", ".join(model.name for model in there.models)
        raise UserError(f"{source.name} holds no model of profile {profile}; it holds {names}")
    return chosen


def shown(model: "ModelFolder") -> "Manifest":
    """The manifest of the version that a model shows.

    Raises:
        UserError: there is no such version.
    """
    visible = model.visibility.visible
    if visible not in model.manifests:
        raise UserError(f"{model.place()} shows version {visible}, which is missing; export it anew")
    return model.manifests[visible]


def check_all(models: list["ModelFolder"], limits: "Gates | None") -> None:
    """Refuse what export.check or the gates fail.

    Args:
        models: their visible versions.
        limits: None for a trial.

    Raises:
        CheckError: naming every failure.
    """
    from rich.progress import track

    from export.repository.lint import lint_model, lint_version
    from export.repository.transfer import refused_by_gates

    failures = []
    for model in track(models, "checking", transient=True):
        failures += lint_model(model)
        try:
            manifest = shown(model)
            if limits is not None:
                failures += refused_by_gates(manifest, limits.limits[manifest.precision], limits.name)
            lint_version(model, manifest)
        except UserError as error:
            failures.append(str(error))
    if failures:
        raise CheckError(f"nothing is published: {'; '.join(failures)}")


def check_scales(models: list["ModelFolder"], store: "Store", hold: bool) -> None:
    """Refuse scores of another scale than those that a target shows of other models.

    Args:
        models: to publish.
        store: the target.
        hold: whether what is visible there stays.

    Raises:
        CheckError: naming the models and their scales.
    """
    from export.repository.find import look_for_models
    from export.repository.lint import lint_scales

    names = () if hold else {model.name for model in models}
    others = [model for model in look_for_models(store).models if model.name not in names]
    if failures := lint_scales([*models, *others]):
        raise CheckError(f"nothing is published: {failures[0]}: publish to another target")


def plan_table(title: str, plans: list["Transfer"]) -> "Table":
    """What is to be sent."""
    from rich.table import Table

    table = Table("model", "version", "files to send", "MB", "visible then", title=plain(title))
    for transfer in plans:
        visibility = transfer.shown or transfer.target.visibility
        sent = f"{len(transfer.missing)} of {len(transfer.digests)}"
        megabytes = f"{transfer.size / 1e6:.1f}"
        manifest = transfer.manifest
        table.add_row(*cells(manifest.model, manifest.version, sent, megabytes, visibility.visible))
    return table


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(publish, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

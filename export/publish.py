"""``python -m export.publish``: the checked versions of a repository, to where servers read them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lartpc.command import run, say
from lartpc.errors import CheckError, UserError

if TYPE_CHECKING:
    from rich.table import Table

    from export.gate.limits import Gates
    from export.published.transfer import Publication
    from export.repository.versions import Repository
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
    gates: Path | None = None,
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
        gates: limits that every version must have kept at its export; export/gate/gates.yaml where not given.
    """
    from rich.progress import track

    from export.gate.limits import GATES, read_gates
    from export.published.store import open_store
    from export.published.transfer import plan, publish_version, visible_version
    from export.repository.versions import Repository

    source, store = Repository(repository), open_store(target)
    limits = read_gates(gates or GATES)
    models = chosen(source, profile, model)
    manifests = [visible_version(source, name) for name in models]
    check_all(source, manifests, limits)
    plans = [plan(source, manifest, store, hold) for manifest in manifests]
    say(plan_table(f"{repository} to {target}", plans))
    if dry_run:
        say("nothing was sent")
        return
    for publication in plans:
        name = f"{publication.manifest.model} version {publication.manifest.version}"
        publish_version(publication, store, checksum_agent, partial(track, description=name, transient=True))
        shown = publication.shown
        state = f"visible: version {shown.visible}" if shown else "config.pbtxt stays as it is"
        say(f"{name}: {len(publication.missing)} files, {publication.size / 1e6:.1f} MB sent; {state}")
    say(f"next: python -m export.registry list {target}")


def chosen(source: "Repository", profile: Profile, model: str | None) -> list[str]:
    """The models to publish.

    Raises:
        UserError: there is none.
    """
    wanted = {"cpu": (False,), "gpu": (True,), "all": (False, True)}[profile]
    asked = [name for name in source.models() if model in (None, name)]
    found = [name for name in asked if source.served(name).variant.gpu in wanted]
    if not found:
        what = f"no model {model!r}" if model else f"no model of profile {profile}"
        raise UserError(f"{source.root} holds {what}; it holds {', '.join(source.models()) or 'none'}")
    return found


def check_all(source: "Repository", manifests: list["Manifest"], limits: "Gates") -> None:
    """Refuse what export.check or the gates fail.

    Raises:
        CheckError: naming every failure.
    """
    from rich.progress import track

    from export.published.transfer import refused_by_gates
    from export.repository.lint import lint_model, lint_version

    failures = []
    for manifest in track(manifests, "checking", transient=True):
        failures += refused_by_gates(manifest, limits.limits[manifest.precision], limits.name)
        failures += lint_model(source, manifest.model)
        try:
            lint_version(source, manifest)
        except UserError as error:
            failures.append(str(error))
    if failures:
        raise CheckError(f"nothing is published: {'; '.join(failures)}")


def plan_table(title: str, plans: list["Publication"]) -> "Table":
    """What is to be sent."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("model", "version", "files to send", "MB", "visible then", title=escape(title))
    for publication in plans:
        visibility = publication.shown or publication.published.visibility
        table.add_row(
            publication.manifest.model,
            str(publication.manifest.version),
            f"{len(publication.missing)} of {len(publication.files)}",
            f"{publication.size / 1e6:.1f}",
            str(visibility.visible),
        )
    return table


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(publish, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

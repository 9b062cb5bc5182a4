"""``python -m export.check``: lint a repository and replay its golden hits, without a server."""

from pathlib import Path

from lartpc.command import run
from lartpc.terminal import cells, plain, show, suggest

PROG = "python -m export.check"


def check(repository: Path) -> None:
    """Check every version of every model in a repository, without a server.

    Looks at names, configuration, labels, manifest and SHA-256 of each file, then runs the golden hits
    through ONNX Runtime and compares with the reference outputs at the manifest's tolerances; says which
    gates each version passed when it was exported.

    Args:
        repository: folder that Triton serves.
    """
    from rich.progress import track
    from rich.table import Table

    from export.repository.find import find_models
    from export.repository.lint import lint_model, lint_scales, lint_version
    from export.store.folder import FolderStore
    from lartpc.errors import CheckError, UserError
    from lartpc.served.contract import OUTPUT_NAMES

    found = find_models(FolderStore(repository))
    table = Table("model", "version", "gates", "max |dp| class", "max |dp| michel", "flips", "verdict")
    failures = list(found.faults)
    for model in found.models:
        try:
            failures += lint_model(model)
        except UserError as error:
            failures.append(str(error))
            continue
        for manifest in track(model.manifests.values(), plain(f"replaying {model.name}"), transient=True):
            row = cells(model.name, manifest.version, manifest.gates)
            try:
                parity = lint_version(model, manifest)
            except UserError as error:
                failures.append(str(error))
                table.add_row(*row, "", "", "", "[red]failed")
                continue
            figures = [f"{parity.max_dp[name]:.1e}" for name in OUTPUT_NAMES]
            table.add_row(*row, *figures, str(parity.flips["class"]), "[green]passed")
    show(table)
    failures += [] if failures else lint_scales(found.models)
    if failures:
        raise CheckError(f"{len(failures)} of {repository}'s checks failed: {'; '.join(failures)}")
    suggest("serving.local", "--repository", repository)


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(check, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

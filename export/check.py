"""``python -m export.check``: lint a repository and replay its golden hits, or LArSoft's jobs."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lartpc.command import run
from lartpc.terminal import cells, plain, say, show, suggest

if TYPE_CHECKING:
    from export.larsoft.lint import Demands
    from export.larsoft.service import Certificates, Service

PROG = "python -m export.check"


def check(
    repository: str,
    contract: Literal["own", "larsoft"] = "own",
    model: str | None = None,
    adc_era: str | None = None,
    score_scale: Literal["upstream", "natural"] | None = None,
    ca: Path | None = None,
    key: Path | None = None,
    certificate: Path | None = None,
) -> None:
    """Check every version of every model in a repository, without a server; or whether LArSoft's jobs work.

    Looks at names, configuration, labels, manifest and SHA-256 of each file, then runs the golden hits
    through ONNX Runtime and compares with the reference outputs at the manifest's tolerances; says which
    gates each version passed when it was exported.

    With --contract larsoft it does call by call what PointIdAlgTriton and PointIdAlgSonicTriton do, to the
    models of a folder or of a live server, whoever made them: names, order, types and ranks of tensors,
    labels, batch limit, version, probabilities, the same scores in every batch, ADC era and score scale.

    Args:
        repository: folder that Triton serves; for larsoft also a server, grpc://HOST:PORT or
            grpcs://HOST:PORT
        contract: own, what an export here writes, or larsoft, what its C++ clients need
        model: for larsoft, the one to look at; those of patches and their aliases where not given
        adc_era: for larsoft, of the jobs' AdcMin and AdcMax: 2021 for -10, 30, 2020 for -50, 150
        score_scale: for larsoft, on which the cuts in use were chosen
        ca: certificates of those who vouch for a server by TLS; the system's where not given
        key: private key, for mutual TLS
        certificate: its certificate chain
    """
    from export.larsoft.lint import Demands
    from export.larsoft.service import Certificates
    from lartpc.errors import UserError

    if contract == "larsoft":
        check_larsoft(repository, model, Demands(adc_era, score_scale), Certificates(ca, key, certificate))
        return
    if "://" in repository:
        raise UserError(f"{repository} is a server; add --contract larsoft, or ask it by client.parity")
    if model or adc_era or score_scale or ca or key or certificate:
        raise UserError(
            "--model, --adc-era, --score-scale and certificates are of --contract larsoft; add that"
        )
    check_own(Path(repository))


def check_larsoft(
    repository: str, model: "str | None", demands: "Demands", certificates: "Certificates"
) -> None:
    """Say what keeps LArSoft's jobs from the models of a folder or server.

    Raises:
        CheckError: something does.
        UserError: there are no such models.
    """
    from contextlib import nullcontext

    from rich.progress import track

    from export.larsoft.folder_service import FolderService
    from export.larsoft.lint import chosen, faults
    from export.larsoft.service import ServerService
    from lartpc.errors import CheckError, UserError

    is_server = "://" in repository
    if not is_server and re.fullmatch(r"[\w.-]+:\d+", repository):
        raise UserError(f"{repository} is a server's address; write grpc://{repository}")
    opened = (
        ServerService(repository, certificates) if is_server else nullcontext(FolderService(Path(repository)))
    )
    with opened as service:
        found: list[str] = []
        for name in track(chosen(service, model), "asking as LArSoft does", transient=True):
            of_model = list(faults(service, name, demands))
            say(
                "\n  ".join([f"{name}: {len(of_model)} faults", *of_model])
                if of_model
                else f"{name}: {answered(service, name)}"
            )
            found += of_model
    if found:
        raise CheckError(f"{repository} fails {len(found)} of LArSoft's needs: {'; '.join(found)}")
    if demands.adc_era is None:
        say("say --adc-era and --score-scale, and they are compared with what the models state")
    if not is_server:
        suggest("serving.local", "--repository", repository)


def answered(service: "Service", model: str) -> str:
    """What was seen of a model without faults."""
    from export.larsoft.folder_service import FolderService
    from export.larsoft.lint import stated

    if isinstance(service, FolderService) and (reason := service.why_not_here(model)):
        return f"configuration passed; its answers were not asked, for {reason} ({stated(service, model)})"
    return f"PointIdAlgTriton and PointIdAlgSonicTriton work ({stated(service, model)})"


def check_own(repository: Path) -> None:
    """Check a repository of this project's exports.

    Raises:
        CheckError: something is not as an export writes it.
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

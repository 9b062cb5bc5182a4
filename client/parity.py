"""``python -m client.parity``: do the served answers equal the reference ones?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lartpc.command import run
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import OUTPUT_NAMES
from lartpc.served.model_config import ALIAS, says_what_it_is
from lartpc.terminal import TABLE_WIDTH, cells, plain, say, show, suggest, working

if TYPE_CHECKING:
    from client.comparison import Comparison
    from serving.connection import Connection

PROTOCOLS = {"grpc": ("grpc",), "http": ("http",), "both": ("grpc", "http")}


def parity(
    url: str | None = None,
    protocol: Literal["grpc", "http", "both"] = "grpc",
    model: str | None = None,
    repository: Path = Path("model_repository"),
    local: bool = False,
    require_digest: str | None = None,
    require_version: int | None = None,
    require_adc_era: str | None = None,
    require_score_scale: Literal["upstream", "natural"] | None = None,
) -> None:
    """Compare every served version's answers to its golden hits with the reference outputs.

    Prints the differences per output, the decisions that flipped and a verdict against the
    tolerances of the version's manifest. Exit code 0: all within; 1: found wanting.

    Args:
        url: HOST:PORT of the server; default localhost:8001 for gRPC, localhost:8000 for HTTP.
        protocol: grpc, http or both.
        model: compare this model only.
        repository: folder of the models, for golden hits and manifests.
        local: start the embedded server on the repository for this comparison.
        require_digest: SHA-256 of the weights that must answer, or its first 8 digits or more.
        require_version: version that must answer.
        require_adc_era: ADC era of the pixels that must answer, such as 2021.
        require_score_scale: scale of the scores that must answer: upstream, on which cuts in use mean what
            they meant, or natural.
    """
    from client.comparison import compare_version
    from client.model import UNSTATED, Demands
    from client.on_server import OnServer
    from client.server import connections

    demands = Demands(require_digest, require_version, require_adc_era, require_score_scale)
    comparisons = []
    with (
        working("Asking the server ...") as status,
        connections(url, PROTOCOLS[protocol], repository, local) as opened,
    ):
        for name, reason in opened.left_out.items():
            say(f"Left out {name}: {reason}")
        urls = {connection.protocol: connection.url for connection in opened.connections}
        for connection in opened.connections:
            for name, versions in _chosen(connection, model).items():
                for version in versions:
                    status.update(plain(f"{name} version {version} over {connection} ..."))
                    engine = OnServer(connection, name, version)
                    comparisons.append(compare_version(engine, repository, demands))
    comparisons.sort(key=lambda row: (row.model, row.version))
    show(_table(comparisons), least=TABLE_WIDTH)
    faults = [f"{_name(row)}: {fault}" for row in comparisons for fault in row.faults]
    scales = sorted({row.score_scale for row in comparisons} - {UNSTATED})
    if len(scales) > 1:
        faults.append(
            f"{' and '.join(scales)} scores are served beside each other, where the same cut means different "
            "things: serve them from different repositories"
        )
    if faults:
        raise CheckError("; ".join(faults))
    first = comparisons[0]
    address = f"onnx:{repository}/" if local else f"{first.protocol}://{urls[first.protocol]}/"
    suggest("client.classify", "EVENTS.h5", "--model", address + first.model)


def _chosen(connection: "Connection", model: str | None) -> dict[str, list[int]]:
    served = connection.served()
    if not served:
        raise UserError(f"{connection} serves no model; load one, or start: python -m serving.local")
    if model is not None:
        if model not in served:
            raise UserError(f"{connection} serves no model {model!r}; it serves {', '.join(served)}")
        return {model: served[model]}
    chosen = {}
    for name, versions in served.items():
        parameters = connection.parameters(name, versions[-1])
        if says_what_it_is(parameters):
            chosen[name] = versions
        elif ALIAS in parameters:
            say(f"Passed over {name}: it is an alias of {parameters[ALIAS]}")
        else:
            say(f"Passed over {name}: its configuration does not say that it is a hit classifier")
    if not chosen:
        raise UserError(
            f"{connection} serves no hit classifier, but {', '.join(served)}; name one with --model"
        )
    return chosen


def _name(row: "Comparison") -> str:
    return f"{row.model} version {row.version} over {row.protocol}"


def _table(comparisons: list["Comparison"]) -> Any:
    from rich import box
    from rich.table import Table

    decisions = " / ".join(comparisons[0].parity.flips)
    patches = " or ".join(sorted({str(row.parity.hits) for row in comparisons}))
    table = Table(
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        title="Served answers against the reference outputs",
        caption=f"|dp|: difference of a probability. flips: of {patches} golden hits, by {decisions}",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("model", "v", "digest", "era", "scores", "via"):
        table.add_column(heading, no_wrap=True)
    for heading in (
        "class\nmax |dp|",
        "class\nmean |dp|",
        "Michel\nmax |dp|",
        "Michel\nmean |dp|",
        "flips",
        "shower\nAUC",
        "Michel\nAUC",
        "patches/s",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in comparisons:
        differences = [of[name] for name in OUTPUT_NAMES for of in (row.parity.max_dp, row.parity.mean_dp)]
        table.add_row(
            *cells(row.model, row.version, row.digest[:12], row.adc_era, row.score_scale, row.protocol),
            *(f"{value:.1e}" for value in differences),
            " ".join(map(str, row.parity.flips.values())),
            *(_metric(row, name) for name in ("track_shower_auc", "michel_auc")),
            f"{row.patches_per_s:.0f}",
            "[red]FAIL[/red]" if row.faults else "[green]pass[/green]",
        )
    return table


def _metric(row: "Comparison", name: str) -> str:
    return f"{row.metrics[name]:.4f}" if name in row.metrics else "-"


def main(args: list[str] | None = None) -> int:
    """Entry point of ``python -m client.parity``."""
    return run(parity, args, prog="python -m client.parity")


if __name__ == "__main__":
    raise SystemExit(main())

"""``python -m serving.manifests``: the chart's manifests for a site, rendered and checked without cluster."""

from collections import Counter
from pathlib import Path

from lartpc.command import run
from lartpc.errors import CheckError
from lartpc.files import check_target, write_text
from lartpc.terminal import say, show

PROG = "python -m serving.manifests"


def manifests(
    values: str | None = None,
    name: str = "hits",
    namespace: str = "default",
    kubernetes: str | None = None,
    out: Path | None = None,
    renew: bool = False,
) -> None:
    """Render the chart by Helm's own code and hold every manifest to its owner's schema, without a cluster.

    The manifests can be applied as they are (kubectl apply -f), or the chart installed by Helm with the same
    values.

    Args:
        values: file of a site's values, or a kind of site by its name: cpu, gpu, claim, nfs, path, whole
        name: of the release
        namespace: that it is for
        kubernetes: release that manifests are held to, such as 1.34; otherwise the oldest and the newest
        out: file for the manifests, YAML
        renew: write those files of the chart anew that are made from code, before
    """
    from serving.cluster.chart_files import renew as renew_files
    from serving.cluster.manifest_schemas import NEWEST, OLDEST, faults
    from serving.cluster.rendering import read_values, render

    if renew:
        for written in renew_files():
            say(f"wrote {written}")
    if out is not None:
        check_target(out, "--out")
    found = render({} if values is None else read_values(values), name, namespace)
    releases = [kubernetes] if kubernetes else [OLDEST, NEWEST]
    wrong = [fault for manifest in found for release in releases for fault in faults(manifest, release)]
    if wrong:
        raise CheckError("; ".join(dict.fromkeys(wrong)))
    kinds = Counter(manifest["kind"] for manifest in found)
    show(", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))
    say(f"{len(found)} manifests keep to the schemas of their owners (Kubernetes {', '.join(releases)})")
    if out is not None:
        import yaml

        write_text(out, yaml.safe_dump_all(found, sort_keys=False))
        say(f"wrote {out}; kubectl apply -f {out}")


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(manifests, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

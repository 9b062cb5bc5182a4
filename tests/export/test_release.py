"""What CI runs on a tag: make publish, from a checkpoint to a bucket."""

import subprocess
from pathlib import Path

import pytest

from export.publish import main as publish
from export.registry import main as registry
from export.store.target import open_store
from export.triton import main as export
from export.variants import VARIANTS
from lartpc.served.names import served_name
from tests.helpers.paths import ROOT


@pytest.mark.long
def test_make_publish_takes_a_checkpoint_to_a_bucket(
    checkpoint: Path, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training of seconds passes gates of its own, as loose as the quick ones, which are not published.

    A fresh runner then finds its version there.
    """
    gates = tmp_path / "tiny.yaml"
    quick = (ROOT / "export" / "gate" / "gates_quick.yaml").read_text()
    gates.write_text(quick.replace("publishable: false", "publishable: true"))
    command = [
        "make", "--silent", "publish", f"CHECKPOINT={checkpoint}", f"TARGET={bucket}", f"GATES={gates}",
        f"REPOSITORY={tmp_path / 'models'}", f"SUMMARY={tmp_path / 'release.md'}", "REQUESTS=patch",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    of_patches = [variant for variant in VARIANTS if not variant.contract.of_planes]
    names = sorted(served_name(variant.suffix, "compact") for variant in of_patches)
    assert open_store(bucket).names() == names
    assert registry(["verify", bucket]) == 0
    rows = (tmp_path / "release.md").read_text().splitlines()
    assert len([row for row in rows if row.startswith("| emtrkmichel_")]) == len(of_patches)
    fresh = [f"--checkpoint={checkpoint}", f"--repository={tmp_path / 'fresh'}", f"--gates={gates}"]
    assert export([*fresh, "--precision=fp32", f"--published={bucket}"]) == 0
    assert "version 1 was published already; fetched" in capsys.readouterr().out
    assert publish([str(tmp_path / "fresh"), bucket, f"--gates={gates}"]) == 0
    assert " 0 files, 0.0 MB sent; config.pbtxt stays as it is" in capsys.readouterr().out


def test_make_publish_says_what_it_needs() -> None:
    done = subprocess.run(["make", "--silent", "publish"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "CHECKPOINT=" in done.stderr and "TARGET=" in done.stderr

"""Which number a version gets where others are published already, and what is fetched from there."""

import multiprocessing
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from export.check import main as check
from export.gate.limits import read_gates
from export.publish import main as publish
from export.registry import main as registry
from export.repository.family import Family, Match, of_weights
from export.repository.lint import lint_model
from export.store.folder import FolderStore
from export.store.target import open_store
from lartpc.errors import UserError
from lartpc.served.model_config import CONFIG_FILE
from tests.helpers.published_repository import MODEL, add, model_of, version_of, visible

OTHER = "emtrkmichel_fp16"
MODELS = (version_of(1).served, version_of(1, OTHER).served)
SERVED, OTHER_SERVED = MODELS


@pytest.fixture
def target(tmp_path: Path) -> str:
    """Version 1 of two models, of the checkpoint of seed 1."""
    for served in MODELS:
        add(tmp_path / "first", 1, served.name)
    assert publish([str(tmp_path / "first"), str(tmp_path / "published")]) == 0
    return str(tmp_path / "published")


def family(root: Path, target: str | None) -> Family:
    return Family(MODELS, FolderStore(root), open_store(target) if target else None)


def number_of(root: Path, target: str | None, seed: int, model: str = MODEL) -> int:
    """The number that a version gets, in a repository that stays as it is."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        if root.exists():
            shutil.copytree(root, copy)
        return family(copy, target).add(version_of(seed, model))[0]


def weights_of(seed: int, **engine: str) -> Match:
    return of_weights(version_of(seed).weights, read_gates().record("fp32"), engine)


def test_numbers_follow_those_that_are_published(target: str, tmp_path: Path) -> None:
    fresh = family(tmp_path / "fresh", target)
    assert fresh.here(SERVED, weights_of(2)) is None and fresh.fetch(SERVED, weights_of(2)) is None
    assert number_of(tmp_path / "fresh", target, seed=2) == 2
    assert number_of(tmp_path / "fresh", None, seed=2) == 1
    add(tmp_path / "fresh", 2)
    assert number_of(tmp_path / "fresh", target, seed=2, model=OTHER) == 2
    assert publish([str(tmp_path / "fresh"), target]) == 0
    assert visible(target) == 2
    assert number_of(tmp_path / "third", target, seed=2, model=OTHER) == 2
    assert number_of(tmp_path / "third", target, seed=2) == 3


def test_a_published_version_is_fetched_byte_for_byte(target: str, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    assert family(fresh, target).fetch(SERVED, weights_of(1)) == 1
    assert family(fresh, target).here(SERVED, weights_of(1)) == 1
    assert check([str(fresh)]) == 0
    for name in ("1/manifest.json", "1/model.onnx", "1/golden.h5", "labels_michel.txt"):
        assert (fresh / MODEL / name).read_bytes() == Path(target, MODEL, name).read_bytes()
    assert publish([str(fresh), target]) == 0
    assert family(tmp_path / "for a GPU", target).fetch(SERVED, weights_of(1, tensorrt="10")) is None


def test_an_altered_version_is_not_fetched(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(target, MODEL, "1", "golden.h5").write_bytes(b"altered")
    with pytest.raises(UserError, match="golden.h5 differs from its recorded SHA-256"):
        family(tmp_path / "fresh", target).fetch(SERVED, weights_of(1))
    assert FolderStore(tmp_path / "fresh").names() == []


def test_a_number_that_is_another_versions_there_does_not_count_here(target: str, tmp_path: Path) -> None:
    """Numbered without a look at the target: such a version could never be published."""
    own = tmp_path / "own"
    add(own, 2, number=1)
    assert publish([str(own), target]) == 1
    assert family(own, None).here(SERVED, weights_of(2)) == 1
    assert family(own, target).here(SERVED, weights_of(2)) is None
    assert number_of(own, target, seed=2) == 2
    with pytest.raises(UserError, match="export into an empty folder"):
        family(own, target).fetch(SERVED, weights_of(1))


def begin(root: Path, target: str) -> None:
    """Export version 2 and publish its first file alone."""
    add(root, 2)
    manifest = open_store(root).read(f"{MODEL}/2/manifest.json")
    assert manifest is not None
    open_store(target).create(f"{MODEL}/2/manifest.json", manifest[0])


def test_a_publication_that_broke_off_keeps_its_number(target: str, tmp_path: Path) -> None:
    """Of another machine the version may differ in its last digits: it gets a number of its own."""
    begin(tmp_path / "second", target)
    assert family(tmp_path / "second", target).here(SERVED, weights_of(2)) == 2
    fresh = family(tmp_path / "fresh", target)
    assert fresh.fetch(SERVED, weights_of(2)) is None
    assert number_of(tmp_path / "fresh", target, seed=2) == 3


def test_pruning_takes_what_was_begun_and_never_finished(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path / "second", target)
    assert registry(["prune", target]) == 0
    assert open_store(target).names(f"{MODEL}/2") == ["manifest.json"]
    add(tmp_path / "third", 3)
    assert publish([str(tmp_path / "third"), target]) == 0
    assert registry(["prune", target, "--dry-run"]) == 0
    assert f"{MODEL}: would remove versions 2" in capsys.readouterr().out
    assert registry(["prune", target]) == 0
    assert open_store(target).names(f"{MODEL}/2") == []
    assert registry(["verify", target]) == 0
    assert publish([str(tmp_path / "second"), target]) == 0
    assert visible(target) == 3


def test_a_configuration_of_an_older_form_is_renewed_and_shows_what_it_showed(tmp_path: Path) -> None:
    for number in (1, 2):
        add(tmp_path, number)
    config = tmp_path / MODEL / CONFIG_FILE
    config.write_text(config.read_text().replace('key: "v1.git_commit"', 'key: "v1.commit"'))
    assert lint_model(model_of(tmp_path))
    model_of(tmp_path).finished(SERVED, 1)
    assert lint_model(model_of(tmp_path)) == [] and visible(str(tmp_path)) == 2


def test_two_exports_that_finish_a_version_at_once_both_end_well(tmp_path: Path) -> None:
    add(tmp_path, 1)
    for file in (CONFIG_FILE, "labels_michel.txt"):
        (tmp_path / MODEL / file).unlink()
    first, second = model_of(tmp_path), model_of(tmp_path)
    finished = first.finished(SERVED, 1)
    assert second.finished(SERVED, 1).config == finished.config
    assert lint_model(model_of(tmp_path)) == [] and visible(str(tmp_path)) == 1


def add_at_once(root: str, seed: int, barrier: Any, found: Any) -> None:
    models = family(Path(root), None)
    barrier.wait()
    found.append(models.add(version_of(seed)))


@pytest.mark.parametrize("seeds", [(1, 1, 1), pytest.param((1, 2, 3), marks=pytest.mark.long)])
def test_exports_at_once_give_one_version_of_each_graph(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier, found = manager.Barrier(len(seeds)), manager.list()
        processes = [
            context.Process(target=add_at_once, args=(str(tmp_path), seed, barrier, found)) for seed in seeds
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * len(seeds)
        ended = sorted(found)
    graphs = len(set(seeds))
    assert sorted({number for number, _ in ended}) == list(range(1, graphs + 1))
    assert sum(is_new for _, is_new in ended) == graphs
    digests = [manifest.digest for manifest in model_of(tmp_path).manifests.values()]
    assert len(digests) == len(set(digests)) == graphs
    assert lint_model(model_of(tmp_path)) == []

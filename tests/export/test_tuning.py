"""How servers run a model: settings of a site, that stay when versions come and go."""

import json
import shutil
from pathlib import Path

import pytest

from export.check import main as check
from export.publish import main as publish
from export.registry import main as registry
from export.repository.model_folder import ModelFolder
from export.store.folder import FolderStore
from export.triton import main as export
from lartpc.errors import UserError
from lartpc.served.model_config import CONFIG_FILE
from lartpc.served.tuning import THREADS, Tuning, read_tunings
from serving.follow import Follower
from serving.triton import TritonServer
from tests.helpers.faults import processes_of_group
from tests.helpers.published_repository import MODEL, add
from tests.helpers.waiting import wait_until

SETTINGS = {"preferred_rows": [470], "queue_delay_us": 500, "instances": 2, "threads": 1, "rows_a_run": 128}
COMPACT = "emtrkmichel_compact_fp32"


def written(folder: Path, models: object) -> Path:
    path = folder / "tuning.json"
    path.write_text(json.dumps(models))
    return path


def tuning_at(target: Path, model: str) -> Tuning:
    return Tuning.of(ModelFolder.read(FolderStore(target), model).known_config)


def processes_of(server: TritonServer) -> int:
    """How many answer, one an instance."""
    return sum("backend_stub" in command for command in processes_of_group(server.group).values())


def test_settings_stay_when_versions_come_and_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "source", tmp_path / "published"
    for number in (1, 2):
        add(source, number)
        assert publish([str(source), str(target)]) == 0
    assert tuning_at(target, MODEL) == Tuning()
    file = written(tmp_path, {"models": {MODEL: SETTINGS}})
    capsys.readouterr()
    assert registry(["tune", str(target), str(file)]) == 0
    said = capsys.readouterr()
    assert "up to 470 rows merged after 500 us, 2 instances of 1 thread, runs of 128 rows" in said.out
    expected = read_tunings(file)[MODEL]
    assert tuning_at(target, MODEL) == expected != Tuning()
    add(source, 3)
    assert publish([str(source), str(target)]) == 0
    assert registry(["rollback", str(target), MODEL]) == 0
    assert tuning_at(target, MODEL) == expected
    other = tmp_path / "new"
    assert registry(["tune", str(source), str(file)]) == 0
    assert publish([str(source), str(other)]) == 0
    assert tuning_at(other, MODEL) == expected


@pytest.mark.long
def test_an_export_takes_settings_and_a_server_runs_with_them(
    checkpoint: Path,
    loose_gates: Path,
    repository: Path,
    tmp_path: Path,
    server_environment: None,
) -> None:
    """The other model of the repository, that the file does not name, stays as it is."""
    models = Path(shutil.copytree(repository, tmp_path / "models"))
    file = written(tmp_path, {"models": {COMPACT: SETTINGS}})
    options = [f"--checkpoint={checkpoint}", f"--gates={loose_gates}", f"--repository={models}"]
    assert export([*options, "--precision=fp32", f"--tuning={file}"]) == 0
    assert tuning_at(models, COMPACT) == read_tunings(file)[COMPACT]
    assert check([str(models)]) == 0
    for other in set(FolderStore(models).names()) - {COMPACT}:
        assert tuning_at(models, other) == Tuning()
        shutil.rmtree(models / other)
    with TritonServer(models) as server:
        assert server.connection.parameters(COMPACT)[THREADS] == "1"
        assert processes_of(server) == 2
        one = written(tmp_path, {"models": {COMPACT: {**SETTINGS, "instances": 1}}})
        assert registry(["tune", str(models), str(one)]) == 0
        assert Follower(server).look() == [COMPACT]
        wait_until(lambda: processes_of(server) == 1)
    text = (models / COMPACT / CONFIG_FILE).read_text()
    (models / COMPACT / CONFIG_FILE).write_text(text.replace("count: 1", "count: 100"))
    assert check([str(models)]) == 1


def test_settings_that_were_there_before_are_gone(tmp_path: Path) -> None:
    add(tmp_path / "source", 1)
    config = ModelFolder.read(FolderStore(tmp_path / "source"), MODEL).known_config
    measured = Tuning((470,), queue_delay_us=500, instances=2, threads=1, rows_a_run=128)
    for tuning in (measured, Tuning(), measured, Tuning(preferred_rows=())):
        tuning.write(config)
        assert Tuning.of(config) == tuning
    assert not config.HasField("dynamic_batching")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], 'names no "models"'),
        ({"models": {}}, 'names no "models"'),
        ({"models": {MODEL: {"thread": 2}}}, "may set preferred_rows, queue_delay_us"),
        ({"models": {MODEL: {"threads": -1}}}, "threads -1 must be a whole number from 0 to 1024"),
        ({"models": {MODEL: {"threads": True}}}, "threads True must be"),
        ({"models": {MODEL: {"instances": 0}}}, "instances 0 must be a whole number from 1 to 64"),
        ({"models": {MODEL: {"preferred_rows": [512, 256]}}}, "preferred_rows [512, 256] must ascend"),
        ({"models": {MODEL: {"preferred_rows": 512}}}, "preferred_rows must be a list"),
        ({"models": {"emtrkmichel_fp64": {}}}, "has no model 'emtrkmichel_fp64'"),
    ],
)
def test_settings_that_are_none_are_told(
    content: object, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "source", 1)
    before = (tmp_path / "source" / MODEL / CONFIG_FILE).read_bytes()
    assert registry(["tune", str(tmp_path / "source"), str(written(tmp_path, content))]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "source" / MODEL / CONFIG_FILE).read_bytes() == before


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read_tunings(tmp_path / "none.json")

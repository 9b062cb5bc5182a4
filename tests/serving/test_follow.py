"""A server that runs: each state of a model, and what moves it to the next."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lartpc.errors import UserError
from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE
from lartpc.served.manifest import MODEL_FILE
from serving.follow import Follower
from serving.offer import PREFIX
from serving.triton import TritonServer
from tests.helpers.served_repository import model_config, write_config, write_model, write_version

MODEL = "emtrkmichel_fp32"

pytestmark = pytest.mark.usefixtures("server_environment")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with versions 1 and 2, of which 1 is visible."""
    return write_model(tmp_path / "repository", MODEL, versions=(1, 2), visible=(1,))


@pytest.fixture
def server(folder: Path) -> Iterator[TritonServer]:
    with TritonServer(folder.parent) as running:
        yield running


@pytest.fixture
def follower(server: TritonServer) -> Follower:
    return Follower(server)


def answering(server: TritonServer) -> int:
    """The version that answers."""
    (version,) = server.versions()[MODEL]
    row = np.zeros((1, *INPUT_SHAPE), np.float32)
    return server.connection.infer(MODEL, version, {INPUT_NAME: row}, ())[0]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said since the last call."""
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return said


def test_what_is_named_is_served_and_taken_back(
    server: TritonServer, follower: Follower, folder: Path
) -> None:
    assert follower.look() == [] and answering(server) == 1
    write_config(folder, model_config(folder, (2,)))
    assert follower.look() == [MODEL] and answering(server) == 2
    write_config(folder, model_config(folder, (1,)))
    assert follower.look() == [MODEL] and answering(server) == 1
    assert follower.look(again=True) == []


def test_a_version_that_is_named_before_it_is_there_is_served_when_it_has_come(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The order in which rsync copies: config.pbtxt, then 3/golden.h5, then 3/model.onnx."""
    write_version(folder, 3)
    config = model_config(folder, (3,))
    shutil.move(folder / "3", folder.parent.parent / "3")
    write_config(folder, config)
    assert follower.look() == [] and answering(server) == 1
    (said,) = warnings(caplog)
    assert "names version 3, whose weights are not there" in said and "version 1 goes on serving" in said
    (folder / "3").mkdir()
    for _ in range(2):
        assert follower.look() == [] and follower.look(again=True) == []
    assert warnings(caplog) == [], "said once"
    for path in (folder.parent.parent / "3").iterdir():
        shutil.move(path, folder / "3" / path.name)
    assert follower.look() == [MODEL] and answering(server) == 3
    assert warnings(caplog) == []


def test_a_version_that_does_not_load_is_tried_again_until_it_does(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = folder / "2" / MODEL_FILE
    whole = weights.read_bytes()
    write_config(folder, model_config(folder, (2,)))
    weights.write_bytes(whole[:100])
    assert follower.look() == [] and answering(server) == 1
    (said,) = warnings(caplog)
    assert said.startswith(f"the server cannot load {MODEL}: ") and "was altered: SHA-256" in said
    assert said.endswith("version 1 goes on serving, and it is tried again")
    assert follower.look() == [] and follower.look(again=True) == [] and follower.heal() == []
    assert warnings(caplog) == [], "said once"
    weights.write_bytes(whole)
    assert follower.look() == [], "with the next round of canaries"
    assert follower.look(again=True) == [MODEL] and answering(server) == 2


def test_another_fault_of_the_same_version_is_said(
    follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = folder / "2" / MODEL_FILE
    write_config(folder, model_config(folder, (2,)))
    for content in (b"one", b"another"):
        weights.write_bytes(content)
        assert follower.look(again=True) == []
    first, second = warnings(caplog)
    assert first != second


def test_a_configuration_that_is_half_written_leaves_everything_as_it_is(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (folder / "config.pbtxt").read_text()
    (folder / "config.pbtxt").write_text("half a conf")
    assert follower.look() == [] and answering(server) == 1
    assert "not a Triton model configuration" in warnings(caplog)[0]
    (folder / "config.pbtxt").write_text(whole)
    assert follower.look() == []


def test_a_model_that_appears_is_served_and_one_that_leaves_is_not(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_model(folder.parent, "emtrkmichel_int8")
    assert follower.look() == ["emtrkmichel_int8"]
    shutil.rmtree(folder)
    assert follower.look() == [] and answering(server) == 1, "it may be replaced at this moment"
    assert follower.look() == []
    assert server.versions() == {"emtrkmichel_int8": [1]}
    assert "has left" in warnings(caplog)[0]


def test_a_new_model_that_does_not_load_disturbs_nobody(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_model(folder.parent, "emtrkmichel_int8")
    whole = (other / "1" / MODEL_FILE).read_bytes()
    (other / "1" / MODEL_FILE).write_bytes(b"no network")
    assert follower.look() == []
    assert "it is not served, and it is tried again" in warnings(caplog)[0]
    assert answering(server) == 1 and server.versions() == {MODEL: [1]}
    (other / "1" / MODEL_FILE).write_bytes(whole)
    assert follower.look(again=True) == ["emtrkmichel_int8"]


def test_versions_of_a_policy_that_names_none_are_followed_too(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = model_config(folder, (1,))
    config.version_policy.all.SetInParent()
    write_config(folder, config)
    with TritonServer(folder.parent) as server:
        assert server.versions() == {MODEL: [1, 2]}
        shutil.rmtree(folder / "1")
        assert Follower(server).look() == [MODEL]
        assert server.versions() == {MODEL: [2]}


def test_a_path_with_blanks_and_other_letters_is_served(tmp_path: Path) -> None:
    repository = tmp_path / "Ordner mit ümläut 'q\" $x"
    write_model(repository, MODEL)
    with TritonServer(repository) as server:
        assert answering(server) == 1


def test_the_folder_of_links_goes_and_that_of_a_killed_server_with_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"{PREFIX}killed"
    left.mkdir()
    (left / ".lock").touch()
    (left / MODEL).symlink_to(folder)
    with TritonServer(folder.parent):
        (mine,) = tmp_path.glob(f"{PREFIX}*")
        assert mine != left and mine.stat().st_mode & 0o077 == 0
        with TritonServer(folder.parent) as second:
            assert mine.is_dir(), "that of a server that runs stays"
            assert answering(second) == 1
    assert list(tmp_path.glob(f"{PREFIX}*")) == [] and (folder / "1" / MODEL_FILE).is_file()


@pytest.mark.parametrize(
    "name", ["x$(touch INJECTED)", "x;touch INJECTED;", "`touch INJECTED`", "it's", "a\nb", ".lock", "a b"]
)
def test_a_name_that_a_shell_would_take_otherwise_is_left_out(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triton's Python backend starts its processes by a shell, with the name of the model."""
    write_model(folder.parent, name)
    monkeypatch.chdir(folder.parent.parent)
    with TritonServer(folder.parent) as server:
        assert server.versions() == {MODEL: [1]}
        assert "other letters" in server.left_out[name]
        assert Follower(server).look() == []
    assert not Path("INJECTED").exists()


def test_a_version_that_went_does_not_stand_in_the_way_of_another(
    server: TritonServer, follower: Follower, folder: Path
) -> None:
    write_config(folder, model_config(folder, (2,)))
    assert follower.look() == [MODEL]
    shutil.rmtree(folder / "2")
    write_config(folder, model_config(folder, (1,)))
    assert follower.look() == [MODEL] and answering(server) == 1


def test_a_full_disk_is_waited_for(
    server: TritonServer,
    follower: Follower,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*given: object) -> None:
        raise UserError("cannot write config.pbtxt: No space left on device")

    write_config(folder, model_config(folder, (2,)))
    with monkeypatch.context() as patch:
        patch.setattr("serving.offer.write_text", full)
        assert follower.look() == [] and follower.look(again=True) == []
        assert answering(server) == 1
    assert len(warnings(caplog)) == 1
    assert follower.look(again=True) == [MODEL] and answering(server) == 2


def test_what_is_wrong_is_said_once_and_stops_no_other_model(
    server: TritonServer, follower: Follower, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_model(folder.parent, "emtrkmichel_int8")
    whole = (other / "config.pbtxt").read_text()
    (other / "config.pbtxt").write_text("half a conf")
    write_config(folder, model_config(folder, (2,)))
    assert follower.look() == [MODEL] and answering(server) == 2
    for _ in range(3):
        assert follower.look(again=True) == []
    assert len(warnings(caplog)) == 1
    (other / "config.pbtxt").write_text(whole)
    assert follower.look() == ["emtrkmichel_int8"]
    gone = folder.parent.rename(folder.parent.parent / "elsewhere")
    for _ in range(3):
        assert follower.look() == []
    assert len(warnings(caplog)) == 1 and answering(server) == 2
    gone.rename(folder.parent)
    assert follower.look() == []

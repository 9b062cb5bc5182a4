"""Events of which each is answered by one version, while versions come and go."""

from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

from client.classifier import HitClassifier
from client.engine import Answer, ChangedError, Engine
from client.in_process import InProcess
from client.model import Model
from client.scores.answers import MOST_CHANGES, answered_events
from client.scores.job import score_events
from client.scores.sources import Place, Sources
from lartpc.errors import CheckError
from lartpc.served.contract import INPUT_NAME
from lartpc.served.parity import Request
from tests.helpers.served_repository import model_config, write_config, write_model
from tests.helpers.small_events import make_event, write

EVENTS = (0, 1, 2, 4, 5, 6)
HITS = 80


class Changing(Engine):
    """Versions of a model in turn, each for so many requests."""

    def __init__(self, folder: Path, versions: list[int], requests: int) -> None:
        self._engines = [InProcess(folder, version) for version in versions]
        self._requests, self._left = requests, requests
        self.renewed = 0

    @property
    def model(self) -> Model:  # type: ignore[override]
        return self._engines[0].model

    def ask(self, request: Request) -> Answer:
        if len(self._engines) > 1 and self._left == 0:
            raise ChangedError("it is served no longer")
        self._left -= 1
        return self._engines[0].ask(request)

    def renew(self) -> None:
        self.renewed += 1
        self._engines.pop(0)
        self._left = self._requests

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    return write(folder / "events.h5", [make_event(number) for number in EVENTS])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models", "tiny", (1, 2, 3))


def test_each_event_is_answered_by_one_version(events: Path, folder: Path) -> None:
    engine = Changing(folder, [1, 2, 3], requests=7)
    # four requests of W and none of V to an event
    classifier = HitClassifier(engine, batch_size=20)
    sources = Sources.survey(events)
    places = [Place(sources.files[0], position) for position in range(len(EVENTS))]
    found = list(answered_events(classifier, places, sources.damaged))
    assert [event.place.position for event in found] == list(range(len(EVENTS)))
    assert [event.model.version for event in found] == sorted(event.model.version for event in found)
    assert len({event.model.version for event in found}) > 1 and engine.renewed
    for event in found:
        with HitClassifier(InProcess(folder, event.model.version)) as alone:
            (wanted,) = answered_events(alone, [event.place], {})
        np.testing.assert_allclose(event.rows["track"], wanted.rows["track"], atol=1e-6)
        assert event.answered == Counter({str(folder): HITS})


def test_the_file_says_which_version_answered_which_hit(events: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.h5"
    done = score_events(events, out, lambda: HitClassifier(Changing(folder, [1, 2], 9), batch_size=20))
    assert sum(done.answered.values()) == done.hits == HITS * len(EVENTS)
    assert [version for version, _ in done.answered] == ["tiny version 1", "tiny version 2"]
    with h5py.File(out) as file:
        assert file["model_table/version"][:].tolist() == [1, 2]
        assert file.attrs["model_version"] == 2
        first = done.answered["tiny version 1", str(folder)]
        assert file["model"][:].tolist() == [0] * first + [1] * (done.hits - first)
        assert first % HITS == 0


def test_versions_that_change_without_end_are_an_error(events: Path, folder: Path) -> None:
    engine = Changing(folder, [1, 2] * (MOST_CHANGES + 1), requests=0)
    sources = Sources.survey(events)
    with pytest.raises(ChangedError):
        list(answered_events(HitClassifier(engine), [Place(sources.files[0], 0)], {}))
    assert engine.renewed == MOST_CHANGES


def test_a_file_does_not_mix_scales_and_the_next_run_has_one(
    events: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = model_config(folder, (1, 2))
    for version, scale in ((1, "natural"), (2, "upstream")):
        config.parameters[f"v{version}.score_scale"].string_value = scale
    write_config(folder, config)
    out = tmp_path / "scores.h5"
    with pytest.raises(CheckError, match="with upstream scores after natural ones; repeat the command"):
        score_events(events, out, lambda: HitClassifier(Changing(folder, [1, 2], 9), batch_size=20))
    assert not out.exists()
    score_events(events, out, lambda: HitClassifier(InProcess(folder, 2)))
    assert "events of an interrupted run are of other weights" in capsys.readouterr().out
    with h5py.File(out) as file:
        assert file.attrs["score_scale"] == "upstream" and file["model_table/version"][:].tolist() == [2]


def test_events_are_read_ahead_while_requests_are_under_way(events: Path, folder: Path) -> None:
    asked: list[int] = []

    class Watched(InProcess):
        def ask(self, request: Request) -> Answer:
            asked.append(len(request[INPUT_NAME]))
            return super().ask(request)

    sources = Sources.survey(events)
    places = [Place(sources.files[0], position) for position in range(len(EVENTS))]
    classifier = HitClassifier(Watched(folder, 1), in_flight=4)
    next(answered_events(classifier, places, {}))
    assert len(asked) > 1

"""Several servers as one, by engines that fail as they are told: who is asked, and what a user is told."""

import threading

import numpy as np
import pytest

from client.classifier import HitClassifier
from client.engine import Answer, ChangedError, Engine, hits_of
from client.failover import Failover
from client.model import Model
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, PATCH
from lartpc.served.parity import Request
from serving.connection import ServerError, SlowServerError


class Told(Engine):
    """Answers, unless it is told to fail."""

    def __init__(self, place: str, digest: str = "a" * 64) -> None:
        self.place, self.digest = place, digest
        self.fails: Exception | None = None
        self.asked = 0
        self.renew()

    def renew(self) -> None:
        if isinstance(getattr(self, "fails", None), UserError) and type(self.fails) is UserError:
            raise self.fails
        self.model = Model("emtrkmichel", 1, PATCH, self.digest, "2021", "upstream")

    def ask(self, request: Request) -> Answer:
        self.asked += 1
        if self.fails:
            raise self.fails
        number = hits_of(request)
        outputs = {
            CLASS_OUTPUT: np.full((number, 3), 1 / 3, np.float32),
            MICHEL_OUTPUT: np.full((number, 1), 0.5, np.float32),
        }
        return Answer(outputs, self.place, self.model.digest)

    def close(self) -> None:
        self.place = "closed"


def broken(place: str = "a") -> ServerError:
    return ServerError(f"model at {place}: the connection broke", "the connection broke", again=True)


def patches(number: int = 3) -> np.ndarray:
    return np.zeros((number, 48, 48, 1), np.float32)


def together(*servers: Told, **options: object) -> HitClassifier:
    return HitClassifier(
        Failover({each.place: (lambda each=each: each) for each in servers}, **options), batch_size=1
    )


def test_where_one_fails_the_other_answers_and_no_hit_is_lost() -> None:
    first, second = Told("first"), Told("second")
    with together(first, second) as classifier:
        assert set(classifier.classify_patches(patches()).answered) <= {"first", "second"}
        first.fails = broken()
        scores = classifier.classify_patches(patches(50))
        assert scores.answered == {"second": 50}
        first.fails, second.fails = None, broken()
        assert classifier.classify_patches(patches(50)).answered == {"first": 50}


def test_a_failure_that_no_other_server_mends_is_not_tried_elsewhere() -> None:
    first, second = Told("first"), Told("second")
    with together(first, second) as classifier:
        first.fails = second.fails = ServerError("model at first: bad pixels", "bad pixels")
        asked = first.asked + second.asked
        with pytest.raises(ServerError, match="bad pixels"):
            classifier.classify_patches(patches(1))
        assert first.asked + second.asked == asked + 1


def test_one_that_broke_off_is_asked_once_more_and_one_that_was_silent_is_not() -> None:
    for failure, times in ((broken(), 2), (SlowServerError("silent", "silent", again=True), 1)):
        server = Told("server")
        with together(server, give_up_s=0) as classifier:
            server.fails, server.asked = failure, 0
            with pytest.raises(CheckError, match="no server can be used: server: "):
                classifier.classify_patches(patches(1))
            assert server.asked == times
            health = classifier.engine.health["server"]
            assert (health.live, health.failures, health.error) == (False, times, failure)


def test_a_server_that_comes_back_is_waited_for() -> None:
    server = Told("server")
    with together(server, give_up_s=30) as classifier:
        server.fails = broken()
        timer = threading.Timer(0.5, lambda: setattr(server, "fails", None))
        timer.start()
        assert classifier.classify_patches(patches(5)).answered == {"server": 5}


def test_the_local_model_answers_last_aloud_once_and_counted() -> None:
    said: list[str] = []
    server, local = Told("server"), Told("local")
    with together(server, local=lambda: local, say=said.append) as classifier:
        assert classifier.classify_patches(patches()).answered == {"server": 3}
        assert said == [] and local.asked == 0
        server.fails = broken()
        assert classifier.classify_patches(patches(20)).answered == {"local": 20}
        assert classifier.engine.answered_here == 20
    assert len(said) == 1 and "answers here" in said[0] and "the connection broke" in said[0]


def test_where_no_server_answers_from_the_first_the_local_model_does() -> None:
    def unreachable() -> Engine:
        raise UserError("no server answers at host:1")

    said: list[str] = []
    engine = Failover({"server": unreachable}, local=lambda: Told("local"), say=said.append)
    assert HitClassifier(engine).classify_patches(patches()).answered == {"local": 3}
    assert len(said) == 1
    with pytest.raises(
        UserError, match="no server can be used: server: no server answers at host:1"
    ) as raised:
        Failover({"server": unreachable})
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("local_digest", ["a" * 64, "b" * 64])
def test_weights_are_never_mixed(local_digest: str) -> None:
    """Of the same weights the local model goes on; of others what was begun is to be done again."""
    server, local = Told("server"), Told("local", local_digest)
    with together(server, local=lambda: local, say=lambda _: None) as classifier:
        server.fails = broken()
        if local_digest == "a" * 64:
            assert classifier.classify_patches(patches()).answered == {"local": 3}
            return
        with pytest.raises(ChangedError, match="is served no longer; emtrkmichel version 1 answers here"):
            classifier.classify_patches(patches())
        classifier.renew()
        scores = classifier.classify_patches(patches())
        assert scores.answered == {"local": 3} and scores.model.digest == local_digest


def test_a_server_of_other_weights_is_left_out_and_said() -> None:
    said: list[str] = []
    first, second = Told("first"), Told("second", "b" * 64)
    with together(first, second, say=said.append) as classifier:
        assert classifier.classify_patches(patches(20)).answered == {"first": 20}
    assert said == ["second is left out: it serves other weights, emtrkmichel version 1"]


def test_a_version_switched_under_way_is_told_and_the_next_event_is_answered_by_the_new_one() -> None:
    server = Told("server")
    with together(server, give_up_s=0) as classifier:
        server.digest = "b" * 64
        server.renew()
        with pytest.raises(ChangedError):
            classifier.classify_patches(patches(4))
        classifier.renew()
        assert classifier.classify_patches(patches(4)).model.digest == "b" * 64


def test_many_threads_ask_at_once_while_servers_fail_and_come_back() -> None:
    servers = [Told(f"server{number}") for number in range(3)]
    with together(*servers, give_up_s=30) as classifier:
        ends = threading.Event()

        def trouble() -> None:
            random = np.random.default_rng(3)
            while not ends.is_set():
                server = servers[random.integers(3)]
                server.fails = broken(server.place)
                ends.wait(0.02)
                server.fails = None

        troubled = threading.Thread(target=trouble)
        troubled.start()
        results: list[int] = []

        def work() -> None:
            for _ in range(20):
                results.append(sum(classifier.classify_patches(patches(5)).answered.values()))

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ends.set()
        troubled.join()
    assert results == [5] * 160


def test_a_version_that_is_just_being_switched_is_waited_for() -> None:
    server = Told("server")
    with together(server, give_up_s=30) as classifier:
        server.fails = UserError("version 1 is not at ready state")
        timer = threading.Timer(0.5, lambda: setattr(server, "fails", None))
        timer.start()
        classifier.renew()
        assert classifier.classify_patches(patches()).answered == {"server": 3}

"""Several servers of a model as one: the fittest answers, another where it fails, and at last this process.

What may be answered elsewhere is told apart from what may not (serving.connection.ServerError.again). All
servers that take part serve the same weights; which ones is chosen anew between two events.
"""

import logging
import threading
from collections.abc import Callable, Mapping

import numpy as np
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from client.engine import Answer, ChangedError, Engine
from client.health import Health
from client.model import Model
from client.requests import of_image, of_patches
from client.server_times import Times
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import INPUT_SHAPE
from lartpc.served.parity import Request
from serving.connection import ServerError, SlowServerError

GIVE_UP_S = 30.0
"""A server that is started again is back within it."""

PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
"""Between two rounds; drawn at random up to a bound that doubles with each."""

Opener = Callable[[], Engine]
"""Connects to a server; raises UserError or CheckError where it cannot."""

log = logging.getLogger(__name__)


class NoneAnswersError(Exception):
    """No server answered in a round; the argument tells why, by its name."""


class Failover(Engine):
    """The servers of a model, and where none of them answers a model in this process.

    Args:
        servers: name of each and how it is reached; of those that are equally fit the first is asked.
        local: opens the model in this process, where that is wanted.
        say: says aloud, once, what a user must know: that this process answers, that a server is left out.
        give_up_s: for so long all servers are tried again, where there is no local model.
        named: asked before each request which servers there are now; None where that has not changed.

    Attributes:
        health: of each server, by its name.
        answered_here: requests that were answered in this process.

    Raises:
        CheckError, UserError: none of them can be reached.
    """

    def __init__(
        self,
        servers: Mapping[str, Opener],
        local: Opener | None = None,
        say: Callable[[str], None] = log.warning,
        give_up_s: float = GIVE_UP_S,
        named: Callable[[], Mapping[str, Opener] | None] = lambda: None,
    ) -> None:
        self._open, self._open_local, self._say = dict(servers), local, say
        self._names, self._named = tuple(self._open), named
        self._rounds = Retrying(
            stop=stop_after_delay(0.0 if local else give_up_s),
            wait=wait_random_exponential(PAUSE_S, MOST_PAUSE_S),
            retry=retry_if_exception_type(NoneAnswersError),
            reraise=True,
        )
        self._engines: dict[str, Engine] = {}
        self._local: Engine | None = None
        self._one_reaches = {name: threading.Lock() for name in self._open}
        self._counted = threading.Lock()
        self._said: set[str] = set()
        self.health = {name: Health() for name in self._open}
        self.answered_here = 0
        try:
            self._choose()
        except NoneAnswersError as error:
            self.model = self._here(str(error)).model

    def renew(self) -> None:
        """See the base class; the version that the first server serves that can be reached."""
        try:
            self._rounds(self._choose)
        except NoneAnswersError as error:
            self.model = self._here(str(error)).model

    def _choose(self) -> None:
        """Choose a version of those that are served now."""
        self._follow()
        for name in self._names:
            self._reach(name)
        models = {name: self._engines[name].model for name in self._live()}
        if not models:
            raise NoneAnswersError(self._reasons())
        self.model = next(iter(models.values()))
        for name, model in models.items():
            if model.digest != self.model.digest:
                text = f"{name} is left out: it serves other weights, {model}"
                self._say_once(f"{name} left out", text)

    def ask(self, request: Request) -> Answer:
        """See the base class."""
        model = self.model
        try:
            return self._rounds(self._ask_servers, request, model)
        except NoneAnswersError as error:
            local = self._here(str(error))
            if local.model.digest != model.digest:
                raise ChangedError(f"{model} is served no longer; {local.model} answers here") from error
        with self._counted:
            self.answered_here += 1
        return local.ask(request)

    def _ask_servers(self, request: Request, model: Model) -> Answer:
        """One round: each that may be asked, the fittest first; once more where it broke off at once."""
        self._follow()
        self._reach_what_is_down()
        for name in self._fittest(model):
            for _ in range(2):
                try:
                    with self.health[name].asked():
                        answer = self._engines[name].ask(request)
                    if answer.digest == model.digest:
                        return answer
                    break
                except ChangedError:
                    self._reach(name)
                    break
                except ServerError as error:
                    if not error.again:
                        raise
                    self.health[name].failed(error)
                    if isinstance(error, SlowServerError):
                        break
        if any(self._engines[name].model.digest != model.digest for name in self._live()):
            raise ChangedError(f"{model} is served no longer, another version is")
        raise NoneAnswersError(self._reasons())

    def _follow(self) -> None:
        """Take the servers that there are now; one that is named no longer answers what it was asked."""
        servers = self._named()
        if servers is None:
            return
        with self._counted:
            for name in servers:
                if name not in self._open:
                    self.health[name], self._one_reaches[name] = Health(), threading.Lock()
            self._open |= servers
            self._names = tuple(servers)

    def _reach_what_is_down(self) -> None:
        """Those that have rested since they failed; all, where nothing else can answer."""
        desperate = self._open_local is None and not self._live()
        for name in self._names:
            health = self.health[name]
            if not health.live and (health.usable or desperate):
                self._reach(name)

    def _fittest(self, model: Model) -> list[str]:
        """Servers with these weights that may be asked, the fittest first; where all rest, all."""
        names = [name for name in self._reached() if self._engines[name].model.digest == model.digest]
        usable = [name for name in names if self.health[name].usable]
        return sorted(usable or ([] if self._open_local else names), key=lambda name: self.health[name].cost)

    def _live(self) -> list[str]:
        return [name for name in self._reached() if self.health[name].live]

    def _reached(self) -> list[str]:
        return [name for name in self._names if name in self._engines]

    def _reach(self, name: str) -> None:
        """Reach a server, or see what it serves now; another thread that does so is not waited for."""
        if not self._one_reaches[name].acquire(blocking=False):
            return
        try:
            if name in self._engines:
                self._engines[name].renew()
            else:
                self._engines[name] = self._open[name]()
            self._engines[name].ask(least_request(self._engines[name].model))
            self.health[name].reached()
            if notice := self._engines[name].notice:
                self._say_once(notice, notice)
        except (UserError, CheckError) as error:
            self.health[name].failed(error)
        finally:
            self._one_reaches[name].release()

    def _here(self, reasons: str) -> Engine:
        """The model in this process.

        Raises:
            CheckError, UserError: there is none, and no server answers.
        """
        if self._open_local is None:
            errors = [self.health[name].error for name in self._names]
            wrong = all(type(error) is UserError for error in errors)
            raise (UserError if wrong else CheckError)(f"no server can be used: {reasons}")
        with self._counted:
            if self._local is None:
                self._local = self._open_local()
        self._say_once("here", f"no server can be used ({reasons}): {self._local.model} answers here")
        return self._local

    def _say_once(self, what: str, text: str) -> None:
        with self._counted:
            new = what not in self._said
            self._said.add(what)
        if new:
            self._say(text)

    def _reasons(self) -> str:
        reasons = {name: self.health[name].error for name in self._names}
        return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)

    def times(self) -> dict[str, Times]:
        """See the base class."""
        return {
            server: times for name in self._live() for server, times in self._engines[name].times().items()
        }

    def close(self) -> None:
        """See the base class."""
        for engine in (*self._engines.values(), *filter(None, [self._local])):
            engine.close()


def least_request(model: Model) -> Request:
    """A hit on an empty plane, by which a model is known to answer."""
    if not model.contract.of_planes:
        (request,) = of_patches(np.zeros((1, *INPUT_SHAPE), np.float32)).requests
        return request
    image, hit = np.zeros((1, 1), np.float32), np.zeros((1, 2), np.int32)
    (request,) = of_image(image, hit, model.contract, model.wire_step).requests
    return request

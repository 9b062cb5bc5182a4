"""What an embedded server does while it runs: it follows its repository, and heals.

The states of a model, and what moves it from one to the next:

    named      config.pbtxt names a version; until its weights lie there it is looked for at every look
    present    the weights are there, and the server is asked to load them
    loaded     the server has them; a load that fails is tried again with every round of canaries
    answering  a row of zeros got its answer; it is asked again with every round, and loaded anew if it fails
    ended      the model has left the repository, and at the second look in a row is served no longer

A version that was served goes on answering until the next one does.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from lartpc.errors import UserError
from serving.repository import RepositoryModel, look_into
from serving.triton import TritonServer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Failure:
    """A model that could not be loaded, which of its versions were not there, and the reason."""

    model: RepositoryModel
    absent: list[int]
    reason: str


class Follower:
    """Follows the repository of a server that runs.

    Args:
        server: inside of its ``with`` block.
    """

    def __init__(self, server: TritonServer) -> None:
        self._server = server
        self._failed: dict[str, _Failure] = {}
        self._missing: set[str] = set()
        self._faults: dict[str, str] = {}

    def look(self, again: bool = False) -> list[str]:
        """Serve what config.pbtxt files name now; the names of the models of which something else is served.

        Args:
            again: try what the server could not load before, too.

        Raises:
            CheckError: the server has ended.
        """
        try:
            models, faults = look_into(self._server.repository)
        except UserError as error:
            self._say_new({"": f"{error}; serving what is loaded"})
            return []
        self._say_new({name: f"{fault}; serving what is loaded of it" for name, fault in faults.items()})
        served = [
            model.name
            for model in models.values()
            if not model.left_out and self._wanted(model, again) and self._try(model)
        ]
        self._end({*(name for name, model in models.items() if not model.left_out), *faults})
        return served

    def heal(self, before: Callable[[], None] = lambda: None) -> list[str]:
        """Ask every version for an answer and load anew each model that has none; the names of those healed.

        Args:
            before: called before a model is loaded anew; until that is done it gives no answer.

        Raises:
            CheckError: the server has ended.
        """
        served = self._server.versions().items()
        return [name for name, versions in served if self._healed(name, versions, before)]

    def _say_new(self, faults: dict[str, str]) -> None:
        """Say what was not so at the last look."""
        for name, fault in faults.items():
            if self._faults.get(name) != fault:
                log.warning("%s", fault)
        self._faults = faults

    def _wanted(self, model: RepositoryModel, again: bool) -> bool:
        if model == self._server.models.get(model.name):
            self._failed.pop(model.name, None)
            return False
        before = self._failed.get(model.name)
        return again or before is None or (before.model, before.absent) != (model, model.absent)

    def _try(self, model: RepositoryModel) -> bool:
        try:
            self._server.load(model)
        except UserError as error:
            self._server.check_alive()
            self._say_once(model, str(error))
            return False
        self._failed.pop(model.name, None)
        return True

    def _say_once(self, model: RepositoryModel, reason: str) -> None:
        failure = _Failure(model, model.absent, reason)
        if self._failed.get(model.name) != failure:
            served = self._server.versions().get(model.name)
            now = f"version {', '.join(map(str, served))} goes on serving" if served else "it is not served"
            log.warning("%s; %s, and it is tried again", reason, now)
        self._failed[model.name] = failure

    def _end(self, present: set[str]) -> None:
        gone = set(self._server.models) - present
        for name in gone & self._missing:
            log.warning("%s has left %s and is served no longer", name, self._server.repository)
            self._server.unload(name)
        self._missing = gone

    def _healed(self, name: str, versions: list[int], before: Callable[[], None]) -> bool:
        faults = [fault for version in versions if (fault := self._server.fault(name, version))]
        if versions and not faults:
            return False
        reason = faults[0] if faults else "no version of it is loaded"
        log.warning("%s does not answer (%s); loading it anew", name, reason)
        model = self._server.models[name]
        before()
        try:
            self._server.unload(name)
            self._server.load(model)
        except UserError as error:
            self._server.check_alive()
            self._say_once(model, str(error))
            return False
        return True

"""Embedded servers of one model with the settings that are tried, each on a copy of the model."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from lartpc.errors import CheckError
from lartpc.files import write_text
from lartpc.served.model_config import CONFIG_FILE, config_text
from lartpc.served.tuning import Tuning
from serving.repository import RepositoryModel
from serving.sizing.perf_analyzer import Row
from serving.triton import TritonServer

AT_A_TIME = 2
"""Those of a pair that is compared. The one that is not asked takes memory alone."""

LONGER = 4
"""Times as long as usual, after a measurement that failed."""


class TrialServers:
    """Starts a server for settings when they are first measured, and ends the one that was not for longest.

    Args:
        model: of which copies are served.
        ask: measures the server at a gRPC address, HOST:PORT, for so many times as long as usual.
    """

    def __init__(self, model: RepositoryModel, ask: Callable[[str, int], Row]) -> None:
        self._model, self._ask = model, ask
        self._running: dict[Tuning, tuple[str, ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tuning in list(self._running):
            self._end(tuning)

    def measure(self, tuning: Tuning) -> Row:
        """What clients get from a server with these settings; where that fails once more, from a fresh one.

        Raises:
            CheckError: it does not start with them, or is not measured twice.
        """
        try:
            return self._ask(self._address(tuning), 1)
        except CheckError:  # it has ended, or gave no answer in a window while something held the machine
            self._end(tuning)
            return self._ask(self._address(tuning), LONGER)

    def _address(self, tuning: Tuning) -> str:
        running = self._running.pop(tuning, None)
        while running is None and len(self._running) >= AT_A_TIME:
            self._end(next(iter(self._running)))
        self._running[tuning] = running or self._started(tuning)
        return self._running[tuning][0]

    def _started(self, tuning: Tuning) -> tuple[str, ExitStack]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="lartpc-tune-")))
            write_copy(self._model, folder / self._model.name, tuning)
            server = stack.enter_context(TritonServer(folder))
            return server.grpc, stack.pop_all()

    def _end(self, tuning: Tuning) -> None:
        if tuning in self._running:
            _, stack = self._running.pop(tuning)
            stack.close()


def write_copy(model: RepositoryModel, folder: Path, tuning: Tuning) -> None:
    """A model as it is served, with other settings.

    Args:
        model: of a repository.
        folder: of the copy, which does not exist.
        tuning: its settings.
    """
    folder.mkdir()
    for source in model.files:
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / source.name)
    config = type(model.config)()
    config.CopyFrom(model.config)
    if not config.instance_group:
        config.instance_group.add()
    tuning.write(config)
    write_text(folder / CONFIG_FILE, config_text(config))

"""How a server runs a model: what a site may set to suit its machine, and what stays when versions change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lartpc.errors import UserError

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

THREADS, ROWS_A_RUN = "intra_op_thread_count", "max_rows_per_run"
"""Parameters of the backend: of Triton's onnxruntime_backend (README), and of the embedded server's alone."""

PREFERRED_ROWS = (512, 1024, 2048)
"""Throughput is flat from 512 rows on; 1693, a whole view of the paper's jobs, fits into 2048."""

MOST = {
    "preferred_rows": 1 << 16,
    "queue_delay_us": 10_000_000,
    "instances": 64,
    "threads": 1024,
    "rows_a_run": 1 << 16,
}


@dataclass(frozen=True)
class Tuning:
    """Settings of one model.

    Attributes:
        preferred_rows: sizes of merged batches, ascending; more rows than the last are not merged, and where
            there are none nothing is. Of no meaning for models that take one request at a time.
        queue_delay_us: how long a request waits for others that it could be merged with, in us. At 0 it is
            merged with those that wait anyway because the model is busy, and alone it waits for nobody.
        instances: that answer at the same time.
        threads: of one run of an instance; 0 for as many as the server sees fit.
        rows_a_run: in which an instance goes through a larger batch; 0 for what the backend sees fit.
    """

    preferred_rows: tuple[int, ...] = PREFERRED_ROWS
    queue_delay_us: int = 0
    instances: int = 1
    threads: int = 0
    rows_a_run: int = 0

    def __post_init__(self) -> None:
        """Raises UserError where one of them is no such number."""
        for name, most in MOST.items():
            value = getattr(self, name)
            least = 0 if name in ("queue_delay_us", "threads", "rows_a_run") else 1
            for number in value if isinstance(value, tuple) else (value,):
                if type(number) is not int or not least <= number <= most:
                    raise UserError(f"{name} {number!r} must be a whole number from {least} to {most}")
        if list(self.preferred_rows) != sorted(set(self.preferred_rows)):
            raise UserError(f"preferred_rows {list(self.preferred_rows)} must ascend")

    @classmethod
    def of(cls, config: "ModelConfig") -> "Tuning":
        """What a configuration sets.

        Raises:
            UserError: one of its settings is no number, or too large.
        """
        said = {name: config.parameters[name].string_value for name in config.parameters}
        numbers = {name: said.get(name, "0") for name in (THREADS, ROWS_A_RUN)}
        for name, text in numbers.items():
            if not text.isdecimal():
                raise UserError(f"{name} {text!r} must be a whole number")
        counts = [group.count for group in config.instance_group]
        if len(counts) > 1:
            raise UserError(f"{len(counts)} groups of instances; an export writes one")
        return cls(
            preferred_rows=tuple(config.dynamic_batching.preferred_batch_size),
            queue_delay_us=config.dynamic_batching.max_queue_delay_microseconds,
            instances=counts[0] if counts else 1,
            threads=int(numbers[THREADS]),
            rows_a_run=int(numbers[ROWS_A_RUN]),
        )

    def write(self, config: "ModelConfig") -> None:
        """Set it in a model's configuration, whose group of instances and batch limit are there.

        Whatever other settings were there before are gone.
        """
        config.instance_group[0].count = self.instances
        config.ClearField("dynamic_batching")
        if config.max_batch_size and self.preferred_rows:
            config.dynamic_batching.preferred_batch_size.extend(self.preferred_rows)
            if self.queue_delay_us:
                config.dynamic_batching.max_queue_delay_microseconds = self.queue_delay_us
        for name, value in ((THREADS, self.threads), (ROWS_A_RUN, self.rows_a_run)):
            config.parameters.pop(name, None)
            if value:
                config.parameters[name].string_value = str(value)

    @property
    def in_words(self) -> str:
        """For a reader."""
        merged = f"up to {self.preferred_rows[-1]:,} rows merged" if self.preferred_rows else "nothing merged"
        delay = f" after {self.queue_delay_us:,} us" if self.preferred_rows and self.queue_delay_us else ""
        runs = f"{self.rows_a_run:,}" if self.rows_a_run else "the backend's number of"
        instances = "1 instance" if self.instances == 1 else f"{self.instances} instances"
        threads = "1 thread" if self.threads == 1 else f"{self.threads or 'all'} threads"
        return f"{merged}{delay}, {instances} of {threads}, runs of {runs} rows"

    def settings(self) -> dict[str, Any]:
        """For a file."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def read_tunings(path: Path) -> dict[str, Tuning]:
    """Settings of models by their names, as ``serving.tune`` writes them.

    Raises:
        UserError: the file cannot be read, or says something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as JSON ({error}); serving.tune writes such a file"
        ) from error
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict) or not models:
        raise UserError(f'{path} names no "models"; serving.tune writes such a file')
    return {name: _tuning(path, name, settings) for name, settings in models.items()}


def _tuning(path: Path, name: str, settings: object) -> Tuning:
    known = [each.name for each in fields(Tuning)]
    if not isinstance(settings, Mapping) or not set(settings) <= set(known):
        raise UserError(f"{path}: {name} may set {', '.join(known)}, and nothing else")
    rows = settings.get("preferred_rows", PREFERRED_ROWS)
    if not isinstance(rows, list | tuple):
        raise UserError(f"{path}: {name}: preferred_rows must be a list of numbers")
    try:
        return Tuning(**{**settings, "preferred_rows": tuple(rows)})
    except UserError as error:
        raise UserError(f"{path}: {name}: {error}") from error

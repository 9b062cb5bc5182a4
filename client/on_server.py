"""A model on one server: it is asked for one version, and its answers are checked."""

from typing import Any

from client.engine import Answer, ChangedError, Engine, check_outputs, hits_of
from client.model import Demands, Model, stated_contract
from client.patience import Patience
from client.server_times import Times
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import OUTPUT_NAMES, Signature, TensorSpec
from lartpc.served.model_config import ALIAS
from lartpc.served.parity import Request
from serving.connection import Connection, GoneError


class OnServer(Engine):
    """One version of one served model that keeps a tensor contract.

    Args:
        connection: to the server; closed with the engine.
        name: of the model, or of an alias; then the model that it points at is asked.
        version: which of its versions; default the highest that is served.
        demands: what must answer.
        timeout_s: longest wait for an answer; default by what answers took so far.

    Attributes:
        connection: to the server.

    Raises:
        UserError: the server does not serve that model or version.
        CheckError: the model is not its contract's (other names, shapes, types or order), or not what is
            demanded.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        version: int | None = None,
        demands: Demands = Demands(),  # noqa: B008 (frozen)
        timeout_s: float | None = None,
    ) -> None:
        self.connection = connection
        self._asked, self._wanted, self._demands = name, version or demands.version, demands
        self.patience = Patience(timeout_s)
        self.renew()

    @property
    def notice(self) -> str:
        """See the base class."""
        if reason := self.connection.no_shared_memory:
            return f"{self.connection} takes no shared memory ({reason}): tensors are sent"
        return ""

    def renew(self) -> None:
        """See the base class."""
        served = self.connection.served()
        if self._asked not in served:
            raise UserError(
                f"{self.connection} serves no model {self._asked!r}; it serves "
                f"{', '.join(served) or 'none at all'}"
            )
        self._name = self.connection.parameters(self._asked).get(ALIAS, self._asked)
        versions = served.get(self._name, [])
        if not versions:
            raise UserError(f"{self._asked} at {self.connection} points at {self._name}, which is not served")
        if self._wanted is not None and self._wanted not in versions:
            raise UserError(
                f"{self.connection} serves {self._name} in version {versions}, not {self._wanted}"
            )
        version = versions[-1] if self._wanted is None else self._wanted
        parameters = self.connection.parameters(self._name, version)
        contract = stated_contract(self._name, parameters, str(self.connection))
        metadata = self.connection.metadata(self._name, version)
        faults = contract.faults(signature_of(metadata, contract.batched))
        if faults:
            raise CheckError(
                f"{self._name} at {self.connection} is not the hit classifier: {'; '.join(faults)}"
            )
        model = Model.said(self._name, version, parameters, str(self.connection))
        self._demands.check(model, str(self.connection))
        self.model = model
        self._before = Times.on(self.connection, self._name, version)

    def ask(self, request: Request) -> Answer:
        """See the base class."""
        model, hits = self.model, hits_of(request)
        try:
            with self.patience.within(hits) as limit:
                answered, outputs = self.connection.infer(
                    model.name, model.version, request, OUTPUT_NAMES, limit.seconds, limit.why
                )
        except GoneError as error:
            raise ChangedError(f"{model} is served no longer: {error}") from error
        if answered != model.version:
            raise ChangedError(
                f"{self._name} at {self.connection}: version {answered} answered, not version {model.version}"
            )
        check_outputs(outputs, hits, f"{self._name} at {self.connection}")
        return Answer(outputs, str(self.connection), model.digest)

    def times(self) -> dict[str, Times]:
        """See the base class."""
        now = Times.on(self.connection, self._name, self.model.version)
        return {str(self.connection): now.since(self._before)}

    def close(self) -> None:
        """See the base class."""
        self.connection.close()


def signature_of(metadata: dict[str, Any], batched: bool) -> Signature:
    """The tensors that a server says a version has, that takes batches or not."""

    def specs(kind: str) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec.of(tensor["name"], tensor["datatype"], map(int, tensor["shape"]), batched)
            for tensor in metadata.get(kind, [])
        )

    return Signature(specs("inputs"), specs("outputs"))

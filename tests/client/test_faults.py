"""Each fault once, with two real Tritons and twenty clients; ``make soak`` causes each a hundred times."""

from collections.abc import Iterator

import pytest

from tests.helpers.faults import CLIENTS, FAULTS, Stage, cause, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server_environment: None) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
def test_clients_work_on(fault: str, stage: Stage) -> None:
    outcome = cause(fault, stage)
    assert outcome.errors == []
    assert outcome.events >= 2 * CLIENTS, "before and after"
    assert outcome.again >= (fault == "version switched")

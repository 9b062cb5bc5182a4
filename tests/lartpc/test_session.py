"""A served graph run in process: bounded runs, threads, and what is no graph."""

import os

import numpy as np
import onnx
import pytest

from lartpc.errors import UserError
from lartpc.served.contract import CLASS_OUTPUT, INPUT_NAME, INPUT_SHAPE
from lartpc.served.session import GraphSession, runs
from tests.helpers.served_repository import tiny_network


def test_runs_are_bounded() -> None:
    assert [rows.stop - rows.start for rows in runs(1200)] == [512, 512, 176]


def test_answers_do_not_depend_on_the_runs() -> None:
    session = GraphSession(tiny_network(seed=1).SerializeToString())
    patches = np.random.default_rng(1).normal(0.0, 3.0, (700, *INPUT_SHAPE)).clip(-5, 14).astype(np.float32)
    alone = session.answer_requests([{INPUT_NAME: patches[600:]}])
    np.testing.assert_allclose(session.answer(patches)[CLASS_OUTPUT][600:], alone[CLASS_OUTPUT], atol=1e-6)


def test_no_patches_have_no_answers() -> None:
    answers = GraphSession(tiny_network(seed=1).SerializeToString()).answer(np.zeros((0, *INPUT_SHAPE), "f4"))
    assert [values.shape for values in answers.values()] == [(0, 3), (0, 1)]


@pytest.mark.parametrize(
    ("variable", "given", "threads"),
    [("1", None, 1), ("1", 2, 2), ("many", None, 0), ("", None, 0), ("9" * 30, None, os.cpu_count())],
)
def test_threads_are_those_of_the_environment(
    variable: str, given: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    session = GraphSession(tiny_network(seed=1).SerializeToString(), given)
    assert session._session.get_session_options().intra_op_num_threads == threads


def test_what_is_no_graph_is_refused(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    for graph in (b"no graph", path, onnx.ModelProto().SerializeToString()):
        with pytest.raises(UserError, match="does not load"):
            GraphSession(graph)

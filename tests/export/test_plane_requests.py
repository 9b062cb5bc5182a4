"""The graph of a plane request answers each hit as its patch is answered, on planes and hits of any kind."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.check import main as check
from export.gate.sample import GateSample
from export.graph.fp32 import fp32_graph
from export.graph.plane_requests import SLICE, wire_step
from export.graph.precision import rewrite
from export.triton import main as export
from export.variants import BY_SUFFIX
from lartpc.adc_scale import MOST_UNIT
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.wire import JOINED, encoded, zero_suppressed
from lartpc.served.contract import (
    HIT_INPUT,
    IMAGE_INPUT,
    INPUT_NAME,
    OUTPUT_NAMES,
    PLANE,
    PLANE_F16,
    PLANE_U8,
    PLANE_ZS,
    RUN_INPUT,
    VALUE_INPUT,
    ZERO_STEP,
    Contract,
)
from lartpc.served.session import GraphSession
from tests.helpers.paths import QUICK_GATES
from training.network.checkpoint import load_checkpoint

EXACT = {"fp32": 1e-5, "fp16": 4e-3, "int8": 0.0}
"""How far a hit's answer may lie from that of its patch: a slice of another size sums in another order."""

SUFFIXES = ("fp32", "fp16", "int8", "int8_gpu")


@pytest.fixture(scope="module")
def sessions(checkpoint: Path) -> dict[str, tuple[GraphSession, GraphSession]]:
    """Of each variant the graph of patches and the graph of planes."""
    trained = load_checkpoint(checkpoint)
    fp32, calibration = fp32_graph(trained), GateSample(trained).calibration[::8]

    def session(suffix: str) -> GraphSession:
        return GraphSession(rewrite(fp32, BY_SUFFIX[suffix], calibration).SerializeToString(), threads=1)

    return {suffix: (session(suffix), session(f"plane_{suffix}")) for suffix in SUFFIXES}


def some_plane(wires: int, pixels: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    shown = random.random((wires, pixels)) < 0.15
    return (shown * random.uniform(-0.1, MOST_UNIT, (wires, pixels))).astype(np.float32)


def by_patches(session: GraphSession, image: np.ndarray, hits: np.ndarray) -> dict[str, np.ndarray]:
    canvas = pad_planes(image[None])
    return session.answer(cut_patches(canvas, hits[:, 0], hits[:, 1]))


def by_plane(session: GraphSession, image: np.ndarray, hits: np.ndarray) -> dict[str, np.ndarray]:
    return session.answer_requests([{IMAGE_INPUT: image, HIT_INPUT: hits.astype(np.int32)}])


@st.composite
def planes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A plane of any size, and hits anywhere in it, at its corners above all, several in a pixel."""
    wires, pixels = draw(st.integers(1, 70)), draw(st.integers(1, 90))
    number = draw(st.sampled_from([0, 1, 2, 7, SLICE, SLICE + 1, 2 * SLICE + 3]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    hits = np.column_stack([random.integers(0, size, number) for size in (wires, pixels)])
    corners = np.array([[0, 0], [0, pixels - 1], [wires - 1, 0], [wires - 1, pixels - 1]])
    hits[: min(number, 4)] = corners[:number]
    return some_plane(wires, pixels, draw(st.integers(0, 1000))), hits


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None)
@given(asked=planes())
def test_a_hit_is_answered_as_its_patch_is(
    sessions: dict[str, tuple[GraphSession, GraphSession]], suffix: str, asked: tuple[np.ndarray, np.ndarray]
) -> None:
    image, hits = asked
    of_patches, of_planes = sessions[suffix]
    wanted, found = by_patches(of_patches, image, hits), by_plane(of_planes, image, hits)
    for name in OUTPUT_NAMES:
        assert found[name].shape == wanted[name].shape
        assert np.abs(found[name] - wanted[name]).max(initial=0.0) <= EXACT[BY_SUFFIX[suffix].precision]


def test_twenty_thousand_hits_are_answered_one_slice_at_a_time(sessions) -> None:
    of_patches, of_planes = sessions["int8"]
    image, random = some_plane(96, 160, 5), np.random.default_rng(6)
    hits = np.column_stack([random.integers(0, size, 20_000) for size in image.shape])
    found = by_plane(of_planes, image, hits)
    rows = np.arange(0, len(hits), 97)
    wanted = by_patches(of_patches, image, hits[rows])
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(found[name][rows], wanted[name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_hit_outside_is_answered_by_nan_and_its_neighbours_as_ever(sessions, suffix: str) -> None:
    image = some_plane(20, 30, 1)
    inside = np.array([[0, 0], [19, 29], [7, 11]])
    outside = np.array([[-1, 3], [3, -1], [20, 3], [3, 30], [-(2**31), 2**31 - 1]])
    of_planes = sessions[suffix][1]
    alone, found = (by_plane(of_planes, image, hits) for hits in (inside, np.concatenate([inside, outside])))
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(found[name][:3], alone[name], atol=1e-3)
        assert np.isnan(found[name][3:]).all()


@pytest.mark.parametrize("shape", [(0, 30), (20, 0), (0, 0)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_plane_has_no_hits(sessions, suffix: str, shape: tuple[int, int]) -> None:
    of_planes = sessions[suffix][1]
    image = np.zeros(shape, np.float32)
    assert all(np.isnan(values).all() for values in by_plane(of_planes, image, np.zeros((2, 2))).values())
    assert all(len(values) == 0 for values in by_plane(of_planes, image, np.zeros((0, 2))).values())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_number_is_not_answered_by_one(sessions, suffix: str, value: float) -> None:
    image = some_plane(60, 80, 2)
    image[30, 40] = value
    of_patches, of_planes = sessions[suffix]
    seen = np.argwhere(np.ones((47, 47))) + np.array([7, 17])  # it lies at every place of their patches
    for found in (by_plane(of_planes, image, seen[::5]), by_patches(of_patches, image, seen[::5])):
        assert all(np.isnan(values).all() for values in found.values())


def test_the_graph_is_of_its_contract_and_names_what_it_does(checkpoint: Path) -> None:
    graph = rewrite(fp32_graph(load_checkpoint(checkpoint)), BY_SUFFIX["plane_fp32"], np.empty(0))
    assert [value.name for value in graph.graph.input] == [spec.name for spec in PLANE.signature.inputs]
    assert [node.op_type for node in graph.graph.node].count("Loop") == 1
    onnx.checker.check_model(graph, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
    image, hits = some_plane(50, 60, 3), np.array([[3, 4], [40, 50]])
    answers = plain.run(OUTPUT_NAMES, {IMAGE_INPUT: image, HIT_INPUT: hits.astype(np.int32)})
    wanted = by_plane(GraphSession(graph.SerializeToString()), image, hits)
    for name, values in zip(OUTPUT_NAMES, answers, strict=True):
        np.testing.assert_allclose(values, wanted[name], atol=1e-5)


def test_golden_planes_hold_enough_of_every_kind(checkpoint: Path) -> None:
    sample = GateSample(load_checkpoint(checkpoint))
    golden = sample.golden(PLANE)
    assert golden.michel.sum() >= 64 and np.bincount(golden.label, minlength=3).min() >= 64
    for request in golden.requests:
        assert request[IMAGE_INPUT].ndim == 2 and request[HIT_INPUT].dtype == np.int32
    again = type(golden).parse(golden.content(), "here", PLANE)
    assert all(
        np.array_equal(ours[name], theirs[name])
        for ours, theirs in zip(golden.requests, again.requests, strict=True)
        for name in ours
    )


def test_the_gate_answers_every_held_out_hit_by_its_plane(checkpoint: Path, sessions) -> None:
    sample = GateSample(load_checkpoint(checkpoint))
    rows = np.concatenate([rows for rows, _ in sample.requests(PLANE)])
    assert np.array_equal(np.sort(rows), np.arange(len(sample.held_out)))
    for numbers, request in sample.requests(PLANE):
        some = numbers[:50]
        patches = sample.held_out.patches(some)
        (image, hits) = request[IMAGE_INPUT], request[HIT_INPUT][:50]
        assert np.array_equal(cut_patches(pad_planes(image[None]), hits[:, 0], hits[:, 1]), patches)
    assert INPUT_NAME not in request


@pytest.fixture(scope="module")
def wires(checkpoint: Path) -> dict[Contract, tuple[GraphSession, float | None]]:
    """Of each form in which a plane travels the INT8 graph, and its step."""
    trained = load_checkpoint(checkpoint)
    fp32, calibration = fp32_graph(trained), GateSample(trained).calibration[::8]
    found = {}
    for suffix in ("plane_int8", "plane_f16_int8", "plane_u8_int8", "plane_zs_int8"):
        graph = rewrite(fp32, BY_SUFFIX[suffix], calibration)
        session = GraphSession(graph.SerializeToString(), threads=1)
        found[BY_SUFFIX[suffix].contract] = session, wire_step(graph)
    return found


@settings(max_examples=40, deadline=None)
@given(asked=planes())
def test_a_plane_in_steps_is_answered_as_in_floating_point_bit_for_bit(wires, asked) -> None:
    image, hits = asked
    wanted = by_plane(wires[PLANE][0], image, hits)
    for contract in (PLANE_U8, PLANE_ZS):
        session, step = wires[contract]
        found = session.answer_requests([encoded(image, hits.astype(np.int32), contract, step)])
        for name in OUTPUT_NAMES:
            np.testing.assert_array_equal(found[name], wanted[name])


@settings(max_examples=10, deadline=None)
@given(asked=planes())
def test_a_plane_in_fp16_is_answered_as_its_rounded_pixels_are(wires, asked) -> None:
    image, hits = asked
    session, step = wires[PLANE_F16]
    assert step is None
    found = session.answer_requests([encoded(image, hits.astype(np.int32), PLANE_F16, None)])
    wanted = by_plane(wires[PLANE][0], image.astype(np.float16).astype(np.float32), hits)
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(found[name], wanted[name])


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 12), st.integers(0, 40)),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_runs_hold_every_pixel_that_is_not_zero_once_and_in_order(shape, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    steps = np.where(random.random(shape) < share, random.integers(0, 256, shape), ZERO_STEP).astype(np.uint8)
    sent = zero_suppressed(steps)
    whole, first = np.full(shape, ZERO_STEP, np.uint8), 0
    places = []
    for wire, pixel, length in sent[RUN_INPUT].astype(int):
        whole[wire, pixel : pixel + length] = sent[VALUE_INPUT][first : first + length]
        places.append((wire, pixel, pixel + length))
        first += length
    assert first == len(sent[VALUE_INPUT]) and (whole == steps).all()
    assert places == sorted(places)
    for (wire, _, end), (following, begin, _) in pairwise(places):
        assert wire < following or begin - end >= JOINED


@pytest.mark.long
def test_an_exported_plane_in_steps_passes_its_check(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs are of a type that no other tensor has."""
    options = [f"--checkpoint={checkpoint}", f"--repository={tmp_path}", "--precision=int8", QUICK_GATES]
    for requests in ("plane_u8", "plane_zs"):
        assert export([*options, f"--requests={requests}"]) == 0
    assert check([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("passed │") >= 2

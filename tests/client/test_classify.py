"""python -m client.classify --picture: one event, drawn."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from client.classify import classify, default_model, main, most_michel_hits
from client.event_picture import event_picture
from data_gen.display import display
from lartpc.adc_scale import ADC_SCALES, network_units
from lartpc.detector import DRIFT_PIXELS, PIXEL_TICKS
from lartpc.errors import UserError
from lartpc.event import HIT_DTYPE, PARTICLE_DTYPE, Event
from lartpc.event_file import EventFile, EventWriter
from lartpc.patches.cut import cut_patches, pad_planes
from lartpc.patches.plane_hits import HITS_PER_CUT, PlaneHits
from lartpc.provenance import Provenance
from lartpc.served.contract import CLASS_OUTPUT, MICHEL_OUTPUT, Label
from serving.triton import TritonServer
from tests.helpers.served_repository import model_config, write_config, write_model

MODEL = "emtrkmichel_fp32"
WIRES = 60
TEST_EVENTS = (5, 8)
"""Their numbers put them into the test split."""


@pytest.fixture(scope="module")
def event_file(tmp_path_factory):
    """Nine events of two drift volumes with a track each; Michel hits in the last one."""
    path = tmp_path_factory.mktemp("events") / "events.h5"
    rng = np.random.default_rng(4)
    with EventWriter(path, Provenance()) as writer:
        for number in range(9):
            image = np.zeros((2, WIRES, DRIFT_PIXELS), np.float16)
            hits = np.zeros(1500, HIT_DTYPE)
            hits["hit_id"] = np.arange(len(hits))
            hits["tpc"] = rng.integers(0, 2, len(hits))
            hits["local_plane"] = np.where(np.arange(len(hits)) < 1400, 2, 0)
            hits["local_wire"] = rng.integers(0, WIRES, len(hits))
            hits["local_time"] = hits["local_wire"] * 50 + 100
            hits["label"] = rng.integers(0, 3, len(hits))
            hits["michel"] = (number == TEST_EVENTS[1]) & (hits["local_wire"] > 50)
            image[hits["tpc"], hits["local_wire"], (hits["local_time"] / PIXEL_TICKS).astype(int)] = 20
            writer.append(Event((1, 2, number), {"W": image}, hits, np.zeros(0, PARTICLE_DTYPE)))
    return path


def test_the_event_with_the_most_michel_hits_is_drawn(event_file, tiny_server, tmp_path, capsys):
    out = tmp_path / "new" / "event.png"
    assert main([str(event_file), f"--model=grpc://{tiny_server.grpc}/{MODEL}", f"--picture={out}"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert "1400 hits" in text
    assert "hits/s" in text
    assert "next: " in text
    with EventFile(event_file) as events:
        index, reason = most_michel_hits(events, "W")
    assert index == TEST_EVENTS[1]
    assert "the most Michel hits in plane W of the held-out events" in reason
    assert f"event 8 (run 1, subrun 2, event number 8): {reason}" in text


def test_over_http_and_of_an_event_by_index(event_file, tiny_server, tmp_path, capsys):
    out = tmp_path / "event.png"
    options = [f"--model=http://{tiny_server.http}/{MODEL}", "--event=0", "--picture", str(out)]
    assert main([str(event_file), *options]) == 0
    assert out.exists()
    assert "event 0 (run 1, subrun 2, event number 0): as --event says" in capsys.readouterr().out


def test_event_means_the_same_as_in_display():
    meant = "event: index of the event in the file, from 0; by default that with the most Michel hits in the"
    for command in (classify, display):
        assert meant in (command.__doc__ or "")


def test_patches_are_those_of_the_hits_in_their_order(event_file):
    scale = ADC_SCALES["2021"]
    with EventFile(event_file) as events:
        of_plane = PlaneHits.read(events, 0, "W")
    pieces = list(of_plane.patches(scale))
    assert [len(piece) for piece in pieces] == [HITS_PER_CUT, 1400 - HITS_PER_CUT]
    patches = np.concatenate(pieces)
    for row in (0, 700, 1399):
        hit = of_plane.hits[row]
        plane = pad_planes(network_units(of_plane.image[hit["tpc"]][None], "W", scale))
        pixel = int(hit["local_time"] / PIXEL_TICKS)
        expected = cut_patches(plane, np.array([hit["local_wire"]]), np.array([pixel]))[0]
        np.testing.assert_array_equal(patches[row], expected)


def test_the_picture_counts_the_hits_of_each_kind(event_file):
    with EventFile(event_file) as events:
        of_plane = PlaneHits.read(events, TEST_EVENTS[1], "W")
    hits = of_plane.hits
    outputs = {
        CLASS_OUTPUT: np.eye(3, dtype=np.float32)[hits["label"]],
        MICHEL_OUTPUT: hits["michel"][:, None].astype(np.float32),
    }
    figure, agreement, _ = event_picture(of_plane, outputs, "a model")
    assert agreement == 1.0
    legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
    predicted, truth = ([text.get_text() for text in legend.get_texts()] for legend in legends)
    assert predicted == truth
    tracks = np.count_nonzero((hits["label"] == Label.TRACK) & (hits["michel"] == 0))
    assert f"track  {tracks}" in truth
    assert f"Michel  {np.count_nonzero(hits['michel'])}" in truth


def test_an_event_without_michel_hits_or_charge_has_a_picture_too(event_file):
    with EventFile(event_file) as events:
        of_plane = PlaneHits.read(events, 0, "W")
    one = replace(of_plane, image=np.zeros_like(of_plane.image), hits=of_plane.hits[:1])
    outputs = {CLASS_OUTPUT: np.eye(3, dtype=np.float32)[:1], MICHEL_OUTPUT: np.zeros((1, 1), np.float32)}
    figure, *_ = event_picture(one, outputs, "a model")
    figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--event=9"], "has events 0 to 8, no event 9"),
        (["--event=-1"], "no event -1"),
        (["--plane=X"], "has the planes W, no plane 'X'"),
        (["--model=cnn"], "'cnn' names no model; write onnx:FOLDER/MODEL"),
        (["--picture=event.jpg"], "--picture event.jpg: a picture's name must end in .png, .pdf, .svg"),
        (["--picture=/proc/event.png"], "cannot write /proc/event.png"),
        (["--out=event.png"], "--out event.png: scores end in .h5 or .root"),
        (["--fallback=grpc://x/y"], "write onnx:FOLDER/MODEL"),
    ],
)
def test_wrong_requests_are_exit_code_2(event_file, tiny_repository, tmp_path, options, reason, capsys):
    given = {"--model": f"onnx:{tiny_repository / MODEL}@2", "--picture": str(tmp_path / "event.png")}
    given |= dict(option.split("=", 1) for option in options)
    assert main([str(event_file), *(f"{name}={value}" for name, value in given.items())]) == 2
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_exit_code_2(tmp_path, capsys):
    assert main([str(tmp_path / "none.h5")]) == 2
    assert "python -m data_gen.generate" in capsys.readouterr().err


def test_a_model_that_does_not_say_its_era_is_refused(event_file, tmp_path, server_environment, capsys):
    folder = write_model(tmp_path, "emtrkmichel_fp32")
    config = model_config(folder, (1,))
    del config.parameters["v1.adc_era"]
    write_config(folder, config)
    with TritonServer(tmp_path) as server:
        url = f"grpc://{server.grpc}/emtrkmichel_fp32"
        assert main([str(event_file), f"--model={url}", f"--picture={tmp_path / 'event.png'}"]) == 1
    assert "has no parameter 'v1.adc_era'" in capsys.readouterr().err
    assert not (tmp_path / "event.png").exists()


def test_of_several_models_the_compact_one_in_int8_answers(tmp_path):
    with pytest.raises(UserError, match="holds no model for processors; name one with --model"):
        default_model(tmp_path)
    for_gpus = write_model(tmp_path, "emtrkmichel_compact_int8_gpu")
    config = model_config(for_gpus, (1,))
    config.instance_group[0].kind = config.instance_group[0].KIND_GPU
    write_config(for_gpus, config)
    for name in ("mine", "emtrkmichel_fp32", "emtrkmichel_compact_fp32", "emtrkmichel_compact_int8"):
        write_model(tmp_path, name)
        assert default_model(tmp_path) == f"onnx:{tmp_path / name}"
    for name in ("emtrkmichel_fp32", "emtrkmichel_compact_fp32", "emtrkmichel_compact_int8"):
        shutil.rmtree(tmp_path / name)
    write_model(tmp_path, "yours")
    with pytest.raises(UserError, match="holds mine, yours; name one with --model"):
        default_model(tmp_path)

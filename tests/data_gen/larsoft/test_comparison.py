"""A job's own patches beside those cut here: equal to the last bit, or told where, by what, and why."""

from pathlib import Path

import numpy as np
import pytest

from data_gen.compare_larsoft import main as compare
from data_gen.larsoft.dump_numpy import ROW_DTYPE
from lartpc.detector import PIXEL_TICKS, READOUT_TICKS
from lartpc.patches.point_id_alg import PointIdPlane, PointIdSettings
from tests.helpers.dumps import STEM, write_root, write_text

SETTINGS = PointIdSettings.of_era("2021")


@pytest.fixture(scope="module")
def waveforms() -> np.ndarray:
    """(480, 6000) deconvolved ADC in steps that text holds: pulses, the rest exactly 0."""
    random = np.random.default_rng(4)
    plane = np.zeros((480, READOUT_TICKS), np.float32)
    for wire in range(480):
        for tick in random.integers(0, READOUT_TICKS - 40, 4):
            plane[wire, tick : tick + 30] += random.integers(-8, 300, 30) / 8
    return plane


@pytest.fixture
def planes(waveforms: np.ndarray, tmp_path: Path) -> Path:
    """The planes of an event, dumped tick by tick."""
    nothing = np.zeros(waveforms.shape, np.int64)
    tables = {"raw": waveforms, "deposit": nothing.astype(float), "pdg": nothing}
    return write_root(tmp_path / "planes.root", {STEM.format(event=3, tpc=1): tables})


def rows_of(waveforms: np.ndarray, settings: PointIdSettings = SETTINGS, number: int = 60) -> np.ndarray:
    """Rows of the table that DumpToNumpy writes of the same event, of hits away from the edges."""
    random = np.random.default_rng(5)
    rows = np.zeros(number, ROW_DTYPE)
    rows["run"], rows["subrun"], rows["evt"], rows["tpc"], rows["plane"], rows["y0"] = 7, 1, 3, 1, 2, 1
    rows["wire"], rows["tck"] = np.arange(number) * 7 + 24, random.integers(24, 976, number)
    tick = (rows["tck"] + np.float32(0.5)) * PIXEL_TICKS
    fill(rows, PointIdPlane(waveforms, "W", settings).patches(rows["wire"], tick))
    return rows


def fill(rows: np.ndarray, patches: np.ndarray) -> None:
    for index, column in enumerate(patches.reshape(len(rows), -1).T):
        rows[f"x{index}"] = column


def dumped(rows: np.ndarray, folder: Path) -> Path:
    np.save(folder / "patches.npy", rows)
    return folder / "patches.npy"


def test_the_same_bits_pass(
    waveforms: np.ndarray, planes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare([str(dumped(rows_of(waveforms), tmp_path)), "--planes", str(planes)]) == 0
    assert "60 patches compared, 60 of them the same to the last bit" in capsys.readouterr().out


def test_planes_in_text_hold_as_many_digits_as_they_show(
    waveforms: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = np.zeros(waveforms.shape, np.int64)
    text = write_text(tmp_path / "text", {"raw": waveforms, "deposit": nothing.astype(float), "pdg": nothing})
    options = ["--planes", str(text), "--format=text"]
    assert compare([str(dumped(rows_of(waveforms), tmp_path)), *options]) == 0
    assert "60 of them the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PointIdSettings(-50, 150), "pixels times 0.2: another AdcMin, AdcMax or calibration"),
        (PointIdSettings(-10, 30, calibrate_amplitude=False), "pixels times 0.733: another AdcMin"),
        (PointIdSettings(-10, 30, downscale="maxpool"), "otherwise: another DownscaleFn"),
        (PointIdSettings(-10, 30, lifetime_us=20_000), "another electron lifetime"),
    ],
)
def test_another_configuration_is_recognised(
    settings: PointIdSettings,
    message: str,
    waveforms: np.ndarray,
    planes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weak = waveforms / 16  # nothing is clipped
    nothing = np.zeros(weak.shape, np.int64)
    write_root(
        planes, {STEM.format(event=3, tpc=1): {"raw": weak, "deposit": nothing.astype(float), "pdg": nothing}}
    )
    assert compare([str(dumped(rows_of(weak, settings), tmp_path)), "--planes", str(planes)]) == 1
    said = capsys.readouterr()
    assert message in said.out and "patches differ from those cut here" in said.err


def test_places_and_causes_of_single_patches_are_told(
    waveforms: np.ndarray, planes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(waveforms)
    patches = np.stack([rows[f"x{index}"] for index in range(48 * 48)], axis=1).reshape(-1, 48, 48)
    patches[2] = 0
    patches[5] = np.roll(patches[5], 1, axis=1)
    patches[9, 3, 4] += 0.25
    fill(rows, patches)
    rows["evt"][-1] = 8
    options = ["--planes", str(planes)]
    assert compare([str(dumped(rows, tmp_path)), *options]) == 1
    out = capsys.readouterr().out
    assert "1 patches are not found in the planes" in out
    assert "56 of them the same to the last bit" in out
    assert "1 patches: empty where this one is not" in out
    assert "1 patches: moved by +0 wires and +1 drift pixels" in out
    assert "patches.npy, row 9 (event 3 of run 7, TPC 1, plane W, wire 87" in out
    assert "wire 3, drift pixel 4 of the patch is" in out
    assert "1 patches: a few pixels alone" in out
    assert compare([str(dumped(rows[6:], tmp_path)), *options, "--tolerance=0.3", "--some"]) == 0
    assert compare([str(dumped(rows[6:], tmp_path)), *options, "--tolerance=0.3"]) == 1
    assert "1 patches are in no plane that was given" in capsys.readouterr().err


def test_prepared_arrays_name_no_place_and_are_found(
    waveforms: np.ndarray, planes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(waveforms)
    x = np.stack([rows[f"x{index}"] for index in range(48 * 48)], axis=1).reshape(-1, 48, 48)
    x[4, 20, 20] += 1
    x[8] = 3.3
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays/db_view_2_x.npy", x)
    np.save(tmp_path / "arrays/db_view_2_y.npy", np.eye(4, dtype=np.int32)[np.zeros(len(x), int)])
    assert compare([str(tmp_path / "arrays"), "--planes", str(planes)]) == 1
    out = capsys.readouterr().out
    assert "59 patches compared, 58 of them the same" in out
    assert "1 patches are not found in the planes" in out
    assert (
        f"wire {rows['wire'][4]}, drift pixel {rows['tck'][4]}): wire 20, drift pixel 20 of the patch" in out
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--planes is missing"),
        (["--planes=nowhere.root"], "no file or folder nowhere.root"),
        (["--planes={planes}", "--era=2019"], "no ADC scale is called '2019'"),
        (["--planes={planes}", "--tolerance=-1"], "--tolerance -1 must be 0 or more"),
        (["--planes={planes}", "--lifetime-us=0"], "--lifetime-us 0 must be 100 or more"),
        (["--planes={planes}", "--tolerance=1e300"], "--tolerance 1e+300 is beyond any signal"),
        (["--planes={planes}", "--format=text"], "neither a folder nor a .raw file"),
    ],
)
def test_a_wrong_request_is_told(
    options: list[str],
    message: str,
    waveforms: np.ndarray,
    planes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [option.format(planes=planes) for option in options]
    assert compare([str(dumped(rows_of(waveforms, number=2), tmp_path)), *given]) == 2
    assert message in capsys.readouterr().err


def test_planes_of_another_event_are_told(
    waveforms: np.ndarray, planes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(waveforms, number=2)
    rows["evt"] = 4
    assert compare([str(dumped(rows, tmp_path)), "--planes", str(planes)]) == 2
    assert "none of the 2 patches is found in the planes" in capsys.readouterr().err


@pytest.mark.parametrize(("column", "value"), [("wire", 480), ("tck", 1000)])
def test_a_hit_outside_of_its_plane_is_told(
    column: str,
    value: int,
    waveforms: np.ndarray,
    planes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = rows_of(waveforms, number=3)
    rows[column][1] = value
    assert compare([str(dumped(rows, tmp_path)), "--planes", str(planes)]) == 2
    assert "lie outside plane W of 480 wires and 1000 pixels" in capsys.readouterr().err


def test_a_plane_with_what_is_no_number_is_told(
    waveforms: np.ndarray, planes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = waveforms.copy()
    damaged[3, 4] = np.nan
    nothing = np.zeros(damaged.shape, np.int64)
    tables = {"raw": damaged, "deposit": nothing.astype(float), "pdg": nothing}
    write_root(planes, {STEM.format(event=3, tpc=1): tables})
    assert compare([str(dumped(rows_of(waveforms, number=2), tmp_path)), "--planes", str(planes)]) == 2
    assert "is no finite number" in capsys.readouterr().err

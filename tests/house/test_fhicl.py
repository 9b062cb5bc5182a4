"""The FHiCL fragments: they parse, and say what art's validation and the served models take."""

import re
from pathlib import Path
from typing import Any

import pytest

from lartpc.adc_scale import ADC_SCALES, LEAST_UNIT, MOST_UNIT
from lartpc.detector import PIXEL_TICKS
from lartpc.served.contract import CLASS_LABELS, MAX_BATCH_SIZE, MICHEL_LABELS, PATCH_SIZE
from tests.helpers.fhicl import FhiclError, read
from tests.helpers.paths import ROOT

FOLDER = ROOT / "docs" / "fhicl"
FRAGMENTS = sorted(FOLDER.glob("emtrkmichelid_*.fcl"))

MODULE = {
    "module_type": str,
    "BatchSize": int,
    "WireLabel": str,
    "HitModuleLabel": str,
    "ClusterModuleLabel": str,
    "TrackModuleLabel": str,
    "Views": list,
    "PointIdAlg": dict,
}
"""Parameters of EmTrackMichelIdTl (larrecodnn: ImagePatternAlgs/Modules/EmTrack.h)."""

TOOL = {
    "AdcMax": (int, float),
    "AdcMin": (int, float),
    "OutMax": (int, float),
    "OutMin": (int, float),
    "BlurKernel": list,
    "CalibrateAmpl": bool,
    "CalibrateLifetime": bool,
    "CalorimetryAlg": dict,
    "CoherentSigma": (int, float),
    "DownscaleFn": str,
    "DownscaleFullView": bool,
    "DriftWindow": int,
    "NNetModelFile": str,
    "NNetOutputPattern": list,
    "NNetOutputs": list,
    "NoiseSigma": (int, float),
    "PatchSizeD": int,
    "PatchSizeW": int,
    "TritonAllowedTries": int,
    "TritonModelName": str,
    "TritonModelVersion": str,
    "TritonURL": str,
    "TritonVerbose": bool,
    "tool_type": str,
}
"""Of its tools (ToolInterfaces/IPointIdAlg.h and larreco: DataProviderAlg.h); art refuses any other."""

TOOLS = {"triton": "PointIdAlgTriton", "sonic": "PointIdAlgSonicTriton", "local": "PointIdAlgTf"}

UPSTREAM = """
BEGIN_PROLOG
protodune_emtrkmichelid:
{
  module_type: "EmTrackMichelId"
  WireLabel: "wclsdatasp:gauss"  HitModuleLabel: "hitpdune"  ClusterModuleLabel: "pandora"
  TrackModuleLabel: "" PointIdAlg: { CalorimetryAlg: {}  NNetModelFile: "modelfile.pb" } BatchSize: 256
  Views: []
}
END_PROLOG
"""
"""What dunesw's featurelabelingmodules.fcl defines that the fragments build on."""


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    (tmp_path / "featurelabelingmodules.fcl").write_text(UPSTREAM)
    for name in ("services_dune.fcl", "calorimetry_dune10kt.fcl"):
        (tmp_path / name).write_text("")
    return tmp_path


def module_of(path: Path, upstream: Path) -> dict[str, Any]:
    return read(path, [FOLDER, upstream])[path.stem]


def test_there_is_one_of_each_tool() -> None:
    assert {path.stem.removeprefix("emtrkmichelid_") for path in FRAGMENTS} == set(TOOLS)


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_a_fragment_is_what_art_and_the_models_take(path: Path, upstream: Path) -> None:
    module = module_of(path, upstream)
    tool = module["PointIdAlg"]
    for given, known in ((module, MODULE), (tool, TOOL)):
        for name, value in given.items():
            assert name in known, name
            assert isinstance(value, known[name]), name
    assert module["module_type"] == "EmTrackMichelIdTl"
    assert tool["tool_type"] == TOOLS[path.stem.removeprefix("emtrkmichelid_")]
    assert tool["NNetOutputs"] == [*CLASS_LABELS, *MICHEL_LABELS]
    assert (tool["PatchSizeW"], tool["PatchSizeD"], tool["DriftWindow"]) == (
        PATCH_SIZE,
        PATCH_SIZE,
        PIXEL_TICKS,
    )
    assert module["BatchSize"] <= MAX_BATCH_SIZE
    era = ADC_SCALES["2021"]
    assert (tool["AdcMin"], tool["AdcMax"]) == (era.adc_min, era.adc_max)
    assert (tool["OutMin"], tool["OutMax"]) == (LEAST_UNIT, MOST_UNIT)


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_every_parameter_is_explained(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\w+\.", line):
            assert re.search(r"\S\s+# \w", line), line


def test_the_job_takes_a_fragment_and_changes_two_lines(upstream: Path) -> None:
    job = read(FOLDER / "job.fcl", [FOLDER, upstream])
    (label,) = job["physics"]["reco"]
    fragment = module_of(FOLDER / "emtrkmichelid_triton.fcl", upstream)
    module = job["physics"]["producers"][label]
    assert module == fragment, "the values that it changes are the defaults"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: @local::b", "is not defined before"),
        ("a.b: 1", "is in no table"),
        ("BEGIN_PROLOG\na: 1", "a prolog has no end"),
        ("a 1", "where : is due"),
        ("a: [1 2]", "where , is due"),
        ("a: ?", "is no FHiCL"),
        ('#include "other.fcl"', "which is nowhere"),
    ],
)
def test_the_reader_is_strict(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.fcl").write_text(text)
    with pytest.raises(FhiclError, match=re.escape(message)):
        read(tmp_path / "x.fcl", [tmp_path])

"""Compare the patches of a LArSoft job with those cut here: python -m data_gen.compare_larsoft."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_gen.import_larsoft import progress
from data_gen.larsoft.dump_numpy import NpyArrays, NumpyTable
from data_gen.larsoft.dump_patches import Patches
from data_gen.larsoft.dump_planes import PlaneKey, ReadPlane
from data_gen.larsoft.dump_root import find_root
from data_gen.larsoft.dump_scale import require
from data_gen.larsoft.dump_text import find_text
from data_gen.larsoft.patch_comparison import Comparison
from data_gen.larsoft.patch_search import PatchSearch
from lartpc.command import run
from lartpc.detector import DRIFT_PIXELS, PIXEL_TICKS, PLANES, READOUT_TICKS
from lartpc.errors import CheckError, UserError
from lartpc.patches.point_id_alg import PointIdPlane, PointIdSettings
from lartpc.terminal import say

LEAST_LIFETIME_US = 100.0
"""Below, a correction over the readout is beyond single precision, and no detector works."""

PROG = "python -m data_gen.compare_larsoft"

Planes = Mapping[PlaneKey, ReadPlane]


def compare(
    patches: list[Path],
    planes: Path | None = None,
    format: Literal["root", "text"] = "root",
    era: str = "2021",
    downscale: Literal["mean", "maxpool", "maxmean"] = "mean",
    calibrate_amplitude: bool = True,
    calibrate_lifetime: bool = True,
    lifetime_us: float | None = None,
    tolerance: float = 0.0,
    some: bool = False,
) -> None:
    """Compare the patches that a LArSoft job has dumped with those cut here, pixel by pixel.

    The job dumps the same events twice with PointIdTrainingData: as patches, either the table of
    DumpToNumpy or arrays prepared by upstream's scripts, and as planes of single ticks (DownscaleFullView
    false), of which the patches are cut here with the arithmetic of DataProviderAlg. Says which pixels
    differ, by how much, and what would explain it.

    Args:
        patches: tables of DumpToNumpy, or db_view_V_x.npy with db_view_V_y.npy beside it; files, or a folder
        planes: file or folder of the planes of the same events, one column a tick
        format: of the planes: root (histograms) or text (.raw .deposit .pdg)
        era: of the job's AdcMin and AdcMax: 2021 for -10, 30, 2020 for -50, 150
        downscale: the job's DownscaleFn
        calibrate_amplitude: the job's CalibrateAmpl
        calibrate_lifetime: the job's CalibrateLifetime
        lifetime_us: electron lifetime of the job's detector properties, in us; 35,000 where not given
        tolerance: how far a pixel may be off, in network units; 0 asks for the same bits
        some: pass although the planes hold some of the patches alone
    """
    if planes is None:
        raise UserError("--planes is missing: file or folder of the planes that the patches were cut from")
    if not tolerance >= 0:
        raise UserError(f"--tolerance {tolerance:g} must be 0 or more")
    if lifetime_us is not None and not LEAST_LIFETIME_US <= lifetime_us < math.inf:
        raise UserError(f"--lifetime-us {lifetime_us:g} must be {LEAST_LIFETIME_US:g} or more")
    if not tolerance <= 1:
        raise UserError(f"--tolerance {tolerance:g} is beyond any signal; give 0 to 1")
    for source in [*patches, planes]:
        if not source.exists():
            raise UserError(f"no file or folder {source}")
    settings = replace(
        PointIdSettings.of_era(era),
        downscale=downscale,
        full_view=True,
        calibrate_amplitude=calibrate_amplitude,
        calibrate_lifetime=calibrate_lifetime,
    )
    if lifetime_us is not None:
        settings = replace(settings, lifetime_us=lifetime_us)
    found, _ = find_root([planes]) if format == "root" else find_text([planes])
    result = Comparison(tolerance)
    if any(path.name.startswith("db_view_") for source in patches for path in [source, *source.glob("*")]):
        arrays = NpyArrays(patches)
        compare_arrays(progress(arrays, "comparing patches", len(arrays)), found, settings, result)
    else:
        table = NumpyTable(patches, progress)
        compare_table(progress(table, "comparing events", len(table)), found, settings, result)
    report(result, some)


def compare_table(
    table: Iterable[Patches], planes: Planes, settings: PointIdSettings, result: Comparison
) -> None:
    """Compare the patches of a table, which names the place of each."""
    for some in table:
        assert some.tpc is not None and some.wire is not None and some.drift is not None
        for tpc, view in sorted(set(zip(some.tpc.tolist(), some.view.tolist(), strict=True))):
            rows = np.flatnonzero((some.tpc == tpc) & (some.view == view))
            key = PlaneKey(*some.event_id, tpc, view)
            if key not in planes:
                result.nowhere += len(rows)
                continue
            plane = PLANES[view]
            outside = (some.wire[rows] >= plane.wires) | (some.drift[rows] >= DRIFT_PIXELS)
            if outside.any():
                row = int(rows[np.argmax(outside)])
                raise UserError(
                    f"{some.where((row,))}: wire {some.wire[row]}, drift pixel {some.drift[row]} lie outside "
                    f"plane {plane.name} of {plane.wires} wires and {DRIFT_PIXELS} pixels"
                )
            tick = (some.drift[rows].astype(np.float32) + np.float32(0.5)) * PIXEL_TICKS
            ours = plane_of(planes, key, settings).patches(some.wire[rows], tick)
            places = [hit_name(key, some.wire[row], some.drift[row]) for row in rows]
            result.add(some.pixels[rows], ours, places, [some.where((int(row),)) for row in rows])


def compare_arrays(
    arrays: Iterable[Patches], planes: Planes, settings: PointIdSettings, result: Comparison
) -> None:
    """Compare prepared arrays, which name no place: each patch with the place whose pixels it holds."""
    searches: dict[int, tuple[list[PlaneKey], PatchSearch]] = {}
    for some in arrays:
        view = int(some.view[0])
        if view not in searches:
            keys = [key for key in planes if key.view == view]
            images = [plane_of(planes, key, settings).image for key in keys]
            searches[view] = keys, PatchSearch(images, float(settings.zero_level))
        keys, search = searches[view]
        for row, patch in enumerate(some.pixels):
            place = search.place(patch, result.tolerance)
            if place is None:
                result.nowhere += 1
                continue
            plane, wire, pixel = place
            name = hit_name(keys[plane], wire, pixel)
            result.add(patch[None], search.cut(place)[None], [name], [some.where((row,))])


def plane_of(planes: Planes, key: PlaneKey, settings: PointIdSettings) -> PointIdPlane:
    """The plane as a job holds it, of which a part may have been dumped, tick by tick.

    Raises:
        UserError: the part does not fit the plane.
    """
    dumped, plane = planes[key](), PLANES[key.view]
    whole: NDArray[np.float32] = np.zeros((plane.wires, READOUT_TICKS), np.float32)
    wires, ticks = dumped.raw.shape
    require(np.isfinite(dumped.raw), dumped.raw, dumped.where[0], "is no finite number")
    if dumped.first_column + ticks <= DRIFT_PIXELS and dumped.first_column == 0 and ticks > 1:
        say(f"{dumped.name}: {ticks} columns, taken for ticks; DownscaleFullView false dumps ticks")
    if dumped.first_wire + wires > plane.wires or dumped.first_column + ticks > READOUT_TICKS:
        raise UserError(
            f"{dumped.name} holds {wires} wires and {ticks} columns; plane {plane.name} has {plane.wires} "
            f"wires and {READOUT_TICKS} ticks"
        )
    rows = slice(dumped.first_wire, dumped.first_wire + wires)
    whole[rows, dumped.first_column : dumped.first_column + ticks] = dumped.raw
    return PointIdPlane(whole, plane.name, settings)


def hit_name(key: PlaneKey, wire: int, pixel: int) -> str:
    """A hit in words."""
    return (
        f"event {key.event} of run {key.run}, TPC {key.tpc}, plane {PLANES[key.view].name}, wire {wire}, "
        f"drift pixel {pixel}"
    )


def report(result: Comparison, some: bool) -> None:
    """Say what was found.

    Args:
        result: of the comparison.
        some: that planes of some patches alone are given.

    Raises:
        UserError: nothing could be compared.
        CheckError: pixels differ, or patches are in no plane.
    """
    if not result.patches:
        raise UserError(
            f"none of the {result.nowhere:,} patches is found in the planes; give planes of the same events, "
            "one column a tick, and the job's own --era"
        )
    say(f"{result.patches:,} patches compared, {result.identical:,} of them the same to the last bit")
    if result.nowhere:
        say(f"{result.nowhere:,} patches are not found in the planes")
    say(f"{result.pixels:,} pixels differ, by at most {result.largest:.3g} network units")
    for place in result.places:
        say(f"  {place}")
    for cause, number in sorted(result.causes.items(), key=lambda item: -item[1]):
        say(f"  {number:,} patches: {cause}")
    if result.differing:
        raise CheckError(f"{result.differing:,} of {result.patches:,} patches differ from those cut here")
    if result.nowhere and not some:
        raise CheckError(
            f"{result.nowhere:,} patches are in no plane that was given; give planes of all events, or --some"
        )


def main(args: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(compare, args, prog=PROG)


if __name__ == "__main__":
    raise SystemExit(main())

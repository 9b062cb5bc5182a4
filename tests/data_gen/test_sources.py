"""The sampling plan: what an event is mixed of, and what it would be in nature."""

import numpy as np
import pytest

from data_gen.configuration import Configuration, Sources
from data_gen.simulate import simulate, transport
from data_gen.sources.mixture import primaries, sample_table
from data_gen.sources.primary import Sample
from lartpc.detector import DETECTORS
from lartpc.errors import UserError
from lartpc.served.contract import Label

VOLUME, WHOLE = DETECTORS["drift-volume"], DETECTORS["protodune-sp"]


def drawn(configuration: Configuration, events: int, seed: int = 1) -> list:
    rng = np.random.default_rng(seed)
    return [primary for _ in range(events) for primary in primaries(configuration, rng)]


@pytest.mark.parametrize("detector", [VOLUME, WHOLE], ids=lambda detector: detector.name)
def test_primaries_start_where_their_source_is(detector):
    configuration = Configuration(detector=detector.name)
    size, margin = np.array(detector.size), configuration.margin
    samples = set()
    for primary in drawn(configuration, 5):
        samples.add(primary.sample)
        assert np.linalg.norm(primary.direction) == pytest.approx(1.0)
        assert primary.energy > 0.0
        if primary.sample in (Sample.COSMIC_MUONS, Sample.STOPPING_MUONS):
            edge = np.minimum(primary.position + margin, size + margin - primary.position)
            assert edge.min() == pytest.approx(0.0, abs=1e-6)
            assert primary.direction[1] < 0.0
        else:
            assert np.all((primary.position >= 0.0) & (primary.position <= size))
        if primary.sample == Sample.BEAM:
            assert primary.position[2] == 0.0 and primary.time == 0.0 and primary.direction[2] >= 0.9
    assert samples == set(Sample) - {Sample.NOISE}


def test_the_sample_table_tells_how_many_are_drawn():
    configuration = Configuration()
    table = sample_table(configuration)
    assert table["name"].tolist() == [sample.name.lower().encode() for sample in Sample]
    events = 300
    primaries = drawn(configuration, events)
    decays = {
        (primary.time, *primary.position) for primary in primaries if primary.sample == Sample.RADIOACTIVITY
    }
    counts = np.bincount([primary.sample for primary in primaries], minlength=len(table))
    counts[Sample.RADIOACTIVITY] = len({place[1:] for place in decays})
    expected = table["generated"] * events
    assert np.all(np.abs(counts - expected) < 5.0 * np.sqrt(expected) + 1e-9)


def test_nature_is_not_enriched():
    natural = Configuration(sources=Sources(cosmic_muons=1.0, stopping_muons=1.0, showers=0.0, beam=1.0))
    table = sample_table(natural)
    assert np.array_equal(table["generated"], table["natural"])
    assert np.array_equal(sample_table(Configuration())["natural"], table["natural"])


def test_rates_follow_flux_activity_and_mass():
    """The flux through a horizontal cm^2 is about one a minute (PDG); 1.01 Bq/kg of argon-39 and 0.12 of
    others in 67,900 kg for 5.3 ms.
    """
    table = dict(zip(Sample, sample_table(Configuration())["natural"], strict=True))
    roof = (VOLUME.size[0] + 40.0) * (VOLUME.size[2] + 40.0)
    through_the_roof = roof / 60.0 * 5.3e-3
    muons = table[Sample.COSMIC_MUONS] + table[Sample.STOPPING_MUONS]
    assert 1.5 < muons / through_the_roof < 3.0  # the walls of a box this tall take more than the roof
    assert table[Sample.RADIOACTIVITY] == pytest.approx(1.13 * 360.0, rel=0.02)
    whole = dict(zip(Sample, sample_table(Configuration(detector=WHOLE.name))["natural"], strict=True))
    assert whole[Sample.RADIOACTIVITY] == pytest.approx(6.0 * table[Sample.RADIOACTIVITY])
    assert whole[Sample.STOPPING_MUONS] > 5.0 * table[Sample.STOPPING_MUONS]


def test_muons_of_the_stopping_sample_stop_and_the_others_do_not():
    for wanted, stopping in ((Sources(0.0, 20.0, 0.0, beam=0.0, activities={}), True),
                             (Sources(1.0, 0.0, 0.0, beam=0.0, activities={}), False)):  # fmt: skip
        event = transport(drawn(Configuration(sources=wanted), 1), Configuration(), np.random.default_rng(2))
        particles = event.particles[: event.counts[2]]
        muons = particles[particles["parent_id"] < 0]
        inside = np.ones(len(muons), bool)
        for axis, extent in zip("xyz", VOLUME.size, strict=True):
            inside &= (muons[f"end_{axis}"] > 0.0) & (muons[f"end_{axis}"] < extent)
        assert len(muons) > 5
        assert (inside.mean() > 0.9) == stopping and (inside.mean() < 0.1) != stopping


def test_every_hit_knows_its_sample():
    event = simulate(Configuration(), seed=5, number=0, planes=("W",))
    hits = event.hits
    assert np.array_equal(hits["sample"] == Sample.NOISE, hits["label"] == Label.NONE)
    dots = hits[hits["sample"] == Sample.RADIOACTIVITY]
    assert len(dots) > 50 and np.mean(dots["label"] == Label.SHOWER) > 0.95  # some lie on tracks
    assert dots["energy_shower"].max() < 5.0
    muons = hits[hits["sample"] == Sample.COSMIC_MUONS]
    assert np.mean(muons["label"] == Label.TRACK) > 0.6
    primary = event.particles["parent_id"] < 0
    assert primary.sum() > 350


@pytest.mark.parametrize(
    "wrong",
    [
        {"cosmic_muons": -1.0},
        {"showers": float("inf")},
        {"shower_energy": (100.0, 10.0)},
        {"beam_momentum": (0.0, 10.0)},
        {"beam_particles": {}},
        {"beam_particles": {99: 1.0}},
        {"beam_particles": {211: -1.0}},
        {"beam_particles": {211: 0.0}},
        {"activities": {"60Co": 1.0}},
        {"activities": {"39Ar": -1.0}},
    ],
)
def test_a_plan_out_of_range_is_refused(wrong):
    with pytest.raises(UserError, match=f"--sources.{next(iter(wrong)).replace('_', '-')}"):
        Sources(**wrong)


def test_a_detector_that_is_not_known_is_refused():
    with pytest.raises(UserError, match="protodune-sp"):
        Configuration(detector="dune")

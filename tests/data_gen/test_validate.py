"""Validation: verdicts, the page, exit codes, and a few studies for real on little statistics."""

import json
import math
from functools import partial

import numpy as np
import pytest

from data_gen import validate
from data_gen.validation import conservation, radiation, ranges, response, showers, studies
from data_gen.validation.check import Check, Verdict
from data_gen.validation.estimates import mean, ratio
from data_gen.validation.figures import drawing, label
from data_gen.validation.ionisation import most_probable_loss, peak, shared_out
from data_gen.validation.noise import expected_hits
from data_gen.validation.page import allowed, deviation, measured, quantity_text, record, reference, render
from data_gen.validation.ranges import MUON_RANGES
from data_gen.validation.shower_models import gflash_contained, gflash_shape, pdg_maximum
from data_gen.validation.study import QUICK, Effort, Section, Study, batches, generator
from data_gen.validation.track_calorimetry import PROTON_RANGES, kinetic_energy, table_loss
from lartpc.errors import CheckError

PROVENANCE = validate.provenance(1, quick=True)
TINY = Effort(
    muons=8, losses=2, decays=40, showers={500: 4}, balanced=1, noise=1, sources=8, tracks=1, events=2,
    natural=2, whole=1,
)  # fmt: skip


def check(value: float, tolerance: float | None = 0.01, **options: float) -> Check:
    return Check(
        "length", value, "cm", reference=10.0, source="a table", tolerance=tolerance, note="why", **options
    )


@pytest.mark.parametrize(
    ("value", "tolerance", "uncertainty", "sigmas", "verdict"),
    [
        (10.1, 0.01, 0.0, 2.0, Verdict.PASS),
        (10.11, 0.01, 0.0, 2.0, Verdict.FAIL),
        (9.89, 0.01, 0.0, 2.0, Verdict.FAIL),
        (10.11, 0.01, 0.01, 2.0, Verdict.PASS),
        (10.13, 0.01, 0.01, 2.0, Verdict.FAIL),
        (10.13, 0.01, 0.01, 4.0, Verdict.PASS),
        (10.0, 0.0, 0.0, 2.0, Verdict.PASS),
        (10.0 + 1e-9, 0.0, 0.0, 2.0, Verdict.FAIL),
        (math.nan, 0.01, 0.0, 2.0, Verdict.FAIL),
        (math.inf, 0.01, 0.0, 2.0, Verdict.FAIL),
        (10.0, 0.01, math.nan, 2.0, Verdict.FAIL),
        (10.0, 0.01, math.inf, 2.0, Verdict.FAIL),
        (99.0, None, 0.0, 2.0, Verdict.REPORTED),
    ],
)
def test_verdicts(value, tolerance, uncertainty, sigmas, verdict):
    assert check(value, tolerance, uncertainty=uncertainty, sigmas=sigmas).verdict == verdict


def test_negative_references_have_a_tolerance_too():
    assert Check("a", -10.05, reference=-10.0, source="b", tolerance=0.01).verdict == Verdict.PASS
    assert Check("a", -10.2, reference=-10.0, source="b", tolerance=0.01).verdict == Verdict.FAIL


def test_no_tolerance_without_a_source_and_no_silent_report():
    with pytest.raises(ValueError, match="source"):
        Check("a", 1.0, reference=1.0, tolerance=0.1)
    with pytest.raises(ValueError, match="source"):
        Check("a", 1.0, source="b", tolerance=0.1)
    with pytest.raises(ValueError, match="note"):
        Check("a", 1.0)


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (1.73456, 0.0412, "1.735(41)"),
        (56666.0, 1234.0, "56,666(1,234)"),
        (-0.5, 0.1, "−0.50(10)"),
        (1.0, 0.0, "1"),
        (0.70315, 0.0, "0.7032"),
        (2308.04, 0.0, "2,308"),
        (5.0, math.nan, "5"),
        (math.nan, 0.1, "not a number"),
    ],
)
def test_numbers_are_written_to_two_digits_of_their_uncertainty(value, uncertainty, text):
    assert quantity_text(value, uncertainty) == text


def test_columns_of_a_row():
    row = check(10.05, uncertainty=0.02)
    assert (measured(row), reference(row)) == ("10.050(20) cm", "10 cm")
    assert (deviation(row), allowed(row)) == ("+0.50 %", "1 % + 2 σ")
    assert allowed(check(10.0, 0.0)) == "exact"
    assert allowed(check(10.0, 0.0, uncertainty=0.1, sigmas=4.0)) == "4 σ"
    free = Check("a", 1.0, note="why")
    assert (reference(free), deviation(free), allowed(free)) == ("–", "–", "–")
    tiny = Check("a", 1.0 - 1e-12, reference=1.0, source="b", tolerance=1e-9)
    assert (measured(tiny), deviation(tiny), allowed(tiny)) == ("1", "−1e−12", "1e-09")


def sections(*checks: Check) -> list[Section]:
    with drawing("dedx", "A line <rises>.") as canvas:
        canvas.axes[0].plot([0, 1], [0, 1])
        label(canvas.axes[0], "x (cm)", "y (MeV)")
    return [Section("A & B", ("What was done.",), checks, (canvas.plot,))]


def test_the_page_stands_alone_and_escapes_what_it_shows():
    page = render(
        sections(check(10.0), Check("a < b", math.nan, reference=1.0, source="c", tolerance=0.1)), PROVENANCE
    )
    assert page.count("data:image/png;base64,") == 1
    assert "A &amp; B" in page and "A line &lt;rises&gt;." in page and "a &lt; b" in page
    assert "What fails" in page and "not a number" in page
    assert 'src="http' not in page and "/tmp" not in page and "/home" not in page
    assert PROVENANCE["git_commit"] in page and "numpy" in page
    assert "What fails" not in render(sections(check(10.0)), PROVENANCE)


def test_the_record_is_json_with_verdicts():
    text = json.dumps(
        record(sections(check(10.0), check(11.0), check(math.nan)), PROVENANCE), allow_nan=False
    )
    content = json.loads(text)
    assert content["summary"] == {"pass": 1, "fail": 2, "reported": 0}
    assert [row["verdict"] for row in content["sections"][0]["checks"]] == ["pass", "fail", "fail"]
    assert content["sections"][0]["checks"][2]["value"] is None
    assert content["provenance"]["effort"] == "quick"


def constant(value: float) -> float:
    return value


def one_number(value: float, _: Effort, __: int) -> Study:
    return Study((partial(constant, value),), lambda found: sections(check(found[0]))[0])


@pytest.mark.parametrize(("value", "code"), [(10.0, 0), (12.0, 1)])
def test_a_check_that_fails_is_exit_code_1_and_still_on_the_page(value, code, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        studies, "run_studies", partial(studies.run_studies, studies=[partial(one_number, value)])
    )
    pictures = tmp_path / "docs"
    args = [f"--out={tmp_path / 'out'}", "--quick", "--workers=1", f"--pictures={pictures}"]
    assert validate.main(args) == code
    content = json.loads((tmp_path / "out" / "checks.json").read_text())
    assert content["summary"]["fail"] == code
    assert ("What fails" in (tmp_path / "out" / "index.html").read_text()) == bool(code)
    assert [path.name for path in pictures.iterdir()] == ["validation-dedx.png"]
    out, error = capsys.readouterr()
    assert "length" in out
    assert error.startswith("error: 1 checks failed: length;") if code else "next: python -m" in out


@pytest.mark.parametrize("args", [["--seed=-1"], ["--workers=0"], ["--workers=100000"]])
def test_wrong_requests_are_exit_code_2(args, tmp_path, capsys):
    assert validate.main([f"--out={tmp_path / 'out'}", *args]) == 2
    assert args[0].split("=")[0] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_conclude_names_what_fails():
    with pytest.raises(CheckError, match="1 checks failed: length"):
        validate.conclude(sections(check(10.0), check(12.0)), validate.Path("x"))


def test_studies_for_real():
    """Ranges, energy balance, response: few particles, the same tolerances."""
    found = studies.run_studies(TINY, 1, studies=[ranges.study, conservation.study, response.study])
    assert [section.title.split(":")[0] for section in found][1:] == ["Energy conservation", "Response"]
    for section in found:
        assert all(row.verdict == Verdict.PASS for row in section.checks), section.title
    assert found[0].plots[0].png.startswith(b"\x89PNG")
    again = studies.run_studies(TINY, 1, studies=[ranges.study])[0]
    assert again.checks == found[0].checks
    assert studies.run_studies(TINY, 2, studies=[ranges.study])[0].checks != again.checks


def test_quick_differs_from_full_in_statistics_alone():
    assert set(QUICK.showers) == set(Effort().showers)
    assert min(Effort().showers.values()) >= 1000
    assert all(QUICK.showers[energy] <= count for energy, count in Effort().showers.items())


def test_batches_and_random_numbers():
    assert batches(7, 3) == [3, 3, 1] and batches(0, 3) == []
    same = generator(1, "a", 2).random(), generator(1, "a", 2).random()
    assert same[0] == same[1]
    assert (
        len({generator(*key).random() for key in ((1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3))}) == 4
    )


def test_estimates():
    assert mean([1.0, 3.0]) == (2.0, pytest.approx(1.0))
    assert math.isnan(mean([1.0])[1]) and math.isnan(ratio([1.0], [2.0])[1])
    rng = np.random.default_rng(1)
    under = rng.poisson(400, (2000, 30))
    over = rng.binomial(under, 0.3)
    values = np.array([ratio(a, b) for a, b in zip(over, under, strict=True)])
    assert values[:, 0].mean() == pytest.approx(0.3, rel=1e-3)
    assert values[:, 1].mean() == pytest.approx(values[:, 0].std(), rel=0.1)


def test_most_probable_loss_is_the_pdgs():
    assert most_probable_loss(4000.0, 105.6583755, 0.479) / 0.479 == pytest.approx(1.737, abs=1e-3)


def test_the_peak_of_a_sample():
    rng = np.random.default_rng(1)
    found, error = peak(rng.normal(2.0, 0.15, 20_000), 40, (1.0, 3.0), rng)
    assert found == pytest.approx(2.0, abs=4.0 * error) and error < 0.02


def test_amounts_are_shared_out_among_bins():
    sums = shared_out(
        np.array([0.5, 1.0, 2.9, -0.2, 5.0]), np.array([0.2, 0.4, 0.4, 0.0, 0.0]), np.ones(5), np.arange(4.0)
    )
    assert sums == pytest.approx([1.5, 0.5, 0.75])


def test_shower_models():
    assert pdg_maximum(1000.0) == pytest.approx(2.916, abs=1e-3)
    assert gflash_shape(1000.0)[0] == pytest.approx(2.678, abs=1e-3)
    shares = gflash_contained(10_000.0, np.array([0.0, 9.04, 1e4]))
    assert shares == pytest.approx([0.0, 0.81, 1.0], abs=0.005)


def test_the_fit_of_a_shower_finds_its_maximum():
    from scipy.stats import gamma

    edges = np.arange(0.0, 40.01, 0.25)
    profile = 1000.0 * np.diff(gamma.cdf(edges, 4.0, scale=4.2 / 3.0))
    assert showers.fit_maximum(profile, 1000.0) == pytest.approx((4.2, 4.0), rel=0.01)


def test_tables_of_range_give_the_loss():
    """Protons of 100 MeV and muons of 266 MeV lose 5.4 and 1.508 MeV cm^2/g in argon (NIST PSTAR; PDG)."""
    assert table_loss(PROTON_RANGES, np.array([10.92 / 1.396]))[0] / 1.396 == pytest.approx(5.2, rel=0.05)
    assert table_loss(MUON_RANGES, np.array([150.0 / 1.396]))[0] == pytest.approx(2.105, rel=0.01)
    assert kinetic_energy(np.array(10.92 / 1.396), 938.272) == pytest.approx(100.0, rel=0.02)


def test_noise_crosses_the_threshold_as_often_as_theory_says():
    assert 0.03 < expected_hits(4.2) < 0.08
    assert expected_hits(5.0) < 0.05 * expected_hits(4.0)


def test_the_collision_loss_crosses_radiation_at_the_critical_energy():
    loss, error = radiation.radiative_loss(10_000.0, 1)
    assert 10_000.0 / loss == pytest.approx(14.0, rel=0.02) and error < 0.01 * loss

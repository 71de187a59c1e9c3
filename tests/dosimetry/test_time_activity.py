# SPDX-License-Identifier: Apache-2.0
"""Time–activity curves: exact where that is known, near a real patient's, refused when open."""

import math

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from scipy.integrate import quad

from radioligand.dosimetry.curve_forms import FORMS
from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.degeneracy import DegenerateFitError
from radioligand.dosimetry.nuclide import LUTETIUM_177, with_half_life
from radioligand.dosimetry.time_activity import fit_curve, half_life_prior

DECAY = LUTETIUM_177.decay_per_hour
ICRP = with_half_life(LUTETIUM_177, 6.647, reason="the value the published fits used")

# analytic: amplitude in MBq, rate per hour, integral in MBq h
MONO = ((100.0,), (0.013433084894572582,), 7444.306410987052)
BI = ((80.0, 40.0), (0.011552453009332421, 0.13862943611198905), 7213.475204444817)
UPTAKE = ((110.0, -110.0), (0.013862943611198907, 0.8664339756999315), 7807.86556129107)
UPTAKE_BI = (
    (90.0, 30.0, -120.0),
    (0.006931471805599453, 0.057762265046662105, 1.3862943611198906),
    13417.063880267358,
)
CASES = {"mono": MONO, "bi": BI, "uptake": UPTAKE, "uptake-bi": UPTAKE_BI}
SCANS = np.array([4.0, 24.0, 96.0, 168.0])
MANY = np.array([0.5, 2.0, 5.0, 12.0, 24.0, 48.0, 96.0, 168.0])

# one patient's scans (MBq) and the integral that another program found (MBq h), uptake form
TIMES = np.array([3.741111111111111, 27.725277777777777, 103.09416666666667, 123.98361111111112])
PATIENT = {
    "left kidney": ((98.561432, 73.599408, 25.39568, 19.04661), 7593.752576123306),
    "right kidney": ((92.891448, 66.860492, 23.209494, 15.666982), 6797.106045193271),
    "liver": ((378.4744, 347.404416, 192.66408, 173.225408), 56425.334754817464),
    "spleen": ((87.206832, 77.633392, 34.655492, 27.94343), 9600.898902876934),
}


def exact(case) -> tuple:
    amplitude, rate, integral = case
    return curve(amplitude, rate), integral


@pytest.mark.by_hand
@pytest.mark.parametrize("name", CASES)
def test_a_curve_is_integrated_exactly(name):
    known, integral = exact(CASES[name])
    assert known.integral_mbq_h == pytest.approx(integral, rel=1e-12)


@pytest.mark.by_hand
@pytest.mark.parametrize("name", CASES)
def test_a_curve_without_noise_is_found_again(name):
    known, integral = exact(CASES[name])
    times = SCANS if FORMS[name].parameters <= SCANS.size else MANY

    found = fit_curve(times, known.activity_mbq(times), form=name, relative_error=0.05)

    assert found.tia_mbq_h == pytest.approx(integral, rel=1e-10)
    assert found.chi_square < 1e-15


def test_a_tri_exponential_is_found_again():
    known = curve([60.0, 40.0, 20.0], [DECAY + 0.003, DECAY + 0.06, DECAY + 0.9])
    times = np.array([0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 200.0])
    found = fit_curve(times, known.activity_mbq(times), form="tri", relative_error=0.01)
    assert found.tia_mbq_h == pytest.approx(known.integral_mbq_h, rel=1e-8)


@pytest.mark.by_hand
def test_a_published_example_in_three_phases():
    # decay-corrected rates of a worked sheet, with the half-life of 161.04 h it was made with
    decay = math.log(2) / 161.04
    rates = decay + np.array([1.3, 0.2157839868241064, 0.00414299712582552])
    known = curve([-1915.5622887156512, 1180.7153658806974, 734.8469228349538], rates)
    assert known.integral_mbq_h == pytest.approx(90889.15535638586, rel=1e-12)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("terms", "integral"),
    [
        (((-6695.913082140688, 1.3), (5066.583106081936, 0.25107284770960764),
          (1629.3299760587513, 0.019047282810862775)), 84350.01237435456),
        (((-469.501168695041, 1.3), (341.4122648970194, 0.24037677154419718),
          (128.08890379802162, 0.014581963740819421)), 7802.051500795142),
        (((-1410.8404548674637, 1.3), (-194.9005196294733, 0.12003567898580024),
          (1605.740974496937, 0.01912221178950807)), 65771.16989654605),
    ],
)  # fmt: skip
def test_three_real_shapes(terms, integral):
    amplitude, rate = np.array(terms).T
    assert curve(amplitude, DECAY + rate).integral_mbq_h == pytest.approx(integral, rel=1e-6)


@pytest.mark.by_hand
@pytest.mark.parametrize("region", ["left kidney", "right kidney", "liver", "spleen"])
def test_the_published_fits_of_a_patient_are_found_again(region):
    activity, published = PATIENT[region]
    found = fit_curve(
        TIMES, activity, form="uptake", absolute_error_mbq=1, errors="estimated", nuclide=ICRP
    )
    assert found.tia_mbq_h == pytest.approx(published, rel=1e-5)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("region", "tolerance"),
    [("left kidney", 0.02), ("right kidney", 0.02), ("spleen", 0.02), ("liver", 0.04)],
)
@pytest.mark.parametrize("form", ["mono", "uptake"])
def test_admissible_models_agree_on_a_patient(region, tolerance, form):
    activity, published = PATIENT[region]
    found = fit_curve(TIMES, activity, form=form, relative_error=0.05)
    assert found.tia_mbq_h == pytest.approx(published, rel=tolerance)


@pytest.mark.by_hand
def test_a_mono_exponential_of_a_patient():
    activity, _ = PATIENT["left kidney"]
    found = fit_curve(TIMES, activity, form="mono", relative_error=0.05, nuclide=ICRP)
    assert found.tia_mbq_h == pytest.approx(7650.751524296425, rel=1e-8)
    assert found.effective_half_life_hours == pytest.approx(50.268844256047046, rel=1e-8)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    "activity",
    [
        (671.643776, 317.521728, 150.297136, 121.737264),
        (1328.7776, 883.018816, 426.222368, 357.619616),
    ],
    ids=["remainder", "whole body"],
)
def test_an_uptake_that_no_scan_saw_is_refused(activity):
    # published with rates of 37 and 33 per h, first scan at 3.7 h
    with pytest.raises(DegenerateFitError, match="form 'uptake' is not determined by 4 scans"):
        fit_curve(TIMES, activity, form="uptake", absolute_error_mbq=1)


def test_two_parameters_that_move_as_one_are_refused():
    # the remainder of that patient by two phases: as many parameters as scans
    remainder = (671.643776, 317.521728, 150.297136, 121.737264)
    with pytest.raises(DegenerateFitError, match=r"two of its parameters are correlated by 1\.000"):
        fit_curve(TIMES, remainder, form="bi", relative_error=0.05)


@pytest.mark.by_hand
def test_the_error_of_two_scans_is_propagated_as_on_paper():
    # ln A2/A1 = -lambda (t2-t1); with independent relative errors u: var(lambda) = 2u²/(t2-t1)²,
    # and ln TIA = ln A1 + lambda t1 - ln lambda
    rate, u, first, second = 0.0134, 0.05, 24.0, 96.0
    known = curve([100.0], [rate])
    found = fit_curve(
        [first, second], known.activity_mbq([first, second]), form="mono", relative_error=u
    )

    to_first = 1 + (first - 1 / rate) / (second - first)  # d ln TIA / d ln A1
    to_second = -(first - 1 / rate) / (second - first)
    assert found.tia_relative_uncertainty == pytest.approx(u * math.hypot(to_first, to_second))
    expected = math.log(2) / rate**2 * math.sqrt(2) * u / (second - first)
    assert found.effective_half_life_uncertainty_hours == pytest.approx(expected)


@pytest.mark.law
@given(
    st.floats(1, 1e4),
    st.floats(1e-4, 0.1),
    st.lists(st.floats(-0.3, 0.3), min_size=4, max_size=4),
)
def test_no_fit_is_slower_than_physics(amplitude, washout, noise):
    activity = curve([amplitude], [DECAY + washout]).activity_mbq(SCANS) * np.exp(noise)
    try:
        found = fit_curve(SCANS, activity, form="mono", relative_error=0.1)
    except DegenerateFitError:
        reject()
    assert np.all(found.curve.rate_per_hour >= DECAY)


@pytest.mark.law
@given(st.sampled_from(sorted(CASES)), st.floats(0.01, 100))
def test_the_integral_scales_with_the_activity(form, factor):
    known, integral = exact(CASES[form])
    found = fit_curve(MANY, factor * known.activity_mbq(MANY), form=form, relative_error=0.05)
    assert found.tia_mbq_h == pytest.approx(factor * integral, rel=1e-8)


@pytest.mark.law
@given(st.sampled_from(sorted(CASES)), st.floats(1, 300))
def test_the_tail_is_the_integral_from_there_on(form, after):
    known, _ = exact(CASES[form])
    by_quadrature, _ = quad(known.activity_mbq, after, 4000, epsabs=1e-9, limit=200)
    assert known.tail_mbq_h(after) == pytest.approx(by_quadrature, rel=1e-4)
    assert 0 < known.tail_fraction(after) < 1


@pytest.mark.by_hand
def test_a_long_tail_is_told():
    known = curve([50.0], [DECAY + 0.0005])
    found = fit_curve([4, 24], known.activity_mbq([4, 24]), form="mono", relative_error=0.05)
    assert found.tail_fraction == pytest.approx(math.exp(-(DECAY + 0.0005) * 24))
    assert any("lie behind the last scan" in one for one in found.warnings)


def test_estimated_errors_do_not_depend_on_the_size_that_was_given():
    activity, _ = PATIENT["spleen"]
    small = fit_curve(TIMES, activity, form="mono", relative_error=0.01, errors="estimated")
    large = fit_curve(TIMES, activity, form="mono", relative_error=0.2, errors="estimated")
    assert small.tia_uncertainty_mbq_h == pytest.approx(large.tia_uncertainty_mbq_h, rel=1e-8)
    assert np.sum(small.residual**2) == pytest.approx(2)  # as many as degrees of freedom


@pytest.mark.by_hand
def test_a_sharp_prior_and_one_scan_give_the_rate_of_the_cohort():
    prior = half_life_prior(51.6, 1e-6, citation="a cohort")
    rate = math.log(2) / 51.6
    found = fit_curve([96.0], [27.538748137402543], form="mono", relative_error=0.05, prior=prior)
    assert found.tia_mbq_h == pytest.approx(27.538748137402543 * math.exp(rate * 96) / rate)
    assert found.tia_relative_uncertainty == pytest.approx(0.05, rel=1e-4)


def test_a_flat_prior_is_the_ordinary_fit():
    activity, _ = PATIENT["left kidney"]
    prior = half_life_prior(70, 1e4, citation="a cohort")
    with_prior = fit_curve(TIMES, activity, form="mono", relative_error=0.05, prior=prior)
    without = fit_curve(TIMES, activity, form="mono", relative_error=0.05)
    assert with_prior.tia_mbq_h == pytest.approx(without.tia_mbq_h, rel=1e-6)


@pytest.mark.parametrize(
    ("time", "activity", "form", "says"),
    [
        ([4, 4, 24], [9, 8, 7], "mono", "not ascending, or one stands twice"),
        ([-1, 4], [9, 8], "mono", "1 of 2 times are missing or before the infusion"),
        ([4, 24], [9, 0], "mono", "1 of 2 activities are missing, zero or negative"),
        ([4, 24], [9, math.nan], "mono", "1 of 2 activities are missing"),
        ([4, 24, 96], [9, 8, 4], "bi", "3 scans for the form 'bi', which has 4 free parameters"),
        ([4, 24], [9, 8, 4], "mono", "times and activities differ"),
    ],
)
def test_refuses_what_cannot_be_fitted(time, activity, form, says):
    with pytest.raises(ValueError, match=says):
        fit_curve(time, activity, form=form, relative_error=0.05)


def test_refuses_a_rise_of_the_late_activity():
    with pytest.raises(DegenerateFitError, match="slower than physical decay"):
        fit_curve([24, 48, 168], [151.0, 137.6, 251.6], form="mono", relative_error=0.05)


def test_refuses_to_estimate_an_error_without_a_scan_to_spare():
    with pytest.raises(ValueError, match="takes 3 scans or more"):
        fit_curve([4, 24], [9, 8], form="mono", relative_error=0.05, errors="estimated")


def test_refuses_two_kinds_of_error_and_an_error_of_nothing():
    with pytest.raises(ValueError, match="one of relative_error and absolute_error_mbq"):
        fit_curve([4, 24], [9, 8], form="mono")
    with pytest.raises(ValueError, match="an error of measurement is positive"):
        fit_curve([4, 24], [9, 8], form="mono", relative_error=0)


def test_refuses_a_prior_of_unknown_origin():
    with pytest.raises(ValueError, match=r"needs a citation.*must lie between"):
        half_life_prior(200, 0.2, citation="")

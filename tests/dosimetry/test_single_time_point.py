# SPDX-License-Identifier: Apache-2.0
"""One scan: each method against its exact error, its limits against the truth, its window."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.single_time_point import HalfLife, haenscheid, madsen, prior_cycle
from radioligand.dosimetry.time_activity import fit_curve, half_life_prior

# relative error of the rule of thumb for a mono-exponential, by scan time over half-life
ERROR = {
    0.25: -0.5795517923731427,
    0.5: -0.29289321881345254,
    0.75: -0.10809466374795917,
    1.0: 0.0,
    1.4426950408889634: 0.06147569084608606,
    2.0: 0.0,
    2.5: -0.11611652351681567,
    3.0: -0.25,
}
COHORT = HalfLife(median_hours=52.0, log_sd=0.2, citation="a cohort")
Z95 = 1.959963984540054
SCANS = [4.0, 24.0, 96.0, 168.0]


def at(half_life: float, time: float, amplitude: float = 100.0) -> tuple[float, float]:
    known = curve([amplitude], [math.log(2) / half_life])
    return float(known.activity_mbq(time)), known.integral_mbq_h


@pytest.mark.by_hand
@pytest.mark.parametrize(("ratio", "error"), ERROR.items())
def test_the_rule_of_thumb_errs_as_it_must(ratio, error):
    activity, truth = at(52.0, ratio * 52.0)
    found = haenscheid(
        activity, ratio * 52.0, half_life=COHORT, relative_error=0.05, allow_outside_window=True
    )
    assert found.tia_mbq_h / truth - 1 == pytest.approx(error, abs=1e-12)


@pytest.mark.by_hand
def test_a_cohorts_rate_is_exact_for_a_patient_like_it():
    activity, truth = at(52.0, 96.0)
    assert madsen(activity, 96.0, half_life=COHORT, relative_error=0.05).tia_mbq_h == (
        pytest.approx(truth, rel=1e-12)
    )


@pytest.mark.by_hand
def test_analytic_cases_of_both():
    # uptake with 110 MBq, half-lives 50 and 0.8 h, at 96 h
    half_life = HalfLife(median_hours=50.0, log_sd=0.0, citation="known")
    activity = 29.067996115437957
    assert haenscheid(
        activity, 96.0, half_life=half_life, relative_error=0.05
    ).tia_mbq_h == pytest.approx(8051.760738109823, rel=1e-12)
    assert madsen(
        activity, 96.0, half_life=half_life, relative_error=0.05
    ).tia_mbq_h == pytest.approx(7934.822724889297, rel=1e-12)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("activity", "time", "expected"),
    [
        (25.39568, 103.09416666666667, 7554.373847177205),
        (19.046609999999998, 123.98361111111112, 6813.754866080059),
    ],
)
def test_a_patients_kidney_from_one_scan(activity, time, expected):
    found = haenscheid(activity, time, half_life=COHORT, relative_error=0.05)
    assert found.tia_mbq_h == pytest.approx(expected, rel=1e-12)


@pytest.mark.law
@given(st.floats(-1.95, 1.95), st.floats(40, 120))
def test_the_limits_hold_every_half_life_of_the_cohort(deviation, time):
    activity, truth = at(52.0 * math.exp(0.2 * deviation), time)
    for method in (haenscheid, madsen):
        found = method(
            activity, time, half_life=COHORT, relative_error=1e-6, allow_outside_window=True
        )
        assert found.lower_mbq_h <= truth * (1 + 1e-9)
        assert truth <= found.upper_mbq_h * (1 + 1e-9)
        # and so does the interval of the result, which is what a dose is told with
        wide = math.exp(Z95 * found.relative_uncertainty) * (1 + 1e-9)
        assert found.tia_mbq_h / wide <= truth <= found.tia_mbq_h * wide


@pytest.mark.law
@given(st.floats(30, 100), st.floats(30, 150), st.floats(0.3, 3))
def test_the_patients_own_curve_is_exact_when_nothing_changed(half_life, time, factor):
    known = curve([80.0], [math.log(2) / half_life])
    earlier = fit_curve(SCANS, known.activity_mbq(SCANS), form="mono", relative_error=0.05)
    activity, truth = at(half_life, time, 80.0 * factor)
    found = prior_cycle(activity, time, earlier=earlier, relative_error=0.05)
    assert found.tia_mbq_h == pytest.approx(truth, rel=1e-8)
    assert found.relative_uncertainty >= 0.05


@pytest.mark.by_hand
def test_the_uncertainty_of_the_patients_own_rate_as_on_paper():
    # ln(TIA/A(T)) = lambda T - ln lambda: its error is (T - 1/lambda) times that of the rate
    half_life, time = 60.0, 24.0
    known = curve([80.0], [math.log(2) / half_life])
    earlier = fit_curve(SCANS, known.activity_mbq(SCANS), form="mono", relative_error=0.05)
    rate = math.log(2) / half_life
    mean = sum(SCANS) / 4
    u_rate = 0.05 / math.sqrt(sum((hours - mean) ** 2 for hours in SCANS))

    found = prior_cycle(float(known.activity_mbq(time)), time, earlier=earlier, relative_error=0.03)

    expected = math.hypot((time - 1 / rate) * u_rate, 0.03)
    assert found.relative_uncertainty == pytest.approx(expected, rel=1e-6)


@pytest.mark.law
@given(st.floats(35, 100), st.floats(0.05, 0.5))
def test_one_scan_and_a_prior_lie_between_scan_and_cohort(half_life, spread):
    prior = half_life_prior(52.0, spread, citation="a cohort")
    activity, _ = at(half_life, 72.0)
    one = fit_curve([72.0], [activity], form="mono", relative_error=0.05, prior=prior)
    assert one.effective_half_life_hours == pytest.approx(52.0, rel=1e-4)  # it says no rate
    times = [24.0, 72.0, 168.0]
    known = curve([100.0], [math.log(2) / half_life])
    three = fit_curve(
        times, known.activity_mbq(times), form="mono", relative_error=0.05, prior=prior
    )
    low, high = sorted((52.0, half_life))
    assert low - 1e-6 <= three.effective_half_life_hours <= high + 1e-6
    assert three.tia_relative_uncertainty < one.tia_relative_uncertainty


@pytest.mark.parametrize(
    ("time", "half_life", "says"),
    [
        (27.7, COHORT, "0.53 effective half-lives after infusion, outside 0.75 to 2.5"),
        (150.0, COHORT, "2.88 effective half-lives"),
        (20.0, HalfLife(median_hours=20, log_sd=0.2, citation="a"), "earlier than 24 h"),
        (96.0, HalfLife(median_hours=52, log_sd=0.2, citation=" "), "needs a citation"),
        (96.0, HalfLife(median_hours=170, log_sd=0.2, citation="a"), "the physical 159.5 h"),
    ],
)
def test_refuses_a_scan_outside_its_window(time, half_life, says):
    with pytest.raises(ValueError, match=says):
        haenscheid(20.0, time, half_life=half_life, relative_error=0.05)


def test_an_early_scan_that_the_protocol_allows_is_labelled():
    found = madsen(20.0, 4.0, half_life=COHORT, relative_error=0.05, allow_outside_window=True)
    assert "earlier than 24 h" in found.outside_window
    with pytest.raises(ValueError, match="earlier than 24 h"):
        madsen(20.0, 4.0, half_life=COHORT, relative_error=0.05)


def test_an_own_curve_does_not_make_an_early_scan_tell_more():
    known = curve([80.0], [math.log(2) / 52])
    earlier = fit_curve(SCANS, known.activity_mbq(SCANS), form="mono", relative_error=0.05)
    with pytest.raises(ValueError, match="earlier than 24 h; scan later, or let the protocol"):
        prior_cycle(75.0, 4.0, earlier=earlier, relative_error=0.05)
    found = prior_cycle(75.0, 4.0, earlier=earlier, relative_error=0.05, allow_outside_window=True)
    assert found.outside_window == "the scan at 4 h is earlier than 24 h"


def test_refuses_a_scan_of_nothing():
    with pytest.raises(ValueError, match="activity 0 MBq"):
        madsen(0.0, 72.0, half_life=COHORT, relative_error=0.05)
    assert LUTETIUM_177.half_life_hours == pytest.approx(159.46, abs=0.01)

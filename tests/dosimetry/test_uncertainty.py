# SPDX-License-Identifier: Apache-2.0
"""Uncertainty end to end: on paper, propagated against sampled, and its coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.time_activity import fit_curve
from radioligand.dosimetry.uncertainty import budget, sample_doses

SCANS = np.array([4.0, 24.0, 96.0, 168.0])
PER_MBQ_H = 3.6e-4  # Gy, of a kidney


@pytest.mark.by_hand
def test_the_parts_add_in_squares_and_volume_cancels_in_part():
    found = budget(0.06, activity=0.08, volume=0.10, dose_factor=0.0, volume_slope=0.4)
    assert found.volume == pytest.approx(0.06)  # |-1 + 0.4| of 10 %
    assert found.systematic == pytest.approx(0.10)
    assert found.total == pytest.approx(math.hypot(0.06, 0.10))
    lower, upper = found.limits(5.0)
    assert lower * upper == pytest.approx(25)
    assert upper == pytest.approx(5 * math.exp(1.959963984540054 * found.total))


@pytest.mark.by_hand
def test_shared_errors_do_not_shrink_with_more_scans():
    known = curve([100.0], [0.0134])
    fits = [
        fit_curve(times, known.activity_mbq(times), form="mono", relative_error=0.05)
        for times in (np.linspace(4, 168, 4), np.linspace(4, 168, 64))
    ]
    few, many = (
        budget(fit.tia_relative_uncertainty, activity=0.08, volume=0, dose_factor=0) for fit in fits
    )
    assert many.fit < few.fit / 3
    assert (many.systematic, few.systematic) == (0.08, 0.08)
    assert many.total > 0.08


@pytest.mark.parametrize(
    ("form", "amplitude", "rate"),
    [
        ("mono", [100.0], [0.0134]),
        ("uptake", [110.0, -110.0], [0.0139, 0.4]),
        ("bi", [80.0, 60.0], [0.0116, 0.12]),
    ],
)
@pytest.mark.parametrize("error", [0.02, 0.05])
def test_propagated_and_sampled_agree_within_five_percent(form, amplitude, rate, error):
    times = np.array([1.0, 4.0, 12.0, 24.0, 48.0, 96.0, 168.0])
    activity = curve(amplitude, rate).activity_mbq(times)
    fit = fit_curve(times, activity, form=form, relative_error=error)
    systematic = {"activity": 0.04, "volume": 0.03, "dose_factor": 0.02}
    slopes = {"mass_slope": -0.99, "volume_slope": 0.3}

    sampled = sample_doses(
        times, activity, form=form, relative_error=error, start=fit.parameters,
        gy_per_mbq_h=PER_MBQ_H, samples=20_000, rng=np.random.default_rng(1),
        **systematic, **slopes,
    )  # fmt: skip

    propagated = budget(fit.tia_relative_uncertainty, **systematic, **slopes)
    assert sampled.relative_uncertainty[0] == pytest.approx(propagated.total, rel=0.05)
    assert sampled.median_gy[0] == pytest.approx(fit.tia_mbq_h * PER_MBQ_H, rel=0.01)


def test_intervals_hold_the_truth_in_95_of_100_patients():
    rng, covered, patients = np.random.default_rng(7), 0, 3000
    for _ in range(patients):
        true = curve([100 * math.exp(0.3 * rng.standard_normal())], [rng.uniform(0.009, 0.02)])
        calibration, volume = 0.05 * rng.standard_normal(), 0.08 * rng.standard_normal()
        measured = (
            true.activity_mbq(SCANS)
            * (1 + 0.06 * rng.standard_normal(SCANS.size))
            * math.exp(calibration)
        )
        fit = fit_curve(SCANS, measured, form="mono", relative_error=0.06)
        dose = fit.tia_mbq_h * PER_MBQ_H * math.exp(-volume)
        found = budget(fit.tia_relative_uncertainty, activity=0.05, volume=0.08, dose_factor=0)
        lower, upper = found.limits(dose)
        covered += lower <= true.integral_mbq_h * PER_MBQ_H <= upper

    assert 0.93 < covered / patients < 0.97


def test_regions_of_one_patient_share_their_calibration():
    activity = curve([100.0], [0.0134]).activity_mbq(SCANS)
    fit = fit_curve(SCANS, activity, form="mono", relative_error=1e-3)
    drawn = sample_doses(
        SCANS, [activity] * 3, form="mono", relative_error=1e-3, start=[fit.parameters] * 3,
        gy_per_mbq_h=PER_MBQ_H, activity=0.1, volume=0.0, dose_factor=0.0, samples=2000,
        rng=np.random.default_rng(1), patient=["A", "A", "B"],
    )  # fmt: skip
    correlation = np.corrcoef(drawn.dose_gy)
    assert correlation[0, 1] > 0.99
    assert abs(correlation[0, 2]) < 0.1
    lower, upper = drawn.interval()[0]
    assert upper / lower == pytest.approx(math.exp(2 * 1.96 * 0.1), rel=0.1)


@pytest.mark.law
@given(*(st.floats(0, 0.5) for _ in range(4)))
def test_no_part_makes_the_whole_smaller(fit, activity, volume, factor):
    found = budget(fit, activity=activity, volume=volume, dose_factor=factor)
    assert found.total >= max(fit, activity, volume, factor) - 1e-15


def test_the_same_seed_draws_the_same():
    activity = curve([100.0], [0.0134]).activity_mbq(SCANS)
    fit = fit_curve(SCANS, activity, form="mono", relative_error=0.05)
    one, two = (
        sample_doses(
            SCANS, activity, form="mono", relative_error=0.05, start=fit.parameters,
            gy_per_mbq_h=PER_MBQ_H, activity=0.1, volume=0.1, dose_factor=0.0, samples=500,
            rng=np.random.default_rng(3),
        ).dose_gy
        for _ in range(2)
    )  # fmt: skip
    assert np.array_equal(one, two)


def test_refuses_a_negative_uncertainty():
    with pytest.raises(ValueError, match=r"found fit -0\.1, volume nan"):
        budget(-0.1, activity=0.1, volume=math.nan, dose_factor=0)

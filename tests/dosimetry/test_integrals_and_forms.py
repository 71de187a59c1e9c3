# SPDX-License-Identifier: Apache-2.0
"""The integral without a model, and the choice of a model where that is possible."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.dosimetry.curves import curve
from radioligand.dosimetry.model_choice import akaike_weights, choose_form, corrected_aic
from radioligand.dosimetry.nuclide import LUTETIUM_177, with_half_life
from radioligand.dosimetry.time_activity import fit_curve
from radioligand.dosimetry.trapezoid import trapezoid

ICRP = with_half_life(LUTETIUM_177, 6.647, reason="the value the published fits used")
TIMES = [3.741111111111111, 27.725277777777777, 103.09416666666667, 123.98361111111112]
KIDNEY = [98.561432, 73.599408, 25.39568, 19.04661]
LATE = np.array([1.0, 4.0, 12.0, 24.0, 48.0, 96.0, 168.0])


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("tail", "expected"), [("physical", 11011.64081491443), ("last-two", 8011.051389331121)]
)
def test_a_patients_kidney_by_trapezoids(tail, expected):
    found = trapezoid(TIMES, KIDNEY, tail=tail, before="constant", nuclide=ICRP)
    assert found.tia_mbq_h == pytest.approx(expected, rel=1e-9)
    assert found.is_upper_bound == (tail == "physical")


@pytest.mark.by_hand
def test_the_parts_of_a_trapezoid():
    found = trapezoid([2.0, 4.0], [10.0, 5.0], tail="last-two", before="zero")
    assert (found.before_mbq_h, found.between_mbq_h) == (10.0, 15.0)
    assert found.tail_mbq_h == pytest.approx(5 * 2 / math.log(2))
    assert found.tail_fraction == pytest.approx(found.tail_mbq_h / found.tia_mbq_h)


@pytest.mark.law
@given(st.lists(st.floats(1, 100), min_size=2, max_size=6))
def test_the_tail_is_never_slower_than_physics(activity):
    times = np.arange(1, len(activity) + 1) * 24.0
    by_last, by_physics = (
        trapezoid(times, activity, tail=tail, before="zero") for tail in ("last-two", "physical")
    )
    assert by_last.tia_mbq_h <= by_physics.tia_mbq_h


def test_refuses_trapezoids_of_one_scan():
    with pytest.raises(ValueError, match="two scans or more"):
        trapezoid([4.0], [3.0], tail="physical", before="zero")
    with pytest.raises(ValueError, match="times ascend"):
        trapezoid([4.0, 3.0], [3.0, 2.0], tail="physical", before="zero")


@pytest.mark.by_hand
def test_the_corrected_criterion_on_paper():
    # K = 2 with known errors and n = 4: 3 + 4 + 2*2*3/1
    assert corrected_aic(3.0, 4, 2, errors="known") == pytest.approx(3 + 4 + 12)
    # K = 3 with the error and n = 5: 5 ln(2/5) + 6 + 2*3*4/1
    by_hand = 5 * math.log(0.4) + 6 + 24
    assert corrected_aic(2.0, 5, 2, errors="estimated") == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("scans", "parameters", "errors", "needed"),
    [(3, 2, "known", 4), (4, 2, "estimated", 5), (4, 3, "known", 5), (5, 3, "estimated", 6)],
)
def test_the_criterion_is_refused_where_it_is_not_defined(scans, parameters, errors, needed):
    with pytest.raises(ValueError, match=f"it takes {needed} scans or more"):
        corrected_aic(1.0, scans, parameters, errors=errors)


@pytest.mark.by_hand
def test_weights():
    assert akaike_weights([2.0, 2.0 + 2 * math.log(3)]) == pytest.approx([0.75, 0.25])


def test_a_form_is_chosen_on_the_cohort():
    rng = np.random.default_rng(1)
    fits: dict[str, list] = {"mono": [], "uptake": []}
    for _ in range(20):
        known = curve([100.0, -100.0], [0.0139, 0.5])
        activity = known.activity_mbq(LATE) * (1 + 0.05 * rng.standard_normal(LATE.size))
        for form, each in fits.items():
            each.append(fit_curve(LATE, activity, form=form, relative_error=0.05))
    found = choose_form(fits)
    assert found.best == "uptake"
    assert (found.scans, found.refused) == (140, ())
    assert found.weight.sum() == pytest.approx(1)


def test_a_form_that_was_refused_once_is_out_and_said():
    fit = fit_curve(LATE, curve([9.0], [0.0139]).activity_mbq(LATE), form="mono", relative_error=1)
    found = choose_form({"mono": [fit, fit], "bi": [fit, None]})
    assert found.forms == ("mono",)
    assert found.refused == ("bi: 1 of 2 curves do not determine it",)


def test_refuses_to_choose_for_one_patient_with_three_scans():
    few = fit_curve([4, 24, 96], [9, 8, 4], form="mono", relative_error=0.05)
    with pytest.raises(ValueError, match=r"no form can be chosen.*Fix the form in the protocol"):
        choose_form({"mono": [few]})

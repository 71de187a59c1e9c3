# SPDX-License-Identifier: Apache-2.0
"""A course of cycles and the next activity: by hand, given back as administered, refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from radioligand.dosimetry.course import (
    Course,
    Expectation,
    Limit,
    Target,
    accumulated_gy,
    activity_for,
    complete,
    expected_gy_per_gbq,
    steering_gy,
    upper_dose_gy,
)
from radioligand.dosimetry.next_activity import next_activity, organ_constraint

LAST = Expectation(by="last", spread=0.0)
KIDNEY_DOSE = Limit(region="kidneys", quantity="dose", limit_gy=23.0)
KIDNEY_BED = Limit(region="kidneys", quantity="bed", limit_gy=27.0, alpha_beta_gy=2.6)
AIM = Target(lower_gy=80.0, upper_gy=120.0, aim_gy=100.0, steering="mean")
Z = 1.6448536269514722


def course(
    region="kidneys", dose=(4.0,), activity=None, random=0.0, systematic=0.0, g=0.05, **more
):
    dose = np.asarray(dose, float)
    return Course(
        region=region,
        activity_gbq=np.full(dose.size, 7.4) if activity is None else np.asarray(activity, float),
        dose_gy=dose,
        random=np.broadcast_to(np.asarray(random, float), dose.shape).copy(),
        systematic=systematic,
        protraction=np.full(dose.size, g),
        **more,
    )


def plan(organs=None, lesions=(), **changes):
    given_ = {
        "limits": [KIDNEY_DOSE],
        "target": None,
        "strategy": "organ limit",
        "organ_expectation": LAST,
        "lesion_expectation": LAST,
        "cap_gbq": 100.0,
        "rng": np.random.default_rng(1),
    }
    return next_activity(organs or [course()], lesions, **(given_ | changes))


def given_back(before: Course, activity: float, per_gbq: float) -> Course:
    """The course with that activity given, and its dose measured as foretold."""
    return replace(
        before,
        activity_gbq=np.append(before.activity_gbq, activity),
        dose_gy=np.append(before.dose_gy, activity * per_gbq),
        random=np.append(before.random, before.random[-1]),
        protraction=np.append(before.protraction, before.protraction[-1]),
    )


@pytest.mark.by_hand
def test_what_an_organ_allows_on_paper():
    # 4 Gy of 7.4 GBq, each known to 10 % and 5 %; limit 23 Gy: (23 - 4 k) / (4 k / 7.4)
    k = 1 + Z * math.hypot(0.10, 0.05)
    found = organ_constraint(course(random=0.10, systematic=0.05), limit=KIDNEY_DOSE, by=LAST)
    assert found.activity_gbq == pytest.approx((23 - 4 * k) / (4 * k / 7.4))
    assert found.accumulated_gy == pytest.approx(4 * k)


@pytest.mark.by_hand
def test_what_an_organ_allows_in_effective_dose_on_paper():
    g, d = 0.05 / 2.6, 4 / 7.4
    left = 27 - 4 * (1 + g * 4)
    found = organ_constraint(course(), limit=KIDNEY_BED, by=LAST)
    assert found.activity_gbq == pytest.approx(
        (-1 + math.sqrt(1 + 4 * left * g)) / (2 * g * d), rel=1e-12
    )


@pytest.mark.law
@pytest.mark.parametrize("limit", [KIDNEY_DOSE, KIDNEY_BED], ids=["dose", "bed"])
@given(
    doses=st.lists(st.floats(0.5, 8), min_size=1, max_size=5),
    random=st.floats(0, 0.3),
    systematic=st.floats(0, 0.2),
    g=st.floats(0.001, 0.2),
    cycles=st.integers(1, 4),
)
def test_given_back_as_administered_it_lands_on_the_limit(
    limit, doses, random, systematic, g, cycles
):
    before = course(dose=doses, random=random, systematic=systematic, g=g)
    assume(accumulated_gy(before, limit=limit) < 0.99 * limit.limit_gy)
    found = plan([before], limits=[limit], cap_gbq=1e6, cycles_left=cycles, samples=10)

    after = before
    for _ in range(cycles):
        after = given_back(after, found.activity_gbq, doses[-1] / 7.4)

    assert accumulated_gy(after, limit=limit) == pytest.approx(limit.limit_gy, rel=1e-9)
    assert plan([after], limits=[limit], samples=10).status == "stop: limit reached"


@pytest.mark.law
@pytest.mark.parametrize("steering", ["min", "mean", "mass-weighted mean", "max"])
@given(
    lesions=st.lists(
        st.tuples(st.floats(1, 60), st.floats(0.5, 9), st.floats(0.1, 200)), min_size=1, max_size=5
    ),
    aim=st.floats(61, 150),
    cycles=st.integers(1, 3),
)
def test_lesions_reach_their_aim(steering, lesions, aim, cycles):
    dose, rate, mass = np.array(lesions).T
    activity = activity_for(aim, dose, rate, mass, steering=steering, cycles_left=cycles)
    after = steering_gy(dose + cycles * activity * rate, mass, steering=steering)
    assert after == pytest.approx(aim, rel=1e-9)


@pytest.mark.by_hand
def test_the_statistics_that_can_steer():
    dose, mass = np.array([40.0, 100.0]), np.array([1.0, 3.0])
    found = {
        name: steering_gy(dose, mass, steering=name)
        for name in ("min", "mean", "mass-weighted mean", "max")
    }
    assert found == {"min": 40, "mean": 70, "mass-weighted mean": 85, "max": 100}


@pytest.mark.by_hand
def test_lesions_set_the_activity_when_the_kidneys_allow_it():
    lesion = course("lesion 1", dose=[40.0])
    found = plan([course(dose=[3.0])], [lesion], target=AIM, strategy="lesion target")
    # 60 Gy more at 40/7.4 Gy/GBq
    assert found.activity_gbq == pytest.approx(60 / (40 / 7.4))
    assert (found.status, found.binding) == ("target reachable", "mean of target lesions")
    assert found.target_interval_gbq == pytest.approx((7.4, 80 / (40 / 7.4)))
    assert found.expected_steering_gy == pytest.approx(100)


@pytest.mark.by_hand
def test_kidneys_bind_before_the_target_is_reached():
    lesion = course("lesion 1", dose=[20.0])
    found = plan([course(dose=[10.0])], [lesion], target=AIM, strategy="lesion target")
    assert (found.status, found.binding) == ("organ-limited", "kidneys")
    assert found.activity_gbq == pytest.approx(13 / (10 / 7.4))
    assert found.expected_steering_gy == pytest.approx(20 + 26)


@pytest.mark.by_hand
def test_a_cap_and_a_step_bind():
    lesion = course("lesion 1", dose=[20.0])
    by_cap = plan([course(dose=[1.0])], [lesion], target=AIM, strategy="lesion target", cap_gbq=9.0)
    assert (by_cap.status, by_cap.binding, by_cap.activity_gbq) == (
        "cap-limited", "activity cap", 9.0,
    )  # fmt: skip
    by_step = plan([course(dose=[1.0])], step_ratio=1.5)
    assert (by_step.binding, by_step.activity_gbq) == ("step cap", pytest.approx(11.1))


@pytest.mark.by_hand
def test_a_target_that_is_met_ends_the_course():
    found = plan(
        [course(dose=[3.0])], [course("l", dose=[85.0])], target=AIM, strategy="lesion target"
    )
    assert (found.status, found.activity_gbq) == ("target already met", 0)
    (target,) = [one for one in found.constraints if one.kind == "target"]
    assert (found.binding, target.activity_gbq) == (
        target.name,
        0,
    )  # it does not say more is allowed


@pytest.mark.by_hand
def test_a_target_is_met_at_its_lower_end_and_aimed_at_its_middle_below():
    # 80 to 120 Gy: a course that is inside is over, one that is not is brought to the aim
    below, inside, over = (
        plan([course(dose=[3.0])], [course("l", dose=[dose])], target=AIM, strategy="lesion target")
        for dose in (79.9, 80.0, 83.4)
    )
    assert below.activity_gbq == pytest.approx((100 - 79.9) / (79.9 / 7.4))
    assert (inside.activity_gbq, over.activity_gbq) == (0, 0)
    assert over.target_interval_gbq == pytest.approx((0, (120 - 83.4) / (83.4 / 7.4)))


@pytest.mark.by_hand
def test_by_organ_limit_lesions_do_not_hold_back():
    found = plan([course(dose=[3.0])], [course("l", dose=[85.0])], target=AIM)
    assert found.binding == "kidneys"
    assert found.activity_gbq == pytest.approx(20 / (3 / 7.4))


@pytest.mark.by_hand
def test_the_chance_to_exceed_a_limit_on_paper():
    # all of it systematic, 20 % log-normal; the median ends at 23 Gy without margin: one half
    at_half = plan(
        [course(systematic=0.2)], limits=[replace(KIDNEY_DOSE, limit_gy=11.5)], cap_gbq=13.875,
        samples=40_000,
    )  # fmt: skip
    k = 1 + Z * 0.2
    total = 4 + at_half.activity_gbq * 4 / 7.4
    assert total * k == pytest.approx(11.5)
    by_hand = 0.5 * math.erfc(math.log(11.5 / total) / 0.2 / math.sqrt(2))
    assert at_half.exceeding["kidneys"] == pytest.approx(by_hand, abs=0.004)


@pytest.mark.law
@given(st.floats(0, 0.3), st.floats(0, 0.3))
def test_less_sure_is_never_more_activity(u, more):
    sure = organ_constraint(course(random=u), limit=KIDNEY_DOSE, by=LAST)
    less = organ_constraint(course(random=u + more), limit=KIDNEY_DOSE, by=LAST)
    assert less.activity_gbq <= sure.activity_gbq


@pytest.mark.by_hand
@pytest.mark.parametrize(("by", "expected"), [("last", 1.0), ("mean", 7 / 3), ("trend", 0.5)])
def test_the_next_dose_per_activity(by, expected):
    # 4, 2, 1 Gy/GBq: halved from cycle to cycle
    found = course(dose=[29.6, 14.8, 7.4])
    assert expected_gy_per_gbq(found, by=Expectation(by=by, spread=0)) == pytest.approx(expected)
    factor = Expectation(by=by, spread=0, factor=0.8)
    assert expected_gy_per_gbq(found, by=factor) == pytest.approx(0.8 * expected)


@pytest.mark.by_hand
def test_a_cycle_without_dose_is_carried_only_by_policy():
    open_ = course(dose=[4.0, math.nan, 3.0], activity=[7.4, 3.7, 7.4], random=0.1)
    with pytest.raises(ValueError, match="kidneys: cycle 2 of 3 was given and has no dose"):
        complete(open_, missing="refuse")
    carried = complete(open_, missing="carry", spread=0.2)
    assert carried.dose_gy.tolist() == pytest.approx([4.0, 2.0, 3.0])
    assert carried.random.tolist() == pytest.approx([0.1, math.hypot(0.1, 0.2), 0.1])
    with pytest.raises(ValueError, match="declared spread"):
        complete(open_, missing="carry")
    with pytest.raises(ValueError, match="cycle 1 of 1"):
        complete(course(dose=[math.nan]), missing="carry", spread=0.2)


@pytest.mark.by_hand
def test_the_bound_of_a_cycle():
    bound = upper_dose_gy(course(dose=[4.0, 5.0], random=[0.3, 0.0], systematic=0.4))
    assert bound.tolist() == pytest.approx([4 * (1 + Z * 0.5), 5 * (1 + Z * 0.4)])


def test_every_reason_not_to_recommend_is_told_at_once():
    with pytest.raises(ValueError, match="kidneys") as told:
        plan(
            [course(dose=[4.0, math.nan])],
            limits=[replace(KIDNEY_BED, alpha_beta_gy=math.nan), replace(KIDNEY_DOSE, region="x")],
            strategy="lesion target",
            cap_gbq=0.0,
            cycles_left=0,
        )
    for says in (
        "kidneys: a limit in BED needs its alpha/beta",
        "x: it has a limit and no dose",
        "kidneys: cycle 2 was given and has no dose",
        "needs a target and a lesion",
        "activity cap 0 GBq",
        "no cycle is left",
    ):
        assert says in str(told.value)


def test_refuses_without_limits_and_without_masses():
    with pytest.raises(ValueError, match="no limit is given"):
        plan(limits=[])
    with pytest.raises(ValueError, match="needs the mass of every target lesion"):
        steering_gy(np.array([3.0]), np.array([math.nan]), steering="mass-weighted mean")
    with pytest.raises(ValueError, match="a trend needs three cycles, 1 given"):
        expected_gy_per_gbq(course(), by=Expectation(by="trend", spread=0))

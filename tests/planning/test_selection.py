# SPDX-License-Identifier: Apache-2.0
"""Picking the winner, and harms that come late: against mvtnorm, by hand, and their laws."""

import json
from importlib.resources import files
from math import comb, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.io.documents import read_protocol
from radioligand.planning import (
    PlanningError,
    comparison_alpha,
    late_harm_plans,
    late_harm_wording,
    logrank_power,
    plan,
    selection_alpha,
    selection_pace,
    selection_power,
    selection_powers,
    wording,
)
from radioligand.protocol import ProtocolError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "selection.json").read_text())
DDR = read_protocol("prrt-ddr")


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["levels"])
def test_level_against_mvtnorm(case):
    given = {key: case[key] for key in ("fraction", "ratio", "alpha")}
    assert selection_alpha(case["arms"], **given) == pytest.approx(case["level"], abs=2e-7)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["powers"])
def test_power_against_mvtnorm(case):
    keys = ("first_events", "events", "level", "ratio", "at_most_hazard_ratio")
    found = selection_power(case["hazard_ratios"], **{key: case[key] for key in keys})

    assert found.chosen == pytest.approx(case["chosen"], abs=3e-6)
    assert found.power_of == pytest.approx(case["power_of"], abs=3e-6)
    assert found.power == pytest.approx(sum(case["power_of"]), abs=1e-5)
    assert found.stopped == pytest.approx(1 - sum(case["chosen"]), abs=1e-5)


@pytest.mark.by_hand
def test_nothing_is_paid_for_one_arm_or_without_the_first_stage():
    assert selection_alpha(1, fraction=0.5) == 0.025
    assert selection_alpha(3, fraction=0.5, first_stage_counts=False) == 0.025


@pytest.mark.by_hand
def test_two_equal_arms_go_on_equally_often_and_one_alone_has_the_power_of_its_test():
    two = selection_power((0.7, 0.7), first_events=40, events=120, level=0.02)
    one = selection_power((0.7,), first_events=40, events=120, level=0.02)

    assert two.chosen == pytest.approx((0.5, 0.5), abs=1e-6)
    assert one.power == pytest.approx(logrank_power(120, 0.7, alpha=0.02), abs=1e-6)
    assert one.ratio_at_end == pytest.approx((1.0,), abs=1e-6)


@pytest.mark.by_hand
def test_the_largest_of_two_flatters_itself_by_a_known_mean():
    # the mean of the larger of two normal variables that correlate by 1/2 is sqrt((1 - 1/2) / pi)
    found = selection_power((1.0, 1.0), first_events=50, events=200, level=0.02)
    z = np.sqrt(0.5 / np.pi)

    # the estimate is -z sqrt(f) over the root of the information, 200 / 4
    assert log(found.ratio_at_end[0]) == pytest.approx(
        -z * np.sqrt(50 / 200) / np.sqrt(50), abs=1e-6
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 5), st.floats(0.05, 0.95), st.sampled_from((0.5, 1.0, 2.0)))
@pytest.mark.law
def test_the_level_lies_between_dunnetts_and_the_trials(arms, fraction, ratio):
    level = selection_alpha(arms, fraction=fraction, ratio=ratio)
    dunnett = comparison_alpha(arms, ratio=ratio, multiplicity="dunnett")

    assert dunnett < level < 0.025
    assert selection_alpha(arms + 1, fraction=fraction, ratio=ratio) < level


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 4), st.floats(0.1, 0.9))
@pytest.mark.law
def test_without_any_effect_the_trial_errs_as_often_as_it_may(arms, fraction):
    level = selection_alpha(arms, fraction=fraction)
    nothing = (1.0,) * arms
    found = selection_power(nothing, first_events=100 * fraction, events=100, level=level)
    stopping = selection_power(
        nothing, first_events=100 * fraction, events=100, level=level, at_most_hazard_ratio=0.9
    )

    assert found.power == pytest.approx(0.025, abs=1e-6)
    assert stopping.power <= found.power + 1e-9


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: selection_alpha(0, fraction=0.5), "arms: 0"),
        (lambda: selection_alpha(3, fraction=1.0), "fraction: 1.0"),
        (
            lambda: selection_power((0.7, -1), first_events=9, events=20, level=0.02),
            "ratios\\[1\\]",
        ),
        (lambda: selection_power((0.7,), first_events=20, events=20, level=0.02), "first_events"),
    ],
)
def test_what_is_no_selection_is_refused(ask, says):
    with pytest.raises(PlanningError, match=says):
        ask()


# -- in a protocol ---------------------------------------------------------------------------


def test_the_plan_after_a_selection():
    (planned,) = plan(DDR)
    one, every = selection_powers(planned)

    wanted = selection_alpha(3, fraction=30 / planned.events_needed)
    assert planned.comparison.alpha == pytest.approx(wanted, abs=1e-6)
    # half of the 264 subjects of the first stage are in arms that stop
    assert planned.course.subjects == pytest.approx(planned.subjects - 132)
    # 14 a month enter whatever the number of arms
    assert planned.accrual_months == pytest.approx(planned.subjects / 14)
    assert one.chosen[0] > 0.65 > one.power_of[0] > 0.55
    assert every.power > planned.power > one.power
    assert selection_powers(plan(read_protocol("netter-2"))[0]) is None


def test_the_selection_comes_when_its_subjects_are_in():
    (planned,) = plan(DDR)
    month, subjects = selection_pace(planned)

    # 7 a month in control and one arm: 30 events by that month, and 14 a month in all
    assert subjects == pytest.approx(14 * month) == pytest.approx(DDR.selection.subjects, rel=0.01)
    assert "change events, accrual or subjects" not in " ".join(wording(planned, protocol=DDR))
    later = DDR.selection.model_copy(update={"events": 50, "subjects": 200})
    too_few = DDR.model_copy(update={"selection": later})
    told = " ".join(wording(plan(too_few)[0], protocol=too_few))
    assert "By its accrual 353 subjects are in by then, and not the 200" in told


def test_a_winner_picked_too_late_is_refused():
    late = DDR.model_copy(update={"selection": DDR.selection.model_copy(update={"events": 400})})
    with pytest.raises(PlanningError, match=r"prrt-ddr.*picked at 400 events"):
        plan(late)


def test_a_selection_is_planned_with_one_rate():
    given = DDR.planning.model_copy(update={"ramp_months": 6.0})
    with pytest.raises(PlanningError, match="accrual_per_month alone"):
        plan(DDR.model_copy(update={"planning": given}))


@pytest.mark.by_hand
def test_a_late_harm_in_sixty_six_subjects():
    found = late_harm_plans(DDR, plan(DDR)[0])[0]  # 264 subjects in four arms when one is picked

    assert found.subjects == 66
    assert found.seen_usual == pytest.approx(1 - 0.98**66)
    assert found.seen_high == pytest.approx(1 - 0.92**66)
    assert found.needed == 149  # log 0.05 / log 0.98 = 148.3
    # at 8 %, up to one of 66 has a probability of 2.7 %, up to two of 9.4 %: one still excludes it
    up_to_one = 0.92**66 + 66 * 0.08 * 0.92**65
    assert up_to_one < 0.05 < up_to_one + comb(66, 2) * 0.08**2 * 0.92**64
    assert found.excluded == pytest.approx(0.98**66 + 66 * 0.02 * 0.98**65)
    assert found.month == pytest.approx(plan(DDR)[0].accrual_months + 60)
    assert "149 subjects" in late_harm_wording((found,))[0]


def test_no_winner_is_picked_by_responses(tmp_path):
    """How response and time to event hang together is not known, so that no level follows."""
    text = (files("radioligand") / "trials" / "prrt-ddr.toml").read_text("utf-8")
    assert text.count('rule = "largest effect"') == 1
    path = tmp_path / "responses.toml"
    path.write_text(text.replace("largest effect", "most responses"), "utf-8")

    with pytest.raises(ProtocolError, match=r"selection\.rule: .most responses. is not a choice"):
        read_protocol(str(path))

"""What theory says of rules by which a trial changes itself, by hand and against virtual trials."""

from math import log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from radioligand.io.documents import read_protocol
from radioligand.planning import (
    PlanningError,
    adaptation_plan,
    adaptation_wording,
    kept,
    plan,
    selection_power,
)
from radioligand.protocol import Adaptation, ArmAddition, ArmDrop, Resizing
from radioligand.simulation.adaptive_design import adaptive_design
from radioligand.simulation.scenarios import Scenario, without_effect
from radioligand.simulation.trials import simulate


@pytest.fixture(scope="module")
def resistant():
    return read_protocol("prrt-resistant")


@pytest.mark.by_hand
def test_a_limit_alone_is_a_normal_probability():
    # at 1:1 the log hazard ratio has a standard error of 2 / sqrt(events)
    expected = norm.cdf((log(0.9) - log(0.7)) / (2 / sqrt(40)))

    assert kept((0.7, 1.0), events=40, at_most_hazard_ratio=0.9)[0] == pytest.approx(
        expected, abs=2e-5
    )


@pytest.mark.by_hand
def test_of_two_alike_each_goes_on_as_often():
    assert kept((0.6, 0.6), events=30, keep=1) == pytest.approx((0.5, 0.5))
    assert kept((0.8, 0.8, 0.8), events=30, keep=2) == pytest.approx((2 / 3,) * 3)
    assert kept((0.5, 1.0), events=30, keep=2) == pytest.approx((1.0, 1.0))


@pytest.mark.law
@settings(max_examples=25)
@given(
    st.lists(st.floats(0.3, 1.5), min_size=2, max_size=4),
    st.integers(1, 4),
    st.floats(0.5, 2),
)
def test_as_many_go_on_as_are_kept(ratios, keep, ratio):
    found = kept(ratios, events=40, keep=keep, ratio=ratio)

    assert sum(found) == pytest.approx(min(keep, len(ratios)), abs=1e-6)
    best = min(range(len(ratios)), key=ratios.__getitem__)
    assert found[best] >= max(found) - 1e-9


def test_keeping_one_is_a_selection():
    ratios = (0.6, 0.8, 1.0)
    picked = selection_power(
        ratios, first_events=50, events=150, level=0.0127, at_most_hazard_ratio=0.9
    ).chosen

    assert kept(ratios, events=50, keep=1, at_most_hazard_ratio=0.9) == pytest.approx(
        picked, abs=2e-5
    )


def test_virtual_trials_drop_as_often_as_theory_says(resistant):
    rules = Adaptation(drops=(ArmDrop(events=25, keep=2, at_most_hazard_ratio=0.95),))
    protocol = resistant.model_copy(update={"adaptation": rules})
    (found,) = adaptation_plan(plan(protocol)[0], protocol).drops
    trials = 4000
    effect = simulate(adaptive_design(protocol), trials=trials, seed=1)
    none = simulate(adaptive_design(protocol, without_effect(Scenario())), trials=trials, seed=1)

    for theory, run in ((found.kept_of_all, effect), (found.kept_without_effect, none)):
        shares = [1 - arm.dropped for arm in run.arms]
        assert sum(shares) / len(shares) == pytest.approx(theory, abs=0.02)
    month = effect.means["first_day"].mean / protocol.data.month_days
    assert month == pytest.approx(found.month, rel=0.1)


def test_virtual_trials_raise_events_as_often_as_theory_says():
    rules = Adaptation(resizing=Resizing(events=60, most_events=150))
    protocol = read_protocol("captem-prrt").model_copy(update={"adaptation": rules})
    found = adaptation_plan(plan(protocol)[0], protocol).resizing
    effect = simulate(adaptive_design(protocol), trials=4000, seed=1)
    none = simulate(adaptive_design(protocol, without_effect(Scenario())), trials=4000, seed=1)

    assert effect.raised == pytest.approx(found.raised, abs=0.025)
    assert none.raised == pytest.approx(found.raised_without_effect, abs=0.025)


@pytest.mark.by_hand
def test_an_arm_that_opens_later_has_its_share_of_those_who_come(resistant):
    rules = Adaptation(additions=(ArmAddition(arm="LUCAP", month=6.0),))
    protocol = resistant.model_copy(update={"adaptation": rules})
    planned = plan(protocol)[0]
    (found,) = adaptation_plan(planned, protocol).additions

    rate, arms = protocol.planning.accrual_per_month, 4
    assert found.subjects == pytest.approx((planned.subjects - 6 * rate) / (1 + arms))
    assert found.controls == found.subjects


def test_every_rule_is_told_in_words(resistant):
    rules = Adaptation(
        drops=(ArmDrop(events=20, keep=2), ArmDrop(events=30, at_most_hazard_ratio=1.0)),
        additions=(ArmAddition(arm="LUCAP", month=6.0),),
    )
    protocol = resistant.model_copy(update={"adaptation": rules})
    (told,) = adaptation_wording(adaptation_plan(plan(protocol)[0], protocol))

    for words in (
        "At 20 events of one comparison",
        "is not among the best 2",
        "has an estimated hazard ratio above 1",
        "LUCAP opens in month 6",
    ):
        assert words in told
    assert adaptation_wording(None) == ()
    assert adaptation_plan(plan(resistant)[0], resistant) is None


def test_refuses_what_is_no_look():
    with pytest.raises(PlanningError, match="keep: 0"):
        kept((0.5, 1.0), events=20, keep=0)

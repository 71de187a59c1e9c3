# SPDX-License-Identifier: Apache-2.0
"""Plans of whole protocols: published designs, rpact, laws, wording, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from radioligand.analysis import SCHEMA
from radioligand.io.documents import read_protocol
from radioligand.planning import (
    PlanningError,
    comparison_alpha,
    expected,
    logrank_events,
    months_until,
    plan,
    plan_endpoint,
    plan_rates,
    plan_results,
    rate_power,
    rate_subjects,
    rate_wording,
    remarks,
    scenarios,
    wording,
)
from radioligand.protocol.records import (
    AccrualStep,
    Interim,
    Planning,
    RatePlanning,
    SiteActivation,
)

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "planning.json").read_text())
NETTER_2 = read_protocol("netter-2")
PROGRESSION = {
    "endpoint": "PFS",
    "hazard_ratio": 14 / 30,
    "median_control_months": 14.0,
    "alpha": 0.05,
    "sided": 2,
    "power": 0.9,
    "method": "lakatos",
    "accrual_months": 18.0,
    "follow_up_months": 18.0,
    "events": 74,
    "subjects": 124,
}
DEATH = PROGRESSION | {
    "endpoint": "OS",
    "hazard_ratio": 0.64,
    "median_control_months": 32.0,
    "power": 0.8,
    "method": "schoenfeld",
    "follow_up_months": 60.0,
    "events": 158,
    "subjects": 230,
}
LOOKS = Interim(events=(40, 158), planned_events=(79, 158), spending="classical-obrien-fleming")


def with_ratio(*ratios):
    """NETTER-2 with one arm a ratio, the last of them control."""
    arms = [
        NETTER_2.arm("control" if place == len(ratios) - 1 else "experimental").model_copy(
            update={"id": f"ARM{place}", "ratio": ratio}
        )
        for place, ratio in enumerate(ratios)
    ]
    return NETTER_2.model_copy(update={"arms": tuple(arms)})


EVEN = with_ratio(1, 1)


def planned(protocol=EVEN, **changes):
    return plan_endpoint(protocol, Planning(**(PROGRESSION | changes)))


# --- published designs ----------------------------------------------------------------------------


@pytest.mark.trial
def test_netter_2_as_shipped():
    (found,) = plan(NETTER_2)

    assert (found.events, found.subjects) == (99, 222)
    assert found.accrual_months == pytest.approx(22.2)
    assert found.analysis_months == pytest.approx(34.87, abs=0.01)
    at_analysis = expected(found.course, found.analysis_months)
    assert at_analysis.dropped[0] / 222 == pytest.approx(0.15)
    assert at_analysis.events[0] == pytest.approx(99)
    assert list(remarks(found)) == []


@pytest.mark.trial
def test_netter_1_on_progression_as_stated():
    found = planned()
    assert (found.events, found.subjects, list(remarks(found))) == (74, 124, [])


@pytest.mark.trial
def test_netter_1_on_death_states_more_subjects_than_any_method_finds():
    found = planned(**DEATH, interim=LOOKS)

    (why, cost) = remarks(found)
    assert (found.events, found.subjects) == (158, 227)
    assert found.looks.nominal_p[0] == pytest.approx(0.000085, abs=5e-7)
    assert "states 230 subjects; 227 suffice (Schoenfeld 158 events and 227 subjects" in why
    assert "Lakatos 159 events and 228 subjects); no method gives that number" in why
    assert "80 % power would need 160" in cost


# --- rpact ----------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["sizes"])
def test_subjects_of_a_fixed_duration_agree_with_rpact(case):
    found = planned(
        with_ratio(case["ratio"], 1),
        hazard_ratio=case["hazard_ratio"],
        median_control_months=float(case["median"]),
        alpha=0.025 * case["sided"],
        sided=case["sided"],
        method="schoenfeld",
        shape=float(case["shape"]),
        accrual_months=float(case["accrual"]),
        follow_up_months=float(case["follow_up"]),
        dropout_fraction=float(case["dropout"]),
        dropout_months=12.0,
    )
    needed = {one.method: one.subjects for one in found.methods}["schoenfeld"]

    assert needed == pytest.approx(case["subjects"], rel=1e-5)
    assert found.subjects == np.ceil(case["subjects"])


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["months"])
def test_month_of_the_events_agrees_with_rpact(case):
    found = planned(
        with_ratio(case["ratio"], 1),
        hazard_ratio=case["hazard_ratio"],
        median_control_months=float(case["median"]),
        alpha=0.025,
        sided=1,
        method="schoenfeld",
        accrual_per_month=float(case["per_month"]),
        accrual_months=case["accrual"],
        follow_up_months=None,
    )
    share = found.events_needed / found.events

    assert found.subjects == case["subjects"]
    at_rpact = expected(found.course, case["duration"]).events[0]
    assert at_rpact == pytest.approx(found.events_needed, rel=1e-5)
    assert case["duration"] < found.analysis_months < case["duration"] / share**2


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["rates"])
def test_subjects_of_two_rates_agree_with_rpact(case):
    test = {"alpha": 0.025 * case["sided"], "sided": case["sided"]}
    pair = {"ratio": case["ratio"], "margin": case["margin"]}

    found = rate_subjects(case["experimental"], case["control"], power=0.9, **test, **pair)

    assert found == pytest.approx(case["subjects"], rel=1e-9)
    power = rate_power(found, case["experimental"], case["control"], **test, **pair)
    assert power == pytest.approx(0.9)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["dunnett"])
def test_dunnett_agrees_with_mvtnorm(case):
    level = case.pop("level")
    assert comparison_alpha(**case) == pytest.approx(level, rel=1e-7)


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_bonferroni_divides_and_one_comparison_costs_nothing():
    assert comparison_alpha(3, alpha=0.03, multiplicity="bonferroni") == pytest.approx(0.01)
    assert comparison_alpha(3, alpha=0.03, multiplicity="none") == 0.03
    assert comparison_alpha(1, alpha=0.03) == 0.03


@pytest.mark.by_hand
def test_two_arms_against_one_control_share_it():
    """Three equal arms: a comparison holds two thirds of all subjects, at half of alpha."""
    three = planned(with_ratio(1, 1, 1), multiplicity="bonferroni")
    pair = planned(alpha=0.025)

    assert three.comparison.alpha == pytest.approx(0.025)
    assert three.events == pair.events
    assert three.subjects == np.ceil(pair.methods[2].subjects * 1.5)


@pytest.mark.by_hand
def test_every_way_to_enter_brings_the_subjects_of_its_area():
    """Over 12 months: 6 x 5 + 6 x 10; half of 10 x 6, then 6 x 10; five sites, one a month."""
    due = {"follow_up_months": None, "accrual_months": 12.0}
    steps = planned(
        **due,
        hazard_ratio=0.3,
        accrual_steps=(
            AccrualStep(from_month=0.0, per_month=5.0),
            AccrualStep(from_month=6.0, per_month=10.0),
        ),
    )
    ramp = planned(**due, hazard_ratio=0.3, accrual_per_month=10.0, ramp_months=6.0)
    sites = planned(
        **due,
        hazard_ratio=0.3,
        accrual_per_month=10.0,
        site_activation=SiteActivation(sites=5, per_month=1.0),
    )

    assert (steps.subjects, ramp.subjects) == (90, 90)
    assert sites.subjects == 2 * (12 + 11 + 10 + 9 + 8)


@pytest.mark.by_hand
def test_a_rate_with_follow_up_finds_subjects_and_duration():
    found = planned(accrual_months=None, accrual_per_month=7.0, subjects=None, events=None)

    assert found.accrual_months == pytest.approx(found.subjects / 7)
    assert found.analysis_months == pytest.approx(found.accrual_months + 18)
    before = replace(found.course, subjects=found.subjects - 1)
    month = before.accrual_months + 18
    assert expected(before, month).events[0] < found.events_needed
    assert found.expected_events > found.events_needed


@pytest.mark.by_hand
def test_curves_follow_the_assumptions():
    cured = planned(cured_fraction=0.2, method="schoenfeld")
    late = planned(delay_months=4.0)
    weibull = planned(shape=2.0, method="schoenfeld")

    assert months_until(cured.course.control, survival_share=0.6) == pytest.approx(14)
    assert months_until(weibull.course.experimental) == pytest.approx(14 * (30 / 14) ** 0.5)
    hazards = late.course.experimental.cumulative_hazard(np.array([4.0, 18.0]))
    assert hazards / np.log(2) * 14 == pytest.approx([4, 4 + 14 * 14 / 30])


@pytest.mark.by_hand
def test_a_margin_is_excluded_with_schoenfelds_events():
    found = planned(hazard_ratio=0.9, margin=1.3, method="schoenfeld", alpha=0.025, sided=1)

    needed = logrank_events(0.9, margin=1.3, alpha=0.025, power=0.9)
    assert found.events_needed == pytest.approx(needed)
    assert [one.method for one in found.methods] == ["schoenfeld"]
    assert "non-inferiority with a margin of 1.3" in wording(found, protocol=EVEN)[0]


@pytest.mark.by_hand
def test_scenarios_of_non_inferiority_keep_its_margin():
    """With d events and a ratio of 0.9 the power is that of Schoenfeld for log(0.9 / 1.3)."""
    found = planned(hazard_ratio=0.9, margin=1.3, method="schoenfeld", alpha=0.025, sided=1)
    as_planned = scenarios(found)[0]

    effect = np.log(1.3 / 0.9) * np.sqrt(as_planned.events_at_month) / 2
    assert as_planned.power_at_month == pytest.approx(ndtr(effect - 1.959964), abs=1e-6)


@pytest.mark.by_hand
def test_where_rate_duration_and_follow_up_are_given_the_power_is_found():
    """Too few events by that month, so the power is Schoenfeld's for those."""
    found = planned(
        with_ratio(2, 1),
        hazard_ratio=0.5,
        median_control_months=15.0,
        alpha=0.025,
        sided=1,
        method="schoenfeld",
        accrual_per_month=10.0,
        accrual_months=22.2,
        follow_up_months=6.0,
        events=None,
        subjects=None,
    )
    (short,) = remarks(found)

    assert (found.subjects, found.events) == (222, round(found.expected_events))
    assert found.expected_events < found.events_needed
    effect = np.log(2) * np.sqrt(found.events * 2) / 3
    assert found.power == pytest.approx(ndtr(effect - 1.959964), abs=1e-6)
    assert "90 % power would need 99 events" in short


@pytest.mark.by_hand
def test_rates_are_planned_beside_the_primary_endpoint():
    rate = RatePlanning(
        label="Response", control=0.03, experimental=0.18, alpha=0.05, sided=2, power=0.9
    )
    given = Planning(**PROGRESSION, rates=(rate,))
    protocol = EVEN.model_copy(update={"planning": given})

    (found,) = plan_rates(protocol, subjects=172)

    assert found.subjects_needed == pytest.approx(171.351, abs=1e-3)
    assert found.power == pytest.approx(0.9, abs=0.002)
    assert "by 172 subjects" in rate_wording(found)
    assert plan_rates(NETTER_2, subjects=222) == ()


# --- wording, scenarios, results ------------------------------------------------------------------


def test_wording_tells_the_numbers_it_was_made_from():
    (found,) = plan(NETTER_2)
    events, subjects = wording(found, protocol=NETTER_2)

    for told in ("99 events", "90.2 % power", "one-sided level of 2.5 %", "98.4 events", "2:1"):
        assert told in events
    assert "hazard ratio of 0.658 or lower" in events
    for told in ("222 subjects", "22.2 months", "15 % lost", "34.9 months", "31 to 40"):
        assert told in subjects


def test_wording_names_what_is_unusual():
    told = wording(
        planned(
            delay_months=2.0, crossover_per_month=0.01, shape=1.2, cured_fraction=0.1,
            dropout_fraction=0.1, dropout_months=12.0, method="schoenfeld", subjects=900,
        ),
        protocol=EVEN,
    )  # fmt: skip
    text = " ".join(told)
    for words in (
        "Weibull hazards of shape 1.2",
        "10 % of control subjects without event for ever",
        "begins after 2 months",
        "1 % of control subjects a month changing",
        "10 % lost within 12 months",
        "knows one hazard ratio for all time",
        "more than any of these methods asks for",
    ):
        assert words in text


def test_scenarios_move_as_their_names_say():
    (found,) = plan(NETTER_2)
    by_label = {one.label: one for one in scenarios(found)}
    as_planned = by_label.pop("As planned")

    assert as_planned.month_of_events == pytest.approx(found.analysis_months)
    assert as_planned.events_at_month == pytest.approx(99)
    for label, later in (("Accrual 25 % slower", True), ("No dropout", False)):
        assert (by_label[label].month_of_events > as_planned.month_of_events) is later
    assert by_label["Hazard ratio 0.62"].power_at_events < as_planned.power_at_events - 0.2
    assert by_label["Effect 3 months later"].power_at_events < as_planned.power_at_events - 0.1
    assert len(by_label) == 14


def test_events_that_never_come_are_not_estimated():
    """Once 60 % never have the event, 74 of 124 are out of reach; the frame says NE."""
    found = planned(cured_fraction=0.4, method="schoenfeld", subjects=None)
    cured = replace(found, events=found.subjects)
    frame = plan_results((cured,), protocol=EVEN)

    sought = frame.filter(analysis="sensitivity-pfs", statistic="month_of_events")
    assert sought["value"].null_count() == sought.height
    assert set(sought["text"]) == {"NE"}


def test_results_are_rows_of_the_results_frame():
    frame = plan_results(plan(NETTER_2), protocol=NETTER_2)

    assert frame.schema == SCHEMA
    day = frame.filter(statistic="analysis_month")["value"][0] * NETTER_2.data.month_days
    events = frame.filter(statistic="expected_events").sort("time_days")
    assert np.interp(day, events["time_days"], events["value"]) == pytest.approx(99, abs=0.01)
    power = frame.filter(analysis="power-pfs", level="0.5")["value"][0]
    assert power == pytest.approx(0.9017, abs=1e-4)
    null = frame.filter(analysis="power-pfs", level="1")["value"][0]
    assert null == pytest.approx(0.025)


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.45])
@pytest.mark.parametrize("method", ["schoenfeld", "lakatos"])
def test_a_due_date_is_found_however_many_drop_out_and_however_late_the_effect(method, dropout):
    found = planned(
        accrual_per_month=20.0,
        accrual_months=40.0,
        follow_up_months=None,
        delay_months=6.0,
        dropout_fraction=dropout,
        method=method,
    )
    by_then = expected(found.course, found.analysis_months)
    assert by_then.events[0] == pytest.approx(found.events)
    assert by_then.dropped[0] / found.subjects == pytest.approx(dropout, abs=1e-9)


@pytest.mark.law
@settings(deadline=None, max_examples=25)
@given(
    st.floats(0.3, 0.75),
    st.floats(6, 24),
    st.sampled_from(["schoenfeld", "freedman", "lakatos"]),
    st.floats(0, 0.2),
)
def test_a_plan_has_the_power_and_the_events_it_was_asked_for(effect, median, method, dropout):
    found = planned(
        hazard_ratio=effect, median_control_months=median, method=method, dropout_fraction=dropout
    )
    assert found.power >= 0.9 - 1e-9
    assert found.events - 1 < found.events_needed <= found.events
    assert found.expected_events >= found.events_needed - 1e-6


@pytest.mark.law
@given(st.floats(0.01, 0.08), st.integers(2, 4), st.sampled_from([0.5, 1.0, 2.0]))
def test_dunnett_lies_between_bonferroni_and_one_comparison(alpha, comparisons, ratio):
    level = comparison_alpha(comparisons, alpha=alpha, ratio=ratio)
    assert alpha / comparisons < level < alpha


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda: plan(NETTER_2.model_copy(update={"planning": None})), "netter-2: .* no .planning"),
        (lambda: planned(with_ratio(1, 2, 1)), r"ratios are \[1, 2\] and \[1\]"),
        (lambda: planned(hazard_ratio=1.0, method="schoenfeld"), "planning of PFS: .* null"),
        (
            lambda: planned(accrual_months=2.0, accrual_per_month=10.0, follow_up_months=None),
            "events are expected by month",
        ),
        (lambda: planned(hazard_ratio=1.2), "fare no better"),
        (lambda: rate_subjects(1.2, 0.5, ratio=0), "experimental: 1.2.*\n.*ratio: 0"),
        (lambda: rate_subjects(0.5, 0.5), "differ by just that"),
        (lambda: comparison_alpha(0, multiplicity="holm"), "comparisons: 0.*\n.*'holm' is unknown"),
    ],
)
def test_refuses_what_reaches_no_size(asked, says):
    with pytest.raises(PlanningError, match=f"(?s){says}"):
        asked()

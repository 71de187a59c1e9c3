# SPDX-License-Identifier: Apache-2.0
"""Theory of planning: against rpact, published designs, numbers worked by hand, and its laws."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from radioligand.planning import (
    Course,
    Cured,
    Effect,
    PiecewiseExponential,
    PlanningError,
    Weibull,
    dropout_hazard,
    expected,
    expected_power,
    exponential,
    inflation,
    lakatos,
    logrank_events,
    logrank_power,
    look_boundaries,
    months_to_events,
    months_until,
    piecewise_accrual,
    ramped_accrual,
    scaled,
    significant_hazard_ratio,
    site_accrual,
    survival,
    uniform_accrual,
    whole,
    with_dropout,
)
from radioligand.statistics.sequential import exit_probabilities

UNTIMED = settings(deadline=None, max_examples=40)
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "planning.json").read_text())
NETTER_2 = Course(
    control=exponential(15),
    experimental=exponential(30),
    accrual=uniform_accrual(10),
    subjects=222,
    ratio=2,
)
PROGRESSION_1 = Course(
    control=exponential(14),
    experimental=exponential(30),
    accrual=uniform_accrual(10),
    subjects=180,
)
DEATH_1 = replace(PROGRESSION_1, control=exponential(32), experimental=exponential(50))


# --- published designs ----------------------------------------------------------------------------


@pytest.mark.trial
def test_netter_2_needs_99_events():
    events = logrank_events(0.5, alpha=0.025, sided=1, power=0.9, ratio=2)

    assert events == pytest.approx(98.41, abs=0.005)
    assert whole(events) == 99


@pytest.mark.trial
def test_netter_2_enters_222_patients_in_22_months_and_waits_until_month_35():
    def surplus(month: float) -> float:
        hazard = dropout_hazard(NETTER_2, fraction=0.15, months=month)
        return month - months_to_events(with_dropout(NETTER_2, hazard), 99)

    assert pytest.approx(22.2) == NETTER_2.accrual_months
    assert surplus(34.8) < 0 < surplus(34.9)


@pytest.mark.trial
def test_netter_1_needs_124_patients_and_74_events_by_lakatos_alone():
    size = lakatos(PROGRESSION_1, analysis_months=36, alpha=0.05, sided=2, power=0.9)
    schoenfeld = logrank_events(14 / 30, alpha=0.05, sided=2, power=0.9)

    assert (whole(size.subjects), whole(size.events)) == (124, 74)
    assert (whole(schoenfeld / size.event_fraction), whole(schoenfeld)) == (122, 73)


@pytest.mark.trial
def test_netter_1_needs_158_deaths_and_no_method_gives_its_230_patients():
    deaths = logrank_events(32 / 50, alpha=0.05, sided=2, power=0.8)
    size = lakatos(DEATH_1, analysis_months=78, alpha=0.05, sided=2, power=0.8)
    freedman = logrank_events(32 / 50, alpha=0.05, sided=2, power=0.8, method="freedman")
    subjects = [n / size.event_fraction for n in (deaths, size.events, freedman)]

    assert whole(deaths) == 158
    assert [whole(n) for n in subjects] == [227, 228, 235]


@pytest.mark.trial
def test_the_first_boundary_of_netter_1_is_the_constant_of_two_looks_read_at_40_of_158_deaths():
    looks = look_boundaries(
        (40, 158),
        alpha=0.05,
        sided=2,
        spending="classical-obrien-fleming",
        planned_events=(79, 158),
    )

    assert looks.nominal_p[0] == pytest.approx(0.000085, abs=5e-7)
    assert looks.constant == pytest.approx(1.9774, abs=5e-5)


# --- rpact ----------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["events"])
def test_events_agree_with_rpact(case):
    given_events = case.pop("events")
    effect = case.pop("hazard_ratio")

    events = logrank_events(effect, **case)

    assert events == pytest.approx(given_events, rel=1e-12)
    power = case.pop("power")
    assert logrank_power(events, effect, **case) == pytest.approx(power, rel=1e-12)


def course_of(case) -> Course:
    starts = tuple(float(month) for month in case["starts"])
    arms = [
        Weibull(median_months=np.log(2) ** (1 / case["shape"]) / hazards[0], shape=case["shape"])
        if case["shape"] != 1
        else PiecewiseExponential(starts_months=starts, per_month=tuple(hazards))
        for hazards in (case["lambda2"], case["lambda1"])
    ]
    return Course(
        control=arms[0],
        experimental=arms[1],
        accrual=piecewise_accrual(case["accrual_starts"], case["accrual_rates"]),
        subjects=case["subjects"],
        ratio=case["ratio"],
        dropout_per_month=case["dropout"],
    )


@pytest.mark.reference
@pytest.mark.parametrize(
    "case", REFERENCE["courses"], ids=["plain", "dropout", "pieces", "weibull"]
)
def test_events_by_calendar_time_agree_with_rpact(case):
    course = course_of(case)

    found = expected(course, case["times"])

    shares = found.events_by_arm / (course.subjects * course.shares[:, None])
    assert found.events / course.subjects == pytest.approx(case["probability"], rel=3e-5)
    assert shares[0] == pytest.approx(case["control"], rel=3e-5)
    assert shares[1] == pytest.approx(case["experimental"], rel=3e-5)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["group_sequential"], ids=lambda case: case["type"])
def test_events_of_a_trial_with_looks_agree_with_rpact(case):
    known = {"asOF": "obrien-fleming", "OF": "classical-obrien-fleming", "asP": "pocock"}

    design = look_boundaries(case["rates"], alpha=0.025, sided=1, spending=known[case["type"]])
    events = logrank_events(0.5, ratio=2) * inflation(design, power=0.9)

    assert events * design.fractions == pytest.approx(case["events"], rel=1e-6)


@pytest.mark.reference
@pytest.mark.parametrize(
    "case", [one for one in REFERENCE["powers"] if "power" in one], ids=lambda case: case["name"]
)
def test_power_and_months_of_looks_agree_with_rpact(case):
    """Bounds at levels that rpact finds to seven digits, months to its five digits of events."""
    starts = tuple(float(month) for month in case["starts"])
    shape = case["shape"]
    control = (
        Weibull(median_months=np.log(2) ** (1 / shape) / case["lambda2"][0], shape=shape)
        if shape != 1
        else PiecewiseExponential(starts_months=starts, per_month=tuple(case["lambda2"]))
    )
    effect = case["hazard_ratio"]
    course = Course(
        control=control,
        experimental=Effect(control=control, starts_months=(0.0,), hazard_ratios=(effect,)),
        accrual=uniform_accrual(case["subjects"] / case["accrual"]),
        subjects=case["subjects"],
        ratio=case["ratio"],
    )
    events = case["events"][-1]
    spending = "pocock" if case["type"] == "asP" else "obrien-fleming"
    looks = look_boundaries(case["events"], alpha=0.025, sided=1, spending=spending)
    drift = np.sqrt(events * case["ratio"]) * np.log(case["margin"] / effect) / (1 + case["ratio"])

    found = exit_probabilities(looks.fractions, looks.z, drift=drift)
    months = [months_to_events(course, one) for one in case["events"]]

    assert found.power == pytest.approx(case["power"], abs=1e-6)
    assert found.upper == pytest.approx(case["by_look"], abs=1e-6)
    assert months == pytest.approx(case["months"], rel=3e-5)
    if len(case["events"]) == 1:
        power = logrank_power(events, effect, ratio=case["ratio"], margin=case["margin"])
        assert power == pytest.approx(case["power"], abs=1e-12)


# --- by hand --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_events_by_hand():
    """(1.959964 + 1.281552)^2 = 10.507424; times 9/2 over log(2)^2 = 0.480453."""
    assert logrank_events(0.5, ratio=2) == pytest.approx(10.507424 * 4.5 / 0.480453, rel=1e-6)
    assert logrank_events(0.5, ratio=2, method="freedman") == pytest.approx(
        10.507424 * (1 + 2 * 0.5) ** 2 / (2 * 0.25), rel=1e-6
    )


@pytest.mark.by_hand
def test_the_hazard_ratio_that_is_just_significant():
    """With 99 events at 2:1 the error is 3 / sqrt(198) = 0.213201, and exp(-1.959964 x that)."""
    found = significant_hazard_ratio(99, nominal_p=0.025, ratio=2)
    assert found == pytest.approx(np.exp(-1.959964 * 0.213201), rel=1e-6)


@pytest.mark.by_hand
def test_curves_by_hand():
    delayed = Effect(control=exponential(10), starts_months=(0, 5), hazard_ratios=(1, 0.5))
    cured = Cured(fraction=0.2, uncured=exponential(10))

    assert survival(exponential(10), [0, 10, 20]) == pytest.approx([1, 0.5, 0.25])
    assert survival(Weibull(median_months=10, shape=2), [10, 20]) == pytest.approx([0.5, 1 / 16])
    assert survival(delayed, [5, 25]) == pytest.approx([2**-0.5, 2**-1.5])
    assert survival(cured, [10, 20, 1e5]) == pytest.approx([0.6, 0.4, 0.2])
    assert months_until(delayed) == pytest.approx(15)
    assert months_until(cured, survival_share=0.1) == np.inf


@pytest.mark.by_hand
def test_accrual_by_hand():
    ramp = ramped_accrual(10, ramp_months=6)  # 30 in the first six months, then 10 a month
    sites = site_accrual([0, 0, 3, 9], per_site_per_month=0.5)

    assert ramp.entered([0, 3, 6, 8]) == pytest.approx([0, 7.5, 30, 50])
    assert ramp.months_for(7.5) == pytest.approx(3)
    assert ramp.months_for(50) == pytest.approx(8)
    assert sites.entered([3, 9, 11]) == pytest.approx([3, 12, 16])
    assert sites.months_for(12) == pytest.approx(9)
    assert site_accrual([2], per_site_per_month=1).entered([-1, 2, 5]) == pytest.approx([0, 0, 3])


@pytest.mark.by_hand
def test_crossover_leaves_the_hazard_of_the_other_arm():
    """At a rate that moves everybody at once, control subjects fare as the experimental ones."""
    moved = replace(PROGRESSION_1, crossover_per_month=100.0)

    control, experimental = expected(moved, 36).events_by_arm[:, 0]

    assert control == pytest.approx(experimental, rel=2e-3)


@pytest.mark.by_hand
def test_slow_crossover_follows_its_differential_equation():
    """The share on the control hazard h is exp(-(h+s)t), on the other exp(-gt) - exp(-(h+s)t).

    The latter times s/(h+s-g); with everybody in at once, events by t integrate both.
    """
    h, g, s, t = np.log(2) / 14, np.log(2) / 30, 0.05, 36.0
    first = (1 - np.exp(-(h + s) * t)) / (h + s)
    second = s / (h + s - g) * ((1 - np.exp(-g * t)) / g - first)
    at_once = replace(
        PROGRESSION_1, accrual=uniform_accrual(1e9), subjects=2.0, crossover_per_month=s
    )

    assert expected(at_once, t).events_by_arm[0] == pytest.approx(h * first + g * second, rel=1e-5)


# --- laws -----------------------------------------------------------------------------------------

effects = st.floats(0.2, 0.9)
ratios = st.sampled_from([0.5, 1.0, 2.0, 3.0])


@pytest.mark.law
@given(effects, ratios, st.sampled_from(["schoenfeld", "freedman"]), st.sampled_from([1, 2]))
def test_power_undoes_events(effect, ratio, method, sided):
    design = {"alpha": 0.05, "sided": sided, "ratio": ratio, "method": method}
    events = logrank_events(effect, power=0.8, **design)
    assert logrank_power(events, effect, **design) == pytest.approx(0.8)


@pytest.mark.law
@given(effects, ratios)
def test_swapping_arms_asks_as_many_events_of_schoenfeld(effect, ratio):
    swapped = logrank_events(1 / effect, ratio=1 / ratio)
    assert swapped == pytest.approx(logrank_events(effect, ratio=ratio))


@pytest.mark.law
@UNTIMED
@given(st.floats(0.55, 0.95), st.floats(5, 40))
def test_small_effects_make_all_three_methods_agree(effect, control):
    course = replace(
        PROGRESSION_1, control=exponential(control), experimental=exponential(control / effect)
    )
    size = lakatos(course, analysis_months=36)
    others = [logrank_events(effect), logrank_events(effect, method="freedman")]
    assert min(others) * 0.93 < size.events < max(others) * 1.07
    assert size.average_hazard_ratio == pytest.approx(effect, rel=1e-9)


@pytest.mark.law
@UNTIMED
@given(st.floats(30, 400))
def test_a_trial_of_the_size_lakatos_asks_for_has_the_power_asked_for(subjects):
    size = lakatos(scaled(PROGRESSION_1, subjects), analysis_months=36, power=0.85)
    right = scaled(PROGRESSION_1, size.subjects)
    assert expected_power(right, analysis_months=36) == pytest.approx(0.85)
    assert expected(right, 36).events[0] == pytest.approx(size.events)


@pytest.mark.law
@given(st.lists(st.floats(0.5, 20), min_size=1, max_size=4), st.floats(1, 300))
def test_entered_by_the_month_of_the_last_subject_are_all(rates, subjects):
    accrual = piecewise_accrual([3.0 * place for place in range(len(rates))], rates)
    assert accrual.entered(accrual.months_for(subjects)) == pytest.approx(subjects)


@pytest.mark.law
@UNTIMED
@given(st.floats(1, 120), st.floats(0, 0.05), st.floats(0, 0.1))
def test_subjects_are_conserved(month, lost, changes):
    course = replace(NETTER_2, dropout_per_month=lost, crossover_per_month=changes)
    found = expected(course, [month, month + 6])
    assert (found.events + found.dropped <= found.entered * (1 + 1e-9)).all()
    assert found.events[1] > found.events[0]
    assert (found.entered <= 222).all()


@pytest.mark.law
@UNTIMED
@given(st.floats(1, 120))
def test_the_month_of_events_undoes_the_events_of_a_month(month):
    events = expected(NETTER_2, month).events[0]
    assert months_to_events(NETTER_2, events) == pytest.approx(month, rel=1e-6)


@pytest.mark.law
@UNTIMED
@given(st.floats(0, 0.4), st.floats(25, 80))
def test_as_many_drop_out_as_are_said_to(fraction, month):
    course = with_dropout(NETTER_2, dropout_hazard(NETTER_2, fraction=fraction, months=month))
    assert expected(course, month).dropped[0] / 222 == pytest.approx(fraction, abs=1e-6)


@pytest.mark.law
def test_crossover_takes_power_and_a_delay_takes_more():
    diluted = replace(NETTER_2, crossover_per_month=0.03)
    delayed = replace(
        NETTER_2,
        experimental=Effect(control=exponential(15), starts_months=(0, 6), hazard_ratios=(1, 0.5)),
    )
    plain = expected_power(NETTER_2, analysis_months=36)
    assert expected_power(diluted, analysis_months=36) < plain
    assert expected_power(delayed, analysis_months=36) < plain


def simulated_power(course, *, month, alpha, sided, trials=2000, seed=11):
    """The share of virtual trials that the log-rank test calls significant, and its error."""
    random, n = np.random.default_rng(seed), round(course.subjects)
    grid = np.linspace(0, 600, 60_001)
    experimental = np.arange(n) % round(1 + course.ratio) > 0
    exponents = random.exponential(1, (trials, n))
    times = np.empty((trials, n))
    for arm, curve in ((False, course.control), (True, course.experimental)):
        hazard = curve.cumulative_hazard(grid)
        times[:, experimental == arm] = np.interp(exponents[:, experimental == arm], hazard, grid)
    if course.crossover_per_month:  # what is left of the exponent is used up at the other hazard
        switch = random.exponential(1 / course.crossover_per_month, (trials, n))
        own = np.interp(switch, grid, course.control.cumulative_hazard(grid))
        other = course.experimental.cumulative_hazard(grid)
        later = np.interp(exponents - own + np.interp(switch, grid, other), other, grid)
        times = np.where(~experimental & (switch < times), later, times)
    lost = random.exponential(1 / max(course.dropout_per_month, 1e-9), (trials, n))
    available = month - course.accrual_months * random.uniform(0, 1, (trials, n))
    seen = np.minimum(lost, available)
    order = np.argsort(np.minimum(times, seen), axis=1)
    event = np.take_along_axis(times <= seen, order, axis=1)
    arm = np.broadcast_to(experimental, event.shape)
    arm = np.take_along_axis(arm, order, axis=1)
    at_risk = n - np.arange(n)
    share = np.cumsum(arm[:, ::-1], axis=1)[:, ::-1] / at_risk
    excess, variance = ((arm - share) * event).sum(1), (share * (1 - share) * event).sum(1)
    power = np.mean(-excess / np.sqrt(variance) > -ndtri(alpha / sided))
    return power, np.sqrt(power * (1 - power) / trials)


@pytest.mark.law
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dropout_per_month": 0.01},
        {"crossover_per_month": 0.03},
        {
            "experimental": Effect(
                control=exponential(14), starts_months=(0.0, 5.0), hazard_ratios=(1.0, 0.4)
            )
        },
        {"control": Cured(fraction=0.2, uncured=exponential(10))},
    ],
    ids=["plain", "dropout", "crossover", "delay", "cured"],
)
def test_lakatos_agrees_with_simulated_trials(changes):
    """Within three Monte Carlo errors, and one per cent for the approximation itself."""
    course = replace(PROGRESSION_1, **changes)
    size = lakatos(course, analysis_months=36, alpha=0.05, sided=2, power=0.85)
    whole_course = scaled(course, 2 * round(size.subjects / 2))

    power, error = simulated_power(whole_course, month=36, alpha=0.05, sided=2)

    assert power == pytest.approx(0.85, abs=3 * error + 0.01)


@pytest.mark.law
def test_at_two_to_one_the_power_of_netter_2_lies_between_schoenfeld_and_lakatos():
    course = with_dropout(NETTER_2, 0.00998)
    power, error = simulated_power(course, month=34.87, alpha=0.025, sided=1, trials=4000)

    assert logrank_power(99, 0.5, ratio=2) < power + 3 * error
    assert power - 3 * error < expected_power(course, analysis_months=34.87)
    assert power == pytest.approx(0.918, abs=3 * error + 0.005)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda: logrank_events(1.0), "is the null hypothesis"),
        (lambda: logrank_events(-1, alpha=2, sided=3), "hazard_ratio: -1.*\n.*alpha: 2.*\n.*sided"),
        (lambda: logrank_events(0.5, power=0.01), "between alpha and 1"),
        (lambda: logrank_events(0.5, method="hsieh"), "'hsieh' is unknown"),
        (lambda: logrank_events(0.5, margin=1.2, method="freedman"), "Freedman's formula has none"),
        (lambda: exponential(0), "median_months: 0"),
        (lambda: Weibull(median_months=1, shape=-1), "shape: -1"),
        (lambda: Cured(fraction=1, uncured=exponential(1)), "fraction: 1 cured"),
        (
            lambda: PiecewiseExponential(starts_months=(1.0,), per_month=(-1.0, 2.0)),
            "rise from 0.\n.*1 and 2; give as many.\n.*0 or more",
        ),
        (lambda: piecewise_accrual([0], [0]), "no rate is above 0"),
        (lambda: piecewise_accrual([0, 5], [10, 0]).months_for(60), "50 of 60 subjects enter"),
        (lambda: site_accrual([], per_site_per_month=1), "opens_months"),
        (lambda: ramped_accrual(0, ramp_months=1), "per_month: 0"),
        (lambda: replace(NETTER_2, dropout_per_month=-1, subjects=0), "subjects: 0.*\n.*dropout"),
        (lambda: months_to_events(NETTER_2, 230), "are expected by month 1200"),
        (lambda: expected(NETTER_2, [-1]), "months: some are negative"),
        (lambda: dropout_hazard(NETTER_2, fraction=0.9, months=3), "cannot drop out"),
        (lambda: dropout_hazard(NETTER_2, fraction=1, months=3), "dropped out; give"),
        (lambda: months_until(exponential(3), survival_share=0), "survival_share: 0"),
        (
            lambda: lakatos(replace(NETTER_2, experimental=exponential(15)), analysis_months=30),
            "fare no better",
        ),
        (lambda: look_boundaries((), alpha=0.05, sided=2), "no events"),
        (lambda: look_boundaries((50, 40), alpha=0.05, sided=2), "fractions"),
    ],
)
def test_refuses_what_cannot_be_planned(asked, says):
    with pytest.raises(PlanningError, match=f"(?s){says}"):
        asked()

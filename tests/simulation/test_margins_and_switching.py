"""Trials of non-inferiority, and control subjects who switch treatment before their event."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from scipy.special import ndtri

from radioligand.planning import expected, expected_power, logrank_power, plan
from radioligand.simulation.adaptive_design import adaptive_design
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import simulate_trials
from radioligand.simulation.model import FOREVER, RESULTS, STOPPED
from radioligand.simulation.replay import replay_trial
from radioligand.simulation.scenarios import LookAssumption, Scenario, without_effect
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate
from radioligand.statistics.survival import cox

MARGIN = 1.4
TRIALS = 8000


@pytest.fixture(scope="module")
def inferior(changed):
    """A trial that is to exclude a hazard ratio of 1.4."""
    return changed(ratio=1, hazard_ratio=0.8, margin=MARGIN, dropout_fraction=0.0)


def test_a_trial_succeeds_if_the_bound_of_its_interval_excludes_the_margin(inferior):
    design = trial_design(inferior, Scenario(stratified=False))
    level = design.plan.comparison.alpha / design.plan.given.sided
    decided = []

    for trial in range(200):
        virtual = replay_trial(design, seed=3, trial=trial)
        found = cox(virtual.time_days, virtual.event, virtual.experimental.astype(float))
        upper = found.log_hazard_ratio[0] - ndtri(level) * found.standard_error[0]
        decided.append(virtual.results["stopped"] == 1)
        assert decided[-1] == (upper <= log(MARGIN))
        assert virtual.results["z"] == pytest.approx(
            (found.log_hazard_ratio[0] - log(MARGIN)) / found.standard_error[0], abs=1e-9
        )
    assert 0.5 < np.mean(decided) < 1


@pytest.mark.law
def test_power_and_error_of_non_inferiority_are_those_of_theory(inferior):
    found = simulate(trial_design(inferior), trials=TRIALS, seed=1)
    null = without_effect(Scenario(), margin=MARGIN)
    at_margin = simulate(trial_design(inferior, null), trials=TRIALS, seed=1)
    (planned,) = plan(inferior)
    theory = logrank_power(
        planned.events, 0.8, alpha=planned.given.alpha, sided=planned.given.sided, margin=MARGIN
    )

    assert theory == pytest.approx(planned.power)
    assert found.power == pytest.approx(theory, abs=0.02)
    level = planned.given.alpha / planned.given.sided
    assert at_margin.power == pytest.approx(level, abs=4 * at_margin.power_error + 0.003)


def test_both_kernels_decide_alike(inferior):
    scenario = Scenario(crossover_per_month=0.03)
    plain = trial_design(inferior, scenario)
    several = adaptive_design(inferior, scenario)
    one = simulate_trials(plain.model, seed=2, first=0, last=200)
    found = simulate(several, trials=200, seed=2)

    assert found.power == np.mean(one[:, STOPPED] == 1)
    assert found.arms[0].means["z"].mean == pytest.approx(one[:, RESULTS.index("z")].mean())


@pytest.mark.by_hand
def test_who_switches_goes_on_with_the_other_hazard(changed):
    """With hazards a and b and switching at c, S = e^-(a+c)t + c (e^-bt - e^-(a+c)t) / (a+c-b)."""
    protocol = changed(ratio=1, hazard_ratio=0.4, dropout_fraction=0.0)
    design = trial_design(protocol, Scenario(crossover_per_month=0.05, events=10_000))
    a = log(2) / protocol.planning.median_control_months
    b, c = 0.4 * a, 0.05
    times, crossed = [], []
    for trial in range(60):  # all are followed to their event
        virtual = replay_trial(design, seed=5, trial=trial)
        control = ~virtual.experimental
        times.append(virtual.time_days[control])
        crossed.append(virtual.crossover_day[control])
        assert (virtual.crossover_day[virtual.experimental] == FOREVER).all()
    times, crossed = np.concatenate(times), np.concatenate(crossed)
    switched = crossed < FOREVER

    assert (crossed[switched] < times[switched]).all()
    assert switched.mean() == pytest.approx(c / (a + c), abs=0.02)
    for months in (3, 8, 20, 40):
        gone, other = exp(-(a + c) * months), exp(-b * months)
        free = gone + c * (other - gone) / (a + c - b)
        assert (times > months * 30.4375).mean() == pytest.approx(free, abs=0.02)


@pytest.mark.law
def test_power_under_switching_is_lakatos(changed):
    protocol = changed(
        ratio=1, hazard_ratio=0.5, crossover_per_month=0.02, dropout_fraction=0.0, method="lakatos"
    )
    (planned,) = plan(protocol)
    found = simulate(trial_design(protocol), trials=TRIALS, seed=1)
    theory = expected_power(
        planned.course,
        analysis_months=planned.analysis_months,
        alpha=planned.given.alpha,
        sided=planned.given.sided,
    )

    assert found.power == pytest.approx(theory, abs=0.015)
    month = found.means["day"].mean / 30.4375
    assert expected(planned.course, month).events[0] == pytest.approx(planned.events, rel=0.03)


@pytest.mark.law
def test_switching_and_crossing_over_draw_survival_together(changed):
    protocol = changed(ratio=1, hazard_ratio=0.5)
    apart = Scenario(
        progression_to_death_months_control=8,
        progression_to_death_months_experimental=20,
        progression_to_death_months_crossed=20,
    )
    cases = (
        apart,
        replace(apart, crossover_fraction=1 / 3),
        replace(apart, crossover_per_month=0.04),
        replace(apart, crossover_fraction=1 / 3, crossover_per_month=0.04),
    )
    ratios, crossed = [], []
    for scenario in cases:
        found = simulate(trial_design(protocol, scenario), trials=2000, seed=4)
        ratios.append(found.means["survival_log_hazard_ratio"].mean)
        crossed.append(found.means["crossed"].mean)

    assert crossed[0] == 0 < crossed[1] < crossed[3]
    assert ratios[0] < ratios[1] < ratios[3] < 0  # nearer to no difference the more cross over
    assert ratios[0] < ratios[2] < ratios[3]


@pytest.mark.parametrize(
    ("change", "scenario", "says"),
    [
        ({"margin": 1.3}, Scenario(rho=1.0), "a weighted test has none"),
        (
            {"crossover_per_month": 0.02},
            Scenario(
                progression_to_death_months_control=8,
                progression_to_death_months_experimental=20,
            ),
            "what it does to survival is missing",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changed, change, scenario, says):
    with pytest.raises(SimulationError, match=says):
        trial_design(changed(ratio=1, **change), scenario)


# rpact's getPowerSurvival, one-sided 2.5 %, 1:1, 260 subjects over 26 months, control median 10:
#   getDesignGroupSequential(kMax = 1, alpha = 0.025)
#   getDesignGroupSequential(kMax = 3, alpha = 0.025, typeOfDesign = "asOF",
#                            informationRates = c(0.5, 0.75, 1))
#   and with thetaH0 = 1.4
RPACT = {
    "fixed": (0.8980967, {"hazard_ratio": 0.6}, Scenario(events=160)),
    "looks": (
        0.7696603,
        {"hazard_ratio": 0.65},
        Scenario(looks=LookAssumption(events=(80, 120, 160))),
    ),
    "margin": (0.8778418, {"hazard_ratio": 0.9, "margin": 1.4}, Scenario(events=200)),
}


@pytest.mark.reference
@pytest.mark.parametrize("case", RPACT)
def test_simulated_power_is_that_of_rpact(changed, case):
    power, assumed, scenario = RPACT[case]
    protocol = changed(
        ratio=1,
        alpha=0.025,
        sided=1,
        median_control_months=10.0,
        accrual_per_month=10.0,
        accrual_months=26.0,
        dropout_fraction=0.0,
        **assumed,
    )
    found = simulate(trial_design(protocol, scenario), trials=TRIALS, seed=1)

    # rpact's is the normal approximation; stratification and days cost some tenths of a point
    assert found.power == pytest.approx(power, abs=3 * found.power_error + 0.01)

"""Cohorts that run beside each other: each as a trial of its own, and all tested together."""

import json
import tomllib
from dataclasses import replace
from importlib.resources import files
from math import inf, log

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import read_protocol
from radioligand.planning import PlanningError, cohort_plans, logrank_events
from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.protocol.inheritance import inherit
from radioligand.simulation import trials as room
from radioligand.simulation.adaptive_design import virtual_design
from radioligand.simulation.cohort_design import cohort_design
from radioligand.simulation.cohort_kernels import cohort_seeds, simulate_cohorts
from radioligand.simulation.cohort_tallies import cohort_estimates
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import simulate_trials
from radioligand.simulation.model import (
    DAY_OF_LOOK,
    EVENTS,
    LOG_HAZARD_RATIO,
    LOOK,
    STOPPED,
    Z,
)
from radioligand.simulation.replay import replay_trial
from radioligand.simulation.scenarios import (
    LookAssumption,
    Scenario,
    parse_scenarios,
    without_effect,
)
from radioligand.simulation.trials import simulate
from radioligand.statistics.survival import cox, logrank

TRIALS = 10_000


def tables(name):
    return tomllib.loads((files("radioligand") / "trials" / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def sabr():
    return read_protocol("sabr-prrt")


@pytest.fixture(scope="module")
def cohort_tables():
    return inherit(tables("sabr-prrt.toml"), tables("netter-2.toml"))


def ran(design, *, seed, trials):
    models = tuple(one.model for one in design.cohorts)
    return simulate_cohorts(models, design.together.model, seed=seed, first=0, last=trials)


def unstopped(design):
    """The same design if it only ended when everybody is done with."""
    model = design.model._replace(
        look_events=np.array([10**6]), stop_z=np.array([inf]), futility_z=np.array([-inf])
    )
    return replace(design, model=model)


@pytest.mark.law
def test_each_cohort_is_a_trial_of_two_arms_of_its_own_seed(sabr):
    design = cohort_design(sabr)
    found, _, _ = ran(design, seed=5, trials=40)

    for place, seed in enumerate(cohort_seeds(5, 2).tolist()):
        alone = simulate_trials(design.cohorts[place].model, seed=seed, first=0, last=40)
        assert np.array_equal(found[:, place], alone, equal_nan=True)
    assert not np.array_equal(found[:, 0, Z], found[:, 1, Z])


def test_all_together_are_tested_as_statistics_does(sabr):
    design = cohort_design(sabr)
    trials = 100
    found, of_all, ended = ran(design, seed=3, trials=trials)
    stopped_early = 0

    for trial in range(trials):
        entry, arm, stratum, time, event = ([] for _ in range(5))
        for place, seed in enumerate(cohort_seeds(3, 2).tolist()):
            whole = replay_trial(unstopped(design.cohorts[place]), seed=seed, trial=trial)
            own = found[trial, place]
            takes = np.ones(whole.entry_day.size, bool)
            if own[STOPPED] != 0 and own[LOOK] == 0:
                takes = whole.entry_day <= own[DAY_OF_LOOK]
                stopped_early += 1
            entry.append(whole.entry_day[takes])
            arm.append(whole.experimental[takes])
            stratum.append(whole.stratum[takes] + 10 * place)
            time.append(whole.time_days[takes])
            event.append(whole.event[takes])
        entry, arm, stratum, time, event = (
            np.concatenate(one) for one in (entry, arm, stratum, time, event)
        )
        days = np.sort((entry + time - 1)[event])
        day = days[90] if days.size > 90 else (entry + time - 1).max()
        seen = entry <= day
        limit = day - entry[seen] + 1
        event = event[seen] & (time[seen] <= limit)
        time = np.minimum(time[seen], limit)
        test = logrank(time, event, arm[seen], strata=stratum[seen])
        ratio = cox(time, event, arm[seen].astype(float), strata=stratum[seen])

        assert of_all[trial, DAY_OF_LOOK] == day
        assert of_all[trial, EVENTS] == event.sum()
        assert of_all[trial, Z] == pytest.approx(test.z, abs=1e-9)
        assert of_all[trial, LOG_HAZARD_RATIO] == pytest.approx(
            ratio.log_hazard_ratio[0], rel=1e-9, abs=1e-9
        )
        last = max(day, *found[trial, :, DAY_OF_LOOK])
        assert ended[trial].tolist() == [last, (entry <= last).sum()]
    assert stopped_early > 20


@pytest.mark.law
def test_cohorts_do_not_depend_on_each_other_and_keep_their_level(sabr):
    null = simulate(cohort_design(sabr, without_effect(Scenario())), trials=TRIALS, seed=2)
    found = simulate(cohort_design(sabr), trials=TRIALS, seed=2)

    for one in (null, found):
        left = np.prod([1 - own.power for own in one.cohorts])
        assert one.any == pytest.approx(1 - left, abs=0.015)
        assert one.every == pytest.approx(np.prod([own.power for own in one.cohorts]), abs=0.015)
        assert one.every <= min(own.power for own in one.cohorts)
    for own in null.cohorts:  # a limit for futility that does not bind makes the test milder
        assert 0.17 < own.power < 0.2 + 4 * own.power_error
    assert null.power == pytest.approx(0.10, abs=0.015)


def test_theory_and_simulation_of_a_cohort_agree_where_nothing_is_given_up(cohort_tables):
    cohorts = [dict(one) for one in cohort_tables["cohorts"]]
    for one in cohorts:
        one["planning"] = {**one["planning"], "futility_z": []}
    protocol = parse_protocol({**cohort_tables, "cohorts": cohorts})
    found = simulate(cohort_design(protocol), trials=TRIALS, seed=8)

    for plan, own in zip(cohort_plans(protocol), found.cohorts, strict=True):
        # Schoenfeld's power is some two points too high with so few events
        assert own.power == pytest.approx(plan.power, abs=0.03)
        assert own.means["entered"].mean <= plan.subjects
        assert plan.subjects == plan.cohort.subjects


@pytest.mark.by_hand
def test_a_cohort_is_planned_by_its_own_assumptions(sabr):
    pancreas, other = cohort_plans(sabr)

    assert [one.cohort.id for one in (pancreas, other)] == ["PANCREAS", "OTHER"]
    # (0.8416 + 0.3853)^2 * 4 / ln(0.64)^2
    assert pancreas.events_needed == pytest.approx(30.23, abs=0.01)
    assert pancreas.events_needed == pytest.approx(
        logrank_events(0.64, alpha=0.2, sided=1, power=0.65)
    )
    assert pancreas.look_events == (18, 36)
    # 72 subjects at 0.55 of 5 a month, 58 at 0.45 of 5
    assert pancreas.accrual_months == pytest.approx(72 / 2.75)
    assert other.accrual_months == pytest.approx(58 / 2.25)
    assert (pancreas.given.median_control_months, other.given.median_control_months) == (12, 16)
    assert pancreas.given.hazard_ratio == sabr.planning.hazard_ratio  # left out: the trial's


@pytest.mark.by_hand
def test_a_cohort_has_its_strata_and_its_share_of_those_who_come(sabr):
    design = cohort_design(sabr, Scenario(accrual_per_month=10))

    assert [[one.id for one in own.strata] for own in design.cohorts] == [
        ["1-2/PANCREAS", "3/PANCREAS"],
        ["1-2/OTHER", "3/OTHER"],
    ]
    assert [one.id for one in design.together.strata][::2] == [
        "PANCREAS:1-2/PANCREAS",
        "OTHER:1-2/OTHER",
    ]
    assert design.together.model.subjects == 72 + 58
    # days that one more subject takes: a month over the rate of the cohort
    each = [own.model.recruitment[2, 0] for own in design.cohorts]
    assert each == pytest.approx([30.4375 / 5.5, 30.4375 / 4.5])


def test_a_scenario_changes_one_cohort_or_all(sabr):
    (scenario,) = parse_scenarios({"document": 1, "cohorts": {"OTHER": 1}})
    mixed = cohort_design(sabr, scenario)
    alike = cohort_design(sabr, Scenario(hazard_ratio=0.5))

    assert [one.log_hazard_ratio for one in mixed.cohorts] == pytest.approx([log(0.64), 0.0])
    assert mixed.together.log_hazard_ratio == pytest.approx(log(0.64) / 2)  # 36 events each
    assert [one.log_hazard_ratio for one in alike.cohorts] == pytest.approx([log(0.5)] * 2)
    found = simulate(mixed, trials=4000, seed=1)
    assert found.cohorts[0].power > 0.55 > 0.25 > found.cohorts[1].power


def test_parts_of_cohorts_are_kept_and_do_not_depend_on_threads(sabr, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PART", 50)
    design = cohort_design(sabr)
    whole = simulate(design, trials=200, seed=1, threads=2, folder=tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())

    assert simulate(design, trials=200, seed=1, threads=1, folder=tmp_path) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    simulate(cohort_design(sabr, without_effect(Scenario())), trials=50, seed=1, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(kept) + 1


def test_estimates_are_those_that_the_characteristics_sum_up(sabr):
    design = cohort_design(sabr)
    told = cohort_estimates(design, seed=1, trials=500)
    found = simulate(design, trials=500, seed=1)

    assert told.height == 1000
    for name, own in zip(design.names, found.cohorts, strict=True):
        of_one = told.filter(cohort=name)
        assert of_one["trial"].to_list() == list(range(500))
        assert (of_one["stopped"] == 1).mean() == pytest.approx(own.power)
        assert of_one["log_hazard_ratio"].mean() == pytest.approx(
            own.means["log_hazard_ratio"].mean
        )
    assert (told["standard_error"] > 0).all()


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (Scenario(cohorts=(("COLON", 0.5),)), "cohorts.COLON: no such cohort. There are PANCREAS"),
        (Scenario(subjects=100), "subjects: cohorts have their own"),
        (Scenario(looks=LookAssumption(events=(20, 91))), "looks: cohorts have their own"),
        (Scenario(max_combo=True), "max_combo: cohorts have their own"),
    ],
)
def test_what_cohorts_have_of_their_own_is_not_assumed(sabr, scenario, says):
    with pytest.raises(SimulationError, match=says):
        virtual_design(sabr, scenario)


def test_cohorts_of_a_protocol_without_them_are_refused(protocol):
    with pytest.raises(SimulationError, match="no cohort of the protocol has assumptions"):
        virtual_design(protocol, Scenario(cohorts=(("PANCREAS", 0.5),)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"accrual_share": 0.5}, "the shares of accrual sum to 0.95"),
        ({"futility_z": [0.0, 0.0]}, "2 limits for 1 looks before the last"),
        ({"interim": {"events": [36, 18]}}, "do not rise"),
        (None, "OTHER alone have assumptions"),
    ],
)
def test_faults_of_cohorts_are_told(cohort_tables, changes, says):
    first, other = (dict(one) for one in cohort_tables["cohorts"])
    if changes is None:
        del first["planning"]
    else:
        first["planning"] = {**first["planning"], **changes}

    with pytest.raises(ProtocolError, match=says):
        parse_protocol({**cohort_tables, "cohorts": [first, other]})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"follow_up_months": 12}, "follow_up_months: cohorts wait for events"),
        ({"interim": {"events": [40, 91]}}, "interim: cohorts have looks of their own"),
        ({"accrual_per_month": None, "follow_up_months": 12}, "cohorts have shares of a rate"),
    ],
)
def test_what_cohorts_cannot_share_is_refused(cohort_tables, changes, says):
    given = {**cohort_tables["planning"], **changes}
    given = {key: value for key, value in given.items() if value is not None}

    with pytest.raises(PlanningError, match=says):
        cohort_plans(parse_protocol({**cohort_tables, "planning": given}))


def test_plan_and_simulate_tell_of_each_cohort(tmp_path):
    planned = CliRunner().invoke(cli, ["plan", "sabr-prrt", "--json", "--out", str(tmp_path / "d")])
    words = ["simulate", "sabr-prrt", "--trials", "400", "--json", "--out", str(tmp_path / "s")]
    run = CliRunner().invoke(cli, words)

    assert (planned.exit_code, run.exit_code) == (0, 0), run.output
    plan, told = json.loads(planned.stdout), json.loads(run.stdout)
    assert [one["cohort"] for one in plan["cohorts"]] == ["PANCREAS", "OTHER"]
    left = np.prod([1 - one["power"] for one in plan["cohorts"]])
    assert plan["any_cohort"]["power"] == pytest.approx(1 - left)
    assert plan["any_cohort"]["type_one_error"] == pytest.approx(1 - 0.8**2)
    assert (tmp_path / "d" / "figures" / "looks-pfs-other-figure.svg").exists()
    assert [one["cohort"] for one in told["cohorts"]] == ["PANCREAS", "OTHER"]
    each = pl.read_csv(tmp_path / "s" / "tables" / "each-cohort.csv")
    assert each[:, 0].to_list() == ["PANCREAS", "OTHER"]
    page = (tmp_path / "s" / "index.html").read_text("utf-8")
    assert "Each cohort" in page


def test_the_terminal_tells_of_each_cohort():
    run = CliRunner().invoke(cli, ["simulate", "sabr-prrt", "--trials", "300"])

    assert run.exit_code == 0, run.output
    for words in ("power, all together", "any cohort", "PANCREAS", "given up in"):
        assert words in run.stdout

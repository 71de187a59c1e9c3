"""A trial drawn again is the trial the kernel saw, and the slow statistics agree with the fast."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from radioligand.analysis import analyse
from radioligand.simulation.kernels import simulate_trials
from radioligand.simulation.model import FOREVER, RESULTS
from radioligand.simulation.replay import replay_trial, trial_frames
from radioligand.simulation.trial_design import trial_design
from radioligand.statistics.proportions import cochran_mantel_haenszel
from radioligand.statistics.survival import cox, kaplan_meier, logrank

SEED = 20_240_601


@pytest.fixture(scope="module", params=["plain", "fuller", "weighted"])
def design(request, protocol, plain, fuller):
    scenario = {
        "plain": plain,
        "fuller": fuller,
        "weighted": replace(fuller, rho=0.0, gamma=1.0, stratified=False, looks=None, events=60),
    }[request.param]
    return trial_design(protocol, scenario)


def slow(virtual, design):
    """The primary comparison by `statistics`."""
    strata = virtual.stratum if design.model.stratified else None
    weights = ("fleming-harrington", design.scenario.rho, design.scenario.gamma)
    rows = virtual.time_days, virtual.event
    test = logrank(*rows, virtual.experimental, strata=strata, weights=weights)
    model = cox(*rows, virtual.experimental.astype(float), strata=strata)
    medians = [
        kaplan_meier(virtual.time_days[own], virtual.event[own]).median
        for own in (~virtual.experimental, virtual.experimental)
    ]
    return {
        "z": test.z,
        "log_hazard_ratio": model.log_hazard_ratio[0],
        "standard_error": model.standard_error[0],
        "median_control": medians[0],
        "median_experimental": medians[1],
        "events": virtual.event.sum(),
        "entered": virtual.event.size,
    }


def test_statistics_agree_for_hundreds_of_trials(design):
    fast = simulate_trials(design.model, seed=SEED, first=1000, last=1200)

    for row, found in enumerate(fast):
        virtual = replay_trial(design, seed=SEED, trial=1000 + row)
        told = dict(zip(RESULTS, found.tolist(), strict=True))
        expected = slow(virtual, design)

        assert virtual.results == pytest.approx(told, nan_ok=True, rel=0, abs=0)
        assert {name: told[name] for name in expected} == pytest.approx(
            expected, rel=1e-9, abs=1e-9, nan_ok=True
        )


def test_response_and_survival_agree(protocol, fuller):
    design = trial_design(protocol, fuller)
    for trial in range(150):
        virtual = replay_trial(design, seed=SEED, trial=trial)
        tables = [
            [
                [
                    np.sum((virtual.experimental == arm) & (virtual.responds == has) & own)
                    for has in (True, False)
                ]
                for arm in (True, False)
            ]
            for own in (virtual.stratum == place for place in range(4))
        ]
        deaths = logrank(
            virtual.survival_days, virtual.died, virtual.experimental, strata=virtual.stratum
        )

        found = virtual.results
        assert found["response_z"] == pytest.approx(cochran_mantel_haenszel(tables).z, abs=1e-9)
        assert found["survival_z"] == pytest.approx(deaths.z, abs=1e-9)
        assert found["deaths"] == virtual.died.sum()


def test_the_analysis_of_the_frames_finds_the_same(protocol, fuller):
    design = trial_design(protocol, fuller)
    wanted = {"pfs", "orr", "os"}
    few = [
        one.model_copy(update={"figure": False}) if hasattr(one, "figure") else one
        for one in protocol.analyses
        if one.id in wanted
    ]
    short = protocol.model_copy(update={"analyses": tuple(few)})
    for trial in range(50):
        virtual = replay_trial(design, seed=SEED, trial=trial)
        frames = trial_frames(virtual, design=design, protocol=protocol)
        results = analyse(frames, protocol=short)

        def number(analysis, statistic, arm, rows=results, **keys):
            one = rows.filter(analysis=analysis, statistic=statistic, arm=arm, **keys)
            return np.nan if one["value"].drop_nulls().is_empty() else one["value"][0]

        pair = "LU v CONTROL"
        found = {
            "z": number("pfs", "logrank_z", pair),
            "log_hazard_ratio": np.log(number("pfs", "hazard_ratio", pair)),
            "median_control": number("pfs", "median", "CONTROL") * design.month_days,
            "median_experimental": number("pfs", "median", "LU") * design.month_days,
            "response_z": number("orr", "cmh_z", pair, variable="ORR"),
            "survival_z": number("os", "logrank_z", pair),
            "survival_log_hazard_ratio": np.log(number("os", "hazard_ratio", pair)),
        }
        told = {name: virtual.results[name] for name in found}
        assert found == pytest.approx(told, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.law
def test_a_trial_is_cut_on_the_day_of_its_last_event(protocol, plain):
    design = trial_design(protocol, plain)
    for trial in range(200):
        virtual = replay_trial(design, seed=3, trial=trial)
        day = virtual.entry_day + virtual.time_days - 1

        assert virtual.event.sum() >= 99
        assert day[virtual.event].max() == virtual.results["day"]
        assert (virtual.event & (day < virtual.results["day"])).sum() < 99
        assert day.max() == virtual.results["day"]


@pytest.mark.law
def test_nothing_is_seen_before_it_happens(protocol, fuller):
    design = trial_design(protocol, fuller)
    visits, window = design.model.visits, design.model.window_days
    for trial in range(100):
        v = replay_trial(design, seed=5, trial=trial)
        by_scan = v.event & (v.time_days != v.death_day)
        nearest = np.abs(v.time_days[:, None] - visits).min(axis=1)

        assert (v.time_days[by_scan] >= v.progression_day[by_scan]).all()
        assert (nearest[by_scan] <= window).all()
        assert (v.time_days <= v.dropout_day).all()
        assert (v.survival_days >= v.time_days).all()
        assert not (v.died & ~v.event & (v.progression_day == FOREVER)).any()
        crossed = v.crossover_day < FOREVER
        assert not v.experimental[crossed].any()
        assert (v.crossover_day[crossed] >= v.progression_day[crossed]).all()


@pytest.mark.law
def test_blocks_balance_every_stratum(protocol, plain):
    design = trial_design(protocol, plain)
    for trial in range(100):
        virtual = replay_trial(design, seed=9, trial=trial)
        for place in range(4):
            arms = virtual.experimental[virtual.stratum == place]
            whole = arms[: arms.size // 6 * 6].reshape(-1, 6)
            assert (whole.sum(axis=1) == 4).all()


def test_frames_hold_the_days_as_dates(protocol, fuller):
    design = trial_design(protocol, fuller)
    virtual = replay_trial(design, seed=1, trial=0)
    frames = trial_frames(virtual, design=design, protocol=protocol)

    adsl, adtte = frames["ADSL"], frames["ADTTE"]
    opens = protocol.trial.first_screened
    assert adsl["RANDDT"].to_list() == [
        opens + timedelta(days=day) for day in virtual.entry_day.tolist()
    ]
    gap = (adtte["ADT"] - adtte["STARTDT"]).dt.total_days() + 1
    assert (gap == adtte["AVAL"]).all()
    assert adtte["ADT"].max() <= adsl["CUTDT"][0]
    assert set(adsl["STRGRADE"]) == {"2", "3"}
    assert set(adsl["STRORIG"]) == {"PANCREAS", "OTHER"}

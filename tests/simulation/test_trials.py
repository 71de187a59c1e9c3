"""Operating characteristics: against theory, and whoever runs the trials in whatever order."""

import hashlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from radioligand.io.outputs import OutputError
from radioligand.planning import expected, expected_power, logrank_power, months_to_events
from radioligand.simulation import trials as room
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.kernels import count_events, event_day, simulate_trials
from radioligand.simulation.model import (
    CALENDAR,
    DAY_OF_LOOK,
    ENTRY,
    EVENTS,
    HAPPENED,
    RESULTS,
    SEEN,
    bench_for,
)
from radioligand.simulation.scenarios import Scenario, StratumAssumption, without_effect
from radioligand.simulation.tallies import added, characteristics, tally
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate
from radioligand.statistics.sequential import exit_probabilities

TRIALS = 20_000
STEPS = [
    {"from_month": 0.0, "per_month": 3.0},
    {"from_month": 6.0, "per_month": 6.0},
    {"from_month": 12.0, "per_month": 12.0},
]
ALIKE = tuple(
    StratumAssumption(id=one, share=0.25)
    for one in ("2/PANCREAS", "2/OTHER", "3/PANCREAS", "3/OTHER")
)


@pytest.mark.law
def test_trials_do_not_depend_on_how_they_are_cut_into_parts(protocol, fuller):
    model = trial_design(protocol, fuller).model
    whole = simulate_trials(model, seed=4, first=0, last=60)
    parts = [
        simulate_trials(model, seed=4, first=a, last=b) for a, b in ((37, 60), (0, 1), (1, 37))
    ]

    assert np.concatenate([parts[1], parts[2], parts[0]]).tobytes() == whole.tobytes()


@pytest.mark.law
@pytest.mark.parametrize(
    ("which", "digest"),
    [
        ("plain", "941dc79c5e887bb461ae7498ae930c57"),
        ("fuller", "134ed072b0ab12ed0d99d53f6843ff77"),
    ],
)
def test_a_seed_gives_the_trials_it_has_always_given(protocol, plain, fuller, which, digest):
    """What is a whole number of 2,000 trials, as first recorded; if it moves, raise VERSION."""
    design = trial_design(protocol, plain if which == "plain" else fuller)
    found = simulate_trials(design.model, seed=20_240_601, first=0, last=2000)
    names = ("look", "stopped", "reached", "day", "entered", "events", "deaths", "crossed", "steps")
    whole = np.nan_to_num(found[:, [RESULTS.index(name) for name in names]], nan=-9)

    assert hashlib.sha256(whole.astype("<i8").tobytes()).hexdigest()[:32] == digest


@pytest.mark.law
def test_results_do_not_depend_on_threads(protocol, fuller, monkeypatch):
    monkeypatch.setattr(room, "PART", 100)
    design = trial_design(protocol, fuller)
    done = []

    found = [
        simulate(design, trials=950, seed=8, threads=threads, progress=done.append)
        for threads in (1, 2, 5)
    ]

    assert found[0] == found[1] == found[2]
    assert found[0].trials == 950
    assert sum(done) == 3 * 950


def test_seeds_and_trials_differ(protocol, plain):
    model = trial_design(protocol, plain).model
    first, other = (simulate_trials(model, seed=seed, first=0, last=50) for seed in (1, 2))

    assert not (first == other).all(axis=1).any()
    assert np.unique(first[:, DAY_OF_LOOK]).size > 25


@pytest.mark.reference
def test_a_trial_of_2_to_1_rejects_more_than_its_nominal_level(protocol, plain):
    """In a million trials of 226 subjects lrstat 0.3.3 gave .0279."""
    design = trial_design(protocol, without_effect(plain))

    found = simulate(design, trials=4 * TRIALS, seed=2)

    assert found.power == pytest.approx(0.0280, abs=4 * found.power_error)
    assert found.power - 0.025 > 4 * found.power_error


@pytest.mark.reference
def test_power_and_duration_are_those_of_other_programs(protocol, plain):
    """From lrstat's lrsim: power .9180 and 33.42 months for this design, at 15 % dropout a year."""
    dropout = -np.log(0.85) / 12
    scenario = replace(plain, subjects=226, dropout_per_month=dropout)

    found = simulate(trial_design(protocol, scenario), trials=2 * TRIALS, seed=3)

    days = found.means["day"]
    assert found.power == pytest.approx(0.918, abs=4 * found.power_error)
    assert days.mean / 30.4375 == pytest.approx(33.42, abs=4 * days.error / 30.4375)


@pytest.mark.parametrize(
    "planning",
    [
        {"hazard_ratio": 0.6},
        {"hazard_ratio": 0.6, "shape": 1.4},
        {"hazard_ratio": 0.55, "ramp_months": 6.0},
        {"hazard_ratio": 0.55, "delay_months": 3.0},
        {"hazard_ratio": 0.55, "cured_fraction": 0.1},
        {"hazard_ratio": 0.55, "accrual_steps": STEPS},
        {"hazard_ratio": 0.55, "site_activation": {"sites": 12, "per_month": 1.5}},
    ],
    ids=["plain", "weibull", "ramp", "late", "cured", "steps", "sites"],
)
def test_theory_and_simulation_agree(changed, planning):
    common = {"ratio": 1, "accrual_months": 36.0, "dropout_months": 18.0, "method": "lakatos"}
    if "accrual_steps" in planning:
        common["accrual_per_month"] = None
    design = trial_design(changed(**common, **planning))
    plan = design.plan
    days = months_to_events(plan.course, plan.events) * design.month_days
    by_theory = expected_power(plan.course, analysis_months=plan.analysis_months, alpha=0.025)

    found = simulate(design, trials=TRIALS, seed=6)

    # theory is asymptotic: half a percent and a day are granted besides Monte Carlo error
    assert found.power == pytest.approx(by_theory, abs=4 * found.power_error + 0.005)
    day = found.means["day"]
    assert day.mean == pytest.approx(days, abs=4 * day.error + 0.003 * days)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_theory_and_simulation_of_looks_agree(changed, spending):
    """Power at each look; the statistic of 40 events is a point or so away from its normal one."""
    interim = {"events": [40, 70, 99], "spending": spending}
    protocol = changed(ratio=1, hazard_ratio=0.55, interim=interim)
    design = trial_design(protocol, Scenario(stratified=False))
    looks = design.plan.looks
    drift = -np.log(0.55) * np.sqrt(99) / 2
    by_theory = exit_probabilities(looks.fractions, looks.z, drift=drift)

    found = simulate(design, trials=TRIALS, seed=6)

    assert design.plan.power == pytest.approx(by_theory.power, abs=1e-9)
    assert found.power == pytest.approx(by_theory.power, abs=4 * found.power_error + 0.005)
    assert np.cumsum(found.efficacy) == pytest.approx(
        np.cumsum(by_theory.upper), abs=4 * found.power_error + 0.01
    )


def test_at_2_to_1_simulated_power_lies_between_schoenfeld_and_lakatos(protocol):
    design = trial_design(protocol, Scenario(stratified=False))
    plan = design.plan
    lakatos = expected_power(plan.course, analysis_months=plan.analysis_months, alpha=0.025)

    found = simulate(design, trials=TRIALS, seed=6)

    assert plan.power + 4 * found.power_error < found.power
    assert found.power + 4 * found.power_error < lakatos


def test_strata_cost_power_and_the_more_the_fewer_events_each_has(changed):
    """By theory a test of strata alike is as good; where few are left, some compare nobody."""
    protocol = changed(ratio=1, hazard_ratio=0.6)
    power, cost = [], []
    for events, subjects in ((99, 222), (33, 74)):
        effect = 0.6 ** np.sqrt(99 / events)  # the same mean of z
        assumed = Scenario(strata=ALIKE, events=events, subjects=subjects, hazard_ratio=effect)
        whole, stratified = (
            simulate(
                trial_design(protocol, replace(assumed, stratified=one)), trials=2 * TRIALS, seed=6
            ).power
            for one in (False, True)
        )
        power.append(whole)
        cost.append(whole - stratified)

    assert power[0] == pytest.approx(logrank_power(99, 0.6), abs=0.015)
    # both tests see the same trials, so that the difference is surer than either power
    assert 0.003 < cost[0] < 0.015
    assert 0.015 < cost[1] < 0.05


def test_a_fixed_follow_up_has_the_expected_events(changed):
    protocol = changed(ratio=1, follow_up_months=12.0, method="lakatos")
    design = trial_design(protocol)
    found = simulate_trials(design.model, seed=1, first=0, last=5000)
    plan = design.plan

    mean, error = found[:, EVENTS].mean(), found[:, EVENTS].std() / np.sqrt(5000)
    events = expected(plan.course, plan.analysis_months).events[0]
    assert mean == pytest.approx(events, abs=4 * error + 0.3)


def test_looks_spend_what_they_should(changed):
    interim = {"events": [40, 70, 99], "spending": "obrien-fleming"}
    protocol = changed(ratio=1, hazard_ratio=0.5, interim=interim)
    design = trial_design(protocol, without_effect(Scenario()))

    found = simulate(design, trials=2 * TRIALS, seed=5)

    spent = design.plan.looks.cumulative_alpha
    error = np.sqrt(spent * (1 - spent) / found.trials)
    assert np.cumsum(found.efficacy) == pytest.approx(spent, abs=4 * error.max() + 0.0015)


@pytest.mark.law
@pytest.mark.parametrize("follow_up", [30, 700, 20 * CALENDAR])
def test_the_day_of_an_event_is_the_day_it_has_among_all_sorted(protocol, plain, follow_up):
    bench = bench_for(trial_design(protocol, plain).model)
    numbers = np.random.default_rng(follow_up)
    n = bench.subjects.shape[1]
    bench.subjects[ENTRY] = np.sort(numbers.integers(0, 600, n))
    bench.subjects[SEEN] = numbers.integers(1, follow_up, n)
    bench.subjects[HAPPENED] = numbers.random(n) < 0.6
    days = bench.subjects[ENTRY] + bench.subjects[SEEN] - 1  # day 1 is that of entry
    events = np.sort(days[bench.subjects[HAPPENED] == 1])
    count_events(bench.subjects, bench.calendar, bench.coarse)

    room = (bench.calendar, bench.coarse, bench.few)
    found = [event_day(bench.subjects, k + 1, *room) for k in range(n)]

    assert found[: events.size] == [(day, True) for day in events]
    assert found[events.size :] == [(days.max(), False)] * (n - events.size)


def test_without_enough_events_a_trial_ends_with_its_last_subject(changed):
    design = trial_design(changed(), Scenario(events=222, dropout_per_month=0.05))

    found = simulate(design, trials=200, seed=1)

    assert found.unreached == 1.0
    # of constant hazards, the share of the event's among both
    hazards = np.log(2) / np.array([15.0, 30.0, 30.0])
    share = (hazards / (hazards + 0.05)).mean()
    assert found.means["events"].mean == pytest.approx(222 * share, abs=2)


@pytest.mark.by_hand
def test_tallies_add_up(protocol, plain):
    design = trial_design(protocol, plain)
    found = simulate_trials(design.model, seed=1, first=0, last=300)
    total = characteristics(added(tally(part, design=design) for part in np.split(found, 3)))

    ratio = found[:, 7]
    assert total.trials == 300
    assert total.power == np.mean(found[:, 1] == 1)
    assert total.means["log_hazard_ratio"].mean == pytest.approx(ratio.mean(), rel=1e-12)
    assert total.means["log_hazard_ratio"].standard_deviation == pytest.approx(
        ratio.std(ddof=1), rel=1e-9
    )
    assert total.day_quantiles == pytest.approx(
        np.quantile(found[:, DAY_OF_LOOK], (0.05, 0.5, 0.95)), abs=14
    )


@pytest.mark.parametrize(("trials", "seed"), [(0, 1), (10, -1), (10, 2**64)])
def test_refuses_what_is_no_request(protocol, plain, trials, seed):
    with pytest.raises(SimulationError, match="give a number"):
        simulate(trial_design(protocol, plain), trials=trials, seed=seed)


# --- kept parts -----------------------------------------------------------------------------------

COMMAND = (sys.executable, "-m", "radioligand.cli", "simulate", "netter-2", "--seed", "4")


def command(out, trials, *more):
    return [*COMMAND, "--trials", str(trials), "--no-null", "--out", str(out), *more]


def test_a_killed_run_goes_on_where_it_was_and_gives_the_same_bytes(tmp_path):
    trials = 8 * room.PART
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole, trials), check=True, capture_output=True)
    running = subprocess.Popen(command(cut, trials), stdout=subprocess.DEVNULL)
    try:
        while len(list(cut.glob("parts/*.json"))) < 1:
            assert running.poll() is None
            time.sleep(0.01)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    kept = {path: path.stat().st_mtime_ns for path in cut.glob("parts/*.json")}
    assert 1 <= len(kept) < 8
    assert not (cut / "results.json").exists()

    subprocess.run(command(cut, trials, "--threads", "1"), check=True, capture_output=True)

    assert (cut / "results.json").read_bytes() == (whole / "results.json").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(cut.glob("parts/*.json"))) == 8


def test_a_damaged_part_is_run_again(protocol, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PART", 50)
    design = trial_design(protocol, plain)
    first = simulate(design, trials=200, seed=1, folder=tmp_path)
    parts = sorted(tmp_path.iterdir())
    parts[0].write_text(parts[0].read_text("utf-8")[:100], "utf-8")

    again = simulate(design, trials=200, seed=1, folder=tmp_path)

    assert again == first == simulate(design, trials=200, seed=1)
    assert len(parts) == 4


def test_parts_of_another_seed_or_design_are_others(protocol, plain, fuller, tmp_path):
    designs = [trial_design(protocol, one) for one in (plain, fuller, without_effect(plain))]
    keys = {room.Kept(tmp_path, one, seed).key((0, 9)) for one in designs for seed in (1, 2)}

    assert len(keys) == 6
    assert room.Kept(tmp_path, designs[0], 1).key((0, 9)) in keys


def test_parts_that_cannot_be_written_are_told(protocol, plain, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    with pytest.raises(OutputError, match="a part cannot be written"):
        simulate(trial_design(protocol, plain), trials=10, seed=1, folder=blocked)


def test_without_dask_a_scheduler_is_refused(protocol, plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SimulationError, match=r"Install radioligand\[distributed\]"):
        simulate(trial_design(protocol, plain), trials=10, seed=1, scheduler="tcp://127.0.0.1:1")

# SPDX-License-Identifier: Apache-2.0
"""When events are due: as planned, from a blinded trial under way, and never by its arms."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.planning import (
    Course,
    PlanningError,
    event_month_interval,
    event_variance,
    expected,
    exponential,
    months_to_events,
    predict_events,
    uniform_accrual,
)
from radioligand.planning.waiting import blinded

CUTOFF = date(2024, 12, 31)
COURSE = Course(
    control=exponential(15),
    experimental=exponential(30),
    accrual=uniform_accrual(10),
    subjects=222,
    ratio=2,
)


def trial(n=120, events=40, *, seed=1):
    """ADSL and ADTTE of a trial in which the first `events` of n subjects had the event."""
    random = np.random.default_rng(seed)
    entered = np.sort(random.integers(0, 700, n))
    start = CUTOFF - timedelta(days=760)
    days = np.where(np.arange(n) < events, random.integers(30, 60, n), 0)
    rows = []
    for place in range(n):
        randomised = start + timedelta(days=int(entered[place]))
        had = place < events
        last = randomised + timedelta(days=int(days[place])) if had else CUTOFF - timedelta(days=20)
        aval = (last - randomised).days + 1
        rows.append((f"S{place:03}", randomised, None, "PFS", aval, 0 if had else 1, last))
    names = ["USUBJID", "RANDDT", "EOSDT", "PARAMCD", "AVAL", "CNSR", "ADT"]
    types = {"EOSDT": pl.Date}
    both = pl.DataFrame(rows, schema=names, orient="row", schema_overrides=types)
    arms = pl.Series("TRT01P", random.choice(["LU", "CONTROL"], n))
    adsl = both.select("USUBJID", "RANDDT", "EOSDT").with_columns(arms)
    adtte = both.select("USUBJID", "PARAMCD", "AVAL", "CNSR", "ADT").with_columns(TRTP=arms)
    return adsl, adtte


ADSL, ADTTE = trial()


def predicted(adsl=ADSL, adtte=ADTTE, **options):
    return predict_events(
        adsl, adtte, **({"endpoint": "PFS", "events": 60, "cutoff": CUTOFF} | options)
    )


# --- under way ------------------------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize("arms", ["swapped", "one", "gone"])
def test_prediction_never_looks_at_the_arms(arms):
    change = {
        "swapped": lambda frame, name: frame.with_columns(pl.col(name).shuffle(seed=3)),
        "one": lambda frame, name: frame.with_columns(pl.lit("LU").alias(name)),
        "gone": lambda frame, name: frame.drop(name),
    }[arms]

    again = predicted(change(ADSL, "TRT01P"), change(ADTTE, "TRTP"))

    assert again == predicted()
    seen = blinded(ADSL, ADTTE, endpoint="PFS", cutoff=CUTOFF)
    assert not {"TRT01P", "TRTP", "ARMCD"} & set(seen.columns)


@pytest.mark.by_hand
def test_hazards_are_events_and_losses_over_days():
    found = predicted()
    assert (found.events_so_far, found.followed, found.lost, found.to_enter) == (40, 80, 0, 0)
    assert found.hazard_per_day == pytest.approx(40 / ADTTE["AVAL"].sum())
    assert found.loss_per_day == 0
    assert found.lower < found.day < found.upper


@pytest.mark.by_hand
def test_with_a_known_hazard_the_middle_is_where_that_many_are_expected():
    """What is known for sure (a million planned events) leaves 80 (1 - exp(-h t)) = 20 - 1/2.

    Subjects are last known 20 days before the cutoff, so t counts from there.
    """
    hazard = 0.001
    found = predicted(planned_hazard_per_day=hazard, planned_events=1e9)

    days = -np.log(1 - 19.5 / 80) / hazard - 20
    assert (found.day - CUTOFF).days == np.ceil(days)


@pytest.mark.by_hand
def test_subjects_are_lost_by_leaving_by_silence_and_by_other_reasons():
    left = ADSL.with_columns(
        EOSDT=pl.when(pl.col("USUBJID") == "S100").then(pl.lit(CUTOFF)).otherwise("EOSDT")
    )
    silent = ADTTE.with_columns(
        ADT=pl.when(pl.col("USUBJID") == "S101")
        .then(pl.lit(CUTOFF - timedelta(days=184)))
        .otherwise("ADT"),
        CNSR=pl.when(pl.col("USUBJID") == "S102").then(2).otherwise("CNSR"),
    )
    assert predicted(left, silent).lost == 3
    assert predicted(left, silent, silent_days=184).lost == 2


@pytest.mark.by_hand
def test_who_is_missing_enters_at_the_recent_pace_or_the_one_given():
    soon = predicted(events=130, subjects=200, per_month=40)
    late = predicted(events=130, subjects=200, per_month=4)
    recent = ADSL.filter(pl.col("RANDDT") > CUTOFF - timedelta(days=183)).height
    same = predicted(events=130, subjects=200, per_month=recent / 183 * 30.4375)

    assert soon.to_enter == 80
    assert soon.day < late.day
    assert predicted(events=130, subjects=200) == same
    assert predicted(subjects=100).to_enter == 0
    long_ago = ADSL.with_columns(RANDDT=date(2023, 1, 1))
    assert predicted(long_ago, subjects=200).to_enter == 0


@pytest.mark.by_hand
def test_events_that_are_there_are_dated_by_counting():
    dates = ADTTE.filter(CNSR=0)["ADT"].sort()
    found = predicted(events=25)
    assert found.day == found.lower == found.upper == dates[24]


@pytest.mark.by_hand
def test_events_out_of_reach_are_never_there():
    found = predicted(events=121)
    assert (found.day, found.upper) == (None, None)


@pytest.mark.law
@settings(deadline=None, max_examples=20)
@given(st.integers(41, 90), st.sampled_from([0.5, 0.8, 0.9]))
def test_more_events_come_later_and_wider_intervals_hold_narrower(events, level):
    found, more = predicted(events=events, level=level), predicted(events=events + 5, level=level)
    wide = predicted(events=events, level=0.95)
    assert found.day <= more.day
    assert wide.lower <= found.lower <= found.day <= found.upper <= wide.upper


@pytest.mark.law
def test_nine_of_ten_trials_have_their_events_within_the_interval():
    """Of 200 trials with one hazard, cut after 18 months, 90 % within, give or take 3 errors."""
    random, within = np.random.default_rng(5), 0
    start, cut = date(2022, 1, 1), 548
    for _ in range(200):
        entered = np.sort(random.uniform(0, 500, 150)).astype(int)
        own = np.ceil(random.exponential(700, 150)).astype(int)
        happened = entered + own
        had = happened <= cut
        last = np.where(had, happened, cut)
        names = [f"S{place}" for place in range(150)]
        day = [start + timedelta(days=int(one)) for one in entered]
        adsl = pl.DataFrame({"USUBJID": names, "RANDDT": day})
        adtte = pl.DataFrame(
            {
                "USUBJID": names,
                "PARAMCD": "PFS",
                "AVAL": last - entered + 1,
                "CNSR": np.where(had, 0, 1),
                "ADT": [start + timedelta(days=int(one)) for one in last],
            }
        )
        due = start + timedelta(days=int(np.sort(happened)[89]))
        found = predict_events(
            adsl, adtte, endpoint="PFS", events=90, cutoff=start + timedelta(days=cut)
        )
        within += found.lower <= due <= found.upper
    assert 180 - 3 * 4.24 <= within <= 180 + 3 * 4.24


# --- as planned -----------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_variance_of_events_when_all_enter_at_once():
    """With a chance p each, n subjects have n p (1 - p); here by arm, of 148 and 74."""
    at_once = Course(
        control=exponential(15),
        experimental=exponential(30),
        accrual=uniform_accrual(1e9),
        subjects=222,
        ratio=2,
    )
    control, experimental = 1 - 2 ** (-24 / 15), 1 - 2 ** (-24 / 30)
    by_hand = 74 * control * (1 - control) + 148 * experimental * (1 - experimental)
    assert event_variance(at_once, np.array([24.0]))[0] == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.law
def test_simulated_months_of_the_99th_event_lie_within_the_interval_as_often_as_it_says():
    """Of 2,000 virtual trials 90 % within, give or take 3 errors of 13."""
    random = np.random.default_rng(7)
    arm_median = np.where(np.arange(222) % 3 == 0, 15.0, 30.0)
    entered = (np.arange(222) + 0.5) / 10
    times = entered + random.exponential(1, (2000, 222)) * arm_median / np.log(2)
    months = np.sort(times, axis=1)[:, 98]

    low, high = event_month_interval(COURSE, 99)

    assert 1800 - 40 <= int(((months >= low) & (months <= high)).sum()) <= 1800 + 40
    assert low < months_to_events(COURSE, 99) < high
    by_month = np.mean((times <= 30).sum(axis=1))
    assert by_month == pytest.approx(expected(COURSE, 30).events[0], abs=0.6)


@pytest.mark.by_hand
def test_an_upper_month_may_never_come():
    lost = Course(
        control=exponential(30),
        experimental=exponential(60),
        accrual=uniform_accrual(10),
        subjects=100,
        dropout_per_month=0.02,
    )
    reachable = float(expected(lost, 1200).events[0])
    low, high = event_month_interval(lost, reachable * 0.97)
    assert low < np.inf
    assert high == np.inf


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            lambda: predicted(ADSL.drop("RANDDT"), ADTTE.drop("CNSR")),
            "ADSL: RANDDT.*\n.*ADTTE: CNSR",
        ),
        (lambda: predicted(endpoint="OS"), "no endpoint 'OS'; it holds PFS"),
        (lambda: predicted(cutoff=CUTOFF - timedelta(days=30)), "end after the cutoff"),
        (lambda: predicted(ADSL, ADTTE.head(100)), "20 of 120 randomised subjects have no time"),
        (lambda: predicted(level=1.0), "level: 1.0"),
        (lambda: predicted(planned_events=20), "one tells nothing without the other"),
        (lambda: predicted(planned_hazard_per_day=0.001), "one tells nothing without the other"),
        (lambda: predicted(*trial(events=0)), "no event of PFS by 2024-12-31"),
        (lambda: event_month_interval(COURSE, 50, level=0), "level: 0"),
        (lambda: event_month_interval(COURSE, 300), "are expected by month 1200"),
    ],
)
def test_refuses_what_it_cannot_predict(asked, says):
    with pytest.raises(PlanningError, match=f"(?s){says}"):
        asked()

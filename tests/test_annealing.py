# SPDX-License-Identifier: Apache-2.0
"""The search among draws: its compiled measures are those of the statistics, to nine digits."""

from dataclasses import replace
from itertools import product
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.evidence import annealing_kernels as kernels
from radioligand.evidence.annealing import aimed, in_kernel_order, tables, walk_from
from radioligand.evidence.cohorts import chosen
from radioligand.evidence.measures import MEASURES, Asked, measured
from radioligand.evidence.search import choose_draws
from radioligand.evidence.strata_counts import counts_that_print, stratum_cells
from radioligand.evidence.targets import WEIGHT, Target
from radioligand.statistics.proportions import cochran_mantel_haenszel

ASKED = Asked(
    month_days=30.4375,
    experimental="LU",
    stratified={"PFS": True, "OS": False},
    sided={"PFS": 1, "OS": 2},
)
MOVABLE = [name for name, measure in MEASURES.items() if not measure.at_baseline]
PRINTED = {1: "8.5", 3: "8.5 (7.7–13.8)"}
SAME = {"rel": 1e-9, "abs": 1e-12, "nan_ok": True}


def target(measure, published=None, **more):
    given = {"endpoint": "PFS", "arm": "LU", "months": 6.0, "levels": ("PR",), "percent": 10.0}
    given["scale"] = 0.5
    if measure in ("odds ratio", "log-rank p") or measure.startswith("hazard"):
        given["arm"] = ""
    published = published or PRINTED[MEASURES[measure].numbers]
    return Target(
        id=measure, says="One", measure=measure, place="Here", role="primary",
        published=published, **given | more,
    )  # fmt: skip


def a_pool(seed, *, draws=3, subjects=60, last_day=400):
    """Subjects of two arms and three strata with some draws each; few days make many ties."""
    random = np.random.default_rng(seed)
    shape = (draws, subjects)
    arm = np.where(random.random(subjects) < 0.5, "LU", "CONTROL")
    stratum = random.choice(["a", "b", "c"], subjects)
    pool = {
        "arm": np.tile(arm, (draws, 1)),
        "stratum": np.tile(stratum, (draws, 1)),
        "member": np.tile(random.random(subjects) < 0.95, (draws, 1)),
        "response": random.choice(["CR", "PR", "SD", "PD"], shape),
        "evaluable": random.random(shape) < 0.8,
        "progressive": random.random(shape) < 0.1,
    }
    for endpoint in ("PFS", "OS"):
        time = random.integers(1, last_day, shape).astype(float)
        pool[f"{endpoint} time"] = np.where(random.random(shape) < 0.05, nan, time)
        pool[f"{endpoint} event"] = random.random(shape) < 0.6
        pool[f"{endpoint} day"] = time + 1
    for day in (0, 100):
        change = random.normal(-10, 20, shape)
        pool[f"change {day}"] = np.where(random.random(shape) < 0.1, nan, change)
    return pool


def of_kernel(pool, one, draws):
    """The numbers of a target by the kernels, and its distance."""
    read, asking = tables(pool, [one], asked=ASKED)
    walk = walk_from(draws, read, asking, seed=1)
    if MEASURES[one.measure].statistic is MEASURES["events"].statistic:
        return walk.tally[:1].tolist(), walk.away[0]
    found = kernels.numbers_of(0, asking, walk.cohort, walk.order, walk.start, walk.tables)
    return list(found[: MEASURES[one.measure].numbers]), walk.away[0]


# -- measures ------------------------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize("measure", MOVABLE)
@pytest.mark.parametrize(("endpoint", "day"), [("PFS", 0), ("OS", 0), ("PFS", 100)])
def test_kernels_measure_what_the_statistics_measure(measure, endpoint, day):
    for seed in range(8):
        pool = a_pool(seed, last_day=(15, 60, 400, 3000)[seed % 4])
        draws = np.random.default_rng(seed).integers(3, size=60)
        one = target(measure, endpoint=endpoint, day=day)

        values = measured(chosen(pool, draws), one, asked=ASKED)
        found, away = of_kernel(pool, one, draws)

        assert found == pytest.approx(values, **SAME)
        assert away == pytest.approx(WEIGHT[one.role] * one.distance(values))


@pytest.mark.law
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=12),
    st.sampled_from(["median", "survival"]),
    st.integers(0, 13),
)
def test_small_curves_are_the_same_to_their_ends(rows, measure, at):
    """Plateaus at one half, curves that end there or at 0, and moments before, at and after."""
    time, event = np.array(rows).T
    pool = {
        "arm": np.full((1, time.size), "LU"),
        "member": np.ones((1, time.size), bool),
        "PFS time": time[None].astype(float),
        "PFS event": event[None].astype(bool),
    }
    one, draws = target(measure, months=at / ASKED.month_days), np.zeros(time.size, np.int64)

    found, _ = of_kernel(pool, one, draws)

    assert found == pytest.approx(measured(chosen(pool, draws), one, asked=ASKED), **SAME)


@pytest.mark.law
def test_an_arm_without_events_has_no_hazard_ratio():
    pool = a_pool(1)
    pool["PFS event"] &= pool["arm"] == "LU"
    one = target("hazard ratio")

    found, away = of_kernel(pool, one, np.zeros(60, np.int64))

    assert np.isnan(found).all()
    assert np.isnan(measured(chosen(pool, np.zeros(60, int)), one, asked=ASKED)).all()
    assert away == 3 * 4.0


@pytest.mark.law
@settings(deadline=None)
@given(
    st.sampled_from(["22.8", "−12.3", "0", "151", "<0.001", "≥97", ">3", "≤2", "0.276", "NE"]),
    st.floats(-200, 200) | st.sampled_from([nan, 22.75, 22.85, -12.25, -12.35, 0.5, -0.5, 97, 2]),
)
def test_distances_are_those_of_the_targets(published, value):
    one = target("median estimate", published)
    _, asking = tables(a_pool(1), [one], asked=ASKED)

    away = kernels.distance_of(0, asking, (float(value), nan, nan))

    assert away == pytest.approx(WEIGHT[one.role] * one.distance([value]))


# -- the search ----------------------------------------------------------------------------------


def wanted():
    ratio = target("hazard ratio", "0.80 (0.40–1.60)", scale=0.1)
    median = target("median", "5.0 (3.0–9.0)")
    events = replace(target("events", "14"), id="count")
    odds = target("odds ratio", "1.40 (0.45–4.30)")
    return [ratio, median, events, odds]


@pytest.mark.law
def test_a_walk_knows_where_it_is():
    pool = a_pool(4, draws=6)
    read, asking = tables(pool, in_kernel_order(wanted()), asked=ASKED)
    walk = walk_from(np.zeros(60, np.int64), read, asking, seed=2)
    begun = walk.away.sum()

    kernels.wander(read, asking, walk, 0.3, 0.01, 0, 3000, 3000)

    again = walk_from(walk.draws, read, asking, seed=3)
    assert walk.away == pytest.approx(again.away, abs=1e-9)
    assert walk.tally.tolist() == again.tally.tolist()
    assert walk_from(walk.best, read, asking, seed=3).away.sum() == pytest.approx(walk.lowest[0])
    assert walk.lowest[0] < begun / 2


@pytest.mark.law
def test_changes_of_a_subject_are_measured_as_cohorts_and_leave_the_walk():
    pool = a_pool(5, draws=4)
    read, asking = tables(pool, in_kernel_order(wanted()), asked=ASKED)
    draws = np.random.default_rng(5).integers(4, size=60)
    walk = walk_from(draws, read, asking, seed=1)
    before = walk.cohort.copy()

    found = kernels.changes_of(7, read, asking, walk)

    for new in range(4):
        changed = draws.copy()
        changed[7] = new
        own = walk_from(changed, read, asking, seed=1)
        assert found[new] == pytest.approx(own.away, abs=1e-9)
    assert (walk.cohort == before).all()


@pytest.mark.law
def test_the_same_seed_chooses_the_same_draws_however_it_is_told():
    pool = a_pool(6, draws=5)
    choose = {"asked": ASKED, "steps": 500, "walks": 2, "progress": lambda done, total: None}

    first = choose_draws(pool, wanted(), seed=1, **choose)

    assert first.tolist() == choose_draws(pool, wanted(), seed=1, **choose).tolist()
    assert first.tolist() != choose_draws(pool, wanted(), seed=2, **choose).tolist()


# -- counts of strata ----------------------------------------------------------------------------


def responders(pr, cr="0", *, arm):
    return [
        replace(target("responses", pr, arm=arm), id=f"pr-{arm}"),
        replace(target("responses", cr, arm=arm, levels=("CR",)), id=f"cr-{arm}"),
    ]


def strata_of(*sizes):
    """A pool of subjects in (arm, stratum, size), of whom each responds in one of two draws."""
    arm, stratum = (
        np.concatenate([np.full(row[2], row[part]) for row in sizes]) for part in (0, 1)
    )
    return {
        "arm": np.tile(arm, (2, 1)),
        "stratum": np.tile(stratum, (2, 1)),
        "member": np.ones((2, arm.size), bool),
        "response": np.repeat([["PR"], ["SD"]], arm.size, axis=1),
    }


@pytest.mark.reference
def test_all_tables_that_print_an_odds_ratio_are_found():
    sizes = [("LU", "a", 7), ("LU", "b", 9), ("CONTROL", "a", 5), ("CONTROL", "b", 8)]
    printing = {}
    for a, c in product(range(8), range(6)):
        b, d = 8 - a, 4 - c
        if 0 <= b <= 9 and 0 <= d <= 8:
            rows = [[[a, 7 - a], [c, 5 - c]], [[b, 9 - b], [d, 8 - d]]]
            found = cochran_mantel_haenszel(rows)
            if np.isfinite([found.odds_ratio, found.lower, found.upper]).all():
                text = f"{found.odds_ratio:.1f} ({found.lower:.1f}–{found.upper:.0f})"
                printing.setdefault(text, set()).add((a, b, c, d))
    published, expected = max(printing.items(), key=lambda row: (len(row[1]), row[0]))
    assert len(expected) > 1
    ratio = target("odds ratio", published)
    pool, targets = strata_of(*sizes), [*responders("8", arm="LU"), *responders("4", arm="CONTROL")]
    targets = in_kernel_order([*targets, ratio])
    _, asking = tables(pool, targets, asked=ASKED)

    counts = counts_that_print(pool, targets, ratio, asked=ASKED, asking=asking)

    assert {tuple(row) for row in counts.tolist()} == expected


@pytest.mark.by_hand
def test_without_all_responses_of_an_arm_no_tables_are_looked_at():
    pool, ratio = strata_of(("LU", "a", 4), ("CONTROL", "a", 4)), target("odds ratio", "3.00 (1–9)")
    targets = in_kernel_order([*responders("2", arm="LU"), ratio])
    _, asking = tables(pool, targets, asked=ASKED)

    assert counts_that_print(pool, targets, ratio, asked=ASKED, asking=asking) is None


@pytest.mark.by_hand
def test_a_search_that_aims_at_counts_of_strata_comes_there():
    sizes = [("LU", "a", 10), ("LU", "b", 12), ("CONTROL", "a", 11), ("CONTROL", "b", 9)]
    pool = strata_of(*sizes)
    found = cochran_mantel_haenszel([[[6, 4], [1, 10]], [[5, 7], [3, 6]]])
    printed = [f"{one:.3f}" for one in (found.odds_ratio, found.lower, found.upper)]
    ratio = target("odds ratio", f"{printed[0]} ({printed[1]}–{printed[2]})")
    counts = [*responders("11", arm="LU"), *responders("4", arm="CONTROL")]

    draws = choose_draws(
        pool, [*counts, ratio], asked=ASKED, steps=20_000, seed=1,
        progress=lambda done, total: None,
    )  # fmt: skip

    cohort = chosen(pool, draws)
    assert ratio.printed(measured(cohort, ratio, asked=ASKED)) == ratio.published
    inside, _ = stratum_cells(pool, ratio, asked=ASKED)
    assert [int((cohort["response"][cell] == "PR").sum()) for cell in inside] == [6, 5, 1, 3]


@pytest.mark.by_hand
def test_counts_aimed_at_stand_for_a_target_and_leave_alike_draws_alike():
    pool = strata_of(("LU", "a", 3), ("CONTROL", "a", 3))
    read, asking = tables(pool, responders("2", arm="LU"), asked=ASKED)
    flags = np.zeros((1, 2, 6), bool)
    flags[0, 0, :2] = True

    more, wants = aimed(read, asking, flags, [1], instead_of=0)

    walk = walk_from(np.zeros(6, np.int64), more, wants, seed=1)
    assert walk.tally.tolist() == [3, 0, 2]  # all three respond; two are in the cell
    assert walk.away.tolist() == pytest.approx([0, 0, 0.3])
    assert (more.alike == read.alike).all()

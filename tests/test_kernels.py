# SPDX-License-Identifier: Apache-2.0
"""Compiled loops over many rows: equal to the plain versions, and out of the way of small data."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from radioligand.statistics import ordering
from radioligand.statistics.covariates import Frame
from radioligand.statistics.observations import any_labels, coded, few_labels, observations
from radioligand.statistics.ordered_likelihood import ordered_cox, ordered_likelihood
from radioligand.statistics.partial_likelihood import cox_data, likelihood
from radioligand.statistics.survival import (
    cox,
    in_order,
    kaplan_meier,
    logrank,
    nelson_aalen,
    restricted_mean,
)

REFERENCE = json.loads((Path(__file__).parent / "reference" / "survival.json").read_text())
DATA = REFERENCE["data"]

WEIGHTINGS = ("logrank", "gehan", "tarone-ware", ("fleming-harrington", 0.5, 1.0))
# time, event, group, stratum, weight, covariate
subject = st.tuples(
    st.sampled_from([0.0, 1, 2, 2 + 1e-10, 3, 4.5, 7, 7 - 1e-9, 30, 1000]),
    st.booleans(),
    st.sampled_from("abc"),
    st.sampled_from([3, 5, 9]),
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    st.integers(-3, 3),
)
trials = st.lists(subject, min_size=1, max_size=60).map(lambda rows: list(zip(*rows)))


@contextmanager
def loops(*, rows=1, piece=7, cores=2):
    """Send data of any size through the loops, cut into pieces of about seven rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "LARGE", rows)
        patch.setattr(ordering, "PIECE", piece)
        patch.setattr(ordering, "cores", lambda: cores)
        yield


def outcome(question, *arguments, **options):
    """Return the record's numbers by name, or the message it was refused with."""
    try:
        found = question(*arguments, **options)
    except ValueError as refused:
        return str(refused)
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def both_ways(question, *arguments, **options):
    plain = outcome(question, *arguments, **options)
    with loops():
        return plain, outcome(question, *arguments, **options)


def same(plain, found, *, rel=1e-11, floor=1e-12):
    """Tell whether two outcomes agree in every number and every word."""
    if isinstance(plain, str) or isinstance(found, str):
        return plain == found
    for name, one in plain.items():
        other = found[name]
        if isinstance(one, np.ndarray | float) or name == "log_likelihood":
            assert np.asarray(other) == pytest.approx(
                np.asarray(one), rel=rel, abs=floor, nan_ok=True
            ), name
    return True


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.law
@given(st.lists(st.floats(0, 1e300) | st.integers(0, 5).map(float), min_size=1, max_size=80))
@example([0.0, -0.0, 5e-324, 1e308, 0.0])
@example([3.0, 3.0, 3.0])
def test_rows_are_sorted_as_numpy_sorts_them(values):
    values = np.array(values)
    with loops():
        row, ascending = ordering.radix_sort(values)

    assert row.tolist() == np.argsort(values, kind="stable").tolist()
    assert ascending.tolist() == values[row].tolist()


def test_sorts_what_leading_bits_cannot_tell_apart():
    # one far value takes all 32 bits; the others, in falling order, differ below them
    values = np.append(1 + np.arange(5000)[::-1] * np.finfo(float).eps, 1e300)
    with loops():
        row, ascending = ordering.radix_sort(values)

    assert row.tolist() == [*range(4999, -1, -1), 5000]
    assert np.all(np.diff(ascending) > 0)


@pytest.mark.law
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 3)), min_size=1, max_size=60))
def test_times_that_differ_by_rounding_alone_are_one(rows):
    days, jitter = np.array(rows, float).T
    times = np.maximum(days * 100 + jitter * 5e-7, 0)
    values, rank = ordering.distinct(times)
    with loops():
        found, found_rank = ordering.distinct(times)

    assert found.tolist() == values.tolist()
    assert found_rank.tolist() == rank.tolist()


@pytest.mark.law
@given(
    st.lists(st.sampled_from([0, 1, 5, 70]), min_size=1, max_size=500)
    | st.lists(st.sampled_from(["b", "a", "long"]), min_size=320, max_size=400)
    | st.lists(st.sampled_from([0.5, -1.0]), min_size=320, max_size=400)
    | st.lists(st.booleans(), min_size=1, max_size=500)
)
def test_labels_are_found_alike_in_every_way(labels):
    array = np.array(labels)
    known, code = coded("group", array)

    assert list(known) == sorted(set(labels))
    assert [known[one] for one in code] == labels
    found, place = any_labels("group", array)
    assert [found[one] for one in place] == labels
    assert few_labels(np.arange(500.0)) is None


# --- estimators -----------------------------------------------------------------------------------


@pytest.mark.law
@given(trials, st.booleans(), st.sampled_from(["log-log", "log", "plain", "arcsine"]))
def test_curves_are_those_of_the_plain_version(trial, weighted, interval):
    time, event, _, _, weight, _ = trial
    weights = weight if weighted else None

    assert same(*both_ways(kaplan_meier, time, event, weights=weights, interval=interval))
    assert same(*both_ways(nelson_aalen, time, event, weights=weights))


@pytest.mark.law
@given(trials, st.booleans(), st.sampled_from(WEIGHTINGS))
def test_logrank_is_that_of_the_plain_version(trial, stratified, weighting):
    time, event, group, stratum, *_ = trial
    strata = stratum if stratified else None

    assert same(*both_ways(logrank, time, event, group, strata=strata, weights=weighting))


@pytest.mark.law
@given(trials, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["efron", "breslow"]))
def test_cox_is_that_of_the_plain_version(trial, stratified, weighted, clustered, ties):
    time, event, group, stratum, weight, x = trial
    covariates = np.column_stack([x, [one == "b" for one in group]])

    plain, found = both_ways(
        cox, time, event, covariates,
        strata=stratum if stratified else None,
        weights=weight if weighted else None,
        cluster=np.arange(len(time)) if clustered else None,
        ties=ties,
    )  # fmt: skip

    if clustered and isinstance(plain, dict) and isinstance(found, dict):
        # clusters may sum to no variance but that of rounding, of which nothing is to be told
        told = ("log_hazard_ratio", "covariance", "log_likelihood")
        plain, found = ({name: one[name] for name in told} for one in (plain, found))
    # a likelihood that is all but flat has its summit where rounding puts it
    assert same(plain, found, rel=1e-6, floor=1e-6)


@pytest.mark.law
@given(trials)
@example(  # a likelihood that rises without end, though differences of sums hide it far out
    [(1, 2, 4.5, 1, 2, 2, 4.5, 1, 4.5), (0, 0, 1, 0, 1, 1, 1, 1, 1), "aaaaaaaaa",
     (3, 5, 9, 3, 3, 5, 5, 5, 9), (1.0,) * 9, (3, 2, 3, 0, -2, 1, -3, -1, 3)],
)  # fmt: skip
def test_delayed_entry_is_that_of_the_plain_version(trial):
    time, event, group, stratum, _, x = trial
    late = {"entry": np.array(time) / 2, "strata": stratum}

    assert same(*both_ways(kaplan_meier, time, event, entry=late["entry"]))
    assert same(*both_ways(logrank, time, event, group, **late))
    assert same(*both_ways(cox, time, event, x, **late), rel=1e-6, floor=1e-6)


@pytest.mark.law
@given(
    trials, st.booleans(), st.sampled_from(["efron", "breslow"]),
    st.lists(st.floats(-2, 2) | st.sampled_from([-400.0, 150.0]), min_size=2, max_size=2),
)  # fmt: skip
@example(  # nobody's hazard but that of the first stratum is above exp(-500)
    list(zip((0.0, False, "a", 3, 1.0, 1), (0.0, True, "a", 5, 1.0, 2))), False, "efron", [-400, 0]
)
def test_likelihood_is_that_of_the_plain_version_at_any_coefficients(trial, weighted, ties, beta):
    time, event, group, stratum, weight, x = trial
    assume(any(event))
    z = np.column_stack([x, [one == "b" for one in group]]).astype(float)
    rows = observations(time, event, weights=weight if weighted else None)
    codes = coded("strata", stratum)[1]
    frame = Frame(mean=np.zeros(2), scale=np.ones(2), low=z.min(0), high=z.max(0))

    plain = likelihood(cox_data(rows, z, stratum=codes, ties=ties), np.array(beta))
    with loops():
        data = ordered_cox(rows, z, frame, stratum=codes, ties=ties)
        found = ordered_likelihood(data, np.array(beta))

    if np.abs(beta).max() < 100:
        size = 1 + np.abs(plain.information).max()
        assert found.value == pytest.approx(plain.value, rel=1e-12, abs=1e-11)
        assert found.score == pytest.approx(plain.score, rel=1e-11, abs=1e-11 * size)
        assert found.information == pytest.approx(plain.information, rel=1e-11, abs=1e-11 * size)
    elif np.isfinite(plain.value):  # far out, where hazards are taken relative to the greatest
        assert found.value == pytest.approx(plain.value, rel=1e-9, abs=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("case", [one for one in REFERENCE["models"] if one["ties"] != "exact"])
def test_cox_in_loops_agrees_with_r(case):
    rows = DATA[case["data"]]
    columns = case["columns"] if isinstance(case["columns"], list) else [case["columns"]]
    with loops():
        found = cox(
            rows["time"],
            rows["event"],
            np.column_stack([rows[name] for name in columns]),
            strata=rows["strata"] if case["stratified"] else None,
            entry=rows["entry"] if case["entry"] else None,
            weights=rows["weights"] if case["weighted"] else None,
            cluster=rows["cluster"] if case["clustered"] else None,
            ties=case["ties"],
        )

    expected = np.atleast_1d(case["log_hazard_ratio"])
    assert found.log_hazard_ratio == pytest.approx(expected, rel=1e-9)
    assert found.covariance == pytest.approx(np.array(case["covariance"]), rel=1e-9, abs=1e-13)
    assert found.log_likelihood == pytest.approx(case["log_likelihood"], rel=1e-12)


@pytest.mark.reference
@pytest.mark.parametrize("case", REFERENCE["ranks"])
def test_logrank_in_loops_agrees_with_r(case):
    rows = DATA[case["data"]]
    group = np.array(rows["group"])
    labels = case["groups"] if group.dtype.kind == "U" else [int(one) for one in case["groups"]]
    with loops():
        found = logrank(
            rows["time"], rows["event"], group,
            strata=rows["strata"] if case["stratified"] else None,
            groups=labels, weights=("fleming-harrington", case["rho"], 0.0),
        )  # fmt: skip

    assert found.expected == pytest.approx(np.array(case["expected"]), rel=1e-10)
    assert found.chi_square == pytest.approx(case["chi_square"], rel=1e-10)


def virtual_trial(n):
    random = np.random.default_rng(5)
    x = np.column_stack([random.integers(0, 2, n), random.normal(size=n)])
    time = np.ceil(random.exponential(300 * np.exp(0.5 * x[:, 0])))
    return time, random.random(n) < 0.7, x


def test_as_many_rows_as_are_sent_through_the_loops_by_themselves():
    n = ordering.LARGE + 17
    time, event, x = virtual_trial(n)
    arm = np.where(x[:, 0] == 1, "Lu", "control")
    questions = (
        (kaplan_meier, (time, event)),
        (logrank, (time, event, arm)),
        (cox, (time, event, x)),
    )

    for question, arguments in questions:
        found = outcome(question, *arguments)
        with loops(rows=10 * n):
            assert same(outcome(question, *arguments), found, rel=1e-12)


def test_what_has_no_answer_is_refused_in_the_same_words():
    rows = [1, 6, 4, 3, 4, 2], [1, 1, 0, 1, 1, 0]
    for x in ([1, 0, 0, 0.00045579, 0.00045579, 0], [1e300, 0, 1e300, 0, 0, 0], [7] * 6):
        plain, found = both_ways(cox, *rows, x)
        assert isinstance(plain, str)
        assert found == plain


def test_the_number_of_cores_changes_no_digit():
    time, event, x = virtual_trial(5000)
    with loops(piece=300, cores=1):
        alone = cox(time, event, x), kaplan_meier(time, event)
    with loops(piece=300, cores=4):
        shared = cox(time, event, x), kaplan_meier(time, event)

    assert shared[0].log_hazard_ratio.tolist() == alone[0].log_hazard_ratio.tolist()
    assert shared[0].covariance.tolist() == alone[0].covariance.tolist()
    assert shared[1].survival.tolist() == alone[1].survival.tolist()


def test_memory_of_any_layout_is_taken_and_left_as_it_was():
    time, event, x = virtual_trial(400)
    kept = time.copy(), event.copy(), x.copy()
    series, columns, locked = pl.Series(time), np.asfortranarray(x), event[::-1][::-1]
    locked.flags.writeable = False
    with loops():
        expected = cox(time, event, x)
        found = cox(series, locked, columns)
        by_two = cox(time[::2], event[::2], x[::2])
        doubled = cox(time[::2].copy(), event[::2].copy(), x[::2].copy())

    assert found.log_hazard_ratio.tolist() == expected.log_hazard_ratio.tolist()
    assert by_two.log_hazard_ratio.tolist() == doubled.log_hazard_ratio.tolist()
    assert all(np.array_equal(one, two) for one, two in zip((time, event, x), kept))


# --- times sorted once ----------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 10**9], ids=["loops", "plain"])
def test_sorted_times_stand_for_the_times_in_every_question(rows):
    time, event, x = virtual_trial(300)
    arm, strata = x[:, 0], np.arange(300) % 3
    with loops(rows=rows):
        sorted_once = in_order(time)
        for question, more, options in (
            (kaplan_meier, (), {}),
            (kaplan_meier, (), {"entry": np.zeros(300)}),
            (nelson_aalen, (), {}),
            (logrank, (arm,), {"strata": strata}),
            (cox, (x,), {"strata": strata}),
            (restricted_mean, (), {"horizon": 100}),
        ):
            expected = outcome(question, time, event, *more, **options)
            found = outcome(question, sorted_once, event, *more, **options)
            assert same(expected, found, rel=1e-15)

    assert in_order(sorted_once) is sorted_once
    assert not np.shares_memory(sorted_once.time, time)
    assert np.asarray(sorted_once).tolist() == time.tolist()
    assert len(sorted_once) == 300
    assert time[sorted_once.row].tolist() == sorted_once.ascending.tolist()


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ([1, -1, np.nan], "time: 2 of 3 are negative, missing or infinite"),
        ([], "There are no rows"),
        (["a"], "time: holds text"),
    ],
)
def test_times_that_are_none_are_not_sorted(time, says):
    with pytest.raises(ValueError, match=says):
        in_order(time)


def test_sorted_times_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="Lengths differ: time 3, event 2"):
        kaplan_meier(in_order([1, 2, 3]), [1, 0])


# --- what small data is spared --------------------------------------------------------------------


def test_small_data_imports_neither_numba_nor_scipy_stats():
    code = (
        "import sys\n"
        "from radioligand.statistics.survival import cox, kaplan_meier, logrank\n"
        "time, event, arm = range(1, 201), [1, 1, 0] * 66 + [1, 0], [0, 1, 1, 0] * 50\n"
        "kaplan_meier(time, event); logrank(time, event, arm); cox(time, event, arm)\n"
        "print({'numba', 'scipy.stats', 'pandas', 'polars'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout == "set()\n"


def test_a_curve_and_its_median_do_not_wait_for_the_special_functions():
    code = (
        "import sys\n"
        "from radioligand.statistics.survival import kaplan_meier\n"
        "curve = kaplan_meier(range(1, 201), [1, 1, 0] * 66 + [1, 0])\n"
        "curve.median, curve.median_interval, curve.survival_at([50])\n"
        "print({'numba', 'scipy.special', 'polars'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout == "set()\n"


def test_loops_are_compiled_where_nothing_can_be_kept():
    from radioligand.statistics.kernels import compiled

    names = {}
    exec(compile("def half(x):\n    return x / 2", "no-such-folder/no-such-file", "exec"), names)

    assert compiled(names["half"])(5) == 2.5

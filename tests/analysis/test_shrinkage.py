# SPDX-License-Identifier: Apache-2.0
"""Tumour shrinkage: who shrank by how much until when, landmarks, groups, response systems."""

import json
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.analysis import analyse
from radioligand.analysis.shrinkage import shrank, spells
from radioligand.protocol import ProtocolError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "shrinkage.json").read_text())
READING = {"evaluation": "local", "until": "PFSI"}
LANDMARKS = [{"label": "180 days", "days": 180}]


# --- thresholds


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 100))
@settings(deadline=None)
@pytest.mark.law
def test_a_threshold_is_met_exactly_where_the_diameters_meet_it(baseline_mm, sum_mm, percent):
    change = 100.0 * (sum_mm - baseline_mm) / baseline_mm
    found = pl.DataFrame({"change": [change]}).select(shrank("change", percent=percent)).item()
    assert found == (Fraction(baseline_mm - sum_mm, baseline_mm) >= Fraction(percent, 100))


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("change", "met"),
    [
        (100 * (63 / 90 - 1), True),  # 90 to 63 mm; in binary a little short of -30
        (100 * (63 - 90) / 90, True),
        (100 * (63.001 - 90) / 90, False),
        (None, False),  # nobody has measured it
    ],
)
def test_ninety_to_sixty_three_millimetres_is_thirty_percent(change, met):
    frame = pl.DataFrame({"change": [change]}, schema={"change": pl.Float64})
    assert frame.select(shrank("change", percent=30)).item() is met


# --- landmarks


@pytest.fixture
def course(results_of, subjects, scans, dated, responses):
    """Ten subjects of one arm around a landmark on day 180, and a control who shrinks."""
    adam = {
        "ADSL": subjects(["LU"] * 10 + ["CONTROL"]),
        "ADTR": scans(
            *(("001", 84, -10.0), ("001", 168, -30.0), ("001", 252, -40.0)),
            ("002", 84, 5.0),
            ("003", 84, -5.0),
            ("004", 84, -20.0),
            ("006", 84, 8.0),
            ("007", 84, -50.0),
            *(("008", 168, -12.0), ("008", 190, -50.0)),
            ("009", 181, -9.0),
            *(("010", 180, -20.0), ("010", 260, -60.0)),
            ("011", 84, -35.0),
        ),
        "ADTTE": dated(
            ("001", 300, True),
            ("002", 168, True),
            ("003", 180, False),  # censored on the landmark: no longer at risk after it
            ("004", 180, True),
            ("005", 400, False),  # never measured
            ("006", 250, True),  # best response is progression
            ("008", 200, False),
            ("009", 500, True),  # first measured a day after the landmark
            ("010", 250, True),  # shrinks further when progression has been seen
            ("011", 400, True),
        ),
        "ADRS": responses(*((f"{i:03}", "BOR", None, "SD") for i in range(1, 6))).vstack(
            responses(("006", "BOR", None, "PD"))
        ),
    }

    def ask(**options: object):
        listed = {"kind": "shrinkage landmarks", "endpoint": "PFSI", "landmarks": LANDMARKS}
        return results_of(adam, {**listed, **READING, **options})

    return ask


@pytest.mark.by_hand
def test_at_a_landmark_each_is_analysed_or_has_one_reason(course):
    found, key = course(), {"arm": "LU", "variable": "day 180"}

    def left_out(reason: str) -> object:
        return found.value("excluded", level=reason, **key)

    assert left_out("no time to event") == 1  # 007
    assert left_out("event by then") == 2  # 002, 004
    assert left_out("no longer followed") == 1  # 003
    assert left_out("no measurement by then") == 2  # 005, 009
    assert left_out("best response is progression") == 1  # 006
    assert found.value("n", **key) == 3  # 001, 008, 010
    assert found.value("eligible", **key) == 6  # those three, 005, 006 and 009
    assert found.value("eligible_percent", **key) == 60
    assert found.value("events", **key) == 2


@pytest.mark.by_hand
def test_the_best_change_counts_up_to_the_landmark_and_without_limit_up_to_the_end(course):
    found = course()

    by_then, without = (
        {name: found.value(name, arm="LU", variable=moment) for name in ("median", "min", "max")}
        for moment in ("day 180", "no limit")
    )
    assert by_then == {"median": -20, "min": -30, "max": -12}  # -30, -12, -20
    # 001 -40, 002 5, 003 -5, 004 -20, 008 -50, 009 -9, 010 -20: what 010 did later is not counted
    assert without == {"median": -20, "min": -50, "max": 5}
    assert found.value("n", arm="LU", variable="no limit") == 7


@pytest.mark.by_hand
def test_the_analysis_without_limit_is_labelled_as_naive(course):
    found = course()
    assert found.text("label", variable="no limit") == "No limit (naive)"
    methods = found.of("hazard_ratio", arm="LU", variable="no limit")["method"].to_list()
    assert [method.split("; ")[1].split(":")[0] for method in methods] == ["naive"]


@pytest.mark.by_hand
def test_moments_that_are_not_asked_for_are_not_there(course):
    found = course(no_limit=False, time_dependent=False)
    assert found.of("label")["variable"].to_list() == ["day 180"]


@pytest.mark.by_hand
def test_an_arm_of_one_subject_has_no_hazard_ratio_and_says_why(course):
    found = course()
    told = found.text("hazard_ratio", arm="CONTROL", variable="day 180")
    assert told == "not estimable: shrinkage: is 35 in every row; leave it out."
    assert found.value("n", arm="CONTROL", variable="day 180") == 1


@pytest.mark.by_hand
def test_progression_as_the_paper_words_it_asks_growth_from_baseline_or_a_new_lesion(
    results_of, subjects, scans, dated, responses
):
    adam = {
        "ADSL": subjects(["LU"] * 5),
        "ADTR": scans(
            ("001", 84, 20.0),  # 20 % growth: progression
            ("002", 84, 19.9),
            *(("003", 84, -40.0), ("003", 168, -50.0)),  # a new lesion from the first scan on
            *(("004", 84, 0.0), ("004", 168, 25.0)),  # stable first
            *(("005", 84, 25.0), ("005", 168, -5.0)),
        ),
        "ADTTE": dated(*((f"{i:03}", 400, i % 2 == 0) for i in range(1, 6))),
        "ADRS": responses(("003", "NEWLES", 84, "Y"), ("004", "NEWLES", 168, "Y")),
    }
    listed = {"kind": "shrinkage landmarks", "endpoint": "PFSI", "landmarks": LANDMARKS, **READING}
    found = results_of(adam, {**listed, "progressive": "sum or new lesion"})

    reason = "best response is progression"
    assert found.value("excluded", arm="LU", variable="no limit", level=reason) == 2  # 001, 003
    assert found.value("n", arm="LU", variable="no limit") == 3


# --- a covariate that changes with time


@pytest.mark.by_hand
def test_time_is_parted_where_the_value_steps():
    sample = pl.DataFrame(
        {
            "USUBJID": ["a", "b"],
            "arm": ["LU", "LU"],
            "day": [100, 60],
            "time": [101.0, 61.0],
            "event": [True, False],
        }
    )
    steps = pl.DataFrame({"USUBJID": ["a", "a", "b"], "day": [50, 100, 60], "value": [10, 20, 5]})
    assert spells(sample, steps).rows() == [
        ("a", "LU", 0.0, 51.0, False, 0.0),
        ("a", "LU", 51.0, 101.0, True, 10.0),  # a step on the day of the event comes too late
        ("b", "LU", 0.0, 61.0, False, 0.0),
    ]


days = st.integers(1, 60)


@given(
    st.lists(st.tuples(days, st.booleans()), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), days, st.integers(-9, 9)), max_size=30),
)
@settings(deadline=None)
@pytest.mark.law
def test_parting_loses_neither_days_nor_events(ends, steps):
    sample = pl.DataFrame(
        [(f"{i}", "LU", day, float(day + 1), event) for i, (day, event) in enumerate(ends)],
        schema=["USUBJID", "arm", "day", "time", "event"],
        orient="row",
    )
    stepped = pl.DataFrame(
        [(f"{i}", day, value) for (i, day), value in {s[:2]: s[2] for s in steps}.items()],
        schema={"USUBJID": pl.String, "day": pl.Int64, "value": pl.Int64},
        orient="row",
    )
    parted = spells(sample, stepped)
    assert (parted["time"] - parted["entry"]).sum() == sample["time"].sum()
    assert parted["event"].sum() == sample["event"].sum()
    assert (parted["entry"] < parted["time"]).all()


# --- against R


@pytest.fixture
def trial(results_of, subjects, scans, dated, responses):
    """The subjects that R judged, as ADaM."""
    rows, seen = REFERENCE["subject"], REFERENCE["scans"]
    names = [f"{i:03}" for i in range(1, len(rows["arm"]) + 1)]
    adam = {
        "ADSL": subjects(rows["arm"]),
        "ADTR": scans(
            *(
                (names[subject - 1], day, change)
                for subject, day, change in zip(
                    seen["subject"], seen["day"], seen["change"], strict=True
                )
            )
        ),
        "ADTTE": dated(*zip(names, rows["day"], rows["event"], strict=True)),
        "ADRS": responses(*((name, "BOR", None, "SD") for name in names)),
    }

    def ask(kind: str, **options: object):
        return results_of(adam, {"kind": kind, "endpoint": "PFSI", **READING, **options})

    return ask


def ratio(found, **key: object) -> list[object]:
    names = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper", "cox_p")
    return [found.value(name, **key) for name in names]


@pytest.mark.reference
def test_landmarks_agree_with_r(trial):
    found = trial(
        "shrinkage landmarks",
        landmarks=[{"label": str(day), "days": day} for day in (150, 180, 252, 336)],
        probabilities={"months": [12], "shrinkage_percent": [0, 30]},
    )
    moments = ("day 150", "day 180", "day 252", "day 336", "no limit")
    for of_arm in REFERENCE["landmarks"]:
        for moment, case in zip(moments, of_arm, strict=True):
            key = {"arm": case["arm"], "variable": moment}
            for name in ("eligible", "n", "events"):
                assert found.value(name, **key) == case[name]
            best = [found.value(name, **key) for name in ("median", "min", "max")]
            assert best == pytest.approx(case["best"])
            assert ratio(found, **key) == pytest.approx(case["ratio"], rel=1e-7)
            names = ("event_probability", "event_probability_lower", "event_probability_upper")
            told = [
                found.value(name, level=level, time_days=12 * 30.4375, **key)
                for level in ("0", "30")
                for name in names
            ]
            assert told == pytest.approx(case["probability"], rel=1e-7)


@pytest.mark.reference
def test_time_dependent_shrinkage_agrees_with_r(trial):
    found = trial("shrinkage landmarks", landmarks=LANDMARKS)
    for arm, expected in REFERENCE["time_dependent"].items():
        told = ratio(found, arm=arm, variable="time-dependent")
        assert told == pytest.approx(expected, rel=1e-7)


@pytest.mark.reference
def test_response_systems_agree_with_r(trial):
    cases = REFERENCE["thresholds"]
    systems = [{"label": f"S{case['percent']}", "percent": case["percent"]} for case in cases]
    found = trial("shrinkage thresholds", systems=systems, landmark_days=180)
    for case in cases:
        percent = case["percent"]
        more, less, system = f"LU >= {percent}%", f"LU < {percent}%", f"S{percent}"
        pair = f"{more} v {less}"
        assert [found.value("n", arm=arm, variable=system) for arm in (more, less)] == case["n"]
        median = found.triple("median", arm=less, variable=system)
        assert median == pytest.approx(tuple(case["median_less"]))
        for level, expected in (
            ("naive", case["naive"]),
            ("landmark", case["landmark"]),
            ("time-dependent", case["time_dependent"]),
        ):
            key = {"arm": pair, "variable": system, "level": level}
            if "Inf" in expected:  # R too has no answer: no event among those who shrank early
                assert "no events in arm LU >= 30%" in str(found.text("hazard_ratio", **key))
            else:
                assert ratio(found, **key) == pytest.approx(expected, rel=1e-7)


@pytest.mark.by_hand
def test_a_subject_changes_group_on_the_day_the_shrinkage_is_seen(
    results_of, subjects, scans, dated
):
    adam = {
        "ADSL": subjects(["LU"] * 4),
        "ADTR": scans(
            *(("001", 84, -10.0), ("001", 168, -30.0)),
            ("002", 84, -50.0),
            ("003", 84, -40.0),  # on the day of its event
        ),
        "ADTTE": dated(
            ("001", 300, True), ("002", 200, False), ("003", 84, True), ("004", 250, True)
        ),
    }
    systems = [{"label": "S", "percent": 30}]
    listed = {"kind": "shrinkage thresholds", "endpoint": "PFSI", "systems": systems, **READING}
    found = results_of(adam, {**listed, "landmark_days": 100})

    def events(level: str) -> list[object]:
        arms = ("LU >= 30%", "LU < 30%")
        return [found.value("events", arm=arm, variable="S", level=level) for arm in arms]

    assert events("naive") == [2, 1]  # 001 and 003; 004
    assert events("landmark") == [0, 2]  # by day 100 only 002 had shrunk; 003 is not at risk
    assert events("time-dependent") == [1, 2]  # 003's shrinkage comes too late for its event


@pytest.mark.law
def test_results_do_not_depend_on_the_order_of_rows(protocol_of, subjects, scans, dated, responses):
    rows, seen = REFERENCE["subject"], REFERENCE["scans"]
    names = [f"{i:03}" for i in range(1, len(rows["arm"]) + 1)]
    changes = zip(seen["subject"], seen["day"], seen["change"], strict=True)
    adam = {
        "ADSL": subjects(rows["arm"]),
        "ADTR": scans(*((names[subject - 1], day, change) for subject, day, change in changes)),
        "ADTTE": dated(*zip(names, rows["day"], rows["event"], strict=True)),
        "ADRS": responses(
            *((name, code, None, "SD") for name in names for code in ("BOR", "CBOR"))
        ),
    }
    protocol = protocol_of(
        {"kind": "shrinkage landmarks", "endpoint": "PFSI", "landmarks": LANDMARKS, **READING},
        {"kind": "shrinkage groups", "endpoint": "PFSI", **READING},
        {
            "kind": "shrinkage thresholds",
            "endpoint": "PFSI",
            "systems": [{"label": "S", "percent": 13}],
            "landmark_days": 180,
            **READING,
        },
        {"kind": "shrinkage waterfall", **READING},
    )
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=7) for name, frame in adam.items()
    }
    once, again = (analyse(each, protocol=protocol) for each in (adam, shuffled))
    assert once.equals(again)


@pytest.mark.reference
def test_the_naive_ratio_makes_shrinkage_look_better_than_it_is(trial):
    found = trial(
        "shrinkage thresholds", systems=[{"label": "S", "percent": 25}], landmark_days=180
    )
    pair = "LU >= 25% v LU < 25%"
    naive, landmark, time_dependent = (
        found.value("hazard_ratio", arm=pair, variable="S", level=level)
        for level in ("naive", "landmark", "time-dependent")
    )
    assert naive < time_dependent < 1
    assert naive < landmark < 1
    assert "naive" in found.row("hazard_ratio", arm=pair, variable="S", level="naive")["method"]


@pytest.mark.law
def test_each_subject_is_counted_once_at_each_landmark_and_risk_sets_shrink(trial):
    days = (30, 90, 180, 300, 500)
    found = trial(
        "shrinkage landmarks", landmarks=[{"label": str(day), "days": day} for day in days]
    )
    for arm, size in (("LU", 60), ("CONTROL", 30)):
        at_risk = []
        for day in days:
            key = {"arm": arm, "variable": f"day {day}"}
            left_out = found.of("excluded", **key)["value"].sum()
            assert left_out + found.value("n", **key) == size
            at_risk.append(found.value("eligible", **key))
        assert at_risk == sorted(at_risk, reverse=True)


# --- the two groups


@pytest.mark.by_hand
def test_groups_are_by_intention_to_treat(results_of, subjects, scans, dated):
    adam = {
        "ADSL": subjects(["LU"] * 4 + ["CONTROL"], AGE=[40.0, 50.0, 60.0, 70.0, 80.0]),
        "ADTR": scans(
            ("001", 84, -30.0), ("002", 84, -29.99), ("003", 84, 10.0), ("005", 84, -80.0)
        ),
        "ADTTE": dated(
            ("001", 199, True),
            ("002", 99, True),
            ("003", 299, True),
            ("004", 399, False),
            ("005", 50, True),
        ).vstack(dated(("001", 499, False), ("002", 599, True), name="OS")),
    }
    groups = {"kind": "shrinkage groups", "endpoint": "PFSI", "percent": 30, **READING}
    table = {"kind": "shrinkage baseline", "variables": ["AGE"], "percent": 30, **READING}
    found = results_of(adam, {**groups, "id": "pfs"}, {**table, "id": "age"})
    pfs = type(found)(found.frame.filter(analysis="pfs"))
    age = type(found)(found.frame.filter(analysis="age"))

    assert [pfs.value("n", arm=arm) for arm in ("LU >= 30%", "LU < 30%")] == [1, 3]
    assert pfs.value("events", arm="LU < 30%") == 2
    assert pfs.value("missing", arm="LU < 30%") == 1  # 004 was never measured
    # times 100, 300 and 400 censored: half are left from day 300 on
    assert pfs.value("median", arm="LU < 30%") == pytest.approx(300 / 30.4375)
    assert set(pfs.frame["arm"].drop_nulls()) == {"LU >= 30%", "LU < 30%"}
    assert age.value("median", arm="LU >= 30%", variable="AGE") == 40
    assert age.value("median", arm="LU < 30%", variable="AGE") == 60


@pytest.mark.by_hand
def test_another_endpoint_is_analysed_in_groups_made_until_progression(
    results_of, subjects, scans, dated
):
    adam = {
        "ADSL": subjects(["LU", "LU"]),
        "ADTR": scans(("001", 84, -10.0), ("001", 200, -60.0), ("002", 84, -35.0)),
        "ADTTE": dated(("001", 150, True), ("002", 150, True)).vstack(
            dated(("001", 700, True), ("002", 800, False), name="OS")
        ),
    }
    found = results_of(
        adam, {"kind": "shrinkage groups", "endpoint": "OS", "percent": 30, **READING}
    )
    assert found.value("events", arm="LU < 30%") == 1  # 001 shrank only when it had progressed
    assert found.value("events", arm="LU >= 30%") == 0


@pytest.mark.by_hand
def test_arms_that_are_named_are_parted_instead_of_the_experimental_ones(trial):
    found = trial("shrinkage groups", arms=["CONTROL"])
    arms = found.of("n")["arm"].to_list()
    assert arms == ["CONTROL >= 30%", "CONTROL < 30%"]
    assert sum(found.of("n")["value"]) == 30


# --- what cannot be answered, what is refused


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("dataset", "columns", "says"),
    [
        ("ADTR", None, "the study has no ADTR"),
        ("ADTR", ["PCHG"], "ADTR has no PCHG"),
        ("ADTTE", ["STARTDT"], "ADTTE has no STARTDT"),
        ("ADRS", None, "the study has no ADRS"),
    ],
)
def test_what_the_data_lack_is_said(
    results_of, subjects, scans, dated, responses, dataset, columns, says
):
    adam = {
        "ADSL": subjects(["LU"]),
        "ADTR": scans(("001", 84, -10.0)),
        "ADTTE": dated(("001", 300, True)),
        "ADRS": responses(("001", "BOR", None, "SD")),
    }
    lacking = {name: frame for name, frame in adam.items() if columns or name != dataset}
    if columns:
        lacking[dataset] = adam[dataset].drop(columns)
    listed = {"kind": "shrinkage landmarks", "endpoint": "PFSI", "landmarks": LANDMARKS, **READING}
    assert results_of(lacking, listed).text("not_available") == says


@pytest.mark.by_hand
def test_an_endpoint_without_dates_is_told_with_its_subjects(results_of, subjects, scans, dated):
    adam = {
        "ADSL": subjects(["LU", "LU"]),
        "ADTR": scans(("001", 84, -10.0)),
        "ADTTE": dated(("001", 300, True), ("002", 300, True)).with_columns(
            ADT=pl.when(pl.col("USUBJID") == "001").then("ADT")
        ),
    }
    found = results_of(adam, {"kind": "shrinkage groups", "endpoint": "PFSI", **READING})
    told = "1 of 2 ADTTE records of PFSI lack STARTDT or ADT (002)"
    assert found.text("not_available") == told


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"until": "PFSX"}, "there is no endpoint 'PFSX'"),
        ({"endpoint": "OSX"}, "there is no endpoint 'OSX'"),
        ({"evaluation": "both"}, "there is no evaluation 'both'"),
        ({"landmarks": [*LANDMARKS, *LANDMARKS]}, "2 entries share this days"),
        ({"landmarks": [{"label": "now", "days": 0}]}, "greater than or equal to 1"),
        ({"landmarks": []}, "at least 1 item"),
    ],
)
def test_a_protocol_with_a_fault_is_refused(protocol_of, changed, says):
    listed = {"kind": "shrinkage landmarks", "endpoint": "PFSI", "landmarks": LANDMARKS, **READING}
    with pytest.raises(ProtocolError, match=says):
        protocol_of({**listed, **changed})


@pytest.mark.by_hand
def test_an_arm_that_is_not_there_and_a_threshold_beyond_everything_are_refused(protocol_of):
    listed = {"kind": "shrinkage groups", "endpoint": "PFSI", **READING}
    with pytest.raises(ProtocolError, match="there is no arm 'PLACEBO'"):
        protocol_of({**listed, "arms": ["PLACEBO"]})
    with pytest.raises(ProtocolError, match="less than or equal to 100"):
        protocol_of({**listed, "percent": 101})


@pytest.mark.by_hand
def test_endpoints_that_start_on_different_days_are_refused(protocol_of):
    endpoints = [
        {
            "id": name,
            "label": name,
            "start": {"says": "Start", "dataset": "ADSL", "date": start},
            "events": [{"says": "Death", "dataset": "ADSL", "date": "DTHDT"}],
            "censors": [
                {"says": "Alive", "because": "Alive", "dataset": "ADSL", "date": "LSTALVDT"}
            ],
        }
        for name, start in (("PFSI", "RANDDT"), ("OS", "TRTSDT"))
    ]
    listed = {"kind": "shrinkage groups", "endpoint": "OS", **READING}
    with pytest.raises(ProtocolError, match="OS and PFSI start on different days"):
        protocol_of(listed, endpoints=endpoints)

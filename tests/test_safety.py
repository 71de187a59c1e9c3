# SPDX-License-Identifier: Apache-2.0
"""Adverse events and laboratory values: worked by hand, against public cases, and by their laws."""

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.protocol import parse_protocol
from radioligand.safety import (
    combined_grade,
    derive_adae,
    derive_adlb,
    grade,
    treatment_emergent,
    with_baseline,
)
from radioligand.safety.ctcae import version_of
from radioligand.safety.ctcae_table import CRITERIA

UNTIMED = settings(deadline=None, max_examples=50)
CASES = Path(__file__).parents[2] / "shared" / "conformance" / "cases"


def cases(name: str, keep=lambda case: True) -> list:
    """Return the public cases of a file, or none where they are not at hand."""
    path = CASES / f"{name}.json"
    found = json.loads(path.read_text())["cases"] if path.exists() else []
    return [pytest.param(case, id=case["test"]) for case in found if keep(case)]


def protocol(**safety):
    table = {"grading": "CTCAE 5.0", "dictionary": "MedDRA 26.0", "days_after_last_dose": 30}
    return parse_protocol(
        {
            "document": 1,
            "trial": {
                "id": "small", "name": "Small", "title": "A small trial", "registry": "none",
                "phase": 3, "design": "randomised",
            },
            "arms": [
                {"id": "LU", "label": "Lu", "short": "Lu", "ratio": 1, "role": "experimental"}
            ],
            "data": {
                "randomised": {"dataset": "DS", "date": "DSSTDTC"},
                "first_treatment": {"dataset": "EX", "date": "EXSTDTC"},
                "last_treatment": {"dataset": "EX", "date": "EXSTDTC"},
                "death": {"dataset": "DM", "date": "DTHDTC"},
            },
            "populations": [
                {
                    "id": "all", "flag": "FASFL", "label": "All", "analysed_as": "randomised",
                    "holds": {"field": "RANDDT", "known": True},
                }
            ],
            "safety": table | safety,
        }
    )  # fmt: skip


def adsl(**dates: date | None) -> pl.DataFrame:
    given = {"RANDDT": date(2020, 1, 10), "TRTSDT": date(2020, 1, 20), "TRTEDT": date(2020, 6, 1)}
    given |= {"DTHDT": None, "CUTDT": None} | dates
    return pl.DataFrame(
        {"USUBJID": ["01"], "TRT01P": ["LU"], "TRT01A": ["LU"]}
        | {name: pl.Series([day], dtype=pl.Date) for name, day in given.items()}
    )


def ae(*rows: tuple, **more) -> pl.DataFrame:
    """Rows of AEDECOD, AESTDTC, AEENDTC, AETOXGR."""
    columns = ["AEDECOD", "AESTDTC", "AEENDTC", "AETOXGR"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    number = pl.int_range(1, pl.len() + 1)
    named = {name: pl.lit(value) for name, value in more.items()}
    return frame.with_columns(USUBJID=pl.lit("01"), AESEQ=number, AEBODSYS=pl.lit("A"), **named)


# -- adverse events --------------------------------------------------------------------------


@pytest.mark.by_hand
def test_the_period_runs_from_randomisation_to_thirty_days_after_the_last_dose():
    events = ae(
        ("Nausea", "2020-01-09", None, "1"),  # the day before randomisation
        ("Nausea", "2020-01-10", None, "1"),
        ("Nausea", "2020-07-01", None, "1"),  # 30 days after 1 June
        ("Nausea", "2020-07-02", None, "1"),
    )

    found = derive_adae(events, adsl(), protocol=protocol())

    assert found["TRTEMFL"].to_list() == [None, "Y", "Y", None]


@pytest.mark.by_hand
def test_the_period_may_begin_with_the_first_dose():
    events = ae(("Nausea", "2020-01-19", None, "1"), ("Nausea", "2020-01-20", None, "1"))

    found = derive_adae(events, adsl(), protocol=protocol(**{"from": "first dose"}))

    assert found["TRTEMFL"].to_list() == [None, "Y"]


@pytest.mark.by_hand
def test_who_was_never_treated_has_no_treatment_emergent_event():
    events = ae(("Nausea", "2020-02-01", None, "1"))
    untreated = adsl(TRTSDT=None, TRTEDT=None)
    assert derive_adae(events, untreated, protocol=protocol())["TRTEMFL"].to_list() == [None]


@pytest.mark.by_hand
def test_a_partial_start_is_completed_to_the_period_where_it_can_be():
    events = ae(
        ("A", "2020-01", None, "1"),  # randomised in that month, on the 10th
        ("B", "2019-12", None, "1"),
        ("C", "2020", None, "1"),
        ("D", None, None, "1"),
        ("E", "2020-02-03", "2020-03", "1"),
    )
    found = derive_adae(events, adsl(DTHDT=date(2020, 3, 20)), protocol=protocol()).sort("AESEQ")

    assert found["ASTDT"].to_list() == [
        date(2020, 1, 10), date(2019, 12, 1), date(2020, 1, 10), None, date(2020, 2, 3),
    ]  # fmt: skip
    assert found["ASTDTF"].to_list() == ["D", "D", "M", None, None]
    assert found["AENDT"].to_list() == [None, None, None, None, date(2020, 3, 20)]
    assert found["TRTEMFL"].to_list() == ["Y", None, "Y", "Y", "Y"]


@pytest.mark.by_hand
def test_flags_of_first_and_worst_events():
    events = ae(
        ("Nausea", "2020-02-01", None, "1"),
        ("Nausea", "2020-02-05", None, "3"),
        ("Nausea", "2020-03-01", None, "3"),
        ("Anaemia", "2020-02-03", None, "2"),
        ("Anaemia", "2019-02-03", None, "4"),  # before the trial: no flag at all
    )
    found = derive_adae(events, adsl(), protocol=protocol()).sort("AESEQ")

    assert found["AOCCFL"].to_list() == ["Y", None, None, None, None]
    assert found["AOCCPFL"].to_list() == ["Y", None, None, "Y", None]
    assert found["AOCCIFL"].to_list() == [None, "Y", None, None, None]
    assert found["AOCCPIFL"].to_list() == [None, "Y", None, "Y", None]
    assert found["ATOXGRN"].to_list() == [1, 3, 3, 2, 4]


@pytest.mark.by_hand
def test_queries_know_terms_and_their_lowest_grades():
    queries = [
        {"id": "blood", "label": "Blood", "min_grade": 3, "terms": ["Anaemia"],
         "lower_grade": {"Thrombocytopenia": 2}},
        {"id": "gut", "label": "Gut", "terms": ["Nausea"]},
    ]  # fmt: skip
    events = ae(
        ("anaemia", "2020-02-01", None, "3"),
        ("Anaemia", "2020-02-01", None, "2"),
        ("Thrombocytopenia", "2020-02-01", None, "2"),
        ("Thrombocytopenia", "2020-02-01", None, None),
        ("Nausea", "2020-02-01", None, None),
    )
    found = derive_adae(events, adsl(), protocol=protocol(queries=queries)).sort("AESEQ")

    assert found["CQ01NAM"].to_list() == ["Blood", None, "Blood", None, None]
    assert found["CQ02NAM"].to_list() == [None, None, None, None, "Gut"]


@pytest.mark.by_hand
def test_columns_of_the_overview_are_there_even_if_the_study_lacks_them():
    rows = [{"id": "lu", "label": "Lu", "holds": {"field": "AERELLU", "equals": "Y"}}]
    found = derive_adae(
        ae(("Nausea", "2020-02-01", None, "1")), adsl(), protocol=protocol(overview=rows)
    )
    assert found["AERELLU"].to_list() == [None]


@pytest.mark.by_hand
def test_a_grade_that_rose_in_the_period_counts():
    events = ae(
        ("Nausea", "2019-12-01", None, "3"),
        ("Nausea", "2019-12-01", "2019-12-31", "3"),
        ("Nausea", "2019-12-01", None, "1"),
        AEITOXGR="1",
    )
    found = derive_adae(events, adsl(), protocol=protocol()).sort("AESEQ")
    assert found["TRTEMFL"].to_list() == ["Y", None, None]


day = st.one_of(st.none(), st.dates(date(2019, 11, 1), date(2020, 12, 1)))
event = st.tuples(st.sampled_from(["A", "B"]), day, st.integers(1, 5))


@pytest.mark.law
@UNTIMED
@given(st.lists(event, min_size=1, max_size=12), st.randoms())
def test_the_order_of_rows_does_not_matter(drawn, random):
    rows = [(term, when and when.isoformat(), None, str(worst)) for term, when, worst in drawn]
    events = ae(*rows)
    shuffled = events.sample(fraction=1, shuffle=True, seed=random.randint(0, 99))

    found = derive_adae(events, adsl(), protocol=protocol())

    assert_frame_equal(derive_adae(shuffled, adsl(), protocol=protocol()), found)


@pytest.mark.law
@UNTIMED
@given(st.lists(event, min_size=1, max_size=12))
def test_flags_stand_on_treatment_emergent_events_once_a_term(drawn):
    rows = [(term, when and when.isoformat(), None, str(worst)) for term, when, worst in drawn]
    found = derive_adae(ae(*rows), adsl(), protocol=protocol())
    emergent = found.filter(pl.col("TRTEMFL") == "Y")
    for flag, keys in (("AOCCFL", ["USUBJID"]), ("AOCCPIFL", ["USUBJID", "AEDECOD"])):
        flagged = found.filter(pl.col(flag) == "Y").select("TRTEMFL", *keys)
        assert sorted(flagged.rows()) == sorted(emergent.select("TRTEMFL", *keys).unique().rows())
    worst = emergent.group_by("AEDECOD").agg(pl.col("ATOXGRN").max())
    told = found.filter(pl.col("AOCCPIFL") == "Y").select("AEDECOD", "ATOXGRN")
    assert_frame_equal(told, worst, check_row_order=False)


def test_refuses_a_protocol_without_safety():
    without = protocol().model_copy(update={"safety": None})
    with pytest.raises(ValueError, match=r"no \[safety\]"):
        derive_adae(ae(("Nausea", "2020-02-01", None, "1")), adsl(), protocol=without)


@pytest.mark.conformance
@pytest.mark.parametrize("case", cases("var_trtemfl"))
def test_treatment_emergent_as_in_admiral(case):
    arguments = dict(case["args"])
    rows = pl.DataFrame(arguments.pop("arg1"), infer_schema_length=None)
    times = ("ASTDTM", "AENDTM", "TRTSDTM", "TRTEDTM")
    rows = rows.with_columns(pl.col(time).str.to_datetime() for time in times)
    emergent = treatment_emergent(
        start="ASTDTM",
        end="AENDTM",
        period_start="TRTSDTM",
        period_end="TRTEDTM",
        days_after=arguments.get("end_window"),
        grade=arguments.get("intensity"),
        grade_before=arguments.get("initial_intensity"),
        episode=("USUBJID", arguments["group_var"]) if "group_var" in arguments else (),
        whole_days=arguments.get("ignore_time_for_trt_end", True),
    )
    flag = arguments.get("new_var", "TRTEMFL")
    keys = ["USUBJID", "ASTDTM", "AENDTM", "AETOXGR"]

    found = rows.select(*keys, pl.when(emergent).then(pl.lit("Y")).alias(flag))

    expected = pl.DataFrame(case["expected"], infer_schema_length=None).with_columns(
        pl.col(time).str.to_datetime() for time in times
    )
    assert_frame_equal(found.sort(keys), expected.select(*keys, flag).sort(keys))


# -- laboratory ------------------------------------------------------------------------------


def lb(test: str, *rows: tuple[str, float | None], low=None, high=None, unit=None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "USUBJID": "01",
            "LBTESTCD": test,
            "LBDTC": [when for when, _ in rows],
            "LBSTRESN": pl.Series([value for _, value in rows], dtype=pl.Float64),
            "LBSTRESU": pl.Series([unit] * len(rows), dtype=pl.String),
            "LBSTNRLO": pl.Series([low] * len(rows), dtype=pl.Float64),
            "LBSTNRHI": pl.Series([high] * len(rows), dtype=pl.Float64),
            "LBSEQ": range(1, len(rows) + 1),
        }
    )


@pytest.mark.by_hand
def test_baseline_is_the_last_value_up_to_the_first_dose():
    values = lb(
        "PLAT",
        ("2020-01-02", 200.0),
        ("2020-01-20T08:00", 180.0),  # on the day of the first dose
        ("2020-02-20", 60.0),
        ("2020-03-20", None),  # not done: no row
        ("2020-04-20", 45.0),
        ("2020-05-20", 45.0),
        low=150.0,
        high=400.0,
        unit="10^9/L",
    )
    found = derive_adlb(values, adsl(), protocol=protocol())

    assert found["ABLFL"].to_list() == [None, "Y", None, None, None]
    assert found["BASE"].to_list() == [180.0] * 5
    assert found["CHG"].to_list() == [None, None, -120.0, -135.0, -135.0]
    assert found["PCHG"].to_list() == [None, None, pytest.approx(-200 / 3), -75.0, -75.0]
    assert found["ATOXGRL"].to_list() == ["0", "0", "2", "3", "3"]
    assert found["ATOXGR"].to_list() == ["0", "0", "-2", "-3", "-3"]
    assert found["WORSTLFL"].to_list() == [None, None, None, "Y", None]
    assert found["ANRIND"].to_list() == ["NORMAL", "NORMAL", "LOW", "LOW", "LOW"]
    assert found["ADY"].to_list() == [-18, 1, 32, 92, 122]
    assert found["BTOXGRL"].to_list() == ["0"] * 5
    assert found["ONTRTFL"].to_list() == [None, None, "Y", "Y", "Y"]


@pytest.mark.by_hand
def test_values_count_as_under_treatment_until_30_days_after_the_last_dose():
    values = lb("PLAT", ("2020-01-20", 200.0), ("2020-01-21", 1.0), ("2020-07-01", 1.0),
                ("2020-07-02", 1.0), low=150.0, high=400.0, unit="10^9/L")  # fmt: skip
    found = derive_adlb(values, adsl(), protocol=protocol())
    untreated = derive_adlb(values, adsl(TRTSDT=None, TRTEDT=None), protocol=protocol())

    assert found["ONTRTFL"].to_list() == [None, "Y", "Y", None]
    assert untreated["ONTRTFL"].to_list() == [None] * 4


@pytest.mark.by_hand
def test_a_raised_baseline_moves_the_limits_of_version_5_alone():
    values = lb("ALT", ("2020-01-02", 60.0), ("2020-02-20", 130.0), low=5.0, high=40.0, unit="U/L")

    five = derive_adlb(values, adsl(), protocol=protocol())
    four = derive_adlb(values, adsl(), protocol=protocol(grading="CTCAE 4.03"))

    assert five["ATOXGRH"].to_list() == ["0", "1"]  # 130 is 2.2 times the baseline of 60
    assert four["ATOXGRH"].to_list() == ["1", "2"]  # and 3.25 times the upper limit of 40


@pytest.mark.by_hand
def test_an_unknown_unit_is_not_graded_and_conventional_units_convert():
    for unit, value, graded in (("g/L", 79.0, "3"), ("g/dL", 7.9, "3"), ("mmol/L", 4.9, None)):
        low = 12.0 if unit == "g/dL" else 120.0
        values = lb("HGB", ("2020-02-20", value), low=low, high=2 * low, unit=unit)
        found = derive_adlb(values, adsl(), protocol=protocol())
        assert found["ATOXGRL"].to_list() == [graded], unit


@pytest.mark.by_hand
def test_a_grading_without_a_table_gives_no_grades():
    values = lb("ALT", ("2020-02-20", 900.0), high=40.0)
    found = derive_adlb(values, adsl(), protocol=protocol(grading="DAIDS 2.1"))
    assert found.select("AVAL", "ATOXGRH", "ATOXGR", "WORSTHFL").row(0) == (900, None, None, None)


def test_refuses_two_baselines():
    rows = pl.DataFrame(
        {"USUBJID": ["01", "01"], "PARAMCD": "ALT", "AVAL": [1.0, 2.0], "ABLFL": ["Y", "Y"]}
    )
    with pytest.raises(ValueError, match=r"1 groups have more than one baseline.*01, ALT"):
        with_baseline(rows, by=("USUBJID", "PARAMCD"))


@pytest.mark.law
@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda one: f"{one.term} {one.versions}")
def test_grades_grow_with_the_distance_from_normal(criterion):
    values = [0.01 * step for step in range(1, 400)] + [float(step) for step in range(4, 1000)]
    rows = pl.DataFrame(
        {
            "TERM": criterion.term, "AVAL": values, "AVALU": criterion.unit or "U/L",
            "ANRLO": 140.0 if criterion.unit == "g/L" else 2.0, "ANRHI": 150.0, "BASE": 1e6,
            "BNRIND": "NORMAL",
        }
    )  # fmt: skip
    version = criterion.versions[-1]
    graded = rows.select(grade(criterion.direction, term="TERM", version=version)).to_series()
    numbers = graded.cast(pl.Int64).drop_nulls().to_list()
    assert len(numbers) > 900
    assert numbers == sorted(numbers, reverse=criterion.direction == "L")


@pytest.mark.law
def test_every_test_has_one_criterion_a_direction_and_version():
    keys = [
        (one.test, one.direction, one.fasting, version)
        for one in CRITERIA
        for version in one.versions
    ]
    assert sorted(set(keys)) == sorted(keys)
    named = [version_of(name) for name in ("CTCAE 4.03", "CTCAE v5.0", "CTCAE 6.0", "WHO")]
    assert named == [4, 5, 6, None]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("version", "grades"),
    [("4.03", "12234"), ("5.0", "12234"), ("6.0", "01123")],  # below 1.9 is below normal
)
def test_a_neutrophil_count_differs_by_a_whole_grade_from_version_5_to_6(version, grades):
    values = [("2020-02-20", value) for value in (1.7, 1.4, 1.0, 0.9, 0.4)]
    for unit, times in (("10^9/L", 1), ("10^3/uL", 1), ("/mm3", 1000)):
        rows = [(when, times * value) for when, value in values]
        counts = lb("NEUT", *rows, low=1.9 * times, high=7.5 * times, unit=unit)
        found = derive_adlb(counts, adsl(), protocol=protocol(grading=f"CTCAE {version}"))
        assert "".join(found["ATOXGRL"]) == grades, unit


@pytest.mark.by_hand
def test_limits_stated_in_conventional_units_are_taken_as_they_stand():
    # CTCAE says below 1.7 mmol/L, and below 30 mg/dL, which is 1.67
    for unit, value, worst in (("mmol/L", 1.69, "4"), ("mg/dL", 30.4, "3"), ("mg/dL", 29.0, "4")):
        values = lb("GLUC", ("2020-02-20", value), low=70.0, high=100.0, unit=unit)
        found = derive_adlb(values, adsl(), protocol=protocol())
        assert found["ATOXGRL"].to_list() == [worst], (unit, value)


@pytest.mark.by_hand
def test_a_glucose_taken_fasting_has_limits_of_its_own():
    values = lb(
        "GLUC", ("2020-02-20", 9.0), ("2020-03-20", 9.0), low=4.0, high=6.0, unit="mmol/L"
    ).with_columns(LBFAST=pl.Series(["Y", "N"]))
    found = derive_adlb(values, adsl(), protocol=protocol(grading="CTCAE 4.03"))
    assert found["ATOXGRH"].to_list() == ["2", "0"]


def of_ctcae(case) -> bool:
    """Tell the cases of CTCAE, in every version and unit; the others are of another grading."""
    return "CTCAEv" in case["test"]


@pytest.mark.conformance
@pytest.mark.parametrize("case", cases("ctcae_lab_grading", of_ctcae))
def test_laboratory_grades_as_in_admiral(case):
    direction = case["args"]["criteria_direction"]
    term = case["args"]["tox_description_var"]
    number = ("AVAL", "BASE", "ANRLO", "ANRHI", "PCHG")
    kinds = dict.fromkeys(number, pl.Float64)
    kinds |= dict.fromkeys(("AVALU", "BNRIND", term), pl.String)
    expected = pl.DataFrame(case["expected"], infer_schema_length=None)
    rows = expected.with_columns(
        (pl.col(name) if name in expected.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in kinds.items()
    )
    change = pl.col("AVAL") / (1 + pl.col("PCHG") / 100)  # fibrinogen is given by its change alone
    rows = rows.with_columns(BASE=pl.coalesce("BASE", change))
    version = int(case["test"].split("CTCAEv")[1][0])
    wanted = case["args"]["new_var"]

    found = rows.with_columns(FOUND=grade(direction, term=term, version=version))

    # a unit that converts is graded, though the case's table does not list it
    converts = (pl.col(term) == "Fibrinogen decreased") & (pl.col("AVALU") == "g/dL")
    differs = ~pl.col("FOUND").eq_missing(pl.col(wanted))
    wrong = found.filter(differs & ~converts.fill_null(False))
    assert wrong.to_dicts() == []


@pytest.mark.conformance
@pytest.mark.parametrize(
    "case", cases("ctcae_lab_grading", lambda case: case["fn"] == "derive_var_atoxgr")
)
def test_two_directions_in_one_grade_as_in_admiral(case):
    expected = pl.DataFrame(case["expected"], infer_schema_length=None)
    rows = expected.with_columns(
        pl.col("ATOXDSCL", "ATOXDSCH", "ATOXGRL", "ATOXGRH", "ATOXGR").cast(pl.String)
    )
    assert rows.select(combined_grade()).to_series().to_list() == rows["ATOXGR"].to_list()


@pytest.mark.conformance
@pytest.mark.parametrize("case", cases("var_base"))
def test_baseline_as_in_admiral(case):
    arguments = case["args"]
    rows = pl.DataFrame(arguments["arg1"], infer_schema_length=None)
    by = list(arguments["by_vars"].values())

    found = with_baseline(rows, by=by, value=arguments["source_var"])

    expected = pl.DataFrame(case["expected"], infer_schema_length=None)
    name = arguments["new_var"]
    assert found["BASE"].to_list() == expected[name].to_list()


@pytest.mark.law
@UNTIMED
@given(st.lists(st.floats(0.1, 500), min_size=1, max_size=8), st.randoms())
def test_laboratory_rows_may_come_in_any_order(values, random):
    days = [(date(2020, 1, 1) + timedelta(days=9 * i)).isoformat() for i in range(len(values))]
    rows = lb("PLAT", *zip(days, values), low=150.0, high=400.0, unit="10^9/L")
    found = derive_adlb(rows, adsl(), protocol=protocol())
    shuffled = rows.sample(fraction=1, shuffle=True, seed=random.randint(0, 99))
    assert_frame_equal(derive_adlb(shuffled, adsl(), protocol=protocol()), found)

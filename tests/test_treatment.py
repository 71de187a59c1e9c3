# SPDX-License-Identifier: Apache-2.0
"""Exposure: subjects worked by hand, units, plans, and what lies outside the protocol."""

import json
import tomllib
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.cdisc import DatasetError
from radioligand.protocol import parse_protocol
from radioligand.treatment import derive_adex, deviations, plans

UNTIMED = settings(deadline=None, max_examples=40)
CASES = Path(__file__).parents[2] / "shared" / "conformance" / "cases" / "param_exposure.json"
DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
NETTER_2 = parse_protocol(DOCUMENT)
LU, OCTREOTIDE, AMINO_ACIDS = "177LU-DOTATATE", "OCTREOTIDE LAR", "LYSINE-ARGININE 2.5%"


def adsl(*, death: date | None = None, cutoff: date | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "STUDYID": "N2",
            "USUBJID": ["L", "C"],
            "TRT01P": ["LU", "CONTROL"],
            "TRT01A": ["LU", "CONTROL"],
            "DTHDT": pl.Series([death, death], dtype=pl.Date),
            "CUTDT": pl.Series([cutoff, cutoff], dtype=pl.Date),
        }
    )


def ex(*rows: tuple, adjusted: bool = True) -> pl.DataFrame:
    """Rows of USUBJID, EXTRT, EXDOSE, EXDOSU, week (from 1 January 2020), then EPOCH, EXADJ."""
    start = date(2020, 1, 1)
    whole = [
        (
            *row[:4],
            (start + timedelta(days=round(7 * row[4]))).isoformat(),
            *(row[5:] or ("TREATMENT",)),
        )
        for row in rows
    ]
    names = ["USUBJID", "EXTRT", "EXDOSE", "EXDOSU", "EXSTDTC", "EPOCH", "EXADJ"]
    padded = [(*row, *[None] * (len(names) - len(row))) for row in whole]
    schema = dict.fromkeys(names, pl.String) | {"EXDOSE": pl.Float64}
    frame = pl.DataFrame(padded, schema=schema, orient="row")
    frame = frame.with_columns(EXSEQ=pl.int_range(1, pl.len() + 1))
    return frame if adjusted else frame.drop("EXADJ")


def lu(*weeks: float, amount: float = 7.4, unit: str = "GBq", epoch: str = "TREATMENT") -> list:
    return [("L", LU, amount, unit, week, epoch) for week in weeks]


def overall(adex: pl.DataFrame, epoch: str = "TREATMENT", subject: str = "L") -> dict:
    rows = adex.filter(PARCAT1="OVERALL", EPOCH=epoch, USUBJID=subject)
    return {(row["PARAMCD"], row["PARCAT2"]): row["AVAL"] for row in rows.to_dicts()}


@pytest.mark.by_hand
def test_the_plan_of_each_treatment():
    found = {(plan.arm, plan.treatment): plan for plan in plans(NETTER_2)}
    radioligand = found["LU", LU]
    assert radioligand[2:] == (7.4, "GBq", 4, 56, 56, 7)
    assert found["LU", AMINO_ACIDS].interval_days == 56  # given with each infusion
    assert found["LU", OCTREOTIDE].interval_days is None  # every 8 weeks, later every 4
    assert found["LU", OCTREOTIDE].last_days == 28
    assert found["CONTROL", OCTREOTIDE][2:] == (60.0, "mg", None, 28, 28, 0)


@pytest.mark.by_hand
def test_four_cycles_on_time_last_thirty_two_weeks():
    given_ = [
        *lu(0, 8, 16, 24),
        *(("L", OCTREOTIDE, 30.0, "mg", week) for week in (0, 8, 16, 24, 28)),
    ]
    adex = derive_adex(ex(*given_), adsl(), protocol=NETTER_2)
    found = overall(adex)
    assert found["TDURW", LU] == 32.0
    assert found["TDURW", OCTREOTIDE] == 32.0  # 28 weeks and the four that the last one counts
    assert found["TDURW", "ANY TREATMENT"] == 32.0
    assert found["NCYCLE", LU] == 4
    assert found["CUMDOSE", LU] == pytest.approx(29.6)
    assert found["AVDOSE", LU] == pytest.approx(7.4)
    assert found["RDI", LU] == pytest.approx(1.0)
    assert found["NINTERR", "ANY TREATMENT"] == found["NREDUC", "ANY TREATMENT"] == 0
    assert ("NCYCLE", OCTREOTIDE) not in found
    assert deviations(adex, protocol=NETTER_2).is_empty()


@pytest.mark.by_hand
def test_late_and_reduced_cycles():
    rows = [
        ("L", LU, 7.4, "GBq", 0),
        ("L", LU, 7.0, "GBq", 9),  # a week late: within the window
        ("L", LU, 3.7, "GBq", 18.5, "TREATMENT", "DOSE REDUCED"),  # 9.5 weeks: late
    ]
    adex = derive_adex(ex(*rows), adsl(), protocol=NETTER_2)
    found = overall(adex)
    assert found["TDURW", LU] == pytest.approx(26.571, abs=0.001)  # 130 days + 56, in weeks
    assert found["NINTERR", LU] == 1
    assert found["NREDUC", LU] == 1
    # 18.1 of 22.2 GBq in 186 of 168 days
    assert found["RDI", LU] == pytest.approx((18.1 / 22.2) / (186 / 168))
    days = adex.filter(PARCAT1="INDIVIDUAL")["INTERVAL"].to_list()
    assert days == [None, 63, 67]
    told = deviations(adex, protocol=NETTER_2)
    assert told["rule"].to_list() == [
        "an amount is within 10 % of the plan (EXDOSE)",
        "an interval lies within its window (EXSTDTC)",
    ]
    assert told["severity"].unique().to_list() == ["warning"]


@pytest.mark.by_hand
@pytest.mark.parametrize(("adjusted", "reduced"), [(True, 0), (False, 1)])
def test_a_low_amount_is_a_reduction_only_where_reasons_are_not_collected(adjusted, reduced):
    # nine tenths of 7.4 GBq are 6.66, which is not yet low
    rows = ex(*lu(0, amount=7.4), *lu(8, amount=6.66), *lu(16, amount=6.65), adjusted=adjusted)
    found = overall(derive_adex(rows, adsl(), protocol=NETTER_2))
    assert found["NREDUC", LU] == reduced


@pytest.mark.by_hand
def test_the_last_interval_ends_with_death_or_cutoff():
    rows = ex(*lu(0, 8))
    dead = derive_adex(rows, adsl(death=date(2020, 3, 4)), protocol=NETTER_2)  # week 9
    cut = derive_adex(rows, adsl(cutoff=date(2020, 3, 17)), protocol=NETTER_2)
    assert overall(dead)["TDURW", LU] == pytest.approx(64 / 7)
    assert overall(cut)["TDURW", LU] == pytest.approx(11.0)
    assert overall(cut)["RDI", LU] == pytest.approx(1.0)  # intensity knows whole intervals


@pytest.mark.by_hand
def test_crossover_and_re_treatment_are_told_apart():
    rows = [
        *(("C", OCTREOTIDE, 60.0, "mg", week) for week in (0, 4, 8)),
        ("C", LU, 7.4, "GBq", 12, "CROSSOVER"),
        ("C", OCTREOTIDE, 30.0, "mg", 12, "CROSSOVER"),
        *lu(0, 8, 16, 24),
        *lu(60, 68, epoch="RE-TREATMENT"),
    ]
    adex = derive_adex(ex(*rows), adsl(), protocol=NETTER_2)
    assert overall(adex, subject="C") == {
        ("TDURW", OCTREOTIDE): 12.0, ("TDURW", "ANY TREATMENT"): 12.0,
        ("NINTERR", OCTREOTIDE): 0.0, ("NINTERR", "ANY TREATMENT"): 0.0,
        ("NREDUC", OCTREOTIDE): 0.0, ("NREDUC", "ANY TREATMENT"): 0.0,
    }  # fmt: skip
    crossed = overall(adex, "CROSSOVER", "C")
    assert crossed["NCYCLE", LU] == 1
    assert crossed["NREDUC", OCTREOTIDE] == 0  # 30 mg is what the other arm plans
    planned = adex.filter(USUBJID="C", EPOCH="CROSSOVER", PARAMCD="DOSE")
    assert dict(planned.select("PARCAT2", "PLANNED").rows()) == {LU: 7.4, OCTREOTIDE: 30.0}
    assert overall(adex)["NCYCLE", LU] == 4
    assert overall(adex, "RE-TREATMENT")["NCYCLE", LU] == 2


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("amount", "unit"), [(7.4, "GBq"), (7400.0, "MBq"), (200.0, "mCi"), (0.2, "Ci")]
)
def test_activity_converts_before_any_rounding(amount, unit):
    adex = derive_adex(ex(*lu(0, 8, amount=amount, unit=unit)), adsl(), protocol=NETTER_2)
    assert adex.filter(PARAMCD="DOSE")["AVAL"].to_list() == [pytest.approx(7.4, rel=1e-15)] * 2
    assert adex.filter(PARAMCD="CUMDOSE").select("AVAL", "AVALU").row(0) == (
        pytest.approx(14.8, rel=1e-15), "GBq",
    )  # fmt: skip


@pytest.mark.parametrize("unit", ["mg", "rad", None])
def test_refuses_an_amount_that_does_not_convert(unit):
    rows = ex(*lu(0), *lu(8, 16, amount=200.0, unit=unit))
    with pytest.raises(
        DatasetError, match=r"(?s)2 of 3 rows break this.*activity does not convert"
    ):
        derive_adex(rows, adsl(), protocol=NETTER_2)


@pytest.mark.by_hand
def test_what_was_not_given_is_no_cycle_and_a_divided_infusion_is_one():
    rows = ex(*lu(0), *lu(8, amount=0.0), *lu(16, 16, amount=3.7))
    adex = derive_adex(rows, adsl(), protocol=NETTER_2)
    assert overall(adex)["NCYCLE", LU] == 2
    assert overall(adex)["CUMDOSE", LU] == pytest.approx(14.8)
    resumed = ex(*lu(0), *lu(8, 8 + 1 / 7, amount=3.7)).with_columns(
        VISIT=pl.Series(["CYCLE 1 DAY 1", "CYCLE 2 DAY 1", "Cycle 2 Day 1"])
    )
    found = derive_adex(resumed, adsl(), protocol=NETTER_2)
    assert overall(found)["NCYCLE", LU] == 2
    assert found.filter(PARAMCD="DOSE")["INTERVAL"].to_list() == [None, 56, None]


@pytest.mark.by_hand
def test_an_unknown_amount_makes_the_sum_unknown():
    rows = ex(*lu(0), *lu(8, amount=None))
    found = overall(derive_adex(rows, adsl(), protocol=NETTER_2))
    assert found["NCYCLE", LU] == 2
    assert found["CUMDOSE", LU] is found["AVDOSE", LU] is found["RDI", LU] is None


@pytest.mark.by_hand
def test_a_study_may_record_days_alone():
    days = ex(*lu(0, 8)).select("USUBJID", "EXTRT", "EXSTDTC")
    found = overall(derive_adex(days, adsl(), protocol=NETTER_2))
    assert (found["NCYCLE", LU], found["TDURW", LU], found["CUMDOSE", LU]) == (2, 16, None)


@pytest.mark.by_hand
def test_why_cycles_are_missing():
    ds = pl.DataFrame(
        {
            "USUBJID": ["L", "L", "C"],
            "DSSCAT": ["STUDY TREATMENT", "STUDY PARTICIPATION", "STUDY TREATMENT"],
            "DSDECOD": ["PROGRESSIVE DISEASE", "DEATH", "ADVERSE EVENT"],
            "DSSTDTC": ["2020-06-01", "2020-09-01", "2020-06-01"],
        }
    )
    few = derive_adex(ex(*lu(0, 8)), adsl(), protocol=NETTER_2, ds=ds)
    ongoing = derive_adex(ex(*lu(0, 8)), adsl(), protocol=NETTER_2, ds=ds.clear())
    all_ = derive_adex(ex(*lu(0, 8, 16, 24)), adsl(), protocol=NETTER_2, ds=ds)
    assert few.filter(PARAMCD="RSNFEW").select("USUBJID", "PARCAT2", "AVALC").rows() == [
        ("L", LU, "PROGRESSIVE DISEASE")
    ]
    assert ongoing.filter(PARAMCD="RSNFEW")["AVALC"].to_list() == ["ONGOING"]
    assert all_.filter(PARAMCD="RSNFEW").is_empty()


@pytest.mark.by_hand
def test_a_fifth_cycle_and_a_strange_drug_are_told():
    rows = [*lu(0, 8, 16, 24, 32), ("L", "ASPIRIN", 100.0, "mg", 3)]
    told = deviations(derive_adex(ex(*rows), adsl(), protocol=NETTER_2), protocol=NETTER_2)
    assert told["rule"].to_list() == [
        "every treatment given is one of the protocol's (EXTRT)",
        "nobody receives more cycles than planned",
    ]


# -- laws ------------------------------------------------------------------------------------

course = st.lists(
    st.tuples(st.integers(0, 400), st.floats(1, 8), st.sampled_from([LU, OCTREOTIDE])),
    min_size=1,
    max_size=10,
    unique_by=lambda row: (row[0], row[2]),
)


def course_rows(drawn) -> pl.DataFrame:
    return ex(
        *(
            ("L", drug, amount, "GBq" if drug == LU else "mg", day / 7)
            for day, amount, drug in drawn
        )
    )


@pytest.mark.law
@UNTIMED
@given(course, st.integers(0, 99))
def test_the_order_of_records_does_not_matter(drawn, seed):
    rows = course_rows(drawn)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(
        derive_adex(shuffled, adsl(), protocol=NETTER_2),
        derive_adex(rows, adsl(), protocol=NETTER_2),
    )


@pytest.mark.law
@UNTIMED
@given(course)
def test_the_whole_lasts_at_least_as_long_as_each_part(drawn):
    adex = derive_adex(course_rows(drawn), adsl(), protocol=NETTER_2)
    found = overall(adex)
    parts = [value for (name, drug), value in found.items() if name == "TDURW"]
    assert found["TDURW", "ANY TREATMENT"] == max(found["TDURW", "ANY TREATMENT"], *parts)
    if ("NCYCLE", LU) in found:
        amounts = [amount for _, amount, drug in drawn if drug == LU]
        assert found["CUMDOSE", LU] == pytest.approx(sum(amounts))
        assert found["AVDOSE", LU] * found["NCYCLE", LU] == pytest.approx(sum(amounts))


# -- public cases ----------------------------------------------------------------------------


def innermost(case: dict) -> list[dict]:
    inside = case["args"]["arg1"]
    while isinstance(inside, dict):
        inside = inside["args"]["arg1"]
    return inside


@pytest.mark.conformance
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["test"])
        for case in (json.loads(CASES.read_text())["cases"] if CASES.exists() else [])
    ],
)
def test_sums_and_means_as_in_admiral(case):
    """The public cases sum and average daily doses: a drug given in cycles, to our mind."""
    given_ = pl.DataFrame(innermost(case), infer_schema_length=None).filter(PARAMCD="DOSE")
    rows = given_.select(
        "USUBJID", "EXSTDTC", "EXENDTC", EXTRT=pl.lit(LU), EXDOSU=pl.lit("GBq"),
        EXDOSE=pl.col("AVAL").cast(pl.Float64),
    )  # fmt: skip
    subjects = pl.DataFrame({"USUBJID": given_["USUBJID"].unique().sort()}).with_columns(
        STUDYID=pl.lit("P"), TRT01P=pl.lit("LU"), TRT01A=pl.lit("LU"),
        DTHDT=pl.lit(None, pl.Date), CUTDT=pl.lit(None, pl.Date),
    )  # fmt: skip
    expected = pl.DataFrame(case["expected"], infer_schema_length=None)

    found = derive_adex(rows, subjects, protocol=NETTER_2)

    for ours, theirs in (("CUMDOSE", "TDOSE"), ("AVDOSE", "AVDOSE")):
        one, other = found.filter(PARAMCD=ours), expected.filter(PARAMCD=theirs).sort("USUBJID")
        assert one["AVAL"].to_list() == pytest.approx(other["AVAL"].to_list())
        assert one["ASTDT"].cast(pl.String).to_list() == other["ASTDT"].to_list()
        assert one["AENDT"].cast(pl.String).to_list() == other["AENDT"].to_list()

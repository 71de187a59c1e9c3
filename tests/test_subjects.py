# SPDX-License-Identifier: Apache-2.0
"""ADSL and its variables: worked by hand, by their laws, and on data they must refuse."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.cdisc import DatasetError
from radioligand.protocol import parse_protocol
from radioligand.protocol.records import Protocol, Variable
from radioligand.subjects import complete, derive_adsl, fields, mismatches, unavailable

UNTIMED = settings(deadline=None, max_examples=50)


def protocol(*variables: dict, **tables) -> Protocol:
    document = {
        "document": 1,
        "trial": {
            "id": "small", "name": "Small", "title": "A small trial", "registry": "none",
            "phase": 3, "design": "randomised",
        },
        "arms": [
            {"id": "LU", "label": "Lu", "short": "Lu", "ratio": 1, "role": "experimental",
             "names": ["ARM A", "177Lu"]},
            {"id": "CTL", "label": "Control", "short": "C", "ratio": 1, "role": "control"},
        ],
        "data": {
            "randomised": {"dataset": "DS", "where": {"DSDECOD": "RANDOMIZED"}, "date": "DSSTDTC"},
            "first_treatment": {"dataset": "EX", "date": "EXSTDTC", "take": "first",
                                "where": {"EPOCH": "TREATMENT"}},
            "last_treatment": {"dataset": "EX", "date": "EXSTDTC",
                               "where": {"EPOCH": "TREATMENT"}},
            "death": {"dataset": "DM", "date": "DTHDTC"},
            "end_of_study": {"dataset": "DS", "where": {"DSSCAT": "STUDY"}, "value": "DSDECOD",
                             "date": "DSSTDTC"},
            "new_therapy": [
                {"dataset": "CM", "where": {"CMCAT": "NEW"}, "date": "CMSTDTC", "take": "first"},
                {"dataset": "EX", "where": {"EPOCH": ["CROSSOVER"]}, "date": "EXSTDTC",
                 "take": "first"},
            ],
            "alive": [{"dataset": "DS", "date": "DSSTDTC"}, {"dataset": "EX", "date": "EXSTDTC"}],
        },
        "variables": list(variables),
        "populations": [
            {"id": "fas", "flag": "FASFL", "label": "Full", "analysed_as": "randomised",
             "holds": {"field": "RANDDT", "known": True}},
            {"id": "safety", "flag": "SAFFL", "label": "Safety", "analysed_as": "treated",
             "holds": {"all": [{"field": "FASFL", "is": True},
                               {"field": "TRTSDT", "known": True}]}},
        ],
    }  # fmt: skip
    return parse_protocol(document | tables)


def frame(columns: str, *rows: tuple, **types) -> pl.DataFrame:
    schema = {name: types.get(name, pl.String) for name in columns.split()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def study(**domains: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Three subjects: treated with Lu and dead, control, and never randomised."""
    return {
        "DM": frame(
            "STUDYID USUBJID AGE AGEU SEX ARMCD ARM ACTARMCD ACTARM RFICDTC DTHDTC DTHFL",
            ("S", "03", 40.0, "YEARS", "F", None, None, None, None, "2020-01-03", None, None),
            ("S", "01", 61.0, "YEARS", "M", "A", "177Lu", "A", "177Lu", "2020-01-02", "2020-09",
             "Y"),
            ("S", "02", 70.0, "YEARS", "F", "CTL", None, None, None, "2020-01-02", None, None),
            AGE=pl.Float64,
        ),
        "DS": frame(
            "USUBJID DSSEQ DSCAT DSSCAT DSDECOD DSSTDTC",
            ("01", 1, "M", None, "RANDOMIZED", "2020-01-10"),
            ("02", 1, "M", None, "RANDOMIZED", "2020-01-11"),
            ("01", 2, "D", "STUDY", "DEATH", "2020-09"),
            DSSEQ=pl.Int64,
        ),
        "EX": frame(
            "USUBJID EXSEQ EPOCH EXTRT EXDOSE EXSTDTC",
            ("01", 1, "TREATMENT", "LU", 7.4, "2020-01-15T10:30"),
            ("01", 2, "TREATMENT", "LU", 7.4, "2020-03-15"),
            ("01", 3, "TREATMENT", "LU", 0.0, "2020-05-15"),  # not given
            ("01", 4, "CROSSOVER", "LU", 7.4, "2020-08-01"),
            EXSEQ=pl.Int64,
            EXDOSE=pl.Float64,
        ),
    } | domains  # fmt: skip


def one(adsl: pl.DataFrame, subject: str = "01") -> dict:
    return adsl.filter(USUBJID=subject).to_dicts()[0]


# -- arms, dates, populations ----------------------------------------------------------------


@pytest.mark.by_hand
def test_three_subjects():
    adsl = derive_adsl(study(), protocol=protocol())

    assert adsl["USUBJID"].to_list() == ["01", "02", "03"]
    assert adsl["TRT01P"].to_list() == ["LU", "CTL", None]  # 177Lu is one of the arm's names
    assert adsl["TRT01A"].to_list() == ["LU", None, None]
    assert adsl["RANDDT"].to_list() == [date(2020, 1, 10), date(2020, 1, 11), None]
    assert adsl["TRTSDT"].to_list() == [date(2020, 1, 15), None, None]
    assert adsl["TRTEDT"].to_list() == [date(2020, 3, 15), None, None]
    assert adsl["NACTDT"].to_list() == [date(2020, 8, 1), None, None]
    assert adsl["EOSSTT"].to_list() == ["DISCONTINUED", "ONGOING", None]
    assert adsl["DCSREAS"].to_list() == ["DEATH", None, None]
    assert adsl["FASFL"].to_list() == ["Y", "Y", "N"]
    assert adsl["SAFFL"].to_list() == ["Y", "N", "N"]
    assert adsl["DTHFL"].to_list() == ["Y", None, None]


@pytest.mark.by_hand
def test_a_partial_date_of_death_is_not_before_the_last_scan():
    rs = frame("USUBJID RSDTC RSSTAT", ("01", "2020-09-12", None), ("01", "2020-09-30", "NOT DONE"))
    adsl = derive_adsl(study(RS=rs), protocol=protocol())
    assert one(adsl)["LSTALVDT"] == date(2020, 9, 12)  # RS is not listed, and yet shows life
    assert one(adsl)["DTHDT"] == date(2020, 9, 12)
    assert one(adsl)["DTHDTF"] == "D"


@pytest.mark.by_hand
def test_a_partial_date_of_a_scan_shows_life_as_late_as_its_response():
    rs = frame("USUBJID RSDTC", ("02", "2020-05"))
    adsl = derive_adsl(study(RS=rs), protocol=protocol())
    assert one(adsl, "02")["LSTALVDT"] == date(2020, 5, 31)


@pytest.mark.by_hand
def test_nothing_after_the_cutoff_is_known():
    adsl = one(derive_adsl(study(), protocol=protocol(), cutoff=date(2020, 3, 1)))
    assert adsl["TRTEDT"] == date(2020, 1, 15)
    assert adsl["LSTALVDT"] == date(2020, 1, 15)
    assert adsl["CUTDT"] == date(2020, 3, 1)
    assert [adsl[name] for name in ("DTHDT", "DTHFL", "NACTDT", "EOSDT")] == [None] * 4
    assert adsl["EOSSTT"] == "ONGOING"


@pytest.mark.by_hand
def test_a_study_without_actual_arms_treated_as_planned():
    dm = study()["DM"].drop("ACTARM", "ACTARMCD")
    adsl = derive_adsl(study(DM=dm), protocol=protocol())
    assert adsl["TRT01A"].to_list() == ["LU", None, None]


@pytest.mark.by_hand
def test_the_dead_are_not_ongoing_even_without_an_end_of_study_record():
    ds = study()["DS"].filter(pl.col("DSSCAT").is_null())
    adsl = derive_adsl(study(DS=ds), protocol=protocol())
    assert adsl["EOSSTT"].to_list() == ["DISCONTINUED", "ONGOING", None]


@pytest.mark.by_hand
def test_a_dose_of_0_counts_if_it_is_placebo():
    ex = study()["EX"].with_columns(
        EXDOSE=pl.lit(0.0), EXTRT=pl.lit("Placebo"), EPOCH=pl.lit("TREATMENT")
    )
    adsl = derive_adsl(study(EX=ex), protocol=protocol())
    assert one(adsl)["TRTEDT"] == date(2020, 8, 1)


# -- one value from many records -------------------------------------------------------------

LB = frame(
    "USUBJID LBSEQ LBTESTCD LBSTRESN LBSTRESU LBSTNRHI LBDTC",
    ("01", 1, "CGA", 50.0, "ug/L", 100.0, "2020-01-01"),
    ("01", 2, "CGA", 80.0, "ug/L", 100.0, "2020-01-05T09:00"),
    ("01", 3, "CGA", 30.0, "ug/L", 100.0, "2020-01-05T08:00"),
    ("01", 4, "CGA", 20.0, "ug/L", 100.0, "2020-02-01"),
    ("01", 5, "CGA", None, None, 100.0, "2020-03-01"),
    ("01", 6, "CGA", 90.0, "ug/L", 100.0, None),
    ("01", 7, "ALT", 999.0, "U/L", 40.0, "2020-01-05"),
    LBSEQ=pl.Int64,
    LBSTRESN=pl.Float64,
    LBSTNRHI=pl.Float64,
)


def from_lb(kind: str = "number", **source) -> dict:
    table = {"dataset": "LB", "where": {"LBTESTCD": "CGA"}, "date": "LBDTC"} | source
    if kind == "number" and source.get("take") != "count":
        table |= {"value": "LBSTRESN", "unit": "LBSTRESU"}
    unit = {"unit": "1" if source.get("take") == "count" else "ug/L"} if kind == "number" else {}
    return {"name": "X", "label": "X", "type": kind, "source": table} | unit


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"take": "first"}, 50.0),
        ({"take": "last"}, 20.0),  # the last one with a value; undated comes before all
        ({"take": "last", "until": "RANDDT"}, 80.0),  # the later hour of 5 January
        ({"take": "lowest"}, 20.0),
        ({"take": "highest"}, 90.0),
        ({"take": "highest", "until": "RANDDT"}, 80.0),
        ({"take": "count"}, 6.0),
        ({"take": "count", "until": "RANDDT"}, 3.0),
        ({"take": "last", "per": "LBSTNRHI"}, 0.2),
        ({"where": {"LBTESTCD": ["ALT", "NONE"]}, "take": "count"}, 1.0),
        ({"where": {"LBTESTCD": "NONE"}, "none": 7}, 7.0),
        ({"where": {"LBTESTCD": "NONE"}}, None),
        ({"where": {"LBTESTCD": "NONE"}, "take": "count", "none": 0}, 0.0),
    ],
)
def test_which_record_counts(source, expected):
    adsl = derive_adsl(study(LB=LB), protocol=protocol(from_lb(**source)))
    assert one(adsl)["X"] == expected


CM = frame(
    "USUBJID CMCAT CMOCCUR CMSTDTC CMENDTC",
    ("01", "SSA", "N", None, None),
    ("01", "SSA", "Y", "2019-01-01", "2019-01-31"),
    ("01", "SSA", "Y", "2019-06-01", "2019-06-11"),
    ("02", "SSA", "N", None, None),
    ("02", "SSA", None, None, None),
    ("03", "SSA", "N", None, None),
)


@pytest.mark.by_hand
def test_flags_are_true_unknown_or_false():
    given = {
        "name": "X",
        "label": "X",
        "type": "flag",
        "source": {"dataset": "CM", "where": {"CMCAT": "SSA"}, "value": "CMOCCUR"},
    }
    there = given | {"name": "Y", "source": {"dataset": "CM", "where": {"CMOCCUR": "Y"},
                                             "take": "any", "none": False}}  # fmt: skip
    adsl = derive_adsl(study(CM=CM), protocol=protocol(given, there))
    assert adsl["X"].to_list() == ["Y", None, "N"]
    assert adsl["Y"].to_list() == ["Y", "N", "N"]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("unit", "until", "open_end", "expected"),
    [
        ("days", None, False, 30.0),
        ("weeks", None, False, 30 / 7),
        ("months", None, False, 30 / 30.4375),
        ("days", None, True, None),  # one unknown length may be the longest
        ("days", "RANDDT", True, 223.0),  # 1 June 2019 to 10 January 2020
    ],
)
def test_the_longest_of_several_courses(unit, until, open_end, expected):
    cm = CM.with_columns(
        CMENDTC=pl.when((pl.col("CMSTDTC") == "2019-06-01") & open_end)
        .then(None)
        .otherwise("CMENDTC")
    )
    source = {"dataset": "CM", "where": {"CMOCCUR": "Y"}, "date": "CMSTDTC", "end": "CMENDTC",
              "take": "longest"} | ({"until": until} if until else {})  # fmt: skip
    variable = {"name": "X", "label": "X", "type": "number", "unit": unit, "source": source}
    adsl = derive_adsl(study(CM=cm), protocol=protocol(variable))
    assert one(adsl)["X"] == (None if expected is None else pytest.approx(expected))


# -- variables made of others ----------------------------------------------------------------

MADE = (
    {"name": "KI67", "label": "Ki-67", "field": "ki67_percent", "type": "number", "unit": "%",
     "source": {"dataset": "MI", "value": "MISTRESN", "unit": "MISTRESU", "date": "MIDTC"}},
    {"name": "GRADEL", "label": "Label", "field": "grade_label", "type": "text",
     "recode_of": "GRADE", "recode": {"2": "two"}, "other": "another"},
    {"name": "GRADE", "label": "Grade", "field": "grade", "type": "text", "bands_of": "KI67",
     "bands": [{"label": "2", "at_least": 10, "at_most": 20},
               {"label": "3", "above": 20, "below": 55}]},
    {"name": "BORN", "label": "Birth", "field": "birth_date", "type": "date",
     "source": {"dataset": "MI", "date": "MIBRTH"}},
    {"name": "REF", "label": "Reference", "field": "reference_date", "type": "date",
     "first_of": ["RANDDT", "RFICDT"]},
    {"name": "AGEM", "label": "Age", "field": "age_months", "type": "number", "unit": "months",
     "interval": ["BORN", "REF"]},
    {"name": "OPEN", "label": "Asked", "field": "asked", "type": "flag"},
    {"name": "OPENL", "label": "Asked", "type": "text", "recode_of": "OPEN",
     "recode": {"Y": "yes", "N": "no"}},
)  # fmt: skip
MI = frame(
    "USUBJID MISTRESN MISTRESU MIDTC MIBRTH",
    ("01", 20.0, "%", "2020-01-01", "2019-01-10"),
    ("02", 20.5, "%", "2020-01-01", None),
    ("03", 55.0, "%", "2020-01-01", "2019"),
    MISTRESN=pl.Float64,
)


@pytest.mark.by_hand
def test_bands_recodes_intervals_and_the_first_known():
    adsl = derive_adsl(study(MI=MI), protocol=protocol(*MADE))
    assert adsl["GRADE"].to_list() == ["2", "3", None]
    assert adsl["GRADEL"].to_list() == ["two", "another", None]
    assert adsl["REF"].to_list() == [date(2020, 1, 10), date(2020, 1, 11), date(2020, 1, 3)]
    assert adsl["AGEM"].to_list() == [
        pytest.approx(365 / 30.4375), None, pytest.approx(367 / 30.4375),
    ]  # fmt: skip
    plan = protocol(*MADE)
    thirty = plan.model_copy(update={"data": plan.data.model_copy(update={"month_days": 30.0})})
    assert derive_adsl(study(MI=MI), protocol=thirty)["AGEM"][0] == pytest.approx(365 / 30)
    assert adsl["OPEN"].to_list() == [None] * 3
    columns = [name for name in adsl.columns if name in {made["name"] for made in MADE}]
    assert columns == [made["name"] for made in MADE]  # the protocol's order


@pytest.mark.by_hand
def test_fields_are_what_criteria_ask_for():
    holds = {"field": "grade", "one_of": ["2"], "within_days": 9, "before": "reference_date"}
    criterion = {"id": "I1", "says": "Grade", "kind": "inclusion", "holds": holds}
    plan = protocol(*MADE, eligibility=[criterion])
    adsl = derive_adsl(study(MI=MI), protocol=plan)
    asked = fields(adsl, protocol=plan)
    assert asked.columns == [
        "USUBJID", "ki67_percent", "grade_label", "grade", "birth_date", "reference_date",
        "age_months", "asked", "grade_date",
    ]  # fmt: skip
    assert asked["grade_date"].to_list() == [date(2020, 1, 1)] * 3  # that of Ki-67
    assert asked.schema["asked"] == pl.Boolean


@pytest.mark.by_hand
def test_a_form_is_completed_and_never_overwritten():
    form = pl.DataFrame(
        {
            "ki67_percent": [15.0, 15.0, None],
            "ki67_percent_date": [date(2020, 1, 1)] * 3,
            "grade": [None, "3", None],
            "asked": [True, False, None],
        }
    )
    variables = [Variable(**one) for one in protocol(*MADE).model_dump()["variables"]]
    found = complete(form, variables=variables, data=protocol().data)
    assert found["grade"].to_list() == ["2", "3", None]
    assert found["grade_label"].to_list() == ["two", "another", None]
    assert found["grade_date"].to_list() == [date(2020, 1, 1)] * 3
    assert found["age_months"].to_list() == [None] * 3
    assert "OPENL" not in found.columns  # no field asks for it


@pytest.mark.law
@UNTIMED
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 100)),
            st.one_of(st.none(), st.sampled_from(["2", "3"])),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_completing_keeps_what_was_given_and_is_done_once(rows):
    types = {"ki67_percent": pl.Float64, "grade": pl.String}
    form = pl.DataFrame(rows, schema=types, orient="row")
    variables = protocol(*MADE).variables
    found = complete(form, variables=variables, data=protocol().data)
    given_ = form["grade"].is_not_null()
    assert found.filter(given_)["grade"].to_list() == form.filter(given_)["grade"].to_list()
    assert_frame_equal(complete(found, variables=variables, data=protocol().data), found)


# -- strata ----------------------------------------------------------------------------------

STRATA = {
    "method": "permuted blocks", "block_size": 4, "entries_per_stratum": 8,
    "strata": [
        {"id": "STRGRADE", "label": "Tumour grade", "baseline": "GRADE",
         "levels": [{"id": "2", "label": "Grade 2"}, {"id": "3", "label": "Grade 3"}]},
        {"id": "STRKI", "label": "Ki-67",
         "levels": [
             {"id": "LOW", "label": "Low",
              "holds": {"field": "ki67_percent", "unit": "%", "at_most": 20}},
             {"id": "HIGH", "label": "High",
              "holds": {"field": "ki67_percent", "unit": "%", "above": 20}},
         ]},
    ],
}  # fmt: skip


def stratified(*grades: str | None) -> dict[str, pl.DataFrame]:
    given_ = frame("USUBJID STRGRADE STRKI", *zip(["01", "02", "03"], grades, ["LOW"] * 3))
    return study(DM=study()["DM"].join(given_, on="USUBJID", how="left"), MI=MI)


@pytest.mark.by_hand
def test_strata_given_and_strata_found():
    plan = protocol(*MADE, randomisation=STRATA)
    adsl = derive_adsl(stratified("Grade 2", "3", None), protocol=plan)
    assert adsl["STRGRADE"].to_list() == ["2", "3", None]
    assert adsl["STRATUM"].to_list() == ["Grade 2, Low", "Grade 3, Low", None]
    assert adsl["STRMISFL"].to_list() == ["N", "Y", "Y"]
    assert mismatches(adsl, protocol=plan).rows() == [("STRKI", "LOW", "HIGH", 1)]


def test_refuses_a_level_that_the_protocol_does_not_know():
    plan = protocol(*MADE, randomisation=STRATA)
    with pytest.raises(DatasetError, match=r"(?s)Tumour grade.*1 of 3 rows.*'01'.*2 \(Grade 2\)"):
        derive_adsl(stratified("G2", "3", None), protocol=plan)


# -- what is refused, what is missing --------------------------------------------------------


def test_tells_of_every_value_in_another_unit():
    lb = LB.with_columns(
        LBSTRESU=pl.when(pl.col("LBSEQ") < 3).then(pl.lit("nmol/L")).otherwise("LBSTRESU")
    )
    mi = MI.with_columns(MISTRESU=pl.lit(None, pl.String))
    plan = protocol(from_lb(), *MADE)
    with pytest.raises(DatasetError) as error:
        derive_adsl(study(LB=lb, MI=mi), protocol=plan)
    told = str(error.value)
    assert "X is in ug/L (LBSTRESU); 2 of 5 rows break this" in told
    assert "KI67 is in % (MISTRESU); 3 of 3 rows break this" in told
    assert "LBSTRESU 'nmol/L'" in told


def test_refuses_text_where_a_number_is_declared():
    mi = MI.with_columns(MISTRESN=pl.Series(["20", "<5", "30"]))
    with pytest.raises(DatasetError, match=r"(?s)KI67 is a number.*1 of 3 rows.*'<5'"):
        derive_adsl(study(MI=mi), protocol=protocol(*MADE))


def test_refuses_variables_that_need_each_other():
    made = [
        {"name": name, "label": name, "type": "text", "recode_of": of, "recode": {"A": "B"}}
        for name, of in (("ONE", "TWO"), ("TWO", "ONE"))
    ]
    with pytest.raises(ValueError, match="ONE, TWO need each other"):
        derive_adsl(study(), protocol=protocol(*made))


def test_refuses_an_interval_in_a_strange_unit():
    variable = {"name": "X", "label": "X", "type": "number", "unit": "fortnights",
                "interval": ["RFICDT", "RANDDT"]}  # fmt: skip
    with pytest.raises(ValueError, match="X: an interval is in days, weeks, months, years"):
        derive_adsl(study(), protocol=protocol(variable))


@pytest.mark.by_hand
def test_what_the_study_lacks_is_null_and_listed():
    small = {name: one for name, one in study().items() if name != "EX"}
    plan = protocol(*MADE, from_lb())
    adsl = derive_adsl(small, protocol=plan)
    lost = unavailable(small, plan)
    assert adsl["TRTSDT"].null_count() == adsl["X"].null_count() == 3
    assert dict(lost.select("VARIABLE", "REASON").rows()) == {
        "TRTSDT": "the study has no EX",
        "TRTEDT": "the study has no EX",
        "NACTDT": "the study has no CM; the study has no EX",
        "KI67": "the study has no MI",
        "BORN": "the study has no MI",
        "GRADE": "made of KI67",
        "GRADEL": "made of GRADE",
        "AGEM": "made of BORN",
        "X": "the study has no LB",
    }
    without = unavailable(study(LB=LB.drop("LBSTRESU")), protocol(from_lb()))
    assert without["REASON"].to_list() == ["LB has no LBSTRESU"]


# -- laws ------------------------------------------------------------------------------------

days = st.dates(date(2020, 1, 12), date(2020, 12, 31)).map(date.isoformat)
partial = days.flatmap(lambda day: st.sampled_from([day, day[:7], day[:4]]))


@pytest.mark.law
@UNTIMED
@given(st.lists(st.tuples(st.sampled_from(["01", "02"]), partial), max_size=8), st.integers(0, 99))
def test_the_order_of_records_does_not_matter(rows, seed):
    scans = frame("USUBJID RSDTC", *rows)
    whole = study(RS=scans, LB=LB)
    plan = protocol(from_lb())
    shuffled = {
        name: one_.sample(fraction=1, shuffle=True, seed=seed) for name, one_ in whole.items()
    }
    assert_frame_equal(derive_adsl(shuffled, protocol=plan), derive_adsl(whole, protocol=plan))


@pytest.mark.law
@UNTIMED
@given(
    st.lists(st.tuples(st.sampled_from(["01", "02"]), partial), max_size=8),
    st.dates(date(2020, 1, 1), date(2020, 12, 31)),
)
def test_no_date_lies_after_the_cutoff_and_none_moves_beyond_the_whole_study(rows, cutoff):
    whole = study(RS=frame("USUBJID RSDTC", *rows))
    at_cutoff = derive_adsl(whole, protocol=protocol(), cutoff=cutoff)
    later = derive_adsl(whole, protocol=protocol(), cutoff=cutoff + timedelta(days=30))
    for name in ("RANDDT", "TRTSDT", "TRTEDT", "NACTDT", "EOSDT", "DTHDT", "LSTALVDT"):
        assert (at_cutoff[name] <= cutoff).all()
        assert (at_cutoff[name] <= later[name]).all()


@pytest.mark.law
@UNTIMED
@given(st.lists(st.tuples(st.sampled_from(["01", "02"]), partial), max_size=8))
def test_nobody_dies_before_the_last_sign_of_life(rows):
    rows = [(subject, day) for subject, day in rows if day <= "2020-09"]
    adsl = derive_adsl(study(RS=frame("USUBJID RSDTC", *rows)), protocol=protocol())
    dead = adsl.filter(pl.col("DTHDT").is_not_null())
    assert (dead["LSTALVDT"] <= dead["DTHDT"]).all()

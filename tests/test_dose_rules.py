# SPDX-License-Identifier: Apache-2.0
"""Dose rules: decisions on patients worked by hand, the audit, and what a document may not say."""

import tomllib
from datetime import date, timedelta
from importlib.resources import files

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.treatment import departures, derive_addose, derive_adex

UNTIMED = settings(deadline=None, max_examples=40)
DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
LU, START = "177LU-DOTATATE", date(2020, 1, 1)
PLATELETS = {"dataset": "ADLB", "where": {"PARAMCD": "PLAT"}, "value": "AVAL", "unit": "10^9/L"}
FIELDS = [
    {"field": "platelets", **PLATELETS, "take": "last", "days": 14},
    {"field": "lowest", **PLATELETS, "take": "lowest"},
    {"field": "grade", "dataset": "ADAE", "value": "ATOXGRN", "take": "highest", "none": 0.0},
]


def rule(name: str, action: str, **when) -> dict:
    return {"id": name, "says": name, "action": action, "when": when, "origin": "a test"}


RULES = [
    rule("grade-4", "stop", field="grade", at_least=4),
    rule("low", "hold", field="platelets", unit="10^9/L", below=75),
    rule("very-low", "reduce", field="lowest", unit="10^9/L", below=50),
    rule("recovered", "resume", field="lowest", unit="10^9/L", at_least=100),
]


def protocol(rules=RULES, fields=FIELDS):
    table = {"treatment": LU, "fields": fields, "rules": rules}
    return parse_protocol(DOCUMENT | {"dosing": table})


def adsl() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "STUDYID": "N2", "USUBJID": ["L"], "TRT01P": "LU", "TRT01A": "LU",
            "DTHDT": pl.Series([None], dtype=pl.Date), "CUTDT": pl.Series([None], dtype=pl.Date),
        }
    )  # fmt: skip


def day(week: float) -> date:
    return START + timedelta(days=round(7 * week))


def decided(doses, platelets, events=(), rules=RULES) -> pl.DataFrame:
    """Decide on doses (week, GBq) by platelets (week, count) and events (week, grade)."""
    ex = pl.DataFrame(
        [("L", LU, gbq, "GBq", day(week).isoformat(), "TREATMENT") for week, gbq in doses],
        schema=["USUBJID", "EXTRT", "EXDOSE", "EXDOSU", "EXSTDTC", "EPOCH"],
        orient="row",
    ).with_columns(EXSEQ=pl.int_range(1, pl.len() + 1))
    plan = protocol(rules)
    schema = {"USUBJID": pl.String, "PARAMCD": pl.String, "ADT": pl.Date, "AVAL": pl.Float64}
    adlb = pl.DataFrame(
        [("L", "PLAT", day(week), float(count)) for week, count in platelets], schema, orient="row"
    )
    schema = {"USUBJID": pl.String, "ASTDT": pl.Date, "ATOXGRN": pl.Int64}
    adae = pl.DataFrame([("L", day(week), g) for week, g in events], schema, orient="row")
    adex = derive_adex(ex, adsl(), protocol=plan)
    return derive_addose(adex, adsl(), adlb, adae, protocol=plan)


def of(log: pl.DataFrame, *columns: str) -> list:
    return log.select(columns).rows()


@pytest.mark.by_hand
def test_the_first_dose_is_not_decided_and_good_counts_let_the_others_pass():
    log = decided([(0, 7.4), (8, 7.4), (16, 7.3)], [(7, 200), (15, 180)])

    assert of(log, "CYCLE", "AVALC", "AVAL", "AUDIT", "RULE") == [
        (2, "FULL DOSE", 1.0, "as decided", None),
        (3, "FULL DOSE", 1.0, "as decided", None),
    ]
    assert log["FIELDS"].to_list() == [
        "platelets=200.0; lowest=200.0; grade=0.0", "platelets=180.0; lowest=180.0; grade=0.0",
    ]  # fmt: skip
    assert log["GIVEN"].to_list() == [1.0, pytest.approx(7.3 / 7.4)]


@pytest.mark.by_hand
def test_a_low_count_holds_and_a_dose_given_all_the_same_departs():
    log = decided([(0, 7.4), (8, 7.4)], [(4, 60), (7.5, 74)])
    assert of(log, "AVALC", "AVAL", "AUDIT", "RULE", "ORIGIN") == [
        ("HOLD", 0.0, "departs", "low", "a test")
    ]


@pytest.mark.by_hand
@pytest.mark.parametrize("of_one_day", [(74, 210), (210, 74)])
def test_of_two_platelet_counts_of_one_day_the_lower_decides(of_one_day):
    log = decided([(0, 7.4), (8, 7.4)], [(7.5, count) for count in of_one_day])
    assert of(log, "AVALC", "RULE") == [("HOLD", "low")]
    assert "platelets=74.0" in log["FIELDS"].item()


@pytest.mark.by_hand
def test_of_two_creatinine_values_of_one_day_the_higher_decides():
    creatinine = {"dataset": "ADLB", "where": {"PARAMCD": "CREAT"}, "value": "AVAL"}
    field = {"field": "creatinine", **creatinine, "unit": "umol/L", "take": "last", "days": 14}
    high = rule("high", "hold", field="creatinine", unit="umol/L", above=150)
    plan = protocol([high], [field])
    doses = pl.DataFrame(
        {
            "USUBJID": "L", "EXTRT": LU, "EXDOSE": 7.4, "EXDOSU": "GBq",
            "EXSTDTC": [day(0).isoformat(), day(8).isoformat()], "EPOCH": "TREATMENT",
            "EXSEQ": [1, 2],
        }
    )  # fmt: skip
    adlb = pl.DataFrame(
        {"USUBJID": "L", "PARAMCD": "CREAT", "ADT": [day(7.5)] * 2, "AVAL": [160.0, 90.0]}
    )
    adex = derive_adex(doses, adsl(), protocol=plan)
    assert derive_addose(adex, adsl(), adlb, None, protocol=plan)["AVALC"].to_list() == ["HOLD"]


@pytest.mark.by_hand
def test_a_dose_put_off_is_decided_on_its_planned_day_too():
    low, late = [(7.5, 74), (11.5, 120)], [(0, 7.4), (12, 7.4)]  # due at week 8, window 1 week

    log = decided(late, low)

    assert of(log, "PARCAT1", "ADT", "AVALC", "GIVEN", "AUDIT") == [
        ("DUE", day(8), "HOLD", 0.0, "as decided"),
        ("ADMINISTERED", day(12), "FULL DOSE", 1.0, "as decided"),
    ]
    healthy = decided(late, [(7.5, 200), (11.5, 200)])
    assert healthy["AUDIT"].to_list() == ["departs", "as decided"]
    assert departures(healthy).select("rule", "broken", "rows").rows() == [
        ("a dose that is put off beyond its window was held by a dose rule", 1, 1)
    ]


@pytest.mark.by_hand
def test_a_reduction_lasts_until_the_full_dose_is_resumed():
    doses = [(0, 7.4), (8, 3.7), (16, 3.7), (24, 7.4)]
    counts = [(4, 45), (7, 90), (12, 95), (15, 98), (20, 120), (23, 130)]

    log = decided(doses, counts)

    # 45 after the first dose halves; 95 does not recover, 120 does
    assert of(log, "AVALC", "AVAL", "GIVEN", "AUDIT") == [
        ("REDUCE", 0.5, 0.5, "as decided"),
        ("REDUCE", 0.5, 0.5, "as decided"),
        ("FULL DOSE", 1.0, 1.0, "as decided"),
    ]
    assert log["RULE"].to_list() == ["very-low", "very-low", None]


@pytest.mark.by_hand
def test_a_stop_is_for_good():
    counts = [(7, 200), (15, 200), (23, 200)]
    log = decided([(0, 7.4), (8, 7.4), (16, 7.4), (24, 7.4)], counts, events=[(10, 4)])
    assert of(log, "AVALC", "RULE", "AUDIT") == [
        ("FULL DOSE", None, "as decided"),
        ("STOP", "grade-4", "departs"),
        ("STOP", "grade-4", "departs"),
    ]


@pytest.mark.by_hand
def test_a_missing_count_never_lets_a_dose_pass():
    log = decided([(0, 7.4), (8, 7.4)], [(4, 200)])  # the last count is 28 days old
    assert of(log, "AVALC", "AVAL", "AUDIT", "MISSING") == [
        ("UNDETERMINED", None, None, "platelets")
    ]
    assert departures(log)["rule"].to_list() == [
        "all that a dose rule asks for is known before the dose (MISSING)"
    ]


@pytest.mark.by_hand
def test_a_stop_is_certain_whatever_else_is_missing():
    log = decided([(0, 7.4), (8, 7.4)], [], events=[(3, 5)])
    assert of(log, "AVALC", "MISSING") == [("STOP", "platelets; lowest")]


@pytest.mark.by_hand
def test_the_day_of_the_dose_counts_and_the_day_of_the_dose_before_does_not():
    log = decided([(0, 7.4), (8, 7.4)], [(0, 20), (8, 90)])
    assert of(log, "AVALC", "FIELDS") == [("FULL DOSE", "platelets=90.0; lowest=90.0; grade=0.0")]


@pytest.mark.by_hand
def test_without_laboratory_data_nothing_is_decided_by_it():
    plan = protocol()
    ex = pl.DataFrame(
        {
            "USUBJID": "L", "EXTRT": LU, "EXDOSE": [7.4, 7.4], "EXDOSU": "GBq", "EXSEQ": [1, 2],
            "EXSTDTC": [day(0).isoformat(), day(8).isoformat()], "EPOCH": "TREATMENT",
        }
    )  # fmt: skip
    adex = derive_adex(ex, adsl(), protocol=plan)
    log = derive_addose(adex, adsl(), None, None, protocol=plan)
    assert of(log, "AVALC", "MISSING") == [("UNDETERMINED", "platelets; lowest; grade")]


@pytest.mark.law
@UNTIMED
@given(
    st.lists(st.tuples(st.integers(1, 27), st.integers(10, 300)), max_size=12),
    st.lists(st.tuples(st.integers(1, 27), st.integers(1, 5)), max_size=4),
    st.integers(0, 11),
)
def test_with_fewer_values_no_decision_becomes_milder(platelets, events, place):
    doses = [(0, 7.4), (8, 7.4), (16, 7.4), (24, 7.4)]
    more = decided(doses, platelets, events, rules=RULES[:2])
    fewer = decided(doses, platelets[:place], events, rules=RULES[:2])
    full = set(more.filter(AVALC="FULL DOSE")["CYCLE"])
    newly = set(fewer.filter(AVALC="FULL DOSE")["CYCLE"]) - full
    # a value that is left out may hide a later one that was lower, never make a missing one pass
    for cycle in newly:
        assert "platelets" not in (fewer.filter(CYCLE=cycle)["MISSING"][0] or "")


def test_a_document_with_faulty_rules_is_refused_with_every_fault():
    rules = [*RULES, rule("odd", "hold", field="sodium", unit="mmol/L", below=130)]
    rules[1] = rule("low", "hold", field="platelets", unit="1/uL", below=75)
    table = {"treatment": "177LU-PSMA", "fields": FIELDS, "rules": rules}
    with pytest.raises(ProtocolError) as told:
        parse_protocol(DOCUMENT | {"dosing": table})
    text = str(told.value)
    assert "dosing.treatment: there is no treatment '177LU-PSMA'" in text
    assert "dosing.rules[odd].when: there is no field 'sodium'" in text
    assert "platelets is in '10^9/L', the condition speaks of '1/uL'" in text


def test_refuses_a_protocol_without_dose_rules():
    without = parse_protocol({key: value for key, value in DOCUMENT.items() if key != "dosing"})
    with pytest.raises(ValueError, match=r"no \[dosing\]"):
        derive_addose(pl.DataFrame(), adsl(), None, None, protocol=without)

# SPDX-License-Identifier: Apache-2.0
"""Contracts: a sound study passes, each fault is told, and partial dates are completed by rule."""

import json
from datetime import date, datetime, time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.cdisc import (
    ADAM,
    CONTRACTS,
    SDTM,
    DatasetError,
    Rule,
    check,
    check_all,
    check_study,
    conform,
    find_study,
    imputed_date,
    is_iso8601,
    is_not_before,
    join_supplemental,
    told,
    variable_of,
)

CONFORMANCE = Path(__file__).parents[2] / "shared" / "conformance"

TR_RULES = (
    Rule(
        holds=pl.col("TRSTRESU") == "mm",
        says="every lesion diameter is in millimetres (TRSTRESU)",
        shows=("USUBJID", "TRSEQ", "TRSTRESN", "TRSTRESU"),
        mend="Convert when mapping to SDTM.",
    ),
    Rule(
        holds=pl.col("TRSTRESN").is_between(0, 500) | pl.col("TRSTRESN").is_null(),
        says="a diameter lies between 0 and 500 mm (TRSTRESN)",
        shows=("USUBJID", "TRSEQ", "TRSTRESN"),
        mend="Query the site.",
    ),
)


def measurements(*rows):
    names = ["USUBJID", "TRSEQ", "TRSTRESN", "TRSTRESU"]
    return pl.DataFrame(list(rows), schema=names, orient="row")


def sound_study():
    """One subject with a target lesion; nothing in it breaks a contract."""
    at = {"STUDYID": "S", "USUBJID": "S-001"}
    week = {"VISITNUM": 2.0, "VISIT": "WEEK 16"}
    rows = {
        "DM": {
            **at, "DOMAIN": "DM", "SUBJID": "001", "SITEID": "07", "RFSTDTC": "2024-01-10",
            "RFICDTC": "2024-01-02", "DTHDTC": "2025-02", "DTHFL": "Y", "BRTHDTC": "1960",
            "AGE": 63.0, "AGEU": "YEARS", "SEX": "F", "RACE": "ASIAN", "ARMCD": "A", "ARM": "A",
            "ACTARMCD": "A", "ACTARM": "A",
        },
        "EX": {
            **at, "DOMAIN": "EX", "EXSEQ": 1, "EXTRT": "177Lu-DOTATATE", "EXDOSE": 7.4,
            "EXDOSU": "GBq", "EXSTDTC": "2024-01-10", "EXENDTC": "2024-01-10T11:45",
        },
        "AE": {
            **at, "DOMAIN": "AE", "AESEQ": 1, "AETERM": "Nausea", "AEDECOD": "Nausea",
            "AEBODSYS": "GI", "AESER": "N", "AEREL": "RELATED", "AEOUT": "UNKNOWN",
            "AETOXGR": "2", "AESTDTC": "2024-01", "AEENDTC": "2024-01-28",
        },
        "LB": {
            **at, "DOMAIN": "LB", "LBSEQ": 1, "LBTESTCD": "PLAT", "LBTEST": "Platelets",
            "LBSTRESC": "201", "LBSTRESN": 201.0, "LBSTRESU": "10^9/L", "LBSTNRLO": 150.0,
            "LBSTNRHI": 400.0, "LBDTC": "2024-05-01", **week,
        },
        "VS": {
            **at, "DOMAIN": "VS", "VSSEQ": 1, "VSTESTCD": "WEIGHT", "VSTEST": "Weight",
            "VSSTRESN": 61.5, "VSSTRESU": "kg", "VSDTC": "2024-05-01", **week,
        },
        "TU": {
            **at, "DOMAIN": "TU", "TUSEQ": 1, "TULNKID": "T01", "TUTESTCD": "TUMIDENT",
            "TUSTRESC": "TARGET", "TULOC": "LIVER", "TUEVAL": "INVESTIGATOR",
            "TUDTC": "2024-01-03",
        },
        "TR": {
            **at, "DOMAIN": "TR", "TRSEQ": 1, "TRLNKID": "T01", "TRTESTCD": "LDIAM",
            "TRSTRESC": "21", "TRSTRESN": 21.0, "TRSTRESU": "mm", "TREVAL": "INVESTIGATOR",
            "TRDTC": "2024-05-01", **week,
        },
        "RS": {
            **at, "DOMAIN": "RS", "RSSEQ": 1, "RSTESTCD": "OVRLRESP", "RSSTRESC": "PR",
            "RSEVAL": "INVESTIGATOR", "RSDTC": "2024-05-01", **week,
        },
    }  # fmt: skip
    return {name: pl.DataFrame([row]) for name, row in rows.items()}


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_one_message_names_every_fault_with_rule_count_rows_and_mend():
    tr = measurements(("01-001", 1, 3.1, "cm"), ("01-002", 1, 612.0, "mm"), ("01-002", 2, 14, None))

    with pytest.raises(DatasetError) as error:
        check(tr, dataset="TR", rules=TR_RULES)

    assert str(error.value) == (
        "2 findings, 2 of them to mend first:\n"
        "TR: every lesion diameter is in millimetres (TRSTRESU); 2 of 3 rows break this.\n"
        "  USUBJID '01-001'  TRSEQ 1  TRSTRESN 3.1  TRSTRESU 'cm'\n"
        "  USUBJID '01-002'  TRSEQ 2  TRSTRESN 14.0  TRSTRESU None\n"
        "  Convert when mapping to SDTM.\n"
        "TR: a diameter lies between 0 and 500 mm (TRSTRESN); 1 of 3 rows break this.\n"
        "  USUBJID '01-002'  TRSEQ 1  TRSTRESN 612.0\n"
        "  Query the site."
    )


def test_three_rows_are_shown_of_many():
    tr = measurements(*[("01-001", seq, 3.0, "cm") for seq in range(50)])

    with pytest.raises(DatasetError, match="50 of 50 rows") as error:
        check(tr, dataset="TR", rules=TR_RULES)

    assert str(error.value).count("USUBJID") == 3


def test_a_dataset_that_keeps_its_rules_comes_back_as_it_is():
    tr = measurements(("01-001", 1, 31.0, "mm"), ("01-001", 2, None, "mm"))
    assert check(tr, dataset="TR", rules=TR_RULES) is tr


def test_several_datasets_break_their_rules_in_one_message():
    bad, worse = measurements(("1", 1, 3.0, "cm")), measurements(("2", 1, -3.0, "mm"))

    with pytest.raises(DatasetError) as error:
        check_all({"TR": bad, "FA": worse}, rules={"TR": TR_RULES, "FA": TR_RULES})

    assert "TR: every lesion diameter" in str(error.value)
    assert "FA: a diameter lies between" in str(error.value)


# --- contracts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.name)
def test_every_name_and_label_fits_a_transport_file(contract):
    assert len(contract.label) <= 40
    for column in contract.columns:
        assert len(column.name) <= 8
        assert 0 < len(column.label) <= 40


def test_every_domain_of_the_plan_has_a_contract():
    domains = "DM DS EX EC XA AE LB VS CM PR MH SV TU TR RS QS MI SC DD TS"
    assert " ".join(name for name in domains.split(" ") if name in SDTM) == domains
    derived = "ADSL ADTR ADRS ADTTE ADEX ADDOSE ADRAD ADAE ADLB ADQS"
    assert " ".join(ADAM) == derived


@pytest.mark.parametrize(
    ("dataset", "name", "kind"),
    [
        ("TR", "TRSEQ", "whole"),
        ("TR", "TRSTRESN", "number"),
        ("TR", "TRDTC", "iso"),
        ("DM", "SITEID", "text"),
        ("DM", "RFPENDTC", "iso"),
        ("AE", "AELLTCD", "number"),
        ("ADSL", "EOSDT", "date"),
        ("ADAE", "ASTDTM", "datetime"),
        ("ADAE", "AESTDY", "whole"),
        ("ADRS", "RSSTRESN", "number"),
    ],
)
def test_a_name_tells_what_a_variable_holds(dataset, name, kind):
    assert variable_of(dataset, name).kind == kind


def test_a_name_of_another_domain_tells_nothing():
    assert variable_of("TR", "LBSEQ") is None
    assert variable_of("DM", "COMPLT8") is None


def test_a_sound_study_breaks_nothing():
    assert told(check_study(sound_study())) == ""


# fmt: off
BREAKS = [
    ("DM", {"SEX": "X"}, "error", "SEX is blank or one of F, M"),
    ("DM", {"AGE": 630.0}, "error", "an age lies between 0 and 120"),
    ("DM", {"AGEU": "MONTHS"}, "error", "AGEU is blank or one of YEARS"),
    ("DM", {"USUBJID": None}, "error", "USUBJID is never blank"),
    ("DM", {"RFSTDTC": "1959-06"}, "error", "nobody is born after the reference start"),
    ("DM", {"RFSTDTC": "2025-06-01"}, "error", "nobody dies before the reference start"),
    ("DM", {"DTHFL": None}, "warning", "who is flagged dead has a date of death"),
    ("DM", {"DOMAIN": "AE"}, "error", "the rows belong to DM"),
    ("EX", {"USUBJID": "S-999"}, "error", "every subject is in DM"),
    ("EX", {"EXDOSU": None}, "error", "a dose has a unit"),
    ("EX", {"EXDOSU": "gigabecquerel"}, "error", "a dose has a unit"),
    ("EX", {"EXDOSE": -7.4}, "error", "a dose is not negative"),
    ("EX", {"EXENDTC": "2024-01-09"}, "error", "nothing ends before it starts"),
    ("EX", {"EXSTDTC": "10JAN2024"}, "error", "a date is written as in ISO 8601"),
    ("EX", {"EXSTDTC": "2025-03-01", "EXENDTC": None}, "warning", "nobody is observed after death"),
    ("AE", {"AEENDTC": "2023-12"}, "warning", "nothing ends before it starts"),
    ("AE", {"AESER": "NO"}, "error", "AESER is blank or one of N, Y"),
    ("AE", {"AEOUT": "DIED"}, "error", "AEOUT is blank or one of FATAL"),
    ("AE", {"AETOXGR": "6"}, "error", "AETOXGR is blank or one of 1, 2, 3, 4, 5"),
    ("AE", {"AESEQ": None}, "error", "AESEQ is never blank"),
    ("LB", {"LBSTRESU": None}, "warning", "a numeric result has a unit"),
    ("LB", {"LBSTNRLO": 450.0}, "warning", "a normal range starts below its end"),
    ("LB", {"LBDTC": "1959-12-31"}, "warning", "nobody is observed before birth"),
    ("VS", {"VSSTRESU": "LB"}, "error", "weight is in kg"),
    ("TU", {"TUSTRESC": "LESION"}, "error", "a lesion is identified as one of TARGET"),
    ("TR", {"TRSTRESU": "cm"}, "error", "every lesion diameter is in millimetres"),
    ("TR", {"TRSTRESN": 501.0}, "error", "a diameter lies between 0 and 500 mm"),
    ("TR", {"TRTESTCD": "TUMSTATE", "TRSTRESC": "THERE"}, "error", "the state of a lesion"),
    ("TR", {"TRLNKID": "T02"}, "warning", "every measured lesion is identified in TU"),
    ("TR", {"TRSTAT": "NOT DONE"}, "error", "what was not done has no result"),
    ("RS", {"RSSTRESC": "CHECK"}, "error", "a response is one of CR, PR, SD, PD"),
    ("RS", {"RSSTRESC": "iUPD"}, "error", "a response is one of CR, PR, SD, PD"),
    ("RS", {"RSCAT": "iRECIST", "RSSTRESC": "UPD"}, "error", "iRECIST knows also iCR"),
    ("RS", {"RSTESTCD": "NEWLPROG", "RSSTRESC": "PD"}, "error", "a new lesion is equivocal"),
]
# fmt: on


@pytest.mark.parametrize(("dataset", "change", "severity", "says"), BREAKS)
def test_each_fault_is_told_and_nothing_else(dataset, change, severity, says):
    study = sound_study()
    study[dataset] = study[dataset].with_columns(
        pl.lit(value, None if value is not None else study[dataset].schema.get(name)).alias(name)
        for name, value in change.items()
    )
    if change.get("USUBJID", "") is None:
        study = {"DM": study["DM"]}

    findings = find_study(study)

    assert findings.height == 1
    assert findings["dataset"].item() == dataset
    assert findings["severity"].item() == severity
    assert findings["rule"].item().startswith(says)
    assert findings["mend"].item()


@pytest.mark.parametrize(
    ("dataset", "change"),
    [
        ("RS", {"RSCAT": "iRECIST", "RSSTRESC": "iUPD"}),
        ("RS", {"RSCAT": "RECIST 1.1", "RSSTRESC": "NON-CR/NON-PD"}),
        ("RS", {"RSCAT": "LUGANO", "RSSTRESC": "CMR"}),
        ("RS", {"RSCAT": "ECOG", "RSTESTCD": "ECOG101", "RSSTRESC": "1"}),
        ("TR", {"TRTESTCD": "SUMDIAM", "TRSTRESN": 620.0, "TRLNKID": None}),
        ("TR", {"TRTESTCD": "TUMSTATE", "TRSTRESN": None, "TRSTRESU": None, "TRSTRESC": "ABSENT"}),
    ],
)
def test_what_is_unusual_but_right_passes(dataset, change):
    study = sound_study()
    study[dataset] = study[dataset].with_columns(
        **{name: pl.lit(value, study[dataset].schema.get(name)) for name, value in change.items()}
    )
    assert told(find_study(study)) == ""


def test_a_key_names_one_row():
    study = sound_study()
    study["TR"] = pl.concat([study["TR"], study["TR"]])

    with pytest.raises(
        DatasetError, match=r"TR: no two rows have the same USUBJID and TRSEQ; 2 of 2 rows"
    ):
        check_study(study)


def test_a_column_that_nothing_can_do_without_is_missed_and_another_is_only_mentioned():
    study = sound_study()
    study["TR"] = study["TR"].drop("TRSTRESN", "TRDTC")

    findings = find_study(study)

    assert findings.select("dataset", "severity", "rule").rows() == [
        ("TR", "error", "lacks TRSTRESN (Numeric Result/Finding in Standard Units)"),
        ("TR", "warning", "lacks TRDTC (Date/Time of Collection)"),
    ]


def test_a_column_of_another_type_is_told_before_its_rules_are_asked():
    study = sound_study()
    study["TR"] = study["TR"].with_columns(pl.col("TRSTRESN").cast(pl.String))

    with pytest.raises(DatasetError, match="TRSTRESN is a number, but the column is String"):
        check_study(study)


def test_a_study_has_demographics():
    with pytest.raises(DatasetError, match="DM: the dataset is in the study"):
        check_study({"AE": sound_study()["AE"]})


def test_a_dataset_nobody_knows_is_mentioned():
    strange = pl.DataFrame({"USUBJID": ["S-999"], "XXDTC": ["yesterday"]})
    findings = check_study(sound_study() | {"XX": strange})
    assert findings.select("dataset", "severity").rows() == [("XX", "warning")]


def test_warnings_are_told_with_the_errors():
    study = sound_study()
    study["DM"] = study["DM"].with_columns(SEX=pl.lit("X"), DTHFL=pl.lit(None, pl.String))

    with pytest.raises(DatasetError, match="2 findings, 1 of them to mend first") as error:
        check_study(study)

    assert "nobody else (DTHFL, DTHDTC). (a warning)" in str(error.value)


def test_a_time_to_event_has_a_length_and_a_code():
    adtte = pl.DataFrame({
        "STUDYID": "S", "USUBJID": ["1", "2"], "PARAMCD": "PFS", "AVAL": [12.0, None],
        "CNSR": [0, 1],
    })  # fmt: skip

    with pytest.raises(DatasetError, match="every time to event has a length") as error:
        check_study({"ADTTE": adtte})

    assert "1 of 2 rows" in str(error.value)


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_every_column_takes_the_type_its_name_promises():
    raw = pl.DataFrame(
        {
            "USUBJID": ["1", "2"],
            "SITEID": [7.0, 12.0],
            "ASEQ": [1.0, 2.0],
            "CNSR": ["0", "5.397605346934028e-79"],
            "AVAL": ["12.5", ""],
            "ADT": [0, 22279],
            "STARTDT": ["2020-12-30", "  "],
            "ADTM": ["2020-12-30T08:15:00", None],
            "PARAMCD": pl.Series(["PFS", None], dtype=pl.Categorical),
            "EXTRA": pl.Series([3, None], dtype=pl.Int32),
        }
    )

    typed, findings = conform(raw, dataset="ADTTE")

    assert findings.is_empty()
    expected = pl.DataFrame(
        {
            "USUBJID": ["1", "2"],
            "SITEID": ["7", "12"],
            "ASEQ": [1, 2],
            "CNSR": [0, 0],
            "AVAL": [12.5, None],
            "ADT": [date(1960, 1, 1), date(2020, 12, 30)],  # SAS counts days from 1960
            "STARTDT": [date(2020, 12, 30), None],
            "ADTM": [datetime(2020, 12, 30, 8, 15), None],
            "PARAMCD": ["PFS", None],
            "EXTRA": [3.0, None],
        }
    )
    assert_frame_equal(typed, expected)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("AVAL", ["12,5", "13"], "AVAL is a number"),
        ("AVAL", [date(2020, 1, 1), None], "AVAL is a number"),
        ("AVAL", ["inf", "1"], "AVAL is a number"),
        ("ASEQ", [1.5, 2.0], "ASEQ is a whole number"),
        ("ADT", ["2020-12", "2020-12-30"], "ADT is a date"),
        ("ADT", [datetime(2020, 1, 1, 8), None], "ADT is a date"),
        ("AVALC", [["PR", "SD"], None], "AVALC is text"),
        ("ADTM", ["2020-12-30", None], "ADTM is a date and time"),
        ("ATM", ["8 o'clock", None], "ATM is a time of day"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_a_finding_not_a_null(name, values, says):
    raw = pl.DataFrame({"USUBJID": ["1", "2"], name: values})

    _, findings = conform(raw, dataset="ADTTE")

    assert findings.select("severity", "rule", "broken", "rows").rows() == [("error", says, 1, 2)]
    assert findings["examples"].item().startswith(f"USUBJID '1'  {name} ")


def test_missing_numbers_are_null_not_nan():
    typed, findings = conform(pl.DataFrame({"AVAL": [1.0, float("nan")]}), dataset="ADTTE")
    assert typed["AVAL"].to_list() == [1.0, None]
    assert findings.is_empty()


def test_a_time_of_sas_is_a_time():
    typed, _ = conform(pl.DataFrame({"ATM": [29700.0]}), dataset="ADTTE")
    assert typed["ATM"].to_list() == [time(8, 15)]


def test_north_america_is_not_missing():
    typed, _ = conform(pl.DataFrame({"REGION1": ["NA"]}), dataset="ADSL")
    assert typed["REGION1"].to_list() == ["NA"]


# --- supplemental qualifiers ----------------------------------------------------------------------


def supplement(*rows):
    names = ["USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QVAL"]
    return pl.DataFrame(list(rows), schema=dict.fromkeys(names, pl.String), orient="row")


@pytest.mark.by_hand
def test_qualifiers_join_by_subject_or_by_record():
    dm = pl.DataFrame({"USUBJID": ["1", "2"], "SEX": ["F", "M"]})
    ae = pl.DataFrame({"USUBJID": ["1", "1", "2"], "AESEQ": [1, 2, 1], "AESPID": ["a", "b", "c"]})
    frames = {
        "DM": dm,
        "AE": ae,
        "SUPPDM": supplement(("1", None, None, "KI67", "12")),
        "SUPPAE": supplement(
            ("1", "AESEQ", "  2", "AETRTEM", "Y"),  # SAS writes numbers to the right
            ("2", "AESEQ", "1", "AETRTEM", "N"),
            ("1", "AESPID", "a", "AETRTEM", "U"),
        ),
    }

    joined = join_supplemental(frames)

    assert joined.findings.is_empty()
    assert joined.frames.keys() == {"DM", "AE"}
    assert_frame_equal(joined.frames["DM"], dm.with_columns(KI67=pl.Series(["12", None])))
    assert_frame_equal(joined.frames["AE"], ae.with_columns(AETRTEM=pl.Series(["U", "Y", "N"])))


@pytest.mark.parametrize(
    ("rows", "severity", "says"),
    [
        ([("9", "AESEQ", "1", "Q", "x")], "warning", "a qualifier belongs to a record"),
        ([("1", "AESEQ", "7", "Q", "x")], "warning", "a qualifier belongs to a record"),
        ([("1", "AESEQ", "1", "AETERM", "x")], "error", "no qualifier has the name of a variable"),
        ([("1", "AELINE", "1", "Q", "x")], "error", "the record is found by a variable"),
        ([("1", "AESEQ", "1", "Q", "x")] * 2, "error", "a record has a qualifier once"),
    ],
)
def test_a_qualifier_that_fits_nowhere_is_a_finding(rows, severity, says):
    ae = pl.DataFrame({"USUBJID": ["1"], "AESEQ": [1], "AETERM": ["Nausea"]})

    joined = join_supplemental({"AE": ae, "SUPPAE": supplement(*rows)})

    assert joined.findings["severity"].to_list() == [severity]
    assert joined.findings["rule"].item().startswith(says)
    assert joined.frames["AE"].height == 1
    assert joined.frames["AE"]["AETERM"].to_list() == ["Nausea"]


def test_a_supplement_needs_its_domain_and_its_columns():
    joined = join_supplemental({"SUPPAE": supplement(), "SUPPDM": supplement().drop("QVAL")})

    assert joined.frames == {}
    assert joined.findings.select("dataset", "severity", "rule").rows() == [
        ("SUPPAE", "warning", "the dataset AE, which SUPPAE qualifies, is in the study"),
        ("SUPPDM", "error", "lacks QVAL"),
    ]


# --- dates ----------------------------------------------------------------------------------------

GOOD_DATES = [
    "2019",
    "2019-07",
    "2019-07-18",
    "2019---07",
    "2019-02--",
    "--12-15",
    "-----T07:15",
    "2020-02-29",
    "2019-07-18T15",
    "2019-07-18T15:25",
    "2019-07-18T15:25:40",
    "2019-07-18T15:25:40.5",
    "2019-07-18T15:25:40Z",
    "2019-07-18T15:25+02:00",
    "2019-07-18T-:25",
]
BAD_DATES = [
    "19",
    "2019-13",
    "2019-00",
    "2019-02-30",
    "2019-02-29",
    "2019-7-18",
    "18-07-2019",
    "10JAN2024",
    "2019/07/18",
    "20190718",
    "2019-07-18T25",
    "2019-07-18T15:60",
    "2019-07-18T",
    "2019-07-18T15:25:40+0200",
    "-",
    "--",
    "UNK",
    "2019-07-",
]


@pytest.mark.parametrize(
    ("text", "good"),
    [(each, True) for each in GOOD_DATES] + [(each, False) for each in BAD_DATES],
)
def test_dates_of_iso_8601(text, good):
    assert pl.select(is_iso8601(pl.lit(text))).item() is good


@pytest.mark.parametrize(
    ("later", "earlier", "answer"),
    [
        ("2019-03-02", "2019-03-01", True),
        ("2019-03-01", "2019-03-02", False),
        ("2019-03", "2019-03-28", True),
        ("2019-02", "2019-03-28", False),
        ("2019", "2019-12-31T23:59", True),
        ("2018", "2019-01-01", False),
        ("2019-03-01T08:00", "2019-03-01", True),
        ("2019-03-01T08:00", "2019-03-01T08:01", False),
        ("2019---07", "2019-12-31", True),
        (None, "2019-03-28", True),
        ("2019-03-28", None, True),
    ],
)
def test_partial_dates_are_compared_as_far_as_they_are_known(later, earlier, answer):
    pair = pl.DataFrame({"a": [later], "b": [earlier]}, schema=dict.fromkeys("ab", pl.String))
    assert pair.select(is_not_before(pl.col("a"), pl.col("b"))).item() is answer


def impute(text, **options):
    frame = pl.DataFrame({"X": [text]}, schema={"X": pl.String})
    found = frame.select(imputed_date("X", **options)).item()
    return found["date"], found["flag"]


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("text", "highest", "towards", "expected"),
    [
        ("2020-02-17T08:00", "none", "first", (date(2020, 2, 17), None)),
        ("2020-02", "none", "first", (None, None)),
        ("2020-02", "D", "first", (date(2020, 2, 1), "D")),
        ("2020-02", "D", "mid", (date(2020, 2, 15), "D")),
        ("2020-02", "D", "last", (date(2020, 2, 29), "D")),
        ("2019-02", "M", "last", (date(2019, 2, 28), "D")),
        ("2020", "D", "first", (None, None)),
        ("2020", "M", "first", (date(2020, 1, 1), "M")),
        ("2020", "M", "mid", (date(2020, 6, 30), "M")),
        ("2020", "M", "last", (date(2020, 12, 31), "M")),
        ("2020---17", "M", "first", (date(2020, 1, 1), "M")),
        ("2020---17", "D", "first", (None, None)),
        ("--02-17", "M", "first", (None, None)),
        ("2019-02-30", "M", "first", (None, None)),
        (None, "M", "last", (None, None)),
    ],
)
def test_partial_dates_are_completed_by_the_declared_rule(text, highest, towards, expected):
    assert impute(text, highest=highest, towards=towards) == expected


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("text", "bound", "expected"),
    [
        ("2020-05", date(2020, 5, 10), (date(2020, 5, 10), "D")),
        ("2020-05", date(2020, 6, 10), (date(2020, 5, 1), "D")),  # May it is, whatever the dose
        ("2020-05", date(2020, 4, 10), (date(2020, 5, 1), "D")),
        ("2020-05-03", date(2020, 5, 10), (date(2020, 5, 3), None)),  # collected, not imputed
        ("2020", date(2020, 5, 10), (date(2020, 5, 10), "M")),
        (None, date(2020, 5, 10), (date(2020, 5, 10), "Y")),
        (None, None, (None, None)),
    ],
)
def test_a_bound_moves_an_imputed_date_only_where_it_could_be_the_date(text, bound, expected):
    bounds = [pl.lit(bound, pl.Date)]
    assert impute(text, highest="Y", towards="first", not_before=bounds) == expected


@pytest.mark.parametrize(
    "options", [{"towards": "first"}, {"towards": "mid"}, {"towards": "last", "not_before": ["X"]}]
)
def test_a_wholly_unknown_date_is_not_imputed_from_nothing(options):
    with pytest.raises(ValueError, match="imputed from bounds"):
        imputed_date("X", highest="Y", **options)


days = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@pytest.mark.law
@settings(deadline=None)  # polars compiles each expression
@given(days, st.sampled_from([4, 7, 10]), days)
def test_an_imputed_date_agrees_with_what_was_collected(day, known, bound):
    text = day.isoformat()[:known]
    bounds = {"not_before": [pl.lit(bound)], "not_after": [pl.lit(bound)]}
    for towards in ("first", "mid", "last"):
        for limits in ({}, bounds):
            imputed, flag = impute(text, highest="M", towards=towards, **limits)
            assert imputed.isoformat().startswith(text)
            assert flag == {4: "M", 7: "D", 10: None}[known]


@pytest.mark.law
@settings(deadline=None)  # polars compiles each expression
@given(days, st.sampled_from([4, 7, 10]))
def test_the_first_day_is_not_after_the_middle_nor_the_middle_after_the_last(day, known):
    text = day.isoformat()[:known]
    first, mid, last = (
        impute(text, highest="M", towards=towards)[0] for towards in ("first", "mid", "last")
    )
    assert first <= mid <= last
    assert first <= day <= last


def cases_of_derive_vars_dt():
    path = CONFORMANCE / "cases" / "vars_dt.json"
    cases = json.loads(path.read_text())["cases"] if path.exists() else []
    return [pytest.param(case, id=case["test"]) for case in cases]


@pytest.mark.conformance
@pytest.mark.parametrize("case", cases_of_derive_vars_dt())
def test_dates_are_imputed_as_admiral_does(case):
    options = case["args"]
    rows = pl.DataFrame(options["arg1"], infer_schema_length=None)
    bounds = {}
    for ours, theirs in (("not_before", "min_dates"), ("not_after", "max_dates")):
        bounds[ours] = [pl.col(name).str.to_date() for name in options.get(theirs, {}).values()]
    rows = rows.cast({name: pl.String for name in rows.columns})

    found = rows.select(
        imputed_date(
            options["dtc"],
            highest=options.get("highest_imputation", "none"),
            towards=options.get("date_imputation", "first"),
            **bounds,
        ).struct.unnest()
    )

    prefix = options["new_vars_prefix"]
    for (day, flag), expected in zip(found.rows(), case["expected"], strict=True):
        assert (day.isoformat() if day else None) == expected[f"{prefix}DT"]
        if f"{prefix}DTF" in expected:
            assert flag == expected[f"{prefix}DTF"]

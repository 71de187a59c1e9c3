# SPDX-License-Identifier: Apache-2.0
"""The CDISC pilot's oncology add-on: our ADTR, ADRS and ADTTE against the community's, by row.

What differs is asserted as it differs, each with its rule in `docs/conformance.md`.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from radioligand.endpoints import derive_adtte
from radioligand.protocol import Protocol, parse_protocol
from radioligand.protocol import Response as Policies
from radioligand.response import (
    best_overall_response,
    derive_adrs,
    derive_adtr,
    disagreements,
    overall_response,
)
from radioligand.response.best_response import (
    first_response,
    until_progression,
    worst_of_date,
)
from radioligand.subjects import derive_adsl

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "conformance"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the public conformance data are not here"),
]

READINGS = {  # suffix: which records of RS
    "L": {"RSEVAL": "INVESTIGATOR"},
    "1": {"RSEVALID": "RADIOLOGIST 1"},
    "2": {"RSEVALID": "RADIOLOGIST 2"},
}


def published(name: str) -> pl.DataFrame:
    return pl.read_parquet(SHARED / f"{name}.parquet")


def words(text: str) -> list[str]:
    return text.split()


@cache
def protocol(**response: Any) -> Protocol:
    document = tomllib.loads((HERE / "cdisc-pilot.toml").read_text(encoding="utf-8"))
    document["response"] |= response
    return parse_protocol(document, name="cdisc-pilot.toml")


@cache
def study() -> dict[str, pl.DataFrame]:
    plain = ("dm", "ds", "ex", "ae", "lb")
    return {
        **{name.upper(): published(f"sdtm/{name}") for name in plain},
        **{name.upper(): published(f"sdtm/{name}_onco_recist") for name in ("tu", "tr", "rs")},
    }


@cache
def adsl() -> pl.DataFrame:
    return published("adam/adsl")


@cache
def adtr() -> pl.DataFrame:
    return derive_adtr(study()["TR"], study()["TU"], adsl(), protocol=protocol())


@cache
def adrs(**response: Any) -> pl.DataFrame:
    sdtm = study()
    return derive_adrs(sdtm["TR"], sdtm["TU"], sdtm["RS"], adsl(), protocol=protocol(**response))


class Difference(NamedTuple):
    """One cell, or with an empty column one row, that the two do not share."""

    key: tuple[Any, ...]
    column: str
    theirs: Any
    ours: Any


def differences(
    theirs: pl.DataFrame, ours: pl.DataFrame, *, keys: list[str], columns: list[str]
) -> list[Difference]:
    """Compare two frames cell by cell, nulls and absent rows included; floats to 1e-9."""
    both = theirs.select(*keys, *columns, THEIRS=True).join(
        ours.select(*keys, *columns, OURS=True),
        on=keys,
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    assert both.height <= max(theirs.height, ours.height) + both["THEIRS"].null_count()
    found = []
    for row in both.sort(keys, nulls_last=True).to_dicts():
        key = tuple(row[name] for name in keys)
        if not (row["THEIRS"] and row["OURS"]):
            found.append(Difference(key, "", row["THEIRS"], row["OURS"]))
            continue
        for column in columns:
            a, b = row[column], row[f"{column}_right"]
            both_numbers = isinstance(a, float) and isinstance(b, int | float)
            if not (abs(a - b) < 1e-9 if both_numbers else a == b):
                found.append(Difference(key, column, a, b))
    return found


# -- lesions to responses ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", READINGS)
def test_lesions_give_the_visit_responses_that_readers_stated(suffix: str) -> None:
    stated = study()["RS"].filter(**READINGS[suffix]).select("USUBJID", "VISIT", AVALC="RSSTRESC")
    derived = adrs().filter(PARAMCD=f"OVR{suffix}")

    assert stated.height == 22
    assert differences(stated, derived, keys=["USUBJID", "VISIT"], columns=["AVALC"]) == []


def test_under_recist_one_of_the_66_is_progression_because_disease_came_back() -> None:
    changed = [
        difference
        for suffix in READINGS
        for difference in differences(
            adrs().filter(PARAMCD=f"OVR{suffix}"),
            adrs(response_after_complete="recist").filter(PARAMCD=f"OVR{suffix}"),
            keys=["USUBJID", "VISIT"],
            columns=["AVALC"],
        )
    ]
    assert changed == [Difference(("01-701-1133", "WEEK 9"), "AVALC", "PR", "PD")]


def test_the_disagreement_is_told() -> None:
    recist = protocol(response_after_complete="recist")
    found = disagreements(adrs(response_after_complete="recist"), study()["RS"], protocol=recist)
    assert found["broken"].to_list() == [1]
    assert "01-701-1133" in found["examples"][0]
    assert disagreements(adrs(), study()["RS"], protocol=protocol()).is_empty()


def as_published(frame: pl.DataFrame, label: str, suffix: str) -> pl.DataFrame:
    """Return the rows of one evaluation under the names that the community gave them."""
    own = (pl.col("PARCAT2") == label) | (pl.col("PARAMCD") == "DEATH")
    return frame.filter(own).with_columns(
        pl.col("PARAMCD").str.strip_suffix(suffix),
        pl.col("PARCAT2").str.replace(label, "Investigator"),
        pl.col("PARAM").str.replace(label, "Investigator"),
    )


def test_adtr_row_by_row() -> None:
    columns = words("""
        STUDYID PARAM PARCAT1 PARCAT2 PARCAT3 ADT ADTF ADY AVISIT AVAL BASE CHG PCHG NADIR CHGNAD
        PCHGNAD ABLFL PDFL ANL01FL ANL02FL ANL03FL ANL04FL TRLNKID TULOC TULOCGR1 LSEXP LSASS
    """)
    keys = ["USUBJID", "PARAMCD", "AVISITN"]
    theirs = published("adam/adtr_onco")
    ours = as_published(adtr(), "Investigator, from lesions", "L").with_columns(
        # the second evaluation of a protocol names its reader on every parameter
        pl.col("PARAM").str.replace(r"(Analysis \w+) by Investigator", "$1")
    )

    assert theirs.height == 181
    # a sum is dated as its lesions are; ours says that this date is imputed, theirs does not
    assert differences(theirs, ours, keys=keys, columns=columns) == [
        Difference(("01-701-1015", "SDIAM", 3.0), "ADTF", None, "D")
    ]
    single = pl.col("PARAMCD") != "SDIAM"
    records = theirs.filter(single).with_columns(SRCSEQ="TRSEQ")
    assert differences(records, ours.filter(single), keys=keys, columns=["SRCSEQ"]) == []


@pytest.mark.parametrize(
    ("label", "suffix"), [("Investigator", ""), ("Investigator, from lesions", "L")]
)
def test_adrs_row_by_row(label: str, suffix: str) -> None:
    columns = words("""
        STUDYID PARAM PARCAT1 PARCAT2 PARCAT3 ADT ADTF AVISIT AVAL AVALC ANL01FL ANL02FL VISIT
    """)
    columns += ["SRCSEQ", "RSSTRESC"] if suffix == "" else []  # RS is the source
    theirs = published("adam/adrs_onco").with_columns(SRCSEQ="RSSEQ")
    shared = theirs["PARAMCD"].unique().to_list()
    ours = as_published(adrs(), label, suffix).filter(pl.col("PARAMCD").is_in(shared))
    keys = ["USUBJID", "PARAMCD", "VISITNUM"]

    found = differences(theirs, ours, keys=keys, columns=columns)

    assert theirs.height == 3694
    # CBCP is N for everyone in theirs, even for the one whose CBOR is PR: a defect
    assert found == [
        Difference(("01-701-1118", "CBCP", 3.0), "", None, True),
        Difference(("01-701-1118", "CBCP", None), "", True, None),
    ]
    confirmed = ours.filter(USUBJID="01-701-1118").filter(pl.col("PARAMCD").str.contains("CB"))
    answers = dict(confirmed.select("PARAMCD", "AVALC").iter_rows())
    assert answers | {"CBOR": "PR", "CBCP": "Y"} == answers


# -- times to event ---------------------------------------------------------------------------


def test_adtte_row_by_row() -> None:
    columns = words("STUDYID PARAM STARTDT ADT AVAL CNSR EVNTDESC CNSDTDSC SRCDOM SRCVAR ASEQ")
    theirs = published("adam/adtte_onco")
    ours = derive_adtte(adsl(), adrs(), None, protocol=protocol())

    assert theirs.height == ours.height == 512
    assert differences(theirs, ours, keys=["USUBJID", "PARAMCD"], columns=columns) == []


def test_times_lead_to_the_same_records_of_adrs() -> None:
    theirs, ours = (
        published("adam/adtte_onco"),
        derive_adtte(adsl(), adrs(), None, protocol=protocol()),
    )

    def followed(adtte: pl.DataFrame, to: pl.DataFrame) -> pl.DataFrame:
        return adtte.filter(SRCDOM="ADRS").join(
            to.select("USUBJID", "PARAMCD", "ASEQ", "AVALC"),
            left_on=["USUBJID", "SRCSEQ"],
            right_on=["USUBJID", "ASEQ"],
            how="left",
            suffix="_SOURCE",
        )

    keys, columns = ["USUBJID", "PARAMCD"], ["PARAMCD_SOURCE", "AVALC"]
    there, here = followed(theirs, published("adam/adrs_onco")), followed(ours, adrs())
    assert here["AVALC"].null_count() == 0
    assert differences(there, here, keys=keys, columns=columns) == []


def test_from_sdtm_alone_one_survival_time_is_mended() -> None:
    own = derive_adsl(study(), protocol=protocol())
    sdtm = study()
    responses = derive_adrs(sdtm["TR"], sdtm["TU"], sdtm["RS"], own, protocol=protocol())
    ours = derive_adtte(own, responses, None, protocol=protocol())
    found = differences(
        published("adam/adtte_onco"),
        ours,
        keys=["USUBJID", "PARAMCD"],
        columns=["ADT", "AVAL", "CNSR"],
    )
    # theirs ends survival before the last scan of this subject, hence PFS 64 > OS 55 days
    assert {(one.key, one.column) for one in found} == {
        (("01-701-1115", "OS"), "ADT"),
        (("01-701-1115", "OS"), "AVAL"),
    }
    times = dict(ours.filter(USUBJID="01-701-1115").select("PARAMCD", "AVAL").iter_rows())
    assert times["OS"] == times["PFS"] == 64


# -- the combination table on the older add-on ------------------------------------------------


def test_the_combination_table_on_1899_visits() -> None:
    visit = ["USUBJID", "VISITNUM", "RSDTC", "RSEVAL", "RSEVALID"]
    rows = published("sdtm/rs_onco").pivot("RSTESTCD", index=visit, values="RSSTRESC")
    differ = [
        row["OVRLRESP"]
        for row in rows.iter_rows(named=True)
        if row["OVRLRESP"]
        != overall_response(
            row["TRGRESP"] or "NONE", row["NTRGRESP"] or "NONE", row["NEWLPROG"] == "UNEQUIVOCAL"
        )
    ]
    assert rows.height == 1899
    assert differ == ["CHECK"] * 3  # a reader's note to look again; no response


# -- unit cases of admiral and admiralonco ----------------------------------------------------


def cases(name: str) -> list[dict[str, Any]]:
    path = SHARED / "cases" / f"{name}.json"
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return found


def records(rows: list[dict[str, Any]], **where: str) -> pl.DataFrame:
    """Return rows of a case; the start of treatment is what its windows count from."""
    frame = pl.DataFrame(rows, infer_schema_length=None).filter(**where)
    dates = [name for name in ("ADT", "TRTSDT", "PDDT") if name in frame.columns]
    frame = frame.with_columns(pl.col(dates).cast(pl.String).str.to_date())
    return frame.rename({"TRTSDT": "STARTDT"}, strict=False)


def visits_of(case: dict[str, Any]) -> pl.DataFrame:
    """Return the assessments of a case, up to progression, and every subject without any."""
    arguments = case["args"]
    rows = arguments.get("dataset") or arguments["arg1"]
    visits = records(rows, PARAMCD="OVR").select("USUBJID", "AVALC", "ADT")
    if arguments.get("source_pd"):
        progression = records(arguments["source_datasets"][arguments["source_pd"]["dataset_name"]])
        visits = until_progression(visits, progression.filter(PARAMCD="PD", AVALC="Y"))
    subjects = arguments.get("dataset_adsl") or arguments["source_datasets"]["adsl"]
    starts = records(subjects).select("USUBJID", "STARTDT")
    return starts.join(visits, on="USUBJID", how="left")


def expected_of(case: dict[str, Any], parameter: str) -> list[tuple[Any, ...]]:
    rows = records(case["expected"], PARAMCD=parameter)
    return rows.select("USUBJID", "AVALC", "ADT").sort("USUBJID").rows()


def rules_of(case: dict[str, Any]) -> Policies:
    """Return the policies that the arguments of a case amount to; their windows are 28 days."""
    return Policies(
        response_after_complete="admiral",
        stable_days=case["args"].get("ref_start_window", 28),
        confirmation_days=case["args"].get("ref_confirm", 28),
        confirmation_not_evaluable=case["args"].get("max_nr_ne", 1),
        confirmation_stable=int(case["args"].get("accept_sd", False)),
    )


@pytest.mark.parametrize("case", cases("bor"), ids=lambda case: str(case["test"]))
def test_best_overall_response_as_admiralonco_has_it(case: dict[str, Any]) -> None:
    missing = "NE" if case["args"].get("missing_as_ne") else "MISSING"
    best = best_overall_response(visits_of(case), rules=rules_of(case), missing=missing)

    assert best.select("USUBJID", "AVALC", "ADT").rows() == expected_of(case, "BOR")


@pytest.mark.parametrize("case", cases("response"), ids=lambda case: str(case["test"]))
def test_first_response_as_admiralonco_has_it(case: dict[str, Any]) -> None:
    found = first_response(worst_of_date(visits_of(case)), rules=rules_of(case))
    expected = [row for row in expected_of(case, "RSP") if row[1] == "Y"]

    assert found.select("USUBJID", pl.lit("Y"), "ADT").rows() == expected


@pytest.mark.parametrize("case", cases("filter_pd"), ids=lambda case: str(case["test"]))
def test_records_until_progression_as_admiralonco_has_them(case: dict[str, Any]) -> None:
    source = case["args"]["source_pd"]
    rows = records(case["args"]["source_datasets"][source["dataset_name"]])
    said = {"PDDT": "ADT"} if source["date"] == "PDDT" else {}
    rows = rows.rename(said).filter(pl.col("ADT").is_not_null())
    if "PARAMCD" in rows.columns:
        derived_here = "OVR" in source["filter"]
        rows = rows.filter(PARAMCD="OVR", AVALC="PD") if derived_here else rows.filter(PARAMCD="PD")
    kept = until_progression(records(case["args"]["dataset"], PARAMCD="OVR"), rows)

    columns = ["USUBJID", "PARAMCD", "AVALC", "ADT"]
    assert kept.select(columns).rows() == records(case["expected"]).select(columns).rows()


EXTREME = {case["test"].split(":")[0].split()[-1]: case for case in cases("extreme_event")}


def test_extreme_event_3_is_the_best_overall_response() -> None:
    case = EXTREME["3"]
    best = best_overall_response(visits_of(case), rules=rules_of(case))
    assert best.select("USUBJID", "AVALC", "ADT").rows() == expected_of(case, "BOR")


def test_extreme_event_5_is_the_best_confirmed_response() -> None:
    case = EXTREME["5"]
    best = best_overall_response(visits_of(case), rules=rules_of(case), confirmed=True)
    assert best.select("USUBJID", "AVALC", "ADT").rows() == expected_of(case, "CBOR")


def test_extreme_event_6_is_the_confirmed_response() -> None:
    """Its visits have numbers and no dates: any later response confirms."""
    case = EXTREME["6"]
    day = pl.date(2020, 1, 1) + pl.duration(days="AVISITN")
    visits = pl.DataFrame(case["args"]["arg1"]).with_columns(ADT=day)
    found = first_response(visits, rules=Policies(confirmation_days=0), confirmed=True)
    expected = [row for row in case["expected"] if row["PARAMCD"] == "CRSP"]

    assert [(row["USUBJID"], row["AVISITN"]) for row in expected] == found.select(
        "USUBJID", "AVISITN"
    ).rows()

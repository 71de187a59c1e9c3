# SPDX-License-Identifier: Apache-2.0
"""NETTER-1: its document, its rules on patients worked by hand, its analyses, its virtual study."""

import tomllib
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from radioligand import criteria
from radioligand.analysis import analyse
from radioligand.analysis.interim import interim
from radioligand.analysis.phases import subject_phases
from radioligand.analysis.results import Origin
from radioligand.analysis.scope import scope
from radioligand.cdisc import check_study, join_supplemental
from radioligand.cli import cli
from radioligand.cli.contents import report_of
from radioligand.derivation import derive, missing_domains
from radioligand.endpoints import derive_adtte
from radioligand.io.documents import read_protocol
from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.report import render
from radioligand.report.formatting import significant
from radioligand.response import derive_adrs
from radioligand.screening import answer, read_patient
from radioligand.simulation.design import design_of
from radioligand.simulation.parameters import read_population
from radioligand.simulation.patients import simulate_study
from radioligand.simulation.population import allocation_list
from radioligand.subjects import complete

FOLDER = Path(__file__).parent / "patients" / "netter-1"
DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-1.toml").read_text("utf-8"))
NETTER_1 = parse_protocol(DOCUMENT, name="netter-1.toml")
CENTRAL, LOCAL = "INDEPENDENT ASSESSOR", "INVESTIGATOR"


def worked(pattern: str) -> list[Any]:
    """The files of patients worked by hand, each under its name."""
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob(pattern))]


# -- the document ----------------------------------------------------------------------------


def test_the_document_says_what_the_paper_says():
    plan = NETTER_1.randomisation
    assert plan is not None
    infused = NETTER_1.arm("experimental").treatments[0]
    planned = NETTER_1.planning
    assert planned is not None

    assert [arm.ratio for arm in NETTER_1.arms] == [1, 1]
    assert (plan.method, plan.block_size) == ("permuted blocks", 4)
    assert [len(factor.levels) for factor in plan.strata] == [3, 2]
    assert (infused.amount, infused.unit, infused.cycles, infused.every_weeks) == (7.4, "GBq", 4, 8)
    assert NETTER_1.arm("control").treatments[0].amount == 60
    assert NETTER_1.activity("imaging").planned_days(400) == (84, 168, 252, 336)
    assert NETTER_1.activity("follow-up-imaging").evaluations == ("local",)
    assert (planned.events, planned.subjects, planned.power, planned.sided) == (74, 124, 0.9, 2)
    assert NETTER_1.safety is not None
    assert NETTER_1.safety.grading == "CTCAE 4.03"
    assert NETTER_1.quality_of_life is None


@pytest.mark.parametrize(
    ("table", "key", "value", "told"),
    [
        ("schedule", "ends", "NODT", "schedule[imaging].ends: there is no subject date 'NODT'"),
        ("schedule", "evaluations", ["third"], "schedule[imaging].evaluations: there is no"),
        ("phases", "begins", "NODT", "phases[treatment].begins: there is no subject date 'NODT'"),
        ("phases", "failure", "NONE", "phases[treatment].failure: there is no endpoint 'NONE'"),
        ("phases", "id", "follow-up", "phases[follow-up]: 2 entries share this id"),
    ],
)
def test_names_that_point_nowhere_are_faults(table, key, value, told):
    changed = [dict(row) for row in DOCUMENT[table]]
    changed[0][key] = value

    with pytest.raises(ProtocolError) as refused:
        parse_protocol({**DOCUMENT, table: changed})
    assert told in str(refused.value)


def test_an_interim_analysis_of_nothing_is_a_fault():
    analyses = [dict(row) for row in DOCUMENT["analyses"]]
    next(row for row in analyses if row["id"] == "os-interim")["analysis"] = "survival"

    with pytest.raises(ProtocolError, match="there is no analysis 'survival'"):
        parse_protocol({**DOCUMENT, "analyses": analyses})


# -- eligibility and strata by hand ----------------------------------------------------------


def form(fields: dict[str, Any]) -> dict[str, Any]:
    """The eligible patient with some fields changed, as a form; "unknown" leaves a field out."""
    base = tomllib.loads((FOLDER / "eligible.toml").read_text("utf-8"))
    told = {name: value for name, value in (base | fields).items() if value != "unknown"}
    return {name: str(v) if isinstance(v, date) else v for name, v in told.items()}


def judged(fields: dict[str, Any], protocol=NETTER_1) -> dict[str, Any]:
    """The verdict, and the ids of the criteria not met and unknown."""
    patient = complete(
        read_patient(form(fields), protocol=protocol),
        variables=protocol.variables,
        data=protocol.data,
    )
    told = answer(patient, protocol=protocol)
    by_verdict: dict[str, list[str]] = {"not met": [], "unknown": []}
    for one in told["criteria"]:
        by_verdict.get(one["verdict"], []).append(one["id"])
    return {
        "verdict": told["verdict"],
        "not_met": by_verdict["not met"],
        "unknown": by_verdict["unknown"],
    }


def stratum(fields: dict[str, Any]) -> dict[str, str]:
    """The level of each factor whose condition a patient meets; exactly one of each."""
    patient = read_patient(form(fields), protocol=NETTER_1)
    assert NETTER_1.randomisation is not None
    found = {}
    for factor in NETTER_1.randomisation.strata:
        held = [
            level.id
            for level in factor.levels
            if patient.select(criteria.met(level.holds)).item() is True
        ]
        assert len(held) == 1
        found[factor.id] = held[0]
    return found


@pytest.mark.by_hand
def test_the_eligible_patient_meets_every_criterion():
    assert judged({}) == {"verdict": "eligible", "not_met": [], "unknown": []}


@pytest.mark.by_hand
@pytest.mark.parametrize("path", worked("e[0-9]*.toml"))
def test_eligibility_worked_by_hand(path):
    told = tomllib.loads(path.read_text("utf-8"))
    expect = told["expect"]
    assert set(told) == {"shows", "worked", "fields", "expect"}
    assert set(expect) <= {"verdict", "not_met", "unknown", "STRUPT", "STROCT"}

    wanted = {"not_met": [], "unknown": []} | {
        key: value for key, value in expect.items() if not key.startswith("STR")
    }
    assert judged(told["fields"]) == wanted, told["worked"]
    for factor in ("STRUPT", "STROCT"):
        if factor in expect:
            assert stratum(told["fields"])[factor] == expect[factor], told["worked"]


@pytest.mark.by_hand
def test_albumin_as_printed_can_be_switched_on():
    """The sentence as printed excludes albumin above 3.0 g/dL and spares what is below."""
    rows = [dict(row) for row in DOCUMENT["eligibility"]]
    for row in rows:
        if row["id"] in ("E07", "E07P"):
            row["default"] = row["id"] == "E07P"
    printed = parse_protocol({**DOCUMENT, "eligibility": rows})

    normal = {"albumin_g_l": 42, "prothrombin_time": "HIGH"}
    low = {"albumin_g_l": 28, "prothrombin_time": "HIGH"}
    assert judged(normal)["not_met"] == []
    assert judged(normal, printed)["not_met"] == ["E07P"]
    assert judged(low)["not_met"] == ["E07"]
    assert judged(low, printed)["not_met"] == []


# -- treatment failure and phases by hand ----------------------------------------------------


def lesion_rows(told: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """TU and TR of one target lesion in the liver, 60 mm at baseline, as both readers saw it."""
    start = told["randomised"]
    scans = [{"day": -14, "central": 60, "local": 60}, *told["visits"]]
    tr = [
        {
            **{"STUDYID": "HAND", "DOMAIN": "TR", "USUBJID": "HAND", "TRSEQ": 2 * number + place},
            **{"TRLNKID": "T01", "TRGRPID": "TARGET", "TRTESTCD": "LDIAM", "TREVAL": reader},
            **{"TRSTRESN": float(scan[key]), "TRSTRESC": str(scan[key]), "TRSTRESU": "mm"},
            **{"VISIT": f"SCAN {number}", "VISITNUM": float(number), "TRSTAT": None},
            "TRDTC": str(start + timedelta(days=scan["day"])),
        }
        for number, scan in enumerate(scans, 1)
        for place, (key, reader) in enumerate((("central", CENTRAL), ("local", LOCAL)))
        if key in scan
    ]
    tu = [
        {
            **{"STUDYID": "HAND", "DOMAIN": "TU", "USUBJID": "HAND", "TUSEQ": place},
            **{"TUTESTCD": "TUMIDENT", "TUSTRESC": "TARGET", "TULNKID": "T01", "TULOC": "LIVER"},
            **{"TUEVAL": reader, "VISIT": "SCAN 1", "VISITNUM": 1.0, "TUDTC": tr[0]["TRDTC"]},
        }
        for place, reader in enumerate((CENTRAL, LOCAL), 1)
    ]
    return pl.DataFrame(tu), pl.DataFrame(tr, schema_overrides={"TRSTAT": pl.String})


def subject_row(told: dict[str, Any]) -> pl.DataFrame:
    """ADSL of the one subject; days are counted from randomisation."""
    start = told["randomised"]

    def day(key: str) -> date | None:
        return start + timedelta(days=told[key]) if key in told else None

    last = max([visit["day"] for visit in told["visits"]] + [told.get("death", 0)])
    dates = {
        "RANDDT": start,
        "TRTSDT": start,
        "DTHDT": day("death"),
        "EOSDT": day("left") or day("death"),
        "LTFUDT": day("follow_up"),
        "NACTDT": None,
        "LSTALVDT": start + timedelta(days=last),
        "CUTDT": told["cutoff"],
    }
    words = {"STUDYID": "HAND", "USUBJID": "HAND", "TRT01P": "LU", "arm": "LU", "FASFL": "Y"}
    return pl.DataFrame([words | dates], schema_overrides=dict.fromkeys(dates, pl.Date))


def times(told: dict[str, Any], protocol=NETTER_1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """ADSL and ADTTE of the subject of a file."""
    tu, tr = lesion_rows(told)
    adsl = subject_row(told)
    adrs = derive_adrs(tr, tu, None, adsl, protocol=protocol)
    return adsl, derive_adtte(adsl, adrs, None, protocol=protocol, cutoff=told["cutoff"])


@pytest.mark.by_hand
@pytest.mark.parametrize("path", worked("p[0-9]*.toml"))
def test_failure_and_phases_worked_by_hand(path):
    told = tomllib.loads(path.read_text("utf-8"))
    expect = told["expect"]
    allowed = {"shows", "worked", "randomised", "cutoff", "death", "left", "follow_up"}
    assert set(told) <= allowed | {"visits", "expect"}
    assert {"phase"} < set(expect) <= {"phase", "ended", "PFS", "PFSFDA", "PFSI", "TF", "OS"}

    adsl, adtte = times(told)
    for endpoint, (days, is_event) in (
        (key, value) for key, value in expect.items() if isinstance(value, list)
    ):
        found = adtte.filter(PARAMCD=endpoint).select("AVAL", pl.col("CNSR") == 0).rows()
        assert found == [(days, is_event)], f"{endpoint}: {told['worked']}"

    treatment = NETTER_1.phases[0]
    ended = subject_phases(adsl, {"ADTTE": adtte}, phase=treatment)
    when = ended["ENDDT"].item()
    assert ended["END"].item() == expect["phase"], told["worked"]
    assert (when and (when - told["randomised"]).days) == expect.get("ended"), told["worked"]


@pytest.mark.by_hand
def test_every_file_is_in_the_index():
    index = (FOLDER / "README.md").read_text("utf-8")
    names = [path.stem for path in FOLDER.glob("*[0-9]*-*.toml")]
    assert len(names) == 22
    assert [name for name in names if f"`{name}`" not in index] == []


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("progression", "days", "is_event"),
    [
        # follow-up from day 504; scans due on days 686 and 868, give or take 28
        (868, 869, True),  # of day 686 alone the window has passed: one missed
        (897, 505, False),  # 868 + 28 < 897: two missed, censored at day 504
        (896, 897, True),  # the second window is not over on day 896
    ],
)
def test_missed_scans_are_counted_over_both_phases(progression, days, is_event):
    """By the investigator and the convention of the FDA, as a change of the document."""
    endpoints = [
        row | ({"censoring": "fda"} if row["id"] == "PFSI" else {}) for row in DOCUMENT["endpoints"]
    ]
    protocol = parse_protocol({**DOCUMENT, "endpoints": endpoints})
    # without the end of the first phase the scans due every 12 weeks would be missed
    scans = [{"day": 84 * k, "central": 60, "local": 60} for k in range(1, 7)]
    told = {
        "randomised": date(2015, 1, 10),
        "cutoff": date(2018, 12, 31),
        "follow_up": 504,
        "visits": [*scans, {"day": progression, "local": 80}],
    }

    _, adtte = times(told, protocol)
    assert adtte.filter(PARAMCD="PFSI").select("AVAL", pl.col("CNSR") == 0).rows() == [
        (days, is_event)
    ]


def test_a_phase_that_nobody_can_enter_says_so():
    told = tomllib.loads((FOLDER / "p01-central-progression.toml").read_text("utf-8"))
    adsl, adtte = times(told)
    only = [one for one in NETTER_1.analyses if one.id == "phases"]
    protocol = NETTER_1.model_copy(update={"analyses": tuple(only)})

    rows = analyse({"ADSL": adsl.drop("LTFUDT"), "ADTTE": adtte}, protocol=protocol)
    told_of = rows.filter(variable="follow-up", statistic="not_available")
    assert told_of["text"].to_list() == ["ADSL has no LTFUDT"]
    without = analyse({"ADSL": adsl}, protocol=protocol)
    assert "the study has no ADTTE" in without["text"].to_list()


# -- the published analyses, from the published counts ---------------------------------------

SIZES = {"LU": (116, 111, 101), "CONTROL": (113, 110, 100)}  # randomised, treated, evaluable


@pytest.fixture(scope="module")
def adsl():
    rows = [
        {"USUBJID": f"{arm}-{i:03d}", "TRT01P": arm, "TRT01A": arm if i < treated else None}
        | {"FASFL": "Y", "SAFFL": "Y" if i < treated else "N"}
        for arm, (randomised, treated, _) in SIZES.items()
        for i in range(randomised)
    ]
    return pl.DataFrame(rows)


def asked(*names: str, **changes: Any):
    """The protocol with these analyses alone."""
    own = [one.model_copy(update=changes) for one in NETTER_1.analyses if one.id in names]
    return NETTER_1.model_copy(update={"analyses": tuple(own)})


# Strosberg et al., tables 3 and 4: patients with the event in the two arms, p as printed
OVERVIEW = {
    "any": (106, 95, "0.02"),
    "related": (95, 34, "<0.001"),
    "serious": (29, 26, "0.76"),
    "serious-related": (10, 1, "0.01"),
    "withdrawal": (7, 10, "0.46"),
    "withdrawal-related": (5, 0, "0.06"),
}
TERMS = {
    "nausea": ("Nausea", 65, 13, "<0.001"),
    "vomiting": ("Vomiting", 52, 11, "<0.001"),
    "abdominal-pain": ("Abdominal pain", 29, 29, "1.00"),
    "diarrhoea": ("Diarrhoea", 32, 21, "0.11"),
    "distension": ("Abdominal distension", 14, 15, "0.84"),
    "fatigue-asthenia": ("Asthenia", 44, 28, "0.03"),
    "oedema-peripheral": ("Oedema peripheral", 16, 8, "0.13"),
    "thrombocytopenia": ("Platelet count decreased", 28, 1, "<0.001"),
    "anaemia": ("Anaemia", 16, 6, "0.04"),
    "lymphopenia": ("Lymphopenia", 20, 2, "<0.001"),
    "leukopenia": ("Leukopenia", 11, 1, "0.005"),
    "neutropenia": ("Neutropenia", 6, 1, "0.12"),
    "musculoskeletal-pain": ("Back pain", 32, 22, "0.16"),
    "decreased-appetite": ("Decreased appetite", 20, 9, "0.04"),
    "headache": ("Headache", 18, 5, "0.007"),
    "dizziness": ("Dizziness", 12, 6, "0.22"),
    "flushing": ("Flushing", 14, 10, "0.52"),
    "alopecia": ("Alopecia", 12, 2, "0.01"),
    "cough": ("Cough", 12, 6, "0.22"),
}


def printed(p: float, as_told: str) -> str:
    """A p value with as many decimals as the paper gives it."""
    if as_told.startswith("<"):
        return as_told if p < float(as_told[1:]) else f"{p:.3f}"
    return f"{p:.{len(as_told.partition('.')[2])}f}"


def events(counts: dict[str, tuple[int, int]], marks: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """ADAE with one event for each of the first so many subjects of each arm."""
    usual = {"TRTEMFL": "Y", "AETOXGR": "1", "AEREL": "N", "AESER": "N"}
    usual |= {"AEACNLU": "DOSE NOT CHANGED", "AEACNOCT": "DOSE NOT CHANGED"}
    return pl.DataFrame(
        [
            {"USUBJID": f"{arm}-{i:03d}", **usual, "AEDECOD": name, **marks.get(name, {})}
            for name, by_arm in counts.items()
            for arm, count in zip(SIZES, by_arm, strict=True)
            for i in range(count)
        ]
    )


@pytest.mark.reference
def test_every_row_of_the_overview_has_the_printed_p_value(adsl):
    marks: dict[str, dict[str, Any]] = {
        "related": {"AEREL": "Y"},
        "serious": {"AESER": "Y"},
        "serious-related": {"AESER": "Y", "AEREL": "Y"},
        "withdrawal": {"AEACNLU": "DRUG WITHDRAWN"},
        "withdrawal-related": {"AEACNOCT": "DRUG WITHDRAWN", "AEREL": "Y"},
    }
    adae = events({name: (lu, control) for name, (lu, control, _) in OVERVIEW.items()}, marks)

    rows = analyse({"ADSL": adsl, "ADAE": adae}, protocol=asked("adverse-events"))
    found = dict(rows.filter(statistic="fisher_p").select("variable", "value").rows())
    assert {name: printed(found[name], p) for name, (*_, p) in OVERVIEW.items()} == {
        name: p for name, (*_, p) in OVERVIEW.items()
    }


@pytest.mark.reference
def test_every_row_of_the_terms_has_the_printed_p_value(adsl):
    adae = events({term: (lu, control) for term, lu, control, _ in TERMS.values()}, {})

    rows = analyse({"ADSL": adsl, "ADAE": adae}, protocol=asked("adverse-event-rows"))
    found = dict(rows.filter(statistic="fisher_p").select("variable", "value").rows())
    assert {name: printed(found[name], p) for name, (*_, p) in TERMS.items()} == {
        name: p for name, (*_, p) in TERMS.items()
    }
    by_term = analyse({"ADSL": adsl, "ADAE": adae}, protocol=asked("adverse-event-terms"))
    nausea = by_term.filter(variable="Nausea", statistic="fisher_p")["value"]
    assert nausea.to_list() == [found["nausea"]]


@pytest.mark.reference
def test_the_other_count_of_any_event_has_its_printed_p_value_too(adsl):
    """Table 4 repeats the row as 105 and 92, where table 3 has 106 and 95."""
    rows = analyse(
        {"ADSL": adsl, "ADAE": events({"Nausea": (105, 92)}, {})}, protocol=asked("adverse-events")
    )
    found = rows.filter(statistic="fisher_p", variable="any")["value"].item()
    assert printed(found, "0.01") == "0.01"


def test_without_a_test_no_row_has_one(adsl):
    adae = events({"Nausea": (65, 13)}, {})
    protocol = asked("adverse-event-rows", compare=None)
    rows = analyse({"ADSL": adsl, "ADAE": adae}, protocol=protocol)
    assert rows.filter(statistic="fisher_p").is_empty()


@pytest.fixture(scope="module")
def adrs():
    """18 and 3 responders among 101 and 100 with a response; the rest have none, or no scan."""
    rows = []
    for arm, responders in (("LU", ("CR",) + 17 * ("PR",)), ("CONTROL", 3 * ("PR",))):
        randomised, _, known = SIZES[arm]
        for i in range(randomised):
            best = responders[i] if i < len(responders) else "SD" if i < known else "NE"
            subject = {"USUBJID": f"{arm}-{i:03d}"}
            rows.append(subject | {"PARAMCD": "BOR", "AVALC": best})
            if i < randomised - 3:  # the last three of each arm have no scan at all
                rows.append(subject | {"PARAMCD": "OVR", "AVALC": best})
    return pl.DataFrame(rows)


@pytest.mark.reference
def test_response_of_the_evaluable_is_as_printed(adsl, adrs):
    rows = analyse({"ADSL": adsl, "ADRS": adrs}, protocol=asked("orr"))

    def number(statistic, **keys):
        found = rows.filter(statistic=statistic, **keys)["value"].to_list()
        assert len(found) == 1
        return found[0]

    assert [number("n", arm=arm) for arm in SIZES] == [101, 100]
    assert [number("missing", arm=arm) for arm in SIZES] == [15, 13]
    limits = [
        [round(number(name, arm=arm, variable="ORR")) for name in ("percent", "lower", "upper")]
        for arm in SIZES
    ]
    assert limits == [[18, 10, 25], [3, 0, 6]]
    assert number("fisher_p", variable="ORR") < 0.001


@pytest.mark.by_hand
def test_response_of_all_randomised_counts_the_others_too(adsl, adrs):
    rows = analyse({"ADSL": adsl, "ADRS": adrs}, protocol=asked("orr-all"))
    shares = rows.filter(statistic="percent", variable="ORR")
    assert dict(shares.select("arm", "value").rows()) == pytest.approx(
        {"LU": 100 * 18 / 116, "CONTROL": 100 * 3 / 113}
    )


# -- the interim analysis of survival --------------------------------------------------------


def looked(adsl, *, deaths: tuple[int, int], p: float, **changes: Any) -> dict[str, Any]:
    """The interim look at these deaths and this two-sided p value: statistic to (value, text)."""
    analysis = next(one for one in NETTER_1.analyses if one.id == "os-interim")
    changed = analysis.model_copy(update=changes)
    seen = scope({"ADSL": adsl}, protocol=NETTER_1, analysis=changed)
    os = Origin(analysis="os")
    rows = [
        *(os.row("events", count, arm=arm) for arm, count in zip(SIZES, deaths, strict=True)),
        os.row("events", deaths[0], arm="LU", level="Death"),  # one of the reasons, not more
        os.row("logrank_z", -2.9, arm="LU v CONTROL"),
        os.row("logrank_p", p, arm="LU v CONTROL"),
    ]
    found = interim(seen, changed, done={"os": rows})
    return {row.statistic: (row.value, row.text) for row in found}


@pytest.mark.reference
def test_the_published_look_did_not_cross_its_boundary(adsl):
    """14 and 26 deaths of 158, p = 0.004 against a threshold printed as 0.000085."""
    found = looked(adsl, deaths=(14, 26), p=0.004)

    assert found["events"] == (40, None)
    assert found["information"][0] == pytest.approx(100 * 40 / 158)
    assert round(found["boundary_p"][0], 6) == 0.000085
    assert found["boundary_z"][0] == pytest.approx(1.9774 / (40 / 158) ** 0.5, abs=2e-4)
    assert found["p_value"] == (0.004, "not crossed")


@pytest.mark.reference
def test_at_two_equal_looks_the_boundary_is_the_textbooks(adsl):
    """O'Brien and Fleming, two looks, 5 % two-sided: 2.797 and 1.977 (Jennison and Turnbull)."""
    found = looked(adsl, deaths=(30, 49), p=0.004)
    assert found["boundary_z"][0] == pytest.approx(2.797, abs=1e-3)
    assert found["p_value"] == (0.004, "crossed")  # 2 (1 - Phi(2.797)) = 0.0052


def test_a_look_with_nothing_before_or_after_it_says_so(adsl):
    for deaths in ((0, 0), (80, 78), (90, 90)):
        found = looked(adsl, deaths=deaths, p=0.004)
        assert "an interim look is before the last event" in found["not_estimable"][1]
        assert "p_value" not in found
    spent = looked(adsl, deaths=(14, 26), p=0.004, spending="pocock")
    assert "not_estimable" in spent  # a spending function has no planned looks
    lan = looked(adsl, deaths=(14, 26), p=0.004, spending="obrien-fleming", planned_fractions=())
    assert lan["boundary_p"][0] < 0.000085 / 4  # about five times stricter


@pytest.mark.law
@settings(max_examples=25, deadline=None)
@given(st.integers(2, 156))
def test_the_boundary_weakens_as_deaths_come_in(adsl, deaths):
    earlier, later = (
        looked(adsl, deaths=(count - 1, 1), p=0.004)["boundary_p"][0]
        for count in (deaths, deaths + 1)
    )
    assert 0 <= earlier < later < 0.05


@pytest.mark.by_hand
def test_what_the_report_says_of_an_interim_look(adsl):
    """2 (1 - Phi(3.930)) = 0.0000849, printed with two digits; without a look, the reason."""
    shown = {}
    for name, deaths in (("look", (14, 26)), ("none", (0, 0))):
        found = adtte_of(adsl, deaths)
        protocol = asked("os", "os-interim")
        results = analyse({"ADSL": adsl, "ADTTE": found}, protocol=protocol)
        pages = page_of(protocol, results)
        shown[name] = pages.tables["os-interim.csv"]

    assert "40 of 158 (25.3%)" in shown["look"]
    assert "Boundary of z,3.930" in shown["look"]
    assert "Boundary of the p value at this look,0.000085" in shown["look"]
    assert "Verdict,Boundary" in shown["look"]
    assert "Not compared,not estimable: an interim look is before the last" in shown["none"]


def adtte_of(adsl: pl.DataFrame, deaths: tuple[int, int]) -> pl.DataFrame:
    """Overall survival with so many deaths in the two arms, a day apart, the rest censored."""
    died = {f"{arm}-{i:03d}" for arm, n in zip(SIZES, deaths, strict=True) for i in range(n)}
    ids = adsl["USUBJID"].to_list()
    return pl.DataFrame(
        {
            "USUBJID": ids,
            "PARAMCD": "OS",
            "AVAL": [100.0 + place for place in range(len(ids))],
            "CNSR": [int(one not in died) for one in ids],
        }
    )


def page_of(protocol, results: pl.DataFrame):
    """The report of these results."""
    report = report_of(
        protocol,
        results,
        missing=(),
        findings=pl.DataFrame(),
        cutoff=date(2015, 7, 24),
        simulated=True,
        provenance={"protocol": {"trial": "netter-1"}},
    )
    return render(results, report=report)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0000849, "0.000085"), (0.0479929, "0.048"), (0.5, "0.50"), (0.0, "0"), (None, "NE")],
)
def test_small_numbers_are_printed_with_two_digits(value, told):
    assert significant(value) == told


def test_an_interim_analysis_without_p_value_says_why(adsl):
    analysis = next(one for one in NETTER_1.analyses if one.id == "os-interim")
    seen = scope({"ADSL": adsl}, protocol=NETTER_1, analysis=analysis)
    rows = [Origin(analysis="os").row("events", 20, arm=arm) for arm in SIZES]

    found = {row.statistic: row.text for row in interim(seen, analysis, done={"os": rows})}
    assert found["not_estimable"] == "not estimable: no logrank_p"
    assert found["p_value"] == "not estimable: no logrank_p"


# -- the virtual study -----------------------------------------------------------------------

POPULATION = read_population("netter-1")


@pytest.fixture(scope="module")
def study():
    return simulate_study(protocol=NETTER_1, population=POPULATION, seed=11)


@pytest.fixture(scope="module")
def derived(study):
    return derive(join_supplemental(study).frames, protocol=NETTER_1)


def day(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 10).str.to_date()


@pytest.mark.law
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from(["2/LE6", "3/GT6", "4/LE6"]))
def test_every_block_of_four_holds_two_and_two(seed, stratum):
    design = design_of(NETTER_1, days=1000)
    blocks = allocation_list(design, stratum=stratum, seed=seed).reshape(-1, 4)
    assert np.all((blocks == 0).sum(axis=1) == 2)


@pytest.mark.law
def test_the_virtual_study_keeps_its_contract(study):
    assert check_study(study).rows() == []
    assert "QS" not in study  # the paper knows no questionnaire
    octreotide = study["EX"].filter(pl.col("EXADJ").is_null(), EXTRT="OCTREOTIDE LAR")
    arms = study["DM"].select("USUBJID", "ARMCD")
    given_mg = octreotide.join(arms, on="USUBJID").group_by("ARMCD").agg(pl.col("EXDOSE").unique())
    assert {arm: sorted(mg) for arm, mg in given_mg.iter_rows()} == {"LU": [30], "CONTROL": [60]}


@pytest.mark.law
def test_six_strata_are_balanced_to_half_a_block(derived):
    randomised = derived["ADSL"].filter(FASFL="Y")
    counts = randomised.group_by("STRUPT", "STROCT").agg(
        lu=(pl.col("TRT01P") == "LU").sum(), control=(pl.col("TRT01P") == "CONTROL").sum()
    )
    assert counts.height == 6
    assert counts.select((pl.col("lu") - pl.col("control").cast(pl.Int64)).abs().max()).item() <= 2
    assert randomised.height == 231
    assert (randomised["STRMISFL"] == "Y").mean() < 0.05


@pytest.mark.law
def test_the_randomised_of_the_virtual_study_are_eligible(derived):
    ids = derived["ADSL"].filter(FASFL="Y").select("USUBJID")
    verdicts = (
        derived["ADIE"].join(ids, on="USUBJID", how="semi").filter(pl.col("PARAMCD") != "E07P")
    )
    assert set(verdicts["AVALC"]) == {"met"}
    failed = derived["ADIE"].join(ids, on="USUBJID", how="anti").filter(AVALC="not met")
    assert failed["USUBJID"].n_unique() == 40  # of 46; the others withdrew consent


@pytest.mark.law
def test_scans_of_follow_up_come_after_it_began_and_are_read_locally(study, derived):
    entered = derived["ADSL"].select("USUBJID", "LTFUDT", "RANDDT")
    scans = study["TR"].join(entered, on="USUBJID").with_columns(day=day("TRDTC"))
    later = scans.filter(pl.col("VISIT").str.starts_with("FOLLOW-UP"))

    assert later.height > 100
    assert set(later["TREVAL"]) == {LOCAL}
    assert (later["day"] > later["LTFUDT"]).all()
    planned = scans.filter(~pl.col("VISIT").str.starts_with("FOLLOW-UP"))
    assert (planned["day"] <= planned["LTFUDT"].fill_null(date.max)).all()
    weeks = later.select("USUBJID", "VISIT").unique().group_by("VISIT").len()
    assert weeks.filter(VISIT="FOLLOW-UP WEEK 26")["len"].item() > 50


@pytest.mark.law
def test_treatment_failure_leads_to_follow_up(derived):
    failed = derived["ADTTE"].filter(PARAMCD="TF", CNSR=0).select("USUBJID", failed="ADT")
    both = derived["ADSL"].join(failed, on="USUBJID").filter(pl.col("DTHDT").is_null())
    stayed = both.filter(pl.col("EOSDT").is_null())

    wait = (stayed["LTFUDT"] - stayed["failed"]).dt.total_days()
    assert wait.null_count() == 0
    assert wait.min() >= 0
    assert wait.max() <= 35  # until the central reading is confirmed


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("netter-1") / "demo"
    done = CliRunner().invoke(cli, ["demo", "netter-1", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    return out


def test_the_demo_shows_every_analysis(demo):
    page = (demo / "index.html").read_text("utf-8")
    results = pl.read_parquet(demo / "results.parquet")

    protocol = read_protocol("netter-1")
    assert {one.id for one in protocol.analyses} <= set(results["analysis"])
    assert results.filter(statistic="not_available").is_empty()
    for title in (one.title for one in protocol.analyses):
        assert title in page
    assert "Boundary not crossed" in page
    assert "p value, all grades" in page
    assert "Completed 72 weeks" in page or "Still in it at the cutoff" in page
    assert "read by investigator, until 5 years after the last randomisation" in page


def test_questionnaires_that_nobody_planned_are_not_missed(demo):
    assert not (demo / "tables" / "missing-domains.csv").exists()
    planned = read_protocol("netter-2")
    assert "QS" in [domain for domain, _ in missing_domains({}, protocol=planned)]
    assert "QS" in [domain for domain, _ in missing_domains({})]


def test_the_demo_is_about_the_published_trial(demo):
    results = pl.read_parquet(demo / "results.parquet")

    def number(analysis, statistic, arm):
        found = results.filter(
            pl.col("level").is_null(), analysis=analysis, statistic=statistic, arm=arm
        )
        return found["value"].item()

    compared = "LU v CONTROL"
    assert number("pfs", "events", "LU") + number("pfs", "events", "CONTROL") == 91
    assert number("pfs", "hazard_ratio", compared) < 0.5
    assert number("pfs", "n", "ALL") == pytest.approx(229, abs=3)
    assert number("os-interim", "final_events", "ALL") == 158


def test_the_report_page_has_every_statistic_of_the_demo(demo):
    page = (Path(__file__).parents[1] / "docs" / "report.md").read_text("utf-8")
    named = set(pl.read_parquet(demo / "results.parquet")["statistic"])
    bare = {name.removesuffix("_lower").removesuffix("_upper") for name in named}
    assert {name for name in bare if f"`{name.replace('_local', '_central')}`" not in page} == set()

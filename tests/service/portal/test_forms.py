# SPDX-License-Identifier: Apache-2.0
"""Questionnaires, visits, the end of the study; and values put right by an appended record."""

import re
from dataclasses import replace

import polars as pl
import pytest

from radioligand.cdisc import join_supplemental
from radioligand.quality_of_life import derive_adqs
from radioligand.service.application import application
from radioligand.service.corrections_view import can_be_corrected, fields_of, links_of
from radioligand.service.dose_view import decision
from radioligand.service.events import CORRECTABLE, KINDS, value_at, with_values
from radioligand.service.roles import Role
from radioligand.service.sdtm import BLINDED_DOMAINS, sdtm, without_arms
from radioligand.service.starting import PAGES
from radioligand.subjects import derive_adsl

from .conftest import GOOD, Browser, name_of

CORE, MODULE = "EORTC QLQ-C30", "EORTC QLQ-GI.NET21"
WELL = {f"{CORE} {item}": "1" for item in range(1, 29)} | {f"{CORE} 29": "7", f"{CORE} 30": "6"}


def number_of(patient, kind):
    return next(one.number for one in reversed(patient.events) if one.kind == kind)


def own_number_of(patient, kind):
    return max(own for own, one in enumerate(patient.events, start=1) if one.kind == kind)


@pytest.fixture
def data(portal):
    def taken():
        return sdtm(portal.ledger.patients(), protocol=portal.protocol)

    return taken


@pytest.fixture
def correct(browser, portal):
    """Correct the last record of a kind: only the values named are typed anew."""

    def do(subject, kind, *, role=Role.INVESTIGATOR, reason="Misread", **values):
        patient = portal.ledger.patient(subject)
        number = number_of(patient, kind)
        event = next(one for one in patient.events if one.number == number)
        is_central = role is Role.CENTRAL_READER
        own = links_of(patient, is_central=is_central).get(number, 0)
        typed = {one.path: one.typed for one in fields_of(event, portal.protocol)}
        page = "reading-corrections" if role is Role.CENTRAL_READER else "corrections"
        sent = typed | {name.replace("__", "/"): text for name, text in values.items()}
        return browser(role).fill(
            f"/patients/{subject}/{page}/{own}", reason=reason, key="k" + reason, **sent
        )

    return do


# -- questionnaires and visits --------------------------------------------------------------------


@pytest.mark.by_hand
def test_a_questionnaire_is_scored_by_the_analysis_as_it_was_typed(
    randomised, browser, data, portal
):
    subject = randomised()
    coordinator = browser(Role.COORDINATOR)
    path = f"/patients/{subject}/questionnaire"
    sent = WELL | {f"{CORE} 13": "", f"{CORE} 16": "3"}  # one item without an answer
    assert coordinator.fill(path, date="2026-01-10", **sent).status_code == 303

    frames = join_supplemental(data()).frames
    adsl = derive_adsl(frames, protocol=portal.protocol)
    adqs = derive_adqs(frames["QS"], adsl, protocol=portal.protocol)
    scores = dict(adqs.select("PARAMCD", "AVAL").rows())

    # items 29 and 30 of 7: (6.5 - 1) / 6 of 100; constipation is item 16 alone: (3 - 1) / 3 of 100
    assert scores["QL2"] == pytest.approx(100 * 5.5 / 6)
    assert scores["CO"] == pytest.approx(100 * 2 / 3)
    assert scores["PF2"] == 100
    assert "AP" not in scores
    assert frames["QS"]["QSDTC"].unique().to_list() == ["2026-01-10"]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"date": "2026-01-10"}, "No answer was filled in"),
        ({"date": "2026-01-10", f"{CORE} 3": "5"}, "from 1 to 4"),
        ({"date": "2026-01-10", f"{CORE} 29": "8"}, "from 1 to 7"),
        ({"date": "2026-01-10", f"{CORE} 3": "²"}, "from 1 to 4"),
        ({"date": "2026-01-01", f"{CORE} 3": "1"}, "lies before 2026-01-09"),
        ({"date": "2026-02-10", f"{CORE} 3": "1"}, "has not come yet"),
    ],
)
def test_answers_that_cannot_be_are_refused(randomised, browser, portal, sent, says):
    subject = randomised()
    head = portal.ledger.head()
    answer = browser(Role.COORDINATOR).fill(f"/patients/{subject}/questionnaire", **sent)
    assert answer.status_code == 422
    assert says in answer.text
    assert portal.ledger.head().number == head.number + 1  # the sign-in alone


def test_a_module_of_the_protocol_has_its_items_on_the_form(protocol, randomised, portal):
    module = {"instrument": MODULE, "where": {"QSCAT": MODULE}}
    plan = protocol.quality_of_life.model_dump() | {"modules": (module,)}
    with_module = protocol.model_copy(
        update={"quality_of_life": protocol.quality_of_life.model_validate(plan)}
    )
    subject = randomised()
    one = Browser(application(replace(portal, protocol=with_module), PAGES))
    one.sign_in(name_of(Role.COORDINATOR))
    path = f"/patients/{subject}/questionnaire"
    sent = {f"{MODULE} 31": "1", f"{MODULE} 32": "2", f"{MODULE} 33": "3"}

    assert f'name="{MODULE} 51"' in one.get(path).text
    assert one.fill(path, date="2026-01-12", **sent).status_code == 303

    frames = join_supplemental(sdtm(portal.ledger.patients(), protocol=with_module)).frames
    adsl = derive_adsl(frames, protocol=with_module)
    adqs = derive_adqs(frames["QS"], adsl, protocol=with_module)
    # endocrine symptoms are items 31 to 33: their mean is 2, (2 - 1) / 3 of 100
    assert adqs.select("PARAMCD", "AVAL").rows() == [("ED", pytest.approx(100 / 3))]


def test_a_visit_becomes_vital_signs_and_performance_status(randomised, browser, data):
    subject = randomised()
    coordinator = browser(Role.COORDINATOR)
    path = f"/patients/{subject}/visit"
    assert coordinator.fill(path, date="2026-01-12").status_code == 422
    wrong = coordinator.fill(path, date="2026-01-12", KPS="110", TEMP="98,6")
    assert "Karnofsky score: 110 does not lie" in wrong.text
    assert "Temperature: 98.6 does not lie" in wrong.text
    sent = {"KPS": "80", "WEIGHT": "68,5", "SYSBP": "130"}
    assert coordinator.fill(path, date="2026-01-12", **sent).status_code == 303

    frames = data()
    visit = frames["VS"].filter(pl.col("VISIT") == "VISIT 1")
    assert dict(visit.select("VSTESTCD", "VSSTRESN").rows()) == {"WEIGHT": 68.5, "SYSBP": 130.0}
    status = frames["RS"].filter(pl.col("VISIT") == "VISIT 1")
    assert status.select("RSTESTCD", "RSSTRESN", "RSDTC").rows() == [("KPS", 80.0, "2026-01-12")]
    assert frames["SV"].select("VISIT", "SVSTDTC").rows() == [("VISIT 1", "2026-01-12")]


def test_a_blinded_reader_takes_no_day_of_a_visit(randomised, browser, data):
    subject = randomised()
    coordinator = browser(Role.COORDINATOR)
    coordinator.fill(f"/patients/{subject}/visit", date="2026-01-12", KPS="80", WEIGHT="68.5")
    coordinator.fill(f"/patients/{subject}/questionnaire", date="2026-01-12", **WELL)
    coordinator.fill(f"/patients/{subject}/imaging", date="2026-01-11", response="PD")

    blinded = without_arms(data())

    assert set(blinded) <= set(BLINDED_DOMAINS)
    assert blinded["VS"]["VSSTRESN"].to_list() == [70.0]  # of the screening form
    assert blinded["RS"].select("RSTESTCD", "RSSTRESC", "RSSEQ").sort("RSSEQ").rows() == [
        ("OVRLRESP", "PD", 1),  # of the day before
        ("KPS", "90", 2),  # of the screening form
    ]


def test_a_patient_leaves_the_study_with_a_reason(randomised, browser, portal, data):
    subject = randomised()
    one = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/leaving"
    assert one.fill(path, date="2026-01-12", reason="TIRED").status_code == 422
    assert one.fill(path, date="2026-01-12", reason="LOST TO FOLLOW-UP").status_code == 303
    assert "left the study" in portal.ledger.patient(subject).facts
    ended = data()["DS"].filter(pl.col("DSSCAT") == "STUDY PARTICIPATION")
    assert ended.select("DSDECOD", "DSSTDTC").rows() == [("LOST TO FOLLOW-UP", "2026-01-12")]


# -- corrections ----------------------------------------------------------------------------------


def test_a_corrected_value_goes_into_pages_rules_and_data_and_both_stay_in_the_audit(
    on_radioligand, laboratory, dose, correct, moments, portal, browser, data
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=56)
    laboratory(subject, **GOOD | {"PLAT": "21"})  # for 210

    def said():
        found = portal.ledger.patient(subject)
        return decision(found, protocol=portal.protocol, on=moments().date()).verdict

    assert said() == "HOLD"
    assert correct(subject, "laboratory recorded", tests__PLAT__value="210").status_code == 303
    assert said() == "FULL DOSE"

    counts = data()["LB"].filter(pl.col("LBTESTCD") == "PLAT")["LBSTRESN"].to_list()
    assert counts == [210.0, 210.0]
    page = browser(Role.COORDINATOR).get(f"/patients/{subject}").text
    assert "PLAT 21 → 210; Misread" in page
    audit = browser(Role.AUDITOR).get("/audit").text.replace("&#34;", '"')
    assert '"tests/PLAT/value":21.0' in audit
    assert '"tests/PLAT/value":210.0' in audit
    raw = portal.ledger.events(subject=subject, kinds=("laboratory recorded",))[-1]
    assert raw.payload["tests"]["PLAT"]["value"] == 21.0


def test_a_correction_needs_its_reason_and_a_change(randomised, laboratory, correct, portal):
    subject = randomised()
    laboratory(subject, **GOOD)
    before = portal.ledger.patient(subject)
    assert "needs its reason" in correct(subject, "laboratory recorded", reason=" ").text
    assert "Nothing was changed" in correct(subject, "laboratory recorded").text
    wrong = correct(subject, "laboratory recorded", tests__PLAT__value="many", date="2027-01-01")
    assert wrong.status_code == 422
    assert "Platelets: many is not a number." in wrong.text
    assert "Date: 2027-01-01 has not come yet." in wrong.text
    assert portal.ledger.patient(subject).events == before.events


def test_a_value_can_be_taken_back(randomised, laboratory, correct, portal, browser, data):
    subject = randomised()
    laboratory(subject, **GOOD)
    assert correct(subject, "laboratory recorded", tests__PLAT__value="").status_code == 303
    assert "PLAT" not in data()["LB"]["LBTESTCD"].to_list()
    assert "PLAT 210 → not known" in browser(Role.COORDINATOR).get(f"/patients/{subject}").text


def test_a_form_read_before_another_correction_is_not_appended(randomised, laboratory, portal):
    subject = randomised()
    laboratory(subject, **GOOD)
    number = number_of(portal.ledger.patient(subject), "laboratory recorded")
    said = {"corrects": number, "kind": "laboratory recorded"}
    values = {"was": {"tests/PLAT/value": 210.0}, "now": {"tests/PLAT/value": 120.0}}
    here = {"subject": subject, "site": "1001", "actor": "investigator", "reason": "Misread"}
    portal.ledger.record("data corrected", payload=said | values, **here)
    with pytest.raises(ValueError, match="was changed since it was read"):
        portal.ledger.record("data corrected", payload=said | values, **here)


@pytest.mark.by_hand
def test_the_activity_infused_follows_the_corrected_reading(
    on_radioligand, laboratory, dose, correct, portal, data
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    assert correct(subject, "dose received", activity_gbq="7.0").status_code == 303
    # 7.0 GBq at 7:00 are 7.0 * 2^-(2/24/6.6443) = 6.9394 GBq at 9:00; 0.1 GBq is left
    assert data()["EX"]["EXDOSE"].to_list() == [pytest.approx(6.8394, abs=1e-4)]

    moved = correct(
        subject, "dose infused", started="2026-01-12T08:00", residual_gbq="0.2", reason="Clock"
    )
    assert moved.status_code == 303
    # an hour after the reading 7.0 * 2^-(1/24/6.6443) = 6.9696 GBq are there
    assert data()["EX"]["EXDOSE"].to_list() == [pytest.approx(6.7696, abs=1e-4)]
    assert data()["EX"]["EXSTDTC"].to_list() == ["2026-01-12T08:00"]
    early = correct(subject, "dose infused", started="2026-01-12T06:00", reason="Again")
    assert "after the calibrator" in early.text


def test_a_central_reading_is_corrected_by_the_reader_and_progression_follows(
    randomised, browser, correct, portal
):
    subject = randomised()
    reader = browser(Role.CENTRAL_READER)
    reader.fill(f"/patients/{subject}/central-reading", date="2026-01-11", response="PD")
    assert "progression confirmed" in portal.ledger.patient(subject).facts
    number = own_number_of(portal.ledger.patient(subject), "imaging recorded")
    site = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/corrections/{number}")
    assert site.status_code == 404  # not the site's record

    as_reader = {"role": Role.CENTRAL_READER}
    assert correct(subject, "imaging recorded", response="SD", **as_reader).status_code == 303
    assert "progression confirmed" not in portal.ledger.patient(subject).facts
    back = correct(subject, "imaging recorded", response="PD", reason="After all", **as_reader)
    assert back.status_code == 303
    assert "progression confirmed" in portal.ledger.patient(subject).facts


def test_a_screening_value_is_corrected_after_randomisation_and_the_allocation_stays(
    randomised, correct, portal, data, browser
):
    subject = randomised()
    before = portal.ledger.patient(subject)
    assert correct(subject, "screened", weight_kg="82,5", ki67_percent="25").status_code == 303
    after = portal.ledger.patient(subject)
    assert (after.arm, after.strata, after.verdict) == (before.arm, before.strata, before.verdict)
    weights = data()["VS"].filter(pl.col("VSTESTCD") == "WEIGHT")["VSSTRESN"].to_list()
    assert weights == [82.5]
    page = browser(Role.COORDINATOR).get(f"/patients/{subject}").text
    assert "weight_kg 70 → 82.5" in page


def test_before_randomisation_the_form_is_recorded_anew(screened, browser, portal):
    subject = screened()
    number = own_number_of(portal.ledger.patient(subject), "screened")
    answer = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/corrections/{number}")
    assert answer.status_code == 404


def test_every_other_record_can_be_corrected(randomised, browser, correct, portal, data):
    subject = randomised()
    one, here = browser(Role.INVESTIGATOR), f"/patients/{subject}"
    event = {"term": "Nausea", "date": "2026-01-11", "grade": "2", "is_related": "yes"}
    one.fill(f"{here}/adverse-event", **event)
    lesions = {"T01-location": "Liver", "T01-found": "42", "NT01-location": "Bone"}
    lesions["NT01-found"] = "PRESENT"
    one.fill(f"{here}/imaging", date="2026-01-08", response="BASELINE", **lesions)
    one.fill(f"{here}/visit", date="2026-01-12", KPS="80")
    one.fill(f"{here}/questionnaire", date="2026-01-12", **WELL)
    one.fill(f"{here}/death", date="2026-01-12", cause="OTHER")

    changed = (
        ("consented", {"consent_date": "2026-01-08"}),
        ("adverse event recorded", {"grade": "3", "is_related": "no", "term": "Vomiting"}),
        ("imaging recorded", {"lesions__0__value": "24", "lesions__1__result": "ABSENT"}),
        ("visit recorded", {"signs__KPS": "70"}),
        ("questionnaire recorded", {f"answers/{CORE}/5": "4"}),
        ("died", {"cause": "DISEASE UNDER STUDY", "date": "2026-01-11"}),
    )
    for kind, values in changed:
        assert correct(subject, kind, reason=f"Of {kind}", **values).status_code == 303, kind

    frames = data()
    assert frames["DM"]["RFICDTC"].to_list() == ["2026-01-08"]
    assert frames["DM"]["DTHDTC"].to_list() == ["2026-01-11"]
    assert frames["AE"].select("AEDECOD", "AETOXGR", "AEREL").rows() == [("Vomiting", "3", "N")]
    assert frames["TR"].sort("TRLNKID")["TRSTRESC"].to_list() == ["ABSENT", "24"]
    assert 70.0 in frames["RS"]["RSSTRESN"].to_list()
    fifth = frames["QS"].filter(pl.col("QSTESTCD") == "EOR0105")
    assert fifth["QSSTRESN"].to_list() == [4.0]
    assert frames["DD"]["DDSTRESC"].to_list() == ["DISEASE UNDER STUDY"]


def test_what_was_signed_or_allocated_is_not_corrected(randomised, portal, browser):
    assert all(not KINDS[kind].signed for kind in CORRECTABLE)
    subject = randomised()
    patient = portal.ledger.patient(subject)
    for own, one in enumerate(patient.events, start=1):
        if one.kind in ("randomised", "eligibility signed"):
            assert not can_be_corrected(one, patient, is_central=False)
            answer = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/corrections/{own}")
            assert answer.status_code == 404


def test_another_patients_record_is_not_reached_through_ones_own(
    randomised, laboratory, browser, portal
):
    own, other = randomised(), randomised("2002")
    browser(Role.COORDINATOR, "2002").fill(
        f"/patients/{other}/laboratory", date="2026-01-12", **GOOD
    )
    number = number_of(portal.ledger.patient(other), "laboratory recorded")
    one = browser(Role.INVESTIGATOR)
    for subject in (own, other):
        path = f"/patients/{subject}/corrections/{number}"
        sent = {"tests/PLAT/value": "9", "reason": "Mine"}
        assert one.get(path).status_code == 404
        assert one.fill(path, **sent).status_code == 404
    assert "data corrected" not in [each.kind for each in portal.ledger.events()]


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        ("laboratory recorded", {"tests__HGB__value": "12.8"}, "does not lie between 25 and 250"),
        ("laboratory recorded", {"date": "0001-01-01"}, "is not possible"),
        ("screened", {"age_years": "900"}, "above 120 years"),
        ("screened", {"diagnosis_date": "2031-01-01"}, "has not come yet"),
        ("screened", {"weight_kg": "80", "reason": "x" * 1001}, "1000 letters at most"),
    ],
)
def test_a_correction_to_something_impossible_is_refused(
    randomised, laboratory, correct, portal, kind, values, says
):
    subject = randomised()
    laboratory(subject, **GOOD)
    answer = correct(subject, kind, **values)
    assert answer.status_code == 422
    assert says in answer.text
    assert portal.ledger.events(kinds=("data corrected",)) == ()


def test_links_name_the_patients_own_records_and_not_the_trials_events(
    randomised, laboratory, browser
):
    randomised("2002")  # these events come first in the ledger
    subject = randomised()
    laboratory(subject, **GOOD)
    reader = browser(Role.CENTRAL_READER)
    reader.fill(f"/patients/{subject}/central-reading", date="2026-01-11", response="SD")

    page = browser(Role.INVESTIGATOR).get(f"/patients/{subject}").text
    blinded = reader.get(f"/patients/{subject}").text

    # consented, screened, eligibility signed, randomised, laboratory; the reader counts readings
    assert sorted(re.findall(r"/corrections/(\d+)", page)) == ["1", "2", "5"]
    assert re.findall(r"/reading-corrections/(\d+)", blinded) == ["1"]
    form = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/corrections/5").text
    assert "Laboratory recorded, record 5" in form


def test_values_are_changed_under_their_paths_and_nowhere_else():
    payload = {"a": {"b": 1, "c": [{"d": 2}, {"d": 3}]}, "e": 4}
    changed = with_values(payload, {"a/c/1/d": 9, "a/n": 5})
    assert changed == {"a": {"b": 1, "c": [{"d": 2}, {"d": 9}], "n": 5}, "e": 4}
    assert payload["a"]["c"][1]["d"] == 3
    assert value_at(payload, "a/c/0/d") == 2
    assert value_at(payload, "a/x/y") is None

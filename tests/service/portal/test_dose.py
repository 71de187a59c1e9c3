# SPDX-License-Identifier: Apache-2.0
"""Doses on the pages: decided by the protocol's rules, ordered, decayed, infused; and crossover."""

from datetime import UTC, datetime, timedelta

import pytest

from radioligand.service.accounts import make_account
from radioligand.service.dose_view import activity_at, decision
from radioligand.service.pages_dose import DECIDE
from radioligand.service.pages_findings import APPROVE, CROSS_OVER
from radioligand.service.roles import Role

from .conftest import GOOD, PASSWORD, Browser


@pytest.mark.by_hand
def test_activity_halves_in_a_half_life_and_is_larger_before():
    noon = datetime(2026, 1, 12, 12, tzinfo=UTC)
    half_life = timedelta(days=6.6443)
    assert activity_at(8.0, measured=noon, at=noon + half_life) == pytest.approx(4.0, rel=1e-9)
    assert activity_at(8.0, measured=noon, at=noon - half_life) == pytest.approx(16.0, rel=1e-9)
    # a day is 0.15050 half-lives, and 2^-0.15050 is 0.90094
    a_day_on = activity_at(7.4, measured=noon, at=noon + timedelta(days=1))
    assert a_day_on == pytest.approx(7.4 * 0.90094, rel=1e-5)


def test_a_low_platelet_count_halves_the_next_dose(
    on_radioligand, laboratory, dose, staff, moments, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=28)
    laboratory(subject, **GOOD | {"PLAT": "48"})  # below 50 at any time since the last dose
    moments.on(days=28)
    laboratory(subject, **GOOD)  # and recovered at the dose

    page = staff(Role.INVESTIGATOR).get(f"/patients/{subject}").text
    dose(subject, 2, decide="half")

    assert "Half dose" in page
    assert "lowest platelets <strong>48 10⁹/L</strong>" in page
    assert "half-platelets" in page
    decided = [one for one in portal.ledger.patient(subject).events if one.kind == "dose decided"]
    assert decided[-1].payload["decision"] == "half"
    assert decided[-1].payload["activity_gbq"] == pytest.approx(3.7)
    assert decided[-1].payload["departs"] is False
    assert decided[-1].signature.meaning == DECIDE


@pytest.mark.by_hand
def test_the_activity_infused_is_decayed_to_the_start_less_what_is_left(
    on_radioligand, laboratory, dose, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)

    event = portal.ledger.patient(subject).events[-1]

    # 7.6 GBq at 7:00 are 7.6 * 2^-(2/24/6.6443) = 7.5342 GBq at 9:00; 0.1 GBq is left
    assert event.kind == "dose infused"
    assert event.payload["activity_gbq"] == pytest.approx(7.4342, abs=1e-4)


def test_platelets_below_75_at_the_dose_hold_it(on_radioligand, laboratory, dose, moments, portal):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=56)
    laboratory(subject, **GOOD | {"PLAT": "74"})

    said = decision(portal.ledger.patient(subject), protocol=portal.protocol, on=moments().date())

    assert (said.verdict, said.rule) == ("HOLD", "hold-blood")


def test_on_the_day_of_an_infusion_the_next_dose_can_be_looked_at(
    on_radioligand, laboratory, dose, staff
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    for _ in range(10):
        assert "Dose 2 of 4" in staff(Role.RADIOPHARMACIST).get(f"/patients/{subject}/dose").text


def test_a_second_sample_of_the_day_does_not_make_a_held_dose_pass(
    on_radioligand, laboratory, dose, moments, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=56)
    laboratory(subject, **GOOD | {"PLAT": "74"})
    laboratory(subject, **GOOD)

    said = decision(portal.ledger.patient(subject), protocol=portal.protocol, on=moments().date())

    assert said.verdict == "HOLD"


def test_a_value_that_is_not_known_lets_no_dose_pass(
    on_radioligand, laboratory, dose, moments, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=56)
    laboratory(subject, PLAT="210", NEUT="3.1", HGB="128")  # no creatinine clearance

    answer = dose(subject, 2, decide="full", until="decision", reason="It was normal before")

    assert answer.status_code == 422
    assert "Undetermined" in answer.text
    assert "creatinine clearance" in answer.text


def test_a_decision_that_departs_from_the_rules_needs_its_reason(
    on_radioligand, laboratory, dose, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)

    without = dose(subject, 1, decide="half", until="decision")
    assert without.status_code == 422
    assert "departs from the rules" in without.text


def test_a_related_event_of_grade_4_stops_the_radioligand(
    on_radioligand, laboratory, dose, staff, moments, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=56)
    laboratory(subject, **GOOD)
    staff(Role.COORDINATOR).fill(
        f"/patients/{subject}/adverse-event",
        term="Thrombocytopenia",
        date=f"{moments():%Y-%m-%d}",
        grade="4",
        is_related="yes",
    )

    dose(subject, 2, decide="stop", until="decision")

    assert "radioligand stopped" in portal.ledger.patient(subject).facts
    assert "No dose is due" in staff(Role.INVESTIGATOR).get(f"/patients/{subject}/dose").text


def test_laboratory_values_show_their_grade(on_radioligand, laboratory, staff):
    subject = on_radioligand()
    laboratory(subject, PLAT="48", NEUT="0.8", HGB="128")

    page = staff(Role.COORDINATOR).get(f"/patients/{subject}").text

    assert "grades by CTCAE 5.0" in page
    assert page.count('<span class="grade g3"') == 2  # platelets below 50, neutrophils below 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "No value was filled in"),
        ({"PLAT": "-3"}, "does not lie between"),
        ({"PLAT": "many", "HGB": "x"}, "Haemoglobin: x is not a number"),
        ({"PLAT": "200", "date": "2031-01-01"}, "has not come yet"),
        ({"PLAT": "200", "date": "0001-01-01"}, "is not possible"),
        ({"HGB": "12.8"}, "12.8 does not lie between 25 and 250"),
        ({"CREAT": "0.9"}, "0.9 does not lie between 10 and 2500"),
    ],
)
def test_impossible_laboratory_values_are_refused(on_radioligand, laboratory, values, says):
    answer = laboratory(on_radioligand(), **values)
    assert answer.status_code == 422
    assert says in answer.text


def test_more_cannot_be_left_than_was_there(on_radioligand, laboratory, dose, staff, moments):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1, until="receipt")
    day = f"{moments():%Y-%m-%d}"
    answer = staff(Role.RADIOPHARMACIST).fill(
        f"/patients/{subject}/dose/infusion", cycle="1", started=f"{day}T09:00", residual="8"
    )
    assert "More is left" in answer.text


def test_a_discarded_dose_begins_again_with_its_reason(
    on_radioligand, laboratory, dose, staff, portal
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1, until="receipt")
    pharmacist = staff(Role.RADIOPHARMACIST)
    path = f"/patients/{subject}/dose/discard"

    assert pharmacist.fill(path, cycle="1").status_code == 422
    assert pharmacist.fill(path, cycle="1", reason="The vial was broken").status_code == 303
    assert "dose 1 planned" not in portal.ledger.patient(subject).facts


# -- images and crossover -------------------------------------------------------------------------


@pytest.fixture
def control(randomised, portal):
    for _ in range(6):
        subject = randomised()
        if portal.ledger.patient(subject).arm == "CONTROL":
            return subject
    raise AssertionError("a block of six has two in the control arm")


def test_crossover_waits_for_central_confirmation(control, staff, portal):
    investigator, reader = staff(Role.INVESTIGATOR), staff(Role.CENTRAL_READER)
    here = f"/patients/{control}"
    signing = {"password": PASSWORD, "meaning": CROSS_OVER}
    images = {"date": "2026-01-11", "response": "PD"}

    investigator.fill(f"{here}/imaging", **images)
    too_early = investigator.fill(f"{here}/crossover/request", **signing)
    reader.fill(f"{here}/central-reading", **images)
    asked = investigator.fill(f"{here}/crossover/request", **signing)
    approval = {"password": PASSWORD, "meaning": APPROVE}
    approved = staff(Role.MONITOR).fill(f"{here}/crossover/approval", **approval)

    assert too_early.status_code == 422
    assert (asked.status_code, approved.status_code) == (303, 303)
    assert "on radioligand" in portal.ledger.patient(control).facts
    assert "Dose 1 of 4" in investigator.get(f"{here}/dose").text


def test_nobody_approves_the_own_request_under_a_second_account(control, staff, portal, app):
    here = f"/patients/{control}"
    images = {"date": "2026-01-11", "response": "PD"}
    staff(Role.CENTRAL_READER).fill(f"{here}/central-reading", **images)
    signing = {"password": PASSWORD, "meaning": CROSS_OVER}
    staff(Role.INVESTIGATOR).fill(f"{here}/crossover/request", **signing)
    make_account(
        portal.engine,
        name="second",
        full_name="PROF investigator",
        role=Role.MONITOR,
        site=None,
        password=PASSWORD,
        now=portal.clock(),
    )
    second = Browser(app)
    assert second.sign_in("second").status_code == 303

    approval = {"password": PASSWORD, "meaning": APPROVE}
    answer = second.fill(f"{here}/crossover/approval", **approval)

    assert answer.status_code == 422
    assert "does not approve it" in answer.text


def test_a_patient_on_the_radioligand_has_no_crossover(on_radioligand, staff):
    subject = on_radioligand()
    staff(Role.CENTRAL_READER).fill(
        f"/patients/{subject}/central-reading", date="2026-01-11", response="PD"
    )
    answer = staff(Role.INVESTIGATOR).fill(
        f"/patients/{subject}/crossover/request", password=PASSWORD, meaning=CROSS_OVER
    )
    assert "no crossover from" in answer.text


def test_lesions_of_baseline_are_asked_for_again(randomised, staff, portal):
    subject = randomised()
    coordinator = staff(Role.COORDINATOR)
    path = f"/patients/{subject}/imaging"
    baseline = {
        "date": "2026-01-05",
        "response": "BASELINE",
        "T01-location": "Liver",
        "T01-found": "42",
        "T02-location": "Lymph node",
        "T02-found": "18,5",
        "NT01-location": "Bone",
        "NT01-found": "PRESENT",
    }

    assert coordinator.fill(path, **baseline).status_code == 303
    page = coordinator.get(path).text
    wrong = coordinator.fill(path, date="2026-01-12", response="SD", **{"T01-found": "big"})

    lesions = portal.ledger.patient(subject).events[-1].payload["lesions"]
    assert [(one["link"], one["test"], one["value"]) for one in lesions] == [
        ("T01", "LDIAM", 42.0),
        ("T02", "LPERP", 18.5),
        ("NT01", "TUMSTATE", None),
    ]
    assert 'name="T03-found"' not in page
    assert "T01: big is not a number of millimetres" in wrong.text


def test_imaging_is_due_in_windows_and_overdue_after_them(randomised, staff, moments):
    subject = randomised()  # on 2026-01-12; week 16 is 2026-05-04, a week around it
    moments.on(days=110)
    assert "2026-05-04" in staff(Role.COORDINATOR).get(f"/patients/{subject}").text
    moments.on(days=10)  # 2026-05-12
    page = staff(Role.COORDINATOR).get("/").text
    assert "Overdue: Tumour assessment (CT or MRI), week 16, 2026-05-11" in page

# SPDX-License-Identifier: Apache-2.0
"""A signed dose is held against what is known since, against its activity and against its day."""

from datetime import date

import pytest

from radioligand.service.dose_checks import signed_before
from radioligand.service.dose_view import next_dose
from radioligand.service.pages_dose import DECIDE
from radioligand.service.roles import Role

from .conftest import GOOD, PASSWORD


@pytest.fixture
def second(on_radioligand, laboratory, dose, moments):
    """Bring a patient on good values to the second dose, eight weeks after the first."""

    def bring(until):
        subject = on_radioligand()
        laboratory(subject, **GOOD)
        dose(subject, 1)
        moments.on(days=56)
        laboratory(subject, **GOOD)
        assert dose(subject, 2, until=until).status_code == 303
        return subject

    return bring


def step(staff, moments, subject, name, **sent):
    day = f"{moments():%Y-%m-%d}"
    form = {
        "order": {"infusion": f"{day}T09:00", "calibration": f"{day}T06:00"},
        "receipt": {"activity": "7.6", "measured": f"{day}T07:00"},
        "infusion": {"started": f"{day}T09:00", "residual": "0.1"},
    }[name]
    path = f"/patients/{subject}/dose/{name}"
    return staff(Role.RADIOPHARMACIST).fill(path, cycle="2", **form | sent)


# -- what is known since --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "name"), [("decision", "order"), ("order", "receipt"), ("receipt", "infusion")]
)
def test_a_value_between_decision_and_infusion_stops_the_signed_dose(
    second, laboratory, staff, moments, portal, until, name
):
    subject = second(until)
    laboratory(subject, **GOOD | {"PLAT": "20"})

    answer = step(staff, moments, subject, name)
    page = staff(Role.INVESTIGATOR).get(f"/patients/{subject}/dose").text

    assert answer.status_code == 422
    assert "The rules say hold" in answer.text
    assert "Sign again" in answer.text
    assert "Sign the decision" in page
    assert 2 not in portal.ledger.patient(subject).cycles


def test_a_decision_signed_again_lets_the_ordered_dose_go_on(
    second, laboratory, staff, moments, portal
):
    subject = second("receipt")
    laboratory(subject, **GOOD | {"PLAT": "70"})
    signing = {"decision": "full", "rule_said": "HOLD", "password": PASSWORD, "meaning": DECIDE}
    answer = staff(Role.INVESTIGATOR).fill(
        f"/patients/{subject}/dose/decision", cycle="2", reason="Clotted; 210 by smear", **signing
    )
    assert answer.status_code == 303, answer.text
    assert step(staff, moments, subject, "infusion").status_code == 303
    assert portal.ledger.patient(subject).cycles == (1, 2)


def test_a_dose_held_after_its_order_is_discarded_not_infused(second, laboratory, staff, moments):
    subject = second("receipt")
    laboratory(subject, **GOOD | {"PLAT": "20"})
    signing = {"decision": "hold", "rule_said": "HOLD", "password": PASSWORD, "meaning": DECIDE}
    here = f"/patients/{subject}/dose"
    assert (
        staff(Role.INVESTIGATOR).fill(f"{here}/decision", cycle="2", **signing).status_code == 303
    )

    answer = step(staff, moments, subject, "infusion")
    pharmacist = staff(Role.RADIOPHARMACIST)

    assert "No decision is signed" in answer.text
    assert "Discard this dose" in pharmacist.get(here).text
    assert pharmacist.fill(f"{here}/discard", cycle="2", reason="Held").status_code == 303


def test_a_dose_stopped_after_its_order_is_discarded(second, laboratory, staff, moments, portal):
    subject = second("receipt")
    laboratory(subject, **GOOD | {"PLAT": "20"})
    signing = {"decision": "stop", "rule_said": "HOLD", "password": PASSWORD, "meaning": DECIDE}
    here = f"/patients/{subject}/dose"
    stopped = staff(Role.INVESTIGATOR).fill(
        f"{here}/decision", cycle="2", reason="Bone marrow", **signing
    )
    assert stopped.status_code == 303, stopped.text

    pharmacist = staff(Role.RADIOPHARMACIST)
    page = pharmacist.get(here).text

    assert "No dose is due" in page
    assert "Discard this dose" in page
    assert pharmacist.fill(f"{here}/discard", cycle="2", reason="Stopped").status_code == 303
    assert "Discard this dose" not in pharmacist.get(here).text
    again = pharmacist.fill(f"{here}/discard", cycle="2", reason="Stopped")
    assert "No dose of this cycle is ordered" in again.text


def test_a_decision_is_no_older_than_the_values_it_rests_on(second, portal):
    subject = second("decision")  # on 2026-03-09; values hold for 35 days by the dose rules
    patient = portal.ledger.patient(subject)
    dose = next_dose(patient, protocol=portal.protocol)

    def says(day):
        return signed_before(patient, dose, protocol=portal.protocol, on=date.fromisoformat(day))

    assert says("2026-04-13") == ""
    assert "35 at most" in says("2026-04-14")


# -- the activity ---------------------------------------------------------------------------------


def test_an_activity_far_above_the_decided_one_is_not_received(second, staff, moments):
    subject = second("order")
    answer = step(staff, moments, subject, "receipt", activity="15", reason="As delivered")
    assert answer.status_code == 422
    assert "above 9.25 GBq" in answer.text


def test_an_activity_off_by_more_than_a_tenth_asks_for_its_reason(second, staff, moments, portal):
    subject = second("order")
    without = step(staff, moments, subject, "receipt", activity="6.0")
    assert "off the 7.4 GBq decided: give the reason" in without.text
    reason = "Late delivery"
    assert (
        step(staff, moments, subject, "receipt", activity="6.0", reason=reason).status_code == 303
    )
    assert portal.ledger.patient(subject).events[-1].reason == reason


def test_a_half_dose_is_not_infused_whole(on_radioligand, laboratory, dose, staff, moments, portal):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)
    moments.on(days=28)
    laboratory(subject, **GOOD | {"PLAT": "48"})
    moments.on(days=28)
    laboratory(subject, **GOOD)
    whole = {"activity": "7.6", "reason": "A whole vial came; half of it is given"}
    assert dose(subject, 2, decide="half", until="receipt", other=whole).status_code == 303

    all_of_it = step(staff, moments, subject, "infusion", residual="0.1", reason="All of it")
    half_of_it = step(staff, moments, subject, "infusion", residual="3.8")

    # 7.6 GBq at 7:00 are 7.5342 GBq at 9:00; less 0.1 they are 7.43, above 1.25 * 3.7 = 4.625
    assert all_of_it.status_code == 422
    assert "above 4.62 GBq" in all_of_it.text
    assert half_of_it.status_code == 303
    assert portal.ledger.patient(subject).events[-1].payload["activity_gbq"] == pytest.approx(
        3.7342, abs=1e-4
    )


# -- the day --------------------------------------------------------------------------------------


def test_a_dose_outside_its_window_asks_for_its_reason_and_never_comes_days_after_the_last(
    on_radioligand, laboratory, dose, staff, moments
):
    subject = on_radioligand()
    laboratory(subject, **GOOD)
    dose(subject, 1)  # on 2026-01-12; the next is due on 2026-03-09, a week around it
    path = f"/patients/{subject}/dose/plan"

    def plan(day, **said):
        return staff(Role.COORDINATOR).fill(path, cycle="2", date=day, **said)

    assert "not before 2026-02-09" in plan("2026-01-15", reason="Convenience").text
    assert "outside the window, 2026-03-02 to 2026-03-16" in plan("2026-03-01").text
    assert plan("2026-03-01", reason="Holiday of the site").status_code == 303


def test_an_infusion_on_another_day_than_ordered_asks_for_its_reason(second, staff, moments):
    subject = second("receipt")
    moments.on(days=1)
    assert "is not the planned day, 2026-03-09" in step(staff, moments, subject, "infusion").text
    late = step(staff, moments, subject, "infusion", reason="The patient came a day late")
    assert late.status_code == 303, late.text


@pytest.mark.by_hand
def test_a_time_with_its_distance_from_utc_is_converted(second, staff, moments, portal):
    subject = second("order")
    early = step(staff, moments, subject, "receipt", measured="2026-03-09T12:00+05:00")
    assert early.status_code == 303, early.text
    measured = portal.ledger.patient(subject).events[-1].payload["measured"]
    assert measured == "2026-03-09T07:00:00+00:00"


@pytest.mark.parametrize("when", ["2031-01-01T09:00", "0001-01-01T00:00", "0001-01-01T00:00+05:00"])
def test_an_impossible_time_is_refused(second, staff, moments, when):
    subject = second("order")
    answer = step(staff, moments, subject, "receipt", measured=when)
    assert answer.status_code == 422
    assert "is not" in answer.text


@pytest.mark.parametrize("name", ["order", "receipt", "infusion"])
def test_a_step_before_its_time_is_refused_in_words(second, staff, moments, name):
    subject = second("laboratory")
    answer = step(staff, moments, subject, name)
    assert answer.status_code == 422
    assert "No decision is signed" in answer.text or "not received yet" in answer.text

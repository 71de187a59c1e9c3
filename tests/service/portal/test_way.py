# SPDX-License-Identifier: Apache-2.0
"""A patient's way through the pages: screened, signed, randomised; and what is refused."""

from datetime import date

import pytest

from radioligand.service.pages_screening import ELIGIBLE, RANDOMISE
from radioligand.service.roles import Role

from .conftest import FORM, PASSWORD, hidden


def test_a_patient_is_screened_signed_and_randomised(browser, randomised, portal, entries):
    subject = randomised()

    stratum = entries.filter(STRGRADE="2", STRORIG="PANCREAS").sort("SEQUENCE")
    patient = portal.ledger.patient(subject)
    assert subject == "1001-001"
    assert patient.arm == stratum["ARMCD"][0]
    assert [one.kind for one in patient.events] == [
        "consented",
        "screened",
        "eligibility signed",
        "randomised",
    ]


def test_the_certificate_prints_name_time_and_meaning_of_the_signature(browser, randomised, portal):
    subject = randomised()

    page = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/certificate").text

    event = portal.ledger.patient(subject).events[-1]
    for printed in ("Prof Investigator", "2026-01-12 09:00 UTC", RANDOMISE, event.hash):
        assert printed in page
    assert event.signature.meaning == RANDOMISE


def test_the_form_is_judged_while_it_is_typed_and_nothing_is_recorded(browser, screened, portal):
    subject = screened()
    coordinator = browser(Role.COORDINATOR)
    before = portal.ledger.head()

    path = f"/patients/{subject}/screening/judged"
    judged = coordinator.fill(path, **FORM | {"ki67_percent": "9", "karnofsky": ""}).text

    assert "Not eligible" in judged
    assert "Ki-67 index, %: <strong>9 %</strong>" in judged
    assert "missing: Karnofsky performance score" in judged
    assert "found on 2026-01-02" in judged
    assert portal.ledger.head() == before


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ki67_percent": "many"}, "&#39;many&#39; is not a number"),
        ({"prior_prrt": "perhaps"}, "answer yes or no"),
        ({"ki67_percent": "140"}, "above 100 %"),
        ({"screening_date": "2026-13-01"}, "is not a date"),
        ({"screening_date": "2031-01-01"}, "has not come yet"),
        ({"diagnosis_date": "0001-01-01"}, "0001-01-01 is not possible"),
        ({"lowest_uptake_score_date": "2031-01-01"}, "has not come yet"),
        ({"age_years": "900"}, "900.0 years is above 120 years"),
        ({"weight_kg": "700000"}, "700000.0 kg is above 400 kg"),
        ({"weight_kg": "7"}, "7.0 is not possible"),
        ({"primary_site": "x" * 300}, "300 letters, of 200 at most"),
    ],
)
def test_values_that_cannot_be_read_are_told_and_not_recorded(
    browser, screened, portal, values, says
):
    subject = screened()
    coordinator = browser(Role.COORDINATOR)
    before = portal.ledger.head()

    answer = coordinator.fill(f"/patients/{subject}/screening", **FORM | values)

    assert answer.status_code == 422
    assert says in answer.text
    assert portal.ledger.head() == before


def test_a_decimal_comma_is_a_number(browser, screened, portal):
    subject = screened(weight_kg="70,5")
    fields = portal.ledger.patient(subject).form["fields"]
    assert fields["weight_kg"]["value"] == 70.5


def test_only_an_eligible_patient_is_signed_for(browser, screened):
    subject = screened(ki67_percent="9")
    investigator = browser(Role.INVESTIGATOR)

    page = investigator.get(f"/patients/{subject}/eligibility").text
    answer = investigator.fill(
        f"/patients/{subject}/eligibility",
        password=PASSWORD,
        meaning=ELIGIBLE,
        screening=hidden(page).get("screening", "3"),
    )

    assert 'name="password"' not in page
    assert answer.status_code == 422


def test_a_signature_needs_password_and_meaning(browser, screened, portal):
    subject = screened()
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/eligibility"
    sent = hidden(investigator.get(path).text)

    assert investigator.fill(path, password="wrong", **sent).status_code == 422
    assert investigator.fill(path, password=PASSWORD, **sent | {"meaning": ""}).status_code == 422
    assert "eligibility signed" not in portal.ledger.patient(subject).facts


def test_a_form_changed_since_is_not_signed_unseen(browser, screened, portal):
    subject = screened()
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/eligibility"
    sent = hidden(investigator.get(path).text)
    browser(Role.COORDINATOR).fill(f"/patients/{subject}/screening", **FORM | {"karnofsky": "80"})

    answer = investigator.fill(path, password=PASSWORD, **sent)

    assert "was changed since" in answer.text
    assert "eligibility signed" not in portal.ledger.patient(subject).facts


def test_a_signature_is_bound_to_the_form_it_signs(signed, portal):
    events = portal.ledger.patient(signed()).events
    screening, signature = events[-2], events[-1]
    assert signature.payload == {"signs": screening.number, "signs_hash": screening.hash}


def test_randomisation_needs_the_signed_eligibility(browser, screened, portal):
    subject = screened()
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/randomisation"

    answer = investigator.fill(path, password=PASSWORD, meaning=RANDOMISE, key="a key")

    assert answer.status_code == 422
    assert portal.ledger.patient(subject).arm is None


def test_a_scan_that_has_grown_too_old_by_the_day_stops_the_randomisation(
    browser, signed, portal, moments
):
    subject = signed(lowest_uptake_score_date="2025-10-20")  # 84 days before screening
    moments.on(days=20)
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/randomisation"

    answer = investigator.fill(path, password=PASSWORD, meaning=RANDOMISE, key="a key")

    assert answer.status_code == 422
    assert "On 2026-02-01 the patient is undetermined: I11" in answer.text
    assert portal.ledger.head().allocations == 0


def test_the_same_form_sent_twice_randomises_once(browser, signed, portal):
    subject = signed()
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/randomisation"
    sent = hidden(investigator.get(path).text)

    answers = [investigator.fill(path, password=PASSWORD, **sent) for _ in range(3)]

    assert {one.headers["location"] for one in answers} == {f"/patients/{subject}/certificate"}
    assert portal.ledger.head().allocations == 1


@pytest.mark.parametrize("name", ["arm", "ARMCD", "stratum", "sequence", "site", "role", "entry"])
def test_nothing_in_a_request_chooses_an_arm(browser, signed, portal, entries, name):
    subject = signed()
    investigator = browser(Role.INVESTIGATOR)
    path = f"/patients/{subject}/randomisation"
    sent = hidden(investigator.get(path).text)
    first = entries.filter(STRGRADE="2", STRORIG="PANCREAS").sort("SEQUENCE")["ARMCD"][0]
    other = "LU" if first == "CONTROL" else "CONTROL"

    investigator.fill(path, password=PASSWORD, **sent, **{name: other})

    assert portal.ledger.patient(subject).arm == first
    assert portal.ledger.patient(subject).site == "1001"


def test_a_screen_failure_has_a_reason_and_ends_the_way(browser, screened, portal):
    subject = screened(ki67_percent="9")
    coordinator = browser(Role.COORDINATOR)
    path = f"/patients/{subject}/screen-failure"

    assert coordinator.fill(path).status_code == 422
    assert coordinator.fill(path, reason="Ki-67 below 10 %").status_code == 303
    assert "screen failed" in portal.ledger.patient(subject).facts
    assert coordinator.fill(f"/patients/{subject}/screening", **FORM).status_code == 422


def test_a_wrong_stratum_is_corrected_by_an_appended_event(browser, randomised, portal):
    subject = randomised()
    arm = portal.ledger.patient(subject).arm
    investigator = browser(Role.INVESTIGATOR)
    corrected = {"STRGRADE": "3", "STRORIG": "PANCREAS"}

    without = investigator.fill(f"/patients/{subject}/strata", **corrected)
    with_reason = investigator.fill(
        f"/patients/{subject}/strata", **corrected, reason="The slide was read again"
    )

    patient = portal.ledger.patient(subject)
    assert (without.status_code, with_reason.status_code) == (422, 303)
    assert (patient.strata_entered["STRGRADE"], patient.strata["STRGRADE"]) == ("2", "3")
    assert patient.arm == arm


def test_consent_lies_in_the_past(browser, moments):
    coordinator = browser(Role.COORDINATOR)
    tomorrow = date(2026, 1, 13).isoformat()
    answer = coordinator.fill("/screening", consent_date=tomorrow, has_consented="yes")
    assert answer.status_code == 422
    assert "has not come yet" in answer.text

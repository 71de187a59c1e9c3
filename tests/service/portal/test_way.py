# SPDX-License-Identifier: Apache-2.0
"""A patient's way through the pages: screened, signed, randomised, treated; and what is refused."""

from radioligand.service.roles import Role


def test_a_patient_is_screened_signed_and_randomised(browser, randomised, portal, entries):
    subject = randomised()

    stratum = entries.filter(STRGRADE="2", STRORIG="PANCREAS").sort("SEQUENCE")
    page = browser(Role.INVESTIGATOR).get(f"/patients/{subject}/certificate").text
    patient = portal.ledger.patient(subject)
    assert subject == "1001-001"
    assert patient.arm == stratum["ARMCD"][0]
    assert "Prof Investigator" in page
    assert "It cannot be undone." in page
    assert patient.events[-1].hash in page

# SPDX-License-Identifier: Apache-2.0
"""The portal on PostgreSQL: a patient's way once through, accounts and sessions with it."""

import pytest
from sqlalchemy import inspect

from radioligand.service.database import connect
from radioligand.service.roles import Role

from .conftest import PASSWORD


@pytest.fixture
def opened(opened, postgresql_url):
    """The ledger of the portal's fixtures, on PostgreSQL."""

    def start(**options):
        return opened(postgresql_url, **options)

    return start


def test_a_patient_is_randomised_on_postgresql(randomised, portal, browser):
    subject = randomised()

    assert portal.engine.dialect.name == "postgresql"
    assert portal.ledger.patient(subject).arm
    auditor = browser(Role.AUDITOR)
    assert "The ledger is sound" in auditor.get("/audit/verification").text


def test_locks_and_sessions_hold_on_postgresql(browser, portal, moments):
    one = browser(Role.MONITOR)
    for _ in range(5):
        browser().sign_in("monitor", "wrong")
    assert browser().sign_in("monitor", PASSWORD).status_code == 403
    assert one.get("/patients").status_code == 200
    moments.on(minutes=16)
    assert one.get("/patients").status_code == 303


def test_accounts_stand_beside_the_ledger(portal, postgresql_url):
    engine = connect(postgresql_url)
    assert {"accounts", "sessions", "audit"} <= set(inspect(engine).get_table_names())
    engine.dispose()

# SPDX-License-Identifier: Apache-2.0
"""The portal on PostgreSQL: a patient's way once through, accounts and sessions with it."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from radioligand.cli import cli, serving
from radioligand.service.database import connect
from radioligand.service.roles import Role

from .conftest import PASSWORD
from .test_security import NASTY, typed_everywhere


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


def test_secret_and_anchor_of_a_server_are_named_for_the_trial(
    postgresql_url, tmp_path, monkeypatch
):
    places = []
    monkeypatch.chdir(tmp_path)

    def serve(started, protocol, place, **_):
        started.portal.engine.dispose()
        places.append(place)

    monkeypatch.setattr(serving, "serve", serve)

    done = CliRunner().invoke(cli, ["serve", "netter-2", "--database", postgresql_url])

    assert done.exit_code == 0, done.output
    (place,) = places
    assert (place.secret, place.anchor) == (Path("netter-2.secret"), Path("netter-2.anchor"))
    assert (tmp_path / "netter-2.secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [*NASTY, "5" * 50])
def test_what_is_typed_is_answered_or_refused_on_postgresql(browser, screened, text):
    answers = typed_everywhere(text, browser, screened)
    assert {one.status_code for one in answers} <= {200, 303, 403, 404, 422}

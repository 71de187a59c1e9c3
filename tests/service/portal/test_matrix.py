# SPDX-License-Identifier: Apache-2.0
"""Every route and every role: who is let in is written here again, by hand, and compared."""

import pytest
from starlette.routing import Mount, Route

from radioligand.service.roles import Role
from radioligand.service.starting import PAGES

COORD, INV, PHARM = Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST
MANAGER, READER, MONITOR = Role.TRIAL_MANAGER, Role.CENTRAL_READER, Role.MONITOR
BLIND, UNBLIND = Role.BLINDED_STATISTICIAN, Role.UNBLINDED_STATISTICIAN
AUDITOR, ADMIN = Role.AUDITOR, Role.ADMINISTRATOR
ALL = frozenset(Role)
SITE = frozenset({COORD, INV, PHARM})
UNBLINDED = SITE | {UNBLIND, MONITOR, AUDITOR}
OFFICE = frozenset({MANAGER, BLIND, UNBLIND, MONITOR, AUDITOR})
NOBODY_SIGNED_IN = "open"

EXPECTED = {
    ("GET", "/sign-in"): NOBODY_SIGNED_IN,
    ("POST", "/sign-in"): NOBODY_SIGNED_IN,
    ("GET", "/cds-services"): NOBODY_SIGNED_IN,
    ("POST", "/cds-services/{service}"): NOBODY_SIGNED_IN,
    ("GET", "/openapi.json"): NOBODY_SIGNED_IN,
    ("POST", "/sign-out"): ALL,
    ("GET", "/account"): ALL,
    ("POST", "/account/password"): ALL,
    ("POST", "/account/authenticator"): ALL,
    ("GET", "/accounts"): {ADMIN},
    ("POST", "/accounts"): {ADMIN},
    ("POST", "/accounts/reset"): {ADMIN},
    ("POST", "/accounts/end"): {ADMIN},
    ("GET", "/"): ALL,
    ("GET", "/patients"): ALL - {ADMIN},
    ("GET", "/patients/{subject}"): UNBLINDED | {MANAGER, READER},
    ("GET", "/due"): SITE,
    ("GET", "/screening"): {COORD, INV},
    ("POST", "/screening"): {COORD, INV},
    ("GET", "/patients/{subject}/screening"): {COORD, INV},
    ("POST", "/patients/{subject}/screening"): {COORD, INV},
    ("POST", "/patients/{subject}/screening/judged"): {COORD, INV},
    ("POST", "/patients/{subject}/screen-failure"): {COORD, INV},
    ("GET", "/patients/{subject}/eligibility"): {INV},
    ("POST", "/patients/{subject}/eligibility"): {INV},
    ("GET", "/patients/{subject}/randomisation"): {INV},
    ("POST", "/patients/{subject}/randomisation"): {INV},
    ("GET", "/patients/{subject}/certificate"): UNBLINDED,
    ("GET", "/patients/{subject}/laboratory"): {COORD, INV},
    ("POST", "/patients/{subject}/laboratory"): {COORD, INV},
    ("GET", "/patients/{subject}/adverse-event"): {COORD, INV},
    ("POST", "/patients/{subject}/adverse-event"): {COORD, INV},
    ("GET", "/patients/{subject}/imaging"): {COORD, INV},
    ("POST", "/patients/{subject}/imaging"): {COORD, INV},
    ("GET", "/patients/{subject}/central-reading"): {READER},
    ("POST", "/patients/{subject}/central-reading"): {READER},
    ("GET", "/patients/{subject}/treatment"): {COORD, INV},
    ("POST", "/patients/{subject}/treatment"): {COORD, INV},
    ("GET", "/patients/{subject}/treatment-end"): {INV},
    ("POST", "/patients/{subject}/treatment-end"): {INV},
    ("GET", "/patients/{subject}/death"): {COORD, INV},
    ("POST", "/patients/{subject}/death"): {COORD, INV},
    ("GET", "/patients/{subject}/strata"): {INV},
    ("POST", "/patients/{subject}/strata"): {INV},
    ("GET", "/patients/{subject}/questionnaire"): {COORD, INV},
    ("POST", "/patients/{subject}/questionnaire"): {COORD, INV},
    ("GET", "/patients/{subject}/visit"): {COORD, INV},
    ("POST", "/patients/{subject}/visit"): {COORD, INV},
    ("GET", "/patients/{subject}/leaving"): {INV},
    ("POST", "/patients/{subject}/leaving"): {INV},
    ("GET", "/patients/{subject}/corrections/{number}"): {INV},
    ("POST", "/patients/{subject}/corrections/{number}"): {INV},
    ("GET", "/patients/{subject}/reading-corrections/{number}"): {READER},
    ("POST", "/patients/{subject}/reading-corrections/{number}"): {READER},
    ("GET", "/patients/{subject}/crossover"): UNBLINDED,
    ("POST", "/patients/{subject}/crossover/request"): {INV},
    ("POST", "/patients/{subject}/crossover/approval"): {MONITOR},
    ("GET", "/patients/{subject}/dose"): UNBLINDED,
    ("POST", "/patients/{subject}/dose/plan"): {COORD, INV},
    ("POST", "/patients/{subject}/dose/laboratory"): {COORD, INV},
    ("POST", "/patients/{subject}/dose/decision"): {INV},
    ("POST", "/patients/{subject}/dose/order"): {PHARM},
    ("POST", "/patients/{subject}/dose/receipt"): {PHARM},
    ("POST", "/patients/{subject}/dose/infusion"): {PHARM},
    ("POST", "/patients/{subject}/dose/discard"): {PHARM},
    ("GET", "/office"): OFFICE,
    ("POST", "/office/sites"): {MANAGER},
    ("POST", "/office/closures"): {MANAGER},
    ("POST", "/office/cap"): {MANAGER},
    ("POST", "/office/list"): {MANAGER},
    ("GET", "/audit"): {AUDITOR},
    ("GET", "/audit/verification"): {AUDITOR},
    ("GET", "/audit/head.json"): {AUDITOR},
    ("GET", "/audit/events.csv"): {AUDITOR},
    ("GET", "/data"): {MANAGER, BLIND, UNBLIND, AUDITOR},
    ("POST", "/data/sdtm"): {UNBLIND, AUDITOR},
    ("POST", "/data/sdtm-blinded"): {MANAGER, BLIND},
    ("GET", "/guidance"): ALL,
    ("POST", "/guidance"): ALL,
    ("GET", "/guidance/statements"): ALL,
}


def test_every_route_is_in_the_table(app):
    served = set()
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route)
        served |= {(method, route.path) for method in route.methods - {"HEAD"}}

    assert served == set(EXPECTED)
    assert len(PAGES) == len(EXPECTED)


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_what_the_table_says_and_nothing_else(role, browser, on_radioligand):
    subject = on_radioligand()
    one = browser(role)
    let_in = {}
    for method, path in EXPECTED:
        if path in ("/sign-out", "/account/password"):
            continue  # they end the session that asks
        address = path.replace("{subject}", subject).replace("{service}", "none")
        address = address.replace("{number}", "4")
        answer = one.get(address) if method == "GET" else one.fill(address)
        let_in[method, path] = (
            answer.status_code != 403 or EXPECTED[method, path] == NOBODY_SIGNED_IN
        )

    expected = {
        key: allowed == NOBODY_SIGNED_IN or role in allowed
        for key, allowed in EXPECTED.items()
        if key in let_in
    }
    assert let_in == expected


def test_nobody_signed_in_gets_nothing(browser, randomised):
    subject = randomised()
    one = browser()
    for (method, path), allowed in EXPECTED.items():
        if allowed == NOBODY_SIGNED_IN:
            continue
        address = path.replace("{subject}", subject)
        answer = one.get(address) if method == "GET" else one.fill(address)
        if method == "GET":
            assert answer.headers["location"].startswith("/sign-in?next="), path
        else:
            assert answer.status_code == 401, path
        assert subject not in answer.text

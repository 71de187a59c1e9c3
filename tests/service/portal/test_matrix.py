# SPDX-License-Identifier: Apache-2.0
"""Every route and every role: who is let in is written here again, by hand, and compared."""

import pytest
from starlette.routing import Mount, Route

from radioligand.service.roles import Role
from radioligand.service.starting import PAGES

C, I, P, M = Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST, Role.TRIAL_MANAGER
B, U, R = Role.BLINDED_STATISTICIAN, Role.UNBLINDED_STATISTICIAN, Role.CENTRAL_READER
O, A, X = Role.MONITOR, Role.AUDITOR, Role.ADMINISTRATOR
ALL = frozenset(Role)
SITE = frozenset({C, I, P})
UNBLINDED = SITE | {U, O, A}
OFFICE = frozenset({M, B, U, O, A})
NOBODY_SIGNED_IN = "open"

EXPECTED = {
    ("GET", "/sign-in"): NOBODY_SIGNED_IN,
    ("POST", "/sign-in"): NOBODY_SIGNED_IN,
    ("GET", "/cds-services"): NOBODY_SIGNED_IN,
    ("POST", "/cds-services/{service}"): NOBODY_SIGNED_IN,
    ("POST", "/sign-out"): ALL,
    ("GET", "/account"): ALL,
    ("POST", "/account/password"): ALL,
    ("POST", "/account/authenticator"): ALL,
    ("GET", "/accounts"): {X},
    ("POST", "/accounts"): {X},
    ("POST", "/accounts/reset"): {X},
    ("POST", "/accounts/end"): {X},
    ("GET", "/"): ALL,
    ("GET", "/patients"): ALL - {X},
    ("GET", "/patients/{subject}"): UNBLINDED | {M, R},
    ("GET", "/screening"): {C, I},
    ("POST", "/screening"): {C, I},
    ("GET", "/patients/{subject}/screening"): {C, I},
    ("POST", "/patients/{subject}/screening"): {C, I},
    ("POST", "/patients/{subject}/screening/judged"): {C, I},
    ("POST", "/patients/{subject}/screen-failure"): {C, I},
    ("GET", "/patients/{subject}/eligibility"): {I},
    ("POST", "/patients/{subject}/eligibility"): {I},
    ("GET", "/patients/{subject}/randomisation"): {I},
    ("POST", "/patients/{subject}/randomisation"): {I},
    ("GET", "/patients/{subject}/certificate"): UNBLINDED,
    ("GET", "/patients/{subject}/laboratory"): {C, I},
    ("POST", "/patients/{subject}/laboratory"): {C, I},
    ("GET", "/patients/{subject}/adverse-event"): {C, I},
    ("POST", "/patients/{subject}/adverse-event"): {C, I},
    ("GET", "/patients/{subject}/imaging"): {C, I},
    ("POST", "/patients/{subject}/imaging"): {C, I},
    ("GET", "/patients/{subject}/central-reading"): {R},
    ("POST", "/patients/{subject}/central-reading"): {R},
    ("GET", "/patients/{subject}/treatment"): {C, I},
    ("POST", "/patients/{subject}/treatment"): {C, I},
    ("GET", "/patients/{subject}/treatment-end"): {I},
    ("POST", "/patients/{subject}/treatment-end"): {I},
    ("GET", "/patients/{subject}/death"): {C, I},
    ("POST", "/patients/{subject}/death"): {C, I},
    ("GET", "/patients/{subject}/strata"): {I},
    ("POST", "/patients/{subject}/strata"): {I},
    ("GET", "/patients/{subject}/crossover"): UNBLINDED,
    ("POST", "/patients/{subject}/crossover/request"): {I},
    ("POST", "/patients/{subject}/crossover/approval"): {O},
    ("GET", "/patients/{subject}/dose"): UNBLINDED,
    ("POST", "/patients/{subject}/dose/plan"): {C, I},
    ("POST", "/patients/{subject}/dose/laboratory"): {C, I},
    ("POST", "/patients/{subject}/dose/decision"): {I},
    ("POST", "/patients/{subject}/dose/order"): {P},
    ("POST", "/patients/{subject}/dose/receipt"): {P},
    ("POST", "/patients/{subject}/dose/infusion"): {P},
    ("POST", "/patients/{subject}/dose/discard"): {P},
    ("GET", "/office"): OFFICE,
    ("POST", "/office/sites"): {M},
    ("POST", "/office/closures"): {M},
    ("POST", "/office/list"): {M},
    ("GET", "/audit"): {A},
    ("GET", "/audit/verification"): {A},
    ("GET", "/audit/head.json"): {A},
    ("GET", "/audit/events.csv"): {A},
    ("GET", "/data"): {M, B, U, A},
    ("POST", "/data/sdtm"): {U, A},
    ("POST", "/data/sdtm-blinded"): {M, B},
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

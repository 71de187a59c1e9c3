# SPDX-License-Identifier: Apache-2.0
"""The description of every address, and machines that try what it allows on every one of them."""

import re
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from radioligand.service.roles import MATRIX, Role, may
from radioligand.service.starting import PAGES

from .conftest import FORM, PASSWORD
from .test_matrix import EXPECTED, NOBODY_SIGNED_IN

FEW = settings(
    max_examples=2,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
NAME = re.compile(r'name="([^"]+)"')
TEXTS = st.sampled_from(["", "1", "²", "0", "-1", "1e400", "nan", "2026-01-12", "\x00", "٣", "yes"])
TEXTS |= st.text(max_size=12)


@pytest.fixture
def description(browser):
    return browser().get("/openapi.json").json()


def test_the_description_has_every_route_with_the_roles_of_the_table(description):
    told = {
        (method.upper(), path): operation
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    assert set(told) == set(EXPECTED)
    for route, operation in told.items():
        if EXPECTED[route] == NOBODY_SIGNED_IN:
            assert operation["security"] == []
        else:
            assert set(operation["x-roles"]) == set(EXPECTED[route]), route
            assert operation["x-action"] in [str(action) for action in MATRIX]


@pytest.mark.law
@pytest.mark.parametrize("role", [Role.INVESTIGATOR, Role.AUDITOR, Role.ADMINISTRATOR])
def test_every_address_answers_as_it_is_described(description, browser, randomised, role):
    subject = randomised()
    one = browser(role)
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = found.ok()
        roles = operation.definition.raw.get("x-roles", [role])
        if role in roles and operation.path != "/sign-out":  # it ends the session that asks
            FEW(given(case=operation.as_strategy())(asking(one, operation, subject)))()


def asking(one, operation, subject):
    """What sends one case as its page would, and holds the answer against the description."""
    checks = [CHECKS.get_one(name) for name in CHECKED]

    def ask(case):
        address = operation.path
        for name, value in case.path_parameters.items():
            known = {"subject": subject, "number": "3"}.get(name, value)
            address = address.replace(f"{{{name}}}", quote(known, safe=""))
        if operation.method == "get":
            answer = one.get(address)
        elif "json" in str(case.media_type):
            answer = one.post(address, json=case.body)
        else:
            body = case.body if isinstance(case.body, dict) else {}
            answer = one.fill(address, **{k: str(v) for k, v in body.items() if k != TOKEN})
        case.validate_response(answer, checks=checks)

    return ask


TOKEN = "form_token"
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance")


@pytest.mark.law
@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST])
def test_any_form_is_answered_or_refused(role, browser, on_radioligand, laboratory, portal):
    """What a page's own fields are filled with never breaks it, and never changes an arm."""
    subject = on_radioligand()
    laboratory(subject, PLAT="210")
    arms = {each.subject: each.arm for each in portal.ledger.patients()}
    numbers = [each.number for each in portal.ledger.patient(subject).events]
    one = browser(role)
    fields = {*FORM, "date", "reason", "arm", "ARMCD", "site", "subject", "sequence", "actor"}
    fields |= {"kind", "payload", "meaning", "cycle", "decision", "activity", "measured", "role"}
    for page in PAGES:
        address = page.path.replace("{subject}", subject).replace("{number}", str(numbers[-1]))
        if page.method == "GET" and page.action and may(role, page.action):
            fields |= set(NAME.findall(one.get(address).text))
    fields -= {TOKEN, "password", "new", "again", "old", "key"}

    @settings(max_examples=4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fill(data):
        for page in PAGES:
            if page.method == "GET" or page.of_own_account or not page.action:
                continue
            if not may(role, page.action) or page.path in ("/screening", "/guidance"):
                continue
            number = str(data.draw(st.sampled_from(numbers)))
            address = page.path.replace("{subject}", subject).replace("{number}", number)
            sent = data.draw(st.dictionaries(st.sampled_from(sorted(fields)), TEXTS, max_size=30))
            status = one.fill(address, password=PASSWORD, **sent).status_code
            assert status in (200, 303, 404, 422), (address, sent)

    fill()
    assert {each.subject: each.arm for each in portal.ledger.patients()} == arms
    assert portal.ledger.head().allocations == len(arms)

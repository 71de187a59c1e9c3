# SPDX-License-Identifier: Apache-2.0
"""What attackers try on every web page: foreign forms, other sites' patients, code in fields."""

import csv
import io
import json
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from radioligand.service.pages_audit import as_csv
from radioligand.service.protection import HEADERS, LARGEST_BODY
from radioligand.service.roles import Role
from radioligand.service.sessions import COOKIE
from radioligand.service.starting import PAGES

from .conftest import FORM, ORIGIN, PASSWORD, done, hidden

NASTY = (
    "'; drop table audit; --",
    "1 or 1=1",
    '<script>alert("x")</script>',
    "{{ 7 * 7 }}",
    "../../etc/passwd",
    "\x00",
    "=cmd|' /C calc'!A0",
    "𝕏" * 300,
)


# -- where a form comes from ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://portal.example.org"},
        {"Origin": f"{ORIGIN}.evil.example.org"},
    ],
)
def test_a_form_of_another_origin_is_refused(browser, portal, headers):
    coordinator = browser(Role.COORDINATOR)
    before = done(portal)
    sent = {"form_token": coordinator.form_token, "consent_date": "2026-01-09"}
    answer = coordinator.post("/screening", data=sent | {"has_consented": "yes"}, headers=headers)
    assert answer.status_code == 403
    assert done(portal) == before


def test_without_origin_the_referer_decides(browser):
    coordinator = browser(Role.COORDINATOR)
    del coordinator.headers["Origin"]
    sent = {"consent_date": "2026-01-09", "has_consented": "yes"}
    assert coordinator.fill("/screening", **sent).status_code == 403
    coordinator.headers["Referer"] = f"{ORIGIN}/screening"
    assert coordinator.fill("/screening", **sent).status_code == 303


def test_every_form_needs_the_token_of_its_session(browser, portal, randomised):
    subject = randomised()
    other = browser(Role.MONITOR).form_token
    for role in Role:
        one = browser(role)
        before = done(portal)
        for page in PAGES:
            if page.method == "GET" or page.action is None or not_granted(page, role):
                continue
            address = page.path.replace("{subject}", subject)
            for token in ("", other, one.form_token[:-1]):
                answer = one.post(address, data={"form_token": token})
                assert answer.status_code == 403, (role, page.path)
        assert done(portal) == before


def not_granted(page, role):
    from radioligand.service.roles import may

    return not may(role, page.action)


def test_nothing_is_changed_by_a_get(app):
    for page in PAGES:
        if page.method == "POST":
            assert not any(
                route.path == page.path and "GET" in route.methods and route.name == page.path
                for route in app.routes
                if hasattr(route, "methods")
            )


# -- headers and cookies --------------------------------------------------------------------------


def test_every_answer_carries_the_headers(browser, randomised):
    subject = randomised()
    one = browser(Role.INVESTIGATOR)
    paths = ("/", "/sign-in", f"/patients/{subject}", "/none", "/accounts", "/static/portal.css")
    for path in paths:
        headers = one.get(path).headers
        for name, value in HEADERS.items():
            assert headers[name] == value, (path, name)
        assert headers["Strict-Transport-Security"].startswith("max-age=")


def test_no_page_has_script_or_style_inside(browser, randomised):
    subject = randomised()
    for role, paths in (
        (Role.INVESTIGATOR, ("/", f"/patients/{subject}", f"/patients/{subject}/dose")),
        (Role.TRIAL_MANAGER, ("/office",)),
        (Role.AUDITOR, ("/audit/verification", "/guidance")),
    ):
        one = browser(role)
        for path in paths:
            text = one.get(path).text
            assert "<script>" not in text
            assert " style=" not in text
            assert " onclick=" not in text


def test_the_cookie_is_for_this_site_and_for_no_script(browser):
    answer = browser().sign_in("auditor")
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "secure", "samesite=strict", "path=/"):
        assert word in cookie


@pytest.mark.parametrize("following", ["//evil.example.org", "https://evil.example.org", "/\\evil"])
def test_signing_in_leads_nowhere_else(browser, following):
    one = browser()
    sent = {"name": "auditor", "password": PASSWORD, "next": following}
    assert one.post("/sign-in", data=sent).headers["location"] == "/"


# -- other people's patients ----------------------------------------------------------------------


def test_a_patient_of_another_site_is_as_none_at_all(browser, randomised):
    subject = randomised("2002")
    for role in (Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST):
        one = browser(role)
        for page in PAGES:
            if "{subject}" not in page.path or not_granted(page, role):
                continue
            answers = []
            for name in (subject, "2002-999"):
                address = page.path.replace("{subject}", name)
                answers.append(one.get(address) if page.method == "GET" else one.fill(address))
            assert [each.status_code for each in answers] == [404, 404], page.path
            assert answers[0].text == answers[1].text
        assert subject not in one.get("/patients").text
        assert subject not in one.get("/").text


def test_a_new_patient_belongs_to_the_readers_site_whatever_is_sent(browser, portal):
    coordinator = browser(Role.COORDINATOR)
    sent = {"consent_date": "2026-01-09", "has_consented": "yes"}
    coordinator.fill("/screening", **sent, site="2002", subject="2002-001", role="administrator")
    assert [one.subject for one in portal.ledger.patients()] == ["1001-001"]


# -- what is noted of it --------------------------------------------------------------------------


def noted(portal):
    return [
        (one.actor, one.payload["attempt"], one.payload.get("subject"))
        for one in portal.ledger.events(kinds=("refused",))
    ]


def test_what_is_refused_is_noted_for_auditors_once_a_minute(browser, randomised, portal, moments):
    foreign = randomised("2002")
    one = browser(Role.COORDINATOR)
    for _ in range(3):
        assert one.get("/audit").status_code == 403
        assert one.get(f"/patients/{foreign}").status_code == 404
    assert noted(portal) == [("coordinator", "page", None), ("coordinator", "patient", foreign)]

    moments.on(minutes=1)
    one.get("/audit")
    assert noted(portal)[2:] == [("coordinator", "page", None)]
    page = browser(Role.AUDITOR).get("/audit", params={"kind": "refused"}).text
    assert "A coordinator may not see every event" in page
    assert foreign in page


def test_a_patient_that_does_not_exist_is_noted_as_a_foreign_one(browser, portal):
    browser(Role.INVESTIGATOR).get("/patients/2002-999")
    assert noted(portal) == [("investigator", "patient", "2002-999")]
    assert portal.ledger.patient("2002-999").events == ()


def test_a_signature_with_a_wrong_password_is_noted(browser, screened, portal):
    subject = screened()
    investigator = browser(Role.INVESTIGATOR)
    page = investigator.get(f"/patients/{subject}/eligibility").text
    path = f"/patients/{subject}/eligibility"
    answer = investigator.fill(path, password="not mine", **hidden(page))
    assert answer.status_code == 422
    assert noted(portal) == [("investigator", "signature", subject)]


def test_nothing_is_noted_of_whoever_is_not_signed_in(browser, portal):
    browser().post("/screening", data={}, headers={"Origin": "null"})
    browser().get("/patients/1001-001")
    assert noted(portal) == []


# -- code in fields -------------------------------------------------------------------------------


def typed_everywhere(text, browser, screened):
    """Type a text into every kind of field, and return the answers."""
    subject = screened()
    coordinator, administrator = browser(Role.COORDINATOR), browser(Role.ADMINISTRATOR)
    person = {"name": "new", "full_name": "New Person", "role": "coordinator", "site": "1001"}
    people = [person | {field: text} for field in person]
    return [
        coordinator.fill(f"/patients/{subject}/screening", **FORM | {"primary_site": text}),
        coordinator.fill(f"/patients/{subject}/screening", **FORM | {"ki67_percent": text}),
        coordinator.fill(f"/patients/{subject}/screening/judged", **FORM | {"weight_kg": text}),
        coordinator.fill("/screening", consent_date=text, has_consented="yes"),
        browser(Role.AUDITOR).get("/audit", params={"subject": text, "kind": text, "before": text}),
        browser().sign_in(text, text, text),
        browser(Role.TRIAL_MANAGER).fill("/office/sites", site=text, cap=text),
        *(administrator.fill("/accounts", **one) for one in people),
        administrator.fill("/accounts/end", name=text),
        administrator.fill("/accounts/reset", name=text),
        administrator.fill("/account/authenticator", secret=text, code=text),
        browser().get("/sign-in", params={"next": text, text: ""}),
        coordinator.get(f"/patients/{quote(text, safe='')}"),
    ]


@pytest.mark.parametrize("text", NASTY)
def test_what_is_typed_is_never_code(browser, screened, portal, text):
    for answer in typed_everywhere(text, browser, screened):
        assert answer.status_code in (200, 303, 403, 404, 422)
        assert "<script>alert" not in answer.text
        assert "49</" not in answer.text
    assert portal.ledger.events()  # the table is still there


@pytest.mark.parametrize("secret", ["1" * 32, "a" * 32, "A" * 31, "A" * 33, "Ä" * 32])
def test_a_secret_that_is_not_base_32_is_no_authenticator(browser, secret):
    sent = {"secret": secret, "code": "123456"}
    answer = browser(Role.MONITOR).fill("/account/authenticator", **sent)
    assert answer.status_code == 422
    assert "not a secret that the portal has shown" in answer.text


def test_a_fault_of_the_portal_is_told_without_details_and_with_the_headers(app, monkeypatch):
    def fails(*_, **__):
        raise ZeroDivisionError("a detail of the inside")

    monkeypatch.setattr("radioligand.service.application.resume", fails)
    one = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    answer = one.get("/patients", headers={"Cookie": f"{COOKIE}=something"})

    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert "ZeroDivision" not in answer.text
    assert "a detail" not in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize(
    "path", ["/static/../accounts.py", "/static/%2e%2e/portal.py", "/patients/..%2f..%2fetc"]
)
def test_no_file_but_the_pages_own_is_given(browser, path):
    answer = browser(Role.INVESTIGATOR).get(path)
    assert answer.status_code == 404
    assert "SPDX" not in answer.text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_no_cell_of_the_export_is_a_formula(browser, screened, portal, text):
    subject = screened(ki67_percent="9")
    browser(Role.COORDINATOR).fill(f"/patients/{subject}/screen-failure", reason=text + "x")

    rows = list(csv.reader(io.StringIO(as_csv(portal.ledger.events()))))

    assert rows[-1][2] == "screen failed"
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for row in rows for cell in row)


def test_a_body_that_is_too_large_is_refused(browser):
    one = browser(Role.AUDITOR)
    huge = json.dumps({"x": "y" * (LARGEST_BODY + 1)})
    assert one.post("/cds-services/radioligand-guidance", content=huge).status_code == 413


def test_sign_in_tells_nothing_of_names(browser):
    told = set()
    for name, password in (("nobody.here", "wrong"), ("auditor", "wrong"), ("", "")):
        page = browser().post("/sign-in", data={"name": name, "password": password}).text
        told.add(page.replace(f'value="{name}"', ""))
    assert len(told) == 1


def test_the_same_key_of_another_user_gives_nothing_away(browser, signed, portal):
    first, second = signed(), signed("2002")
    from radioligand.service.pages_screening import RANDOMISE

    sent = {"password": PASSWORD, "meaning": RANDOMISE, "key": "one key"}
    browser(Role.INVESTIGATOR).fill(f"/patients/{first}/randomisation", **sent)
    browser(Role.INVESTIGATOR, "2002").fill(f"/patients/{second}/randomisation", **sent)
    assert portal.ledger.head().allocations == 2

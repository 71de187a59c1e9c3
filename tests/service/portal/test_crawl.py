# SPDX-License-Identifier: Apache-2.0
"""Two portals that differ in their next arms alone answer every request of a site alike."""

import re

import polars as pl
import pytest

from radioligand.service.application import application
from radioligand.service.pages_dose import DECIDE
from radioligand.service.pages_screening import ELIGIBLE, RANDOMISE
from radioligand.service.roles import Role, is_bound_to_site
from radioligand.service.starting import PAGES

from .conftest import FORM, GOOD, PASSWORD, Browser, name_of

TAKEN = 6  # entries of each stratum that are the same in both lists
DAY = "2026-01-12"
SITE_ROLES = tuple(role for role in Role if is_bound_to_site(role))
# what is drawn anew for each page, session or ledger, and so tells nothing
DRAWN = (
    r'(?<=name="form_token" value=")[^"]+',
    r'(?<=name="key" value=")[^"]+',
    r"\b[0-9a-f]{64}\b",
    r'(?<=name="secret" value=")[^"]+',
    r"(?<=<code>)[A-Z2-7]{32}(?=</code>)",
    r"data:image/svg\+xml[^\"]+",
)
# what is sent so that it succeeds, by the path's end
FILLED = {
    "screening/judged": FORM,
    "screening": FORM,
    "laboratory": {"date": DAY} | GOOD,
    "adverse-event": {"date": DAY, "term": "Nausea", "grade": "1"},
    "imaging": {"date": DAY, "response": "BASELINE"},
    "treatment": {"date": DAY, "drug": "OCTREOTIDE LAR 30", "amount": "30"},
    "questionnaire": {"date": DAY, "EORTC QLQ-C30 1": "1"},
    "visit": {"date": DAY, "KPS": "80"},
    "corrections/1": {"consent_date": "2026-01-08", "reason": "Misread"},
    "dose/plan": {"date": DAY, "cycle": "1"},
    "dose/laboratory": {"cycle": "1"},
    "dose/decision": {
        "cycle": "1",
        "decision": "full",
        "rule_said": "FULL DOSE",
        "password": PASSWORD,
        "meaning": DECIDE,
    },
    "dose/order": {"cycle": "1", "infusion": f"{DAY}T09:00", "calibration": f"{DAY}T06:00"},
    "dose/receipt": {"cycle": "1", "activity": "7.6", "measured": f"{DAY}T07:00"},
    "dose/infusion": {"cycle": "1", "started": f"{DAY}T09:00", "residual": "0.1"},
    "eligibility": {"password": PASSWORD, "meaning": ELIGIBLE, "screening": "1"},
    "strata": {"STRGRADE": "3", "STRORIG": "PANCREAS", "reason": "Central pathology"},
    "death": {"date": DAY, "cause": "OTHER"},
}
LEFT_OUT = {  # these end the session that asks
    ("POST", "/sign-out"),
    ("POST", "/account/password"),
}


@pytest.fixture
def twins(portal_of, entries, tmp_path):
    """Two portals, and how many entries of their lists are the same."""
    usual = entries.filter(pl.col("SEQUENCE") <= 24)
    other = usual.with_columns(
        ARMCD=pl.when(pl.col("SEQUENCE") <= TAKEN)
        .then("ARMCD")
        .otherwise(pl.col("ARMCD").replace_strict({"LU": "CONTROL", "CONTROL": "LU"}))
    )
    second = f"sqlite:///{tmp_path}/second.db"
    return portal_of(), portal_of(second, entries=other, anchor=tmp_path / "second anchor")


def alike(text):
    for drawn in DRAWN:
        text = re.sub(drawn, "…", text)
    return text


def trial(app):
    """All entries that are the same are used up in one stratum; one more patient waits."""
    at = {role: opened(app, role) for role in SITE_ROLES}
    foreign = opened(app, Role.COORDINATOR, "2002")
    subjects = [entered(at[Role.COORDINATOR]) for _ in range(TAKEN + 1)]
    for number, subject in enumerate(subjects):
        here = f"/patients/{subject}"
        signing = {"password": PASSWORD, "screening": "1"}
        investigator = at[Role.INVESTIGATOR]
        done = [investigator.fill(f"{here}/eligibility", meaning=ELIGIBLE, **signing)]
        if number < TAKEN:
            wish = {"meaning": RANDOMISE, "key": f"key {number}"}
            done.append(investigator.fill(f"{here}/randomisation", **signing, **wish))
        assert {one.status_code for one in done} == {303}
    # those with an arm, the one who waits, and another site's
    return at, [*subjects[:TAKEN], subjects[-1], entered(foreign)]


def opened(app, role, site=""):
    one = Browser(app)
    assert one.sign_in(name_of(role, site)).status_code == 303
    return one


def entered(coordinator):
    begun = coordinator.fill("/screening", consent_date="2026-01-09", has_consented="yes")
    subject = begun.headers["location"].split("/")[2]
    assert coordinator.fill(f"/patients/{subject}/screening", **FORM).status_code == 303
    return subject


def addresses(subjects):
    """Every address of every page, also of those that the role is not given."""
    for page in PAGES:
        if (page.method, page.path) in LEFT_OUT or page.path == "/sign-in":
            continue
        for subject in subjects if "{subject}" in page.path else ("",):
            for number in ("1", "99") if "{number}" in page.path else ("",):
                path = page.path.replace("{subject}", subject).replace("{number}", number)
                yield page.method, path.replace("{service}", "none")


def asked(one, method, path):
    if method == "GET":
        return one.get(path)
    end = re.sub(r"^/(patients/[^/]+/)?", "", path)
    if end in ("randomisation", "death"):
        return one.fill(path)  # here alone an arm is told; and after a death nothing succeeds
    return one.fill(path, **FILLED.get(end, {}), key=f"key of {path}"[:80])


def crawled(portal):
    """What each role of the site is answered: status, headers and body, of every request."""
    at, subjects = trial(application(portal, PAGES))
    arms = {portal.ledger.patient(one).arm: one for one in subjects[:TAKEN]}
    chosen = [arms["LU"], arms["CONTROL"], *subjects[TAKEN:]]
    told = {}
    for role, one in at.items():
        for step, (method, path) in enumerate(addresses(chosen)):
            answer = asked(one, method, path)
            headers = dict(answer.headers)
            if path == "/account" or path.startswith("/account/"):
                headers.pop("content-length")  # the secret's square is as long as it comes
            told[role, step, method, path] = (answer.status_code, headers, alike(answer.text))
    return told


def test_nothing_that_a_site_is_answered_depends_on_the_next_arms(twins):
    first, second = (crawled(portal) for portal in twins)

    assert first.keys() == second.keys()
    assert [key for key in first if first[key] != second[key]] == []
    statuses = [status for status, _, _ in first.values()]
    succeeded = {
        (method, path.rpartition("/")[2])
        for (_, _, method, path), (status, _, _) in first.items()
        if status == 303 and method == "POST"
    }
    assert {"laboratory", "visit", "infusion", "strata"} <= {end for _, end in succeeded}
    assert {200, 303, 403, 404, 422} <= set(statuses)
    for (_, _, _, path), (status, _, body) in first.items():
        if "2002-001" in path:
            assert status in (403, 404), path
        assert "2002-001" not in body


def test_the_twins_do_differ_in_the_arm_that_comes_next(twins):
    arms = []
    for portal in twins:
        at, subjects = trial(application(portal, PAGES))
        waiting = subjects[TAKEN]
        sent = {"password": PASSWORD, "meaning": RANDOMISE, "key": "the next"}
        answer = at[Role.INVESTIGATOR].fill(f"/patients/{waiting}/randomisation", **sent)
        assert answer.status_code == 303
        arms.append([portal.ledger.patient(one).arm for one in subjects[: TAKEN + 1]])
    assert arms[0][:TAKEN] == arms[1][:TAKEN]
    assert {arms[0][TAKEN], arms[1][TAKEN]} == {"LU", "CONTROL"}


SMUGGLED = ("arm", "site", "subject", "actor", "at", "kind", "verdict", "strata", "number")
SMUGGLED += ("regimen", "activity_gbq", "evaluator", "is_signed", "signature", "hash", "role")


@pytest.mark.parametrize(
    ("role", "ends"),
    [
        (
            Role.COORDINATOR,
            ("laboratory", "adverse-event", "imaging", "questionnaire", "visit", "death"),
        ),
        (Role.INVESTIGATOR, ("strata", "corrections/1")),
    ],
)
def test_fields_that_no_form_has_go_into_no_record(role, ends, randomised, browser, portal):
    subject = randomised()
    one = browser(role)
    for end in ends:
        before = portal.ledger.head().number
        sent = dict.fromkeys(SMUGGLED, "SMUGGLED") | FILLED[end]
        answer = one.fill(f"/patients/{subject}/{end}", **sent)
        assert answer.status_code == 303, (end, answer.text)
        made = portal.ledger.events(after=before)
        assert made
        for event in made:
            assert "SMUGGLED" not in str(event), end
            assert (event.subject, event.site, event.actor) == (subject, "1001", name_of(role))

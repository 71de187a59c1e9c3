# SPDX-License-Identifier: Apache-2.0
"""A portal to be asked: its trial, one account a role, two open sites, and browsers without end."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from radioligand.service import accounts
from radioligand.service.accounts import TABLES, make_account
from radioligand.service.application import application
from radioligand.service.dose_view import decision
from radioligand.service.events import Signature
from radioligand.service.pages_dose import DECIDE
from radioligand.service.portal import Portal
from radioligand.service.roles import Role, is_bound_to_site
from radioligand.service.starting import PAGES

ORIGIN = "https://portal.example.org"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery staple"
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
GOOD = {"PLAT": "210", "NEUT": "3.1", "HGB": "128", "CREATCLR": "88"}
SIGNED = Signature(name="Dr Ada Example", meaning="I take responsibility for this step.")

# what a site fills in of a patient who meets every criterion, as it is typed
FORM = {
    "age_years": "61",
    "sex": "Female",
    "screening_date": "2026-01-12",
    "karnofsky": "90",
    "weight_kg": "70",
    "diagnosis_date": "2025-11-20",
    "primary_site": "PANCREAS",
    "disease_extent": "METASTATIC",
    "inoperable": "yes",
    "ki67_percent": "15",
    "differentiation": "WELL DIFFERENTIATED",
    "specimen": "HISTOLOGY",
    "highest_uptake_score": "4",
    "lowest_uptake_score": "4",
    "lowest_uptake_score_date": "2026-01-02",
    "creatinine_clearance_ml_min": "88",
    "prior_prrt": "no",
    "prior_hepatic_artery_embolisation": "no",
    "prior_radiofrequency_ablation": "no",
    "prior_systemic_therapy": "no",
    "prior_somatostatin_analogue": "no",
}


def name_of(role, site=""):
    return str(role).replace(" ", ".") + (f".{site}" if site else "")


class Browser(TestClient):
    """A browser: keeps cookies, says where a form comes from, and sends the token of its page."""

    def __init__(self, app):
        """Open with nobody signed in."""
        super().__init__(app, base_url=ORIGIN, follow_redirects=False, headers={"Origin": ORIGIN})
        self.form_token = ""

    def sign_in(self, name, password=PASSWORD, code=""):
        sent = {"name": name, "password": password, "code": code}
        answer = self.post("/sign-in", data=sent)
        self.form_token = self.token()
        return answer

    def token(self):
        found = TOKEN.search(self.get("/account").text)
        return found[1] if found else ""

    def fill(self, path, **form):
        return self.post(path, data={"form_token": self.form_token} | form)


@pytest.fixture
def moments():
    """The portal's clock: it stands until it is moved."""

    class Moments:
        now = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)

        def __call__(self):
            return self.now

        def on(self, **time):
            self.now += timedelta(**time)

    return Moments()


@pytest.fixture
def portal_of(opened, entries, protocol, keys, moments, monkeypatch):
    """Make a portal with one account of each role; site roles also at a second site.

    Hashes are cheap here.
    """
    monkeypatch.setattr(accounts, "HASHER", CHEAP)
    monkeypatch.setattr(accounts, "NOBODY", CHEAP.hash("nobody"))
    usual = entries.filter(pl.col("SEQUENCE") <= 24)

    def make(*place, entries=usual, **options):
        ledger = opened(*place, entries=entries, **options)
        ledger._clock = moments
        ledger.record("site opened", site="2002", actor="manager")
        TABLES.create_all(ledger.engine)
        for role in Role:
            for site in ("1001", "2002") if is_bound_to_site(role) else (None,):
                make_account(
                    ledger.engine,
                    name=name_of(role, "" if site in (None, "1001") else site),
                    full_name=f"Prof {str(role).title()}",
                    role=role,
                    site=site,
                    password=PASSWORD,
                    now=moments(),
                )
        return Portal(
            protocol=protocol,
            engine=ledger.engine,
            ledger=ledger,
            keys=keys,
            clock=moments,
            origins=frozenset({ORIGIN}),
            is_demonstration=True,
        )

    return make


@pytest.fixture
def portal(portal_of):
    return portal_of()


@pytest.fixture
def app(portal):
    return application(portal, PAGES)


@pytest.fixture
def browser(app):
    """Return a new browser, signed in as a role."""

    def open_one(role=None, site=""):
        one = Browser(app)
        if role is not None:
            assert one.sign_in(name_of(role, site)).status_code == 303
        return one

    return open_one


@pytest.fixture
def screened(browser):
    """Screen a patient at a site by the pages, with other values than the usual ones."""

    def do(site="", **values):
        coordinator = browser(Role.COORDINATOR, site)
        begun = coordinator.fill("/screening", consent_date="2026-01-09", has_consented="yes")
        subject = begun.headers["location"].split("/")[2]
        answer = coordinator.fill(f"/patients/{subject}/screening", **FORM | values)
        assert answer.status_code == 303, answer.text
        return subject

    return do


@pytest.fixture
def signed(browser, screened):
    """Screen a patient and have the eligibility signed."""

    def do(site="", **values):
        subject = screened(site, **values)
        investigator = browser(Role.INVESTIGATOR, site)
        page = investigator.get(f"/patients/{subject}/eligibility").text
        answer = investigator.fill(
            f"/patients/{subject}/eligibility", password=PASSWORD, **hidden(page)
        )
        assert answer.status_code == 303, answer.text
        return subject

    return do


@pytest.fixture
def randomised(browser, signed):
    """Bring a patient to an arm by the pages."""

    def do(site="", **values):
        subject = signed(site, **values)
        investigator = browser(Role.INVESTIGATOR, site)
        page = investigator.get(f"/patients/{subject}/randomisation").text
        answer = investigator.fill(
            f"/patients/{subject}/randomisation", password=PASSWORD, **hidden(page)
        )
        assert answer.status_code == 303, answer.text
        return subject

    return do


@pytest.fixture
def on_radioligand(randomised, portal):
    """Randomise patients until one is on the radioligand."""

    def do(**values):
        for _ in range(6):
            subject = randomised(**values)
            if "on radioligand" in portal.ledger.patient(subject).facts:
                return subject
        raise AssertionError("a block of six has four on the radioligand")

    return do


def done(portal):
    """Every event but the notes of what was refused."""
    return [one for one in portal.ledger.events() if one.kind != "refused"]


def hidden(page):
    """What a page's form holds without being typed: its key, and the meaning to be ticked."""
    names = ("key", "screening", "meaning", "cycle", "rule_said")
    pattern = r'name="({})" value="([^"]*)"'.format("|".join(names))
    return dict(re.findall(pattern, page))


@pytest.fixture
def staff(browser):
    """One browser for each role of the site; they sign in again when the clock has moved on."""

    class Staff:
        def __call__(self, role):
            return browser(role)

    return Staff()


@pytest.fixture
def laboratory(staff, moments):
    def record(subject, **values):
        coordinator = staff(Role.COORDINATOR)
        sent = {"date": f"{moments():%Y-%m-%d}"} | values
        return coordinator.fill(f"/patients/{subject}/laboratory", **sent)

    return record


@pytest.fixture
def dose(staff, moments, portal):
    """Take a dose through all its steps, or up to one of them; `other` says what to send there."""

    def give(subject, cycle, *, decide="full", until="infusion", other=None, **decided):
        here = f"/patients/{subject}/dose"
        day = f"{moments():%Y-%m-%d}"
        coordinator, pharmacist = staff(Role.COORDINATOR), staff(Role.RADIOPHARMACIST)
        said = decision(
            portal.ledger.patient(subject), protocol=portal.protocol, on=moments().date()
        )
        signing = {
            "decision": decide,
            "rule_said": said.verdict,
            "password": PASSWORD,
            "meaning": DECIDE,
        }
        steps = (
            (coordinator, "plan", {"date": day}),
            (coordinator, "laboratory", {}),
            (staff(Role.INVESTIGATOR), "decision", signing | decided),
            (pharmacist, "order", {"infusion": f"{day}T09:00", "calibration": f"{day}T06:00"}),
            (
                pharmacist,
                "receipt",
                {"activity": "3.8" if decide == "half" else "7.6", "measured": f"{day}T07:00"},
            ),
            (pharmacist, "infusion", {"started": f"{day}T09:00", "residual": "0.1"}),
        )
        for who, step, sent in steps:
            told = sent | (other or {}) if step == until else sent
            answer = who.fill(f"{here}/{step}", cycle=str(cycle), **told)
            if step == until:
                return answer
            assert answer.status_code == 303, (step, answer.text)
        return None

    return give

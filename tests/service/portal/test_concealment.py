# SPDX-License-Identifier: Apache-2.0
"""Concealment: no page tells what comes next, how many came before, or, to the blinded, an arm."""

import io
import re
import zipfile

import polars as pl
import pytest

from radioligand.service.roles import Role, is_bound_to_site, may
from radioligand.service.starting import PAGES

from .conftest import PASSWORD

ARMS = re.compile(r"177Lu|DOTATATE|\bLU\b|CONTROL|GBq|radioligand stopped|on radioligand")
BLINDED = (Role.TRIAL_MANAGER, Role.BLINDED_STATISTICIAN, Role.CENTRAL_READER)


def everything(one, role, subjects, portal):
    """Every page, export and error that a role is given, with its headers."""
    numbers = {
        name: [event.number for event in portal.ledger.patient(name).events] for name in subjects
    }
    for page in PAGES:
        if page.action is None or not may(role, page.action):
            continue
        if page.path.startswith(("/guidance", "/sign-out", "/account")):
            continue
        for subject in subjects if "{subject}" in page.path else ("",):
            for number in numbers.get(subject, ()) if "{number}" in page.path else ("",):
                address = page.path.replace("{subject}", subject).replace("{number}", str(number))
                answer = one.get(address) if page.method == "GET" else one.fill(address)
                yield address, readable(answer) + str(dict(answer.headers))
    for address in ("/none", "/patients/none", "/static/none"):
        yield address, one.get(address).text


def readable(answer):
    """What an answer holds, also inside an archive of tables."""
    if not answer.headers.get("content-type", "").startswith("application/zip"):
        return answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    tables = [name for name in archive.namelist() if name.endswith(".parquet")]
    rows = [str(pl.read_parquet(archive.read(name)).to_dicts()) for name in tables]
    return "".join(rows) + "".join(archive.namelist())


@pytest.fixture
def trial(on_radioligand, randomised, signed, portal, browser):
    """Patients of both arms at one site, one at another, and one who waits."""
    subjects = [on_radioligand()]
    coordinator = browser(Role.COORDINATOR)
    sent = {"date": "2026-01-12", "PLAT": "210", "EORTC QLQ-C30 1": "1", "KPS": "80"}
    for path in ("laboratory", "questionnaire", "visit"):
        coordinator.fill(f"/patients/{subjects[0]}/{path}", **sent)
    while len({portal.ledger.patient(one).arm for one in subjects}) < 2:
        subjects.append(randomised())
    return {"own": subjects, "other": randomised("2002"), "waiting": signed()}


@pytest.mark.parametrize("role", BLINDED)
def test_blinded_roles_see_no_arm_anywhere(role, trial, browser, portal):
    one = browser(role)
    title = (
        "177Lu-DOTATATE plus octreotide LAR 30 mg against octreotide LAR 60 mg in newly diagnosed"
    )
    for address, text in everything(one, role, [*trial["own"], trial["other"]], portal):
        assert not ARMS.search(text.replace(title, "")), address


@pytest.mark.parametrize("role", [role for role in Role if is_bound_to_site(role)])
def test_a_site_sees_neither_the_list_nor_counts_nor_other_sites(role, trial, browser, portal):
    one = browser(role)
    hidden = re.compile(r"sequence|block|next_entry|cursor|sealed|commitment|PANCREAS /|/ OTHER")
    for address, text in everything(one, role, [*trial["own"], trial["waiting"]], portal):
        assert not hidden.search(text), (address, hidden.search(text))
        assert trial["other"] not in text, address
        assert "allocations" not in text, address


def test_the_certificate_has_no_number_that_grows_with_allocations(trial, browser):
    one = browser(Role.INVESTIGATOR)
    pages = [one.get(f"/patients/{subject}/certificate").text for subject in trial["own"]]
    for page, subject in zip(pages, trial["own"]):
        body = page.partition("<article")[2].partition("</article>")[0]
        body = re.sub(r"<code>[0-9a-f]{64}</code>", "", body).replace(subject, "")
        numbers = set(re.findall(r"\d+", re.sub(r"<[^>]+>", " ", body)))
        known = re.findall(r"\d+", "2026-01-12 2026-01-09 09:00 NCT03972488 NETTER-2 1001")
        known += re.findall(r"\d+", "177Lu-DOTATATE + octreotide LAR 30 mg 60 mg Grade 2")
        assert numbers <= set(known)


def test_a_refusal_reads_the_same_whatever_comes_next(browser, screened, portal, signed, entries):
    """The stratum's next arm changes with each allocation; the words of a refusal do not."""
    waiting = screened()
    investigator = browser(Role.INVESTIGATOR)
    told = set()
    arms = set()
    stratum = entries.filter(STRGRADE="2", STRORIG="PANCREAS").sort("SEQUENCE")["ARMCD"]
    for number in range(6):
        arms.add(stratum[number])
        sent = {"password": PASSWORD, "meaning": "I ask for this patient to be randomised. "}
        sent["meaning"] += "It cannot be undone."
        path = f"/patients/{waiting}/randomisation"
        answer = investigator.fill(path, key="a key", **sent)
        told.add((answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)))
        subject = signed()
        investigator.fill(f"/patients/{subject}/randomisation", key=f"key {number}", **sent)
    assert arms == {"LU", "CONTROL"}
    assert len(told) == 1

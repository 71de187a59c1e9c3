# SPDX-License-Identifier: Apache-2.0
"""The trial office, the data that are taken, the auditor, and the guidance."""

import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.allocation import make_salts
from radioligand.cdisc import join_supplemental
from radioligand.io.datasets import read_study
from radioligand.screening import screen, summary
from radioligand.service.accounts import TABLES, make_account
from radioligand.service.application import application
from radioligand.service.database import connect
from radioligand.service.events import Event, Patient
from radioligand.service.ledger import Ledger, Site, open_ledger
from radioligand.service.office_view import office
from radioligand.service.pages_guidance import SERVICE, cards
from radioligand.service.pages_office import CAP, RELEASE
from radioligand.service.portal import Ask, NotGivenError
from radioligand.service.roles import Role
from radioligand.service.sdtm import packed, sdtm
from radioligand.service.snapshot import steps
from radioligand.service.starting import PAGES
from radioligand.simulation.patients import read_population, simulate_study
from radioligand.subjects import derive_adsl, fields

from .conftest import FORM, PASSWORD, Browser, hidden

UNTIL = date(2020, 6, 1)


def event(number, kind, day, **payload):
    return Event(
        number=number,
        at=f"{day}T09:00:00+00:00",
        kind=kind,
        actor="somebody",
        site="1",
        subject="1-001",
        payload=payload,
        reason=payload.pop("reason", None),
        signature=None,
        hash="",
    )


def entered(subject, day, *, facts=(), events=(), randomised=True):
    return Patient(
        subject=subject,
        site="1",
        facts=frozenset({"consented", *(("randomised",) if randomised else ()), *facts}),
        randomised_at=f"{day}T09:00:00+00:00" if randomised else None,
        events=(event(1, "consented", day, consent_date=day), *events),
    )


@pytest.mark.by_hand
def test_events_are_progression_or_death_whichever_is_first(protocol):
    progressed = (event(2, "progression confirmed", "2026-04-01", date="2026-04-01"),)
    died = (event(3, "died", "2026-05-01", date="2026-05-01"),)
    patients = (
        entered("1-001", "2026-01-05", facts=("progression confirmed",), events=progressed),
        entered("1-002", "2026-01-05", facts=("dead",), events=died),
        entered(
            "1-003", "2026-01-05", facts=("dead", "progression confirmed"), events=progressed + died
        ),
        entered("1-004", "2026-05-01"),
    )

    found = office(
        patients,
        {"1": Site(site="1", is_open=True, cap=None, details={})},
        protocol=protocol,
        today=date(2026, 6, 1),
    )

    assert found.events.events_so_far == 3
    assert found.events.events == 101
    assert found.events.lower < found.events.day < found.events.upper


@pytest.mark.by_hand
def test_what_is_missing_is_told_by_patient(protocol):
    scan = (event(2, "imaging recorded", "2026-05-05", date="2026-05-05"),)
    patients = (
        entered("1-001", "2026-01-12", events=scan),  # week 16 is 2026-05-04: done
        entered("1-002", "2026-01-12"),
        entered("1-003", "2026-03-01", randomised=False),
    )

    found = office(
        patients,
        {"1": Site(site="1", is_open=True, cap=5, details={})},
        protocol=protocol,
        today=date(2026, 5, 12),
    )

    images = "Tumour assessment (CT or MRI)"
    randomised, week_16 = date(2026, 1, 12), date(2026, 5, 4)
    assert [(one.subject, one.says, one.day, one.window) for one in found.missing] == [
        ("1-001", f"{images}, baseline", randomised, (date(2025, 12, 15), randomised)),
        ("1-002", f"{images}, baseline", randomised, (date(2025, 12, 15), randomised)),
        ("1-002", f"{images}, week 16", week_16, (date(2026, 4, 27), date(2026, 5, 11))),
        ("1-003", "Screening without an end for 72 days", None, None),
    ]
    assert (found.sites[0].screened, found.sites[0].randomised, found.sites[0].overdue) == (3, 2, 4)


def test_forms_that_are_not_told_by_patient_are_counted_in_the_heading(
    on_radioligand, laboratory, dose, browser, moments
):
    subject = on_radioligand()
    laboratory(subject, PLAT="210", NEUT="3.1", HGB="128", CREATCLR="88")
    dose(subject, 1)
    moments.on(days=70)
    blinded = browser(Role.TRIAL_MANAGER).get("/office").text
    here = re.search(r"Missing forms: (\d+), of which (\d+) by patient here and (\d+)", blinded)
    assert here is not None
    total, by_patient, untold = map(int, here.groups())
    assert untold > 0
    assert total == by_patient + untold
    assert "Missing images, screening" in blinded
    assert "Missing forms, late doses and injections:" in browser(Role.MONITOR).get("/office").text


def test_the_trial_manager_caps_the_trial_with_reason_and_signature(browser, signed, portal):
    manager = browser(Role.TRIAL_MANAGER)
    signing = {"password": PASSWORD, "meaning": CAP}

    assert "needs its reason" in manager.fill("/office/cap", cap="0", **signing).text
    assert (
        "no whole number" in manager.fill("/office/cap", cap="2.5", reason="Full", **signing).text
    )
    unsigned = manager.fill("/office/cap", cap="0", reason="Full")
    assert unsigned.status_code == 422
    assert manager.fill("/office/cap", cap="0", reason="Full", **signing).status_code == 303
    assert portal.ledger.events(kinds=("caps set",))[-1].signature.meaning == CAP
    assert "cap 0" in manager.get("/office").text

    subject = signed()
    investigator = browser(Role.INVESTIGATOR)
    page = investigator.get(f"/patients/{subject}/randomisation").text
    path = f"/patients/{subject}/randomisation"
    refused = investigator.fill(path, password=PASSWORD, **hidden(page))
    assert "the trial has its 0 patients" in refused.text
    assert manager.fill("/office/cap", cap="", reason="Open again", **signing).status_code == 303
    page = investigator.get(path).text
    assert investigator.fill(path, password=PASSWORD, **hidden(page)).status_code == 303


def test_a_site_that_was_never_opened_is_not_closed(browser, portal):
    answer = browser(Role.TRIAL_MANAGER).fill("/office/closures", site="3003", reason="Mistake")
    assert answer.status_code == 422
    assert "site 3003 was never opened" in answer.text
    assert "3003" not in portal.ledger.sites()


def test_the_office_shows_failures_and_sites(browser, screened):
    subject = screened(ki67_percent="9")
    browser(Role.COORDINATOR).fill(f"/patients/{subject}/screen-failure", reason="Ki-67 too low")
    page = browser(Role.TRIAL_MANAGER).get("/office").text
    assert "Ki-67 too low" in page
    assert ">1001<" in page


def test_a_closed_site_randomises_nobody(browser, signed, portal):
    from radioligand.service.pages_screening import RANDOMISE

    from .conftest import PASSWORD

    subject = signed()
    manager = browser(Role.TRIAL_MANAGER)
    assert manager.fill("/office/closures", site="1001").status_code == 422  # no reason
    assert manager.fill("/office/closures", site="1001", reason="Audit").status_code == 303
    answer = browser(Role.INVESTIGATOR).fill(
        f"/patients/{subject}/randomisation", password=PASSWORD, meaning=RANDOMISE, key="k"
    )
    assert "not open for randomisation" in answer.text
    assert portal.ledger.head().allocations == 0


# -- data -----------------------------------------------------------------------------------------


def test_the_study_taken_has_the_eligibility_that_the_site_saw(randomised, screened, portal):
    randomised()
    screened(ki67_percent="9")
    screened(weight_kg="")
    screened(prior_systemic_therapy="yes", prior_systemic_therapy_days="20")
    screened(
        prior_systemic_therapy="yes",
        prior_systemic_therapy_days="20",
        prior_systemic_therapy_end_date="2025-06-01",
    )
    patients = portal.ledger.patients()

    frames = join_supplemental(sdtm(patients, protocol=portal.protocol)).frames
    adsl = derive_adsl(frames, protocol=portal.protocol)
    found = summary(screen(fields(adsl, protocol=portal.protocol), protocol=portal.protocol))

    expected = {f"NETTER-2-{one.subject}": one.verdict for one in patients}
    verdicts = dict(found.select("USUBJID", "VERDICT").rows())
    assert set(expected.values()) == {"eligible", "not eligible", "undetermined"}
    assert {name: verdicts[name] for name in list(expected)[:3]} == {
        name: expected[name] for name in list(expected)[:3]
    }
    assert verdicts["NETTER-2-1001-005"] == expected["NETTER-2-1001-005"] == "eligible"


def test_the_same_events_give_the_same_bytes(browser, randomised, portal):
    randomised()
    one = browser(Role.UNBLINDED_STATISTICIAN)
    first, second = one.fill("/data/sdtm"), one.fill("/data/sdtm")
    assert first.content == second.content
    taken = portal.ledger.events(kinds=("exported",))
    assert [each.actor for each in taken] == ["unblinded.statistician"] * 2

    randomised()
    assert one.fill("/data/sdtm").content != first.content


def test_blinded_readers_take_a_study_without_arms(browser, on_radioligand):
    on_radioligand()
    content = browser(Role.BLINDED_STATISTICIAN).fill("/data/sdtm-blinded").content
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert "sdtm/ex.parquet" not in names
    assert "sdtm/lb.parquet" not in names
    text = content + b"".join(
        str(pl.read_parquet(zipfile.ZipFile(io.BytesIO(content)).read(one)).to_dicts()).encode()
        for one in names
        if one.endswith("parquet") and not one.endswith("ts.parquet")
    )
    for word in (b"DOTATATE", b"CONTROL", b"'LU'"):
        assert word not in text


def test_strata_are_taken_as_entered_and_as_corrected(browser, randomised, portal):
    subject = randomised()
    browser(Role.INVESTIGATOR).fill(
        f"/patients/{subject}/strata", STRGRADE="3", STRORIG="PANCREAS", reason="Read again"
    )
    found = sdtm(portal.ledger.patients(), protocol=portal.protocol)["SUPPDM"]
    assert dict(found.select("QNAM", "QVAL").rows()) == {
        "STRGRADE": "2",
        "STRORIG": "PANCREAS",
        "STRGRADC": "3",
        "STRORIGC": "PANCREAS",
    }


@pytest.fixture(scope="module")
def virtual(protocol):
    population = read_population("netter-2")
    return simulate_study(protocol=protocol, population=population, seed=1, without=("QS",))


def test_a_study_under_way_comes_back_as_it_went_in(virtual, protocol, tmp_path, monkeypatch):
    from radioligand.service.starting import Place, list_of, start

    replayed = [one for one in steps(virtual, protocol=protocol, until=UNTIL) if is_small(one)]
    place = Place(
        url=f"sqlite:///{tmp_path}/trial.db",
        secret=tmp_path / "trial.secret",
        anchor=tmp_path / "trial.anchor",
    )
    portal = start(
        protocol,
        place,
        origins=frozenset({"https://portal.example.org"}),
        entries=list_of(replayed, protocol=protocol),
        replayed=lambda: replayed,
        clock=lambda: datetime(2020, 6, 1, 12, tzinfo=UTC),
    ).portal
    patients = portal.ledger.patients()
    content = packed(sdtm(patients, protocol=protocol), protocol=protocol, last=None)
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    again = derive_adsl(read_study(tmp_path / "sdtm"), protocol=protocol)
    portal.engine.dispose()

    names = ["SUBJID", "SITEID", "RFICDT", "RANDDT", "TRT01P", "AGEY", "KI67"]
    before = derive_adsl(join_supplemental(virtual).frames, protocol=protocol)
    before = before.filter(pl.col("RFICDT") <= UNTIL).with_columns(
        pl.when(pl.col("RANDDT") <= UNTIL).then(pl.col(name)).alias(name)
        for name in ("TRT01P", "RANDDT")
    )
    there = before["SUBJID"].is_in(again["SUBJID"].to_list())
    assert again.height > 15
    assert again["RANDDT"].null_count() < again.height / 2
    expected = before.filter(there).select(names).sort("SUBJID")
    screened = again.filter(pl.col("AGEY").is_not_null())["SUBJID"].to_list()
    found = again.select(names).sort("SUBJID")
    kept = pl.col("SUBJID").is_in(screened)
    assert_frame_equal(found.filter(kept), expected.filter(kept))


def is_small(step):
    return step.kind in (
        "consented",
        "screened",
        "screen failed",
        "eligibility signed",
        "randomised",
    )


def test_a_list_that_is_not_the_studys_is_refused(virtual, protocol, tmp_path):
    from radioligand.service.starting import Place, list_of, start

    replayed = [one for one in steps(virtual, protocol=protocol, until=UNTIL) if is_small(one)]
    other = list_of(replayed, protocol=protocol).with_columns(
        ARMCD=pl.col("ARMCD").replace({"LU": "CONTROL", "CONTROL": "LU"})
    )
    place = Place(
        url=f"sqlite:///{tmp_path}/t.db", secret=tmp_path / "t.secret", anchor=tmp_path / "t.anchor"
    )
    with pytest.raises(ValueError, match="Start with the list that the study uses"):
        start(protocol, place, origins=frozenset(), entries=other, replayed=lambda: replayed)


# -- audit ----------------------------------------------------------------------------------------


def test_the_auditor_sees_every_event_and_a_sound_ledger(browser, randomised, portal):
    randomised()
    one = browser(Role.AUDITOR)
    page = one.get("/audit/verification").text
    head = json.loads(one.get("/audit/head.json").text)
    assert "The ledger is sound" in page
    assert page.count('<tr><th scope="row"') == portal.ledger.head().number
    assert (head["number"], head["hash"]) == (
        portal.ledger.head().number,
        portal.ledger.head().hash,
    )


def test_the_auditor_sees_that_something_was_changed(browser, randomised, portal):
    subject = randomised()
    with portal.engine.begin() as at:
        at.exec_driver_sql("drop trigger audit_no_update")
        at.exec_driver_sql(
            f"update audit set record = replace(record, '2026-01-09', '2026-01-08') "
            f"where subject = '{subject}'"
        )
    page = browser(Role.AUDITOR).get("/audit/verification").text
    assert "The ledger is not sound" in page


# -- guidance -------------------------------------------------------------------------------------

PATIENT = {"subject": "somebody", "fields": {"ki67_percent": {"value": 15, "unit": "%"}}}


def test_the_sheet_of_a_patient_is_shown_and_nothing_is_kept(browser, portal):
    one = browser(Role.COORDINATOR)
    before = portal.ledger.head()
    typed = one.fill("/guidance", patient=json.dumps(PATIENT))
    file = {"file": ("patient.json", json.dumps(PATIENT), "application/json")}
    sent = one.post("/guidance", data={"form_token": one.form_token}, files=file)

    assert "Patient somebody" in typed.text
    assert typed.text == sent.text
    assert "'unsafe-inline'" not in typed.headers["content-security-policy"].split("style-src")[0]
    assert portal.ledger.head() == before


UNKNOWN = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"a": 1}}]}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", json.dumps({"fields": {"ki67_percent": 140}}), json.dumps(UNKNOWN)],
)
def test_a_patient_that_cannot_be_read_is_told(browser, text):
    answer = browser(Role.COORDINATOR).fill("/guidance", patient=text)
    assert answer.status_code == 422
    assert "cannot be read" in answer.text


def test_statements_are_shown_of_nobody(browser):
    answer = browser(Role.ADMINISTRATOR).get("/guidance/statements")
    assert "Every statement" in answer.text


def test_cds_hooks_are_discovered_and_answered(browser):
    one = browser()
    service = one.get("/cds-services").json()["services"][0]
    asked = {
        "hook": "patient-view",
        "hookInstance": "x",
        "context": {"patientId": "1"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "1"}},
    }
    answer = one.post(f"/cds-services/{service['id']}", json=asked)
    assert answer.status_code == 200, answer.text
    assert all(card["indicator"] == "info" for card in answer.json()["cards"])
    assert one.post("/cds-services/other", json=asked).status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"prefetch": []}', b"[" * 100_000, b'{"prefetch": {"a": 1}}'],
)
def test_cds_hooks_refuse_what_is_none(browser, body):
    answer = browser().post("/cds-services/radioligand-guidance", content=body)
    assert answer.status_code in (200, 400, 422)
    assert "error" in answer.json() or "cards" in answer.json()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "entry", "resource", "code", "valueQuantity", "stage"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.law
@given(st.dictionaries(st.sampled_from(["patient", "conditions", "observations"]), JSON))
@settings(max_examples=60)
def test_cds_hooks_answer_any_json_without_breaking(prefetch):
    body = json.dumps({"hook": "patient-view", "prefetch": prefetch}).encode()
    ask = Ask(
        portal=None,
        now=datetime(2026, 1, 12, tzinfo=UTC),
        method="POST",
        path={"service": SERVICE},
        query={},
        form={},
        files={},
        address="",
        body=body,
    )
    try:
        status = cards(ask).status_code
    except NotGivenError as refused:
        status = refused.status
    assert status in (200, 400, 422)


def test_a_form_is_served_for_every_shipped_protocol():
    from radioligand.io.documents import read_protocol, shipped_protocols
    from radioligand.screening import inputs

    for name in shipped_protocols():
        asked = {one.field for one in inputs(read_protocol(name))}
        assert asked
    assert set(FORM) >= {"ki67_percent", "primary_site"}


# -- two persons ----------------------------------------------------------------------------------


@pytest.fixture
def unreleased(portal, protocol, entries, keys, tmp_path):
    """A portal whose list was loaded by a person of the given name, and not released yet."""
    engines = []

    def opened(maker):
        engine = connect(f"sqlite:///{tmp_path}/{len(engines)}.db")
        engines.append(engine)
        few = entries.filter(pl.col("SEQUENCE") <= 24)
        salts = make_salts(few, seed="a seed of these tests")
        open_ledger(engine, protocol, few, salts=salts, keys=keys, actor=maker, clock=portal.clock)
        TABLES.create_all(engine)
        ledger = Ledger(engine, protocol, keys=keys, clock=portal.clock)
        now = portal.clock()
        make_account(
            engine, name="manager", full_name="Mia Manager", role=Role.TRIAL_MANAGER, site=None,
            password=PASSWORD, now=now,
        )  # fmt: skip
        one = Browser(application(replace(portal, engine=engine, ledger=ledger), PAGES))
        one.sign_in("manager")
        return ledger, one

    yield opened
    for engine in engines:
        engine.dispose()


SIGNING = {"password": PASSWORD, "meaning": RELEASE}


@pytest.mark.parametrize("maker", ["manager", "Manager", "mia manager", "MIA MANAGER "])
def test_the_maker_of_the_list_does_not_release_it_under_any_name(unreleased, maker):
    ledger, one = unreleased(maker)
    answer = one.fill("/office/list", **SIGNING)
    assert answer.status_code == 422
    assert "does not release it" in answer.text
    assert ledger.events(kinds=("list released",)) == ()


def test_an_account_that_the_maker_made_does_not_release_the_list(unreleased):
    ledger, one = unreleased("admin")
    made = {"name": "manager", "role": "trial manager", "site": None}
    ledger.record("account created", actor="admin", payload=made)
    assert "made by the list&#39;s maker" in one.fill("/office/list", **SIGNING).text


def test_another_person_releases_the_list_by_a_signature(unreleased):
    ledger, one = unreleased("Lee Lister")
    assert one.fill("/office/list").status_code == 422
    assert one.fill("/office/list", **SIGNING | {"password": "wrong"}).status_code == 422
    assert one.fill("/office/list", **SIGNING).status_code == 303
    released = ledger.events(kinds=("list released",))[0]
    assert (released.signature.name, released.signature.meaning) == ("Mia Manager", RELEASE)

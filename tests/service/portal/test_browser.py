# SPDX-License-Identifier: Apache-2.0
"""The portal in headless Chromium: one trial's story, and what every page owes its readers."""

import os
import re
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from radioligand.service import starting
from radioligand.service.application import application
from radioligand.service.events import CORRECTABLE
from radioligand.service.laboratory_view import TESTS
from radioligand.service.roles import Role

from .conftest import FORM, PASSWORD, name_of

CHROMIUM = shutil.which("chromium")
CSS = Path(starting.__file__).parent / "static" / "portal.css"
pytestmark = pytest.mark.browser
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"),
    reason="no Chromium on this machine; it is required where CI is set",
)

# what a page owes: names for every control, one heading, nothing wider than the window, text that
# stands out from what is behind it, controls that a finger meets, headings without a gap
OWES = """() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(one => one / 255)
    .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor, alpha = parts(colour)[3];
      if (alpha === undefined || alpha === 1) { return colour; }
    }
    return "rgb(255, 255, 255)";
  };
  const seen = one => one.checkVisibility() && !one.closest(".unseen, .skip, svg");
  const written = one => [...one.childNodes].some(each => each.nodeType === 3 && each.data.trim());
  const pale = [...document.body.querySelectorAll("*")].filter(seen).filter(written).filter(one => {
    const style = getComputedStyle(one), size = parseFloat(style.fontSize);
    const [dark, bright] = [light(style.color), light(behind(one))].sort((a, b) => a - b);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    return (bright + 0.05) / (dark + 0.05) < (large ? 3 : 4.5);
  }).map(one => one.outerHTML.slice(0, 120));
  const reached = "button, input:not([type=hidden]), select, textarea, summary, nav a, .button"
    + ", .small";
  const small = [...document.querySelectorAll(reached)].filter(seen).filter(one => {
    const box = (one.closest("label") || one).getBoundingClientRect();
    return box.width < 24 || box.height < 23.9;
  }).map(one => one.outerHTML.slice(0, 120));
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
    .map(one => Number(one.tagName[1]));
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id);
  const nameless = [...document.querySelectorAll("input:not([type=hidden]),select,textarea,button")]
    .filter(one => !(one.labels && one.labels.length) && !one.textContent.trim()
                   && !one.getAttribute("aria-label"))
    .map(one => one.outerHTML);
  const root = document.documentElement;
  return {
    nameless: nameless,
    headings: document.querySelectorAll("h1").length,
    wider: root.scrollWidth - root.clientWidth,
    language: root.lang,
    mains: document.querySelectorAll("main").length,
    pictures: [...document.images].filter(one => !one.alt).length,
    pale: pale,
    small: small,
    gaps: levels.filter((one, at) => one > (levels[at - 1] || 0) + 1).length,
    twice: ids.filter((one, at) => ids.indexOf(one) !== at),
    titled: document.title.trim().length > 10,
  };
}"""
OWED = {"nameless": [], "headings": 1, "wider": 0, "language": "en", "mains": 1, "pictures": 0}
OWED |= {"pale": [], "small": [], "gaps": 0, "twice": [], "titled": True}


@pytest.fixture
def served(portal):
    """The portal on a port of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    here = replace(portal, origins=frozenset({address}))
    config = uvicorn.Config(
        application(here, starting.PAGES), port=port, log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield address
    server.should_exit = True
    thread.join()


@pytest.fixture
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, served):
    """Return a page of a fresh window, signed in as a role; scripts may be switched off."""

    def open_one(role, *, width=1280, scripts=True):
        size = {"width": width, "height": 900}
        context = chromium.new_context(viewport=size, java_script_enabled=scripts)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(f"{served}/sign-in")
        page.get_by_label("Name").fill(name_of(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        return page

    return open_one


def fill_in(page, values):
    for name, value in values.items():
        field = page.locator(f"[name='{name}']")
        if field.first.get_attribute("type") == "radio":
            page.locator(f"[name='{name}'][value='{value}']").check()
        elif field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def screen(page, served):
    page.goto(f"{served}/screening")
    page.get_by_label("Date of informed consent").fill("2026-01-09")
    page.get_by_label("The patient has signed").check()
    page.get_by_role("button", name="Begin screening").click()
    fill_in(page, FORM)
    page.get_by_role("button", name="Record").click()
    page.wait_for_url(re.compile(r"/patients/[^/]+$"))
    return page.url.rpartition("/")[2]


def sign(page, button):
    page.locator("[name=meaning]").check()
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name=button).click()


def randomise(page, served, subject):
    page.goto(f"{served}/patients/{subject}/eligibility")
    sign(page, "Sign the eligibility")
    page.goto(f"{served}/patients/{subject}/randomisation")
    sign(page, f"Randomise {subject}")
    expect(page.get_by_role("heading", name="Randomisation certificate")).to_be_visible()


def laboratory(page, served, subject, **values):
    page.goto(f"{served}/patients/{subject}/laboratory")
    fill_in(page, {"HGB": "128", "NEUT": "3.1", "CREATCLR": "88"} | values)
    page.get_by_role("button", name="Record").click()
    page.wait_for_url(f"**/patients/{subject}")


@needs_chromium
def test_a_trials_story(visit, served, portal, moments):
    coordinator, investigator = visit(Role.COORDINATOR), visit(Role.INVESTIGATOR)
    for _ in range(4):  # at most two of a block of six come before one on the radioligand
        subject = screen(coordinator, served)
        randomise(investigator, served, subject)
        if "177Lu" in investigator.locator(".certificate .arm").inner_text():
            break
    here = f"{served}/patients/{subject}/dose"

    laboratory(coordinator, served, subject, PLAT="210")
    coordinator.goto(here)
    coordinator.get_by_label("Planned day").fill("2026-01-12")
    coordinator.get_by_role("button", name="Plan the dose").click()
    coordinator.get_by_role("button", name="The values are checked").click()
    investigator.goto(here)
    sign(investigator, "Sign the decision")

    pharmacist = visit(Role.RADIOPHARMACIST)
    pharmacist.goto(here)
    pharmacist.get_by_label("Planned infusion").fill("2026-01-12T09:00")
    pharmacist.get_by_label("Calibration").fill("2026-01-12T06:00")
    pharmacist.get_by_role("button", name="Order the dose").click()
    pharmacist.get_by_label("Activity by the calibrator").fill("7.6")
    pharmacist.get_by_label("Measured").fill("2026-01-12T07:00")
    pharmacist.get_by_role("button", name="The dose is here").click()
    pharmacist.get_by_label("Start of infusion").fill("2026-01-12T09:00")
    pharmacist.get_by_label("Left in vial").fill("0.1")
    pharmacist.get_by_role("button", name="The dose is infused").click()
    expect(pharmacist.get_by_role("heading", name="Dose 2 of 4")).to_be_visible()

    moments.on(days=28)
    coordinator = visit(Role.COORDINATOR)
    laboratory(coordinator, served, subject, PLAT="48")
    moments.on(days=28)
    coordinator = visit(Role.COORDINATOR)
    laboratory(coordinator, served, subject, PLAT="160")
    coordinator.goto(f"{served}/patients/{subject}")
    expect(coordinator.locator(".decision")).to_contain_text("Half dose")
    expect(coordinator.locator(".decision")).to_contain_text("lowest platelets 48")

    auditor = visit(Role.AUDITOR)
    auditor.goto(f"{served}/audit")
    auditor.get_by_role("link", name="Verify the ledger").click()
    expect(auditor.get_by_role("status")).to_contain_text("The ledger is sound")


@needs_chromium
def test_criteria_change_while_the_form_is_typed(visit, served):
    page = visit(Role.COORDINATOR)
    subject = screen(page, served)
    page.goto(f"{served}/patients/{subject}/screening")
    expect(page.locator("#judged")).to_contain_text("Eligible")

    page.locator("[name=ki67_percent]").fill("60")

    expect(page.locator("#judged")).to_contain_text("Not eligible")


@needs_chromium
def test_everything_works_without_scripts(visit, served, portal):
    coordinator = visit(Role.COORDINATOR, scripts=False)
    subject = screen(coordinator, served)
    investigator = visit(Role.INVESTIGATOR, scripts=False)
    randomise(investigator, served, subject)
    assert portal.ledger.patient(subject).arm

    coordinator.goto(f"{served}/patients/{subject}/questionnaire")
    coordinator.get_by_label("29 Global health status").fill("6")
    coordinator.get_by_role("button", name="Record").click()
    investigator.goto(f"{served}/patients/{subject}")
    investigator.get_by_role("link", name=re.compile("correct questionnaire recorded")).click()
    investigator.get_by_label("item 29").select_option("5")
    investigator.get_by_label("Reason").fill("Copied wrongly")
    investigator.get_by_role("button", name="Append the correction").click()
    recorded = portal.ledger.patient(subject).events
    answers = next(one for one in recorded if one.kind == "questionnaire recorded").payload
    assert answers["answers"] == {"EORTC QLQ-C30": {"29": 5}}


@needs_chromium
def test_every_page_has_names_landmarks_and_fits(visit, served, on_radioligand, laboratory, portal):
    subject = on_radioligand()
    laboratory(subject, PLAT="48", NEUT="3.1", HGB="128", CREATCLR="88")
    faults = {}
    own_numbers = {
        one.kind: own
        for own, one in enumerate(portal.ledger.patient(subject).events, start=1)
        if one.kind in CORRECTABLE
    }
    for role in PATHS:
        page = visit(role)
        problems = []
        page.on(
            "console",
            lambda one, told=problems: told.append(one.text) if one.type == "error" else None,
        )
        for path in PATHS[role]:
            number = str(own_numbers["laboratory recorded"])
            page.goto(served + path.replace("SUBJECT", subject).replace("NUMBER", number))
            for width in (1280, 820, 390):
                page.set_viewport_size({"width": width, "height": 900})
                found = page.evaluate(OWES)
                if found != OWED or problems:
                    faults[role, path, width] = (found, list(problems))
            problems.clear()
        page.context.close()
    assert faults == {}


HERE = "/patients/SUBJECT"
PATHS = {
    Role.INVESTIGATOR: (
        *("/", "/patients", "/screening", "/account", "/guidance", HERE, f"{HERE}/certificate"),
        *(f"{HERE}/{one}" for one in ("laboratory", "adverse-event", "imaging", "treatment")),
        *(f"{HERE}/{one}" for one in ("treatment-end", "death", "strata", "crossover", "dose")),
        *(f"{HERE}/{one}" for one in ("screening", "eligibility", "questionnaire", "visit")),
        *("/due", f"{HERE}/leaving", f"{HERE}/corrections/NUMBER"),
    ),
    Role.RADIOPHARMACIST: ("/", "/due", HERE, f"{HERE}/dose"),
    Role.CENTRAL_READER: ("/", "/patients", HERE, f"{HERE}/central-reading"),
    Role.TRIAL_MANAGER: ("/office", "/data", HERE),
    Role.MONITOR: ("/office", HERE, f"{HERE}/crossover"),
    Role.AUDITOR: ("/audit", "/audit/verification", "/data"),
    Role.ADMINISTRATOR: ("/accounts",),
}


@needs_chromium
def test_a_form_is_filled_in_and_sent_by_the_keyboard_alone(visit, served, randomised, portal):
    subject = randomised()
    page = visit(Role.COORDINATOR)
    page.goto(f"{served}/patients/{subject}/visit")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):  # whatever stands before the field
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "KPS":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    page.keyboard.type("80")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/patients/{subject}")

    assert outline == "3px"
    assert portal.ledger.patient(subject).events[-1].payload["signs"] == {"KPS": 80.0}


@needs_chromium
def test_what_is_wrong_is_told_on_top_and_gets_the_focus(visit, served, randomised):
    subject = randomised()
    page = visit(Role.COORDINATOR)
    page.goto(f"{served}/patients/{subject}/visit")
    fill_in(page, {"KPS": "110", "WEIGHT": "70"})
    page.get_by_role("button", name="Record").click()

    fault = page.get_by_role("alert")
    expect(fault).to_contain_text("Karnofsky score: 110 does not lie between 0 and 100")
    expect(fault).to_be_focused()
    assert page.locator("[name=WEIGHT]").input_value() == "70"  # nothing has to be typed again
    assert page.evaluate(OWES) == OWED


@needs_chromium
def test_a_page_is_printed_within_its_paper(visit, served, on_radioligand, laboratory):
    subject = on_radioligand()
    everything = {one.code: str(one.low or 1) for one in TESTS}
    laboratory(subject, **everything)
    page = visit(Role.INVESTIGATOR, width=794)  # A4 at 96 dots an inch
    page.emulate_media(media="print")
    for path in ("", "/dose", "/certificate"):
        page.goto(f"{served}/patients/{subject}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 794, path
        assert not page.locator("nav").is_visible()
        assert page.locator("button:visible").count() == 0


def luminance(colour):
    """Relative luminance of #rgb or #rrggbb, as WCAG 2.2 defines it."""
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("ink", "paper", 7.0),
        ("ink", "wash", 7.0),
        ("quiet", "paper", 4.5),
        ("quiet", "wash", 4.5),
        ("accent", "paper", 4.5),
        ("accent", "accent-wash", 4.5),
        ("good", "good-wash", 4.5),
        ("bad", "bad-wash", 4.5),
        ("open", "open-wash", 4.5),
        ("paper", "accent", 4.5),
        ("paper", "alarm", 4.5),
        ("edge", "paper", 3.0),
    ],
)
def test_colours_can_be_told_apart(ink, paper, least):
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", CSS.read_text("utf-8")))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least

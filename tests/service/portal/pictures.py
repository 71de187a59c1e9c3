# SPDX-License-Identifier: Apache-2.0
"""Take the pictures of docs/portal: one patient's way through the demonstration, in Chromium.

python tests/service/portal/pictures.py docs/portal
"""

import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from radioligand.cli.serving import started
from radioligand.io.documents import read_protocol
from radioligand.service.dose_view import next_dose
from radioligand.service.starting import DEMONSTRATION_PASSWORD, Place, Started

FORM = {
    "age_years": "61", "sex": "Female", "screening_date": "2020-10-01", "karnofsky": "90",
    "weight_kg": "70", "diagnosis_date": "2020-08-20", "primary_site": "PANCREAS",
    "disease_extent": "METASTATIC", "inoperable": "yes", "ki67_percent": "15",
    "differentiation": "WELL DIFFERENTIATED", "specimen": "HISTOLOGY",
    "highest_uptake_score": "4", "lowest_uptake_score": "4",
    "lowest_uptake_score_date": "2020-09-14", "creatinine_clearance_ml_min": "88",
    "prior_prrt": "no", "prior_hepatic_artery_embolisation": "no",
    "prior_radiofrequency_ablation": "no", "prior_systemic_therapy": "no",
    "prior_somatostatin_analogue": "no",
}  # fmt: skip
LOWEST = 900  # a picture ends there


@contextmanager
def demonstration(folder: Path) -> Iterator[tuple[str, Started]]:
    """The demonstration on a port of its own: its address, and what was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Place(
        url=f"sqlite:///{folder}/demo.db", secret=folder / "secret", anchor=folder / "anchor"
    )
    address = f"http://127.0.0.1:{port}"
    found = started(
        read_protocol("netter-2"), place, origins=frozenset({address}), is_demonstration=True
    )
    server = uvicorn.Server(uvicorn.Config(found.app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield address, found
    server.should_exit = True
    thread.join()


class Camera:
    """Windows of readers, each signed in once, and pictures of what they see."""

    def __init__(self, browser, address: str, folder: Path) -> None:
        """Keep the browser, the address of the portal, and where pictures go."""
        self.browser, self.address, self.folder = browser, address, folder
        self.windows: dict[str, Page] = {}

    def window(self, name: str) -> Page:
        if name not in self.windows:
            page = self.browser.new_context(viewport={"width": 1120, "height": 900}).new_page()
            page.goto(f"{self.address}/sign-in")
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(DEMONSTRATION_PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.address}/")
            self.windows[name] = page
        return self.windows[name]

    def take(self, name: str, path: str, picture: str, *, width: int = 1120) -> None:
        page = self.window(name)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(self.address + path)
        self.keep(page, picture)

    def keep(self, page: Page, picture: str) -> None:
        page.evaluate("scrollTo(0, 0)")
        size = page.viewport_size["width"]
        height = min(page.evaluate("document.documentElement.scrollHeight"), LOWEST)
        clip = {"x": 0, "y": 0, "width": size, "height": height}
        page.screenshot(path=self.folder / f"{picture}.png", full_page=True, clip=clip)


def fill_in(page: Page) -> None:
    for name, value in FORM.items():
        field = page.locator(f"[name='{name}']")
        if field.first.get_attribute("type") == "radio":
            page.locator(f"[name='{name}'][value='{value}']").check()
        elif field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def sign(page: Page, button: str) -> None:
    page.locator("[name=meaning]").check()
    page.locator("[name=password]").fill(DEMONSTRATION_PASSWORD)
    page.get_by_role("button", name=button).click()


def story(camera: Camera, found: Started) -> None:
    """Screen, sign and randomise a patient; look at a dose, at what is due, office and audit."""
    coordinator, investigator = camera.window("coordinator"), camera.window("investigator")
    coordinator.goto(f"{camera.address}/screening")
    coordinator.get_by_label("Date of informed consent").fill("2020-09-28")
    coordinator.get_by_label("The patient has signed").check()
    coordinator.get_by_role("button", name="Begin screening").click()
    fill_in(coordinator)
    coordinator.wait_for_timeout(800)  # the criteria are judged anew
    camera.keep(coordinator, "screening")
    coordinator.get_by_role("button", name="Record").click()
    coordinator.wait_for_url("**/patients/*")
    new = coordinator.url.rpartition("/")[2]
    investigator.goto(f"{camera.address}/patients/{new}/eligibility")
    sign(investigator, "Sign the eligibility")
    investigator.goto(f"{camera.address}/patients/{new}/randomisation")
    sign(investigator, f"Randomise {new}")
    investigator.wait_for_url("**/certificate")
    camera.keep(investigator, "certificate")

    site = new.partition("-")[0]
    here = [
        one
        for one in found.portal.ledger.patients(site=site)
        if one.cycles and next_dose(one, protocol=found.portal.protocol)
    ]
    subject = max(here, key=lambda one: len(one.cycles)).subject
    coordinator.goto(f"{camera.address}/patients/{subject}/laboratory")
    values = {"HGB": "109", "NEUT": "2.9", "PLAT": "47", "CREATCLR": "84", "CREAT": "76"}
    for code, value in values.items():
        coordinator.locator(f"[name={code}]").fill(value)
    coordinator.get_by_role("button", name="Record").click()
    coordinator.wait_for_url(f"**/patients/{subject}")
    camera.take("investigator", f"/patients/{subject}/dose", "dose")
    camera.take("coordinator", f"/patients/{subject}", "patient")
    camera.take("coordinator", f"/patients/{subject}", "phone", width=390)
    camera.take("coordinator", "/due", "due")
    camera.take("coordinator", f"/patients/{subject}/questionnaire", "questionnaire")
    number = len(found.portal.ledger.patient(subject).events)
    camera.take("investigator", f"/patients/{subject}/corrections/{number}", "correction")
    camera.take("manager", "/office", "office")
    camera.take("auditor", "/audit/verification", "audit")


def main(folder: Path) -> None:
    """Write every picture into a folder."""
    with tempfile.TemporaryDirectory() as made, demonstration(Path(made)) as (address, found):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            story(Camera(browser, address, folder), found)
            browser.close()
        found.portal.engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

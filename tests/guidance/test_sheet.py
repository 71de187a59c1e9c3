# SPDX-License-Identifier: Apache-2.0
"""The board's sheet: what it tells, as HTML and as PDF, and that it is one page."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from radioligand.advice import SheetError, advise, board_sheet, sheet_html, sheet_pdf
from radioligand.cli import cli
from radioligand.guidance import LINE

FOLDER = Path(__file__).parents[1] / "patients" / "guidance" / "vignettes"
VIGNETTES = tomllib.loads((FOLDER / "vignettes.toml").read_text("utf-8"))
USUAL = VIGNETTES.pop("usual")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FULLEST = "pancreas-g3-first-line"  # the most disagreements of all vignettes
FORM = {
    "subject": "01-001",
    "assessment_date": "2025-11-01",
    "age_years": 61,
    "primary_site": "PANCREAS",
    "differentiation": "WELL DIFFERENTIATED",
    "ki67_percent": 35,
    "highest_uptake_score": 4,
    "highest_uptake_score_date": "2025-10-10",
    "line_of_treatment": 1,
    "progression": False,
    "inoperable": True,
    "disease_extent": "METASTATIC",
}


def sheet_of(library, **changes: object):
    return board_sheet(advise(FORM | changes, library=library), provenance={"patient": "a" * 64})


def vignette(name: str, library) -> dict[str, object]:
    form = {"subject": name, "assessment_date": "2025-11-01"} | USUAL | VIGNETTES[name]["patient"]
    ageing = [one.name for one in library.guidelines.fields if one.window_days is not None]
    return {f"{name}_date": "2025-10-15" for name in ageing if name in form} | form


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type/Page\b", pdf))


@pytest.mark.by_hand
def test_the_sheet_tells_what_is_known_and_how_much_is_not(library):
    sheet = sheet_of(library)
    facts = dict(sheet.facts)

    assert sheet.who == "Patient 01-001, as of 2025-11-01"
    assert facts["Ki-67 index"] == "35 %"
    assert facts["Grade (WHO 2022)"] == "G3"
    assert facts["Primary tumour site"] == "pancreas"
    assert (
        facts["Receptor uptake score of the hottest lesion (Krenning)"] == "4 points (2025-10-10)"
    )
    answers = dict(sheet.answers)
    assert answers["Yes"] == "Considered inoperable"
    assert answers["No"] == "Progression of disease, by images or clinically"
    known = len(facts) + 2 + 1  # two flags, and the day of the board
    fields = {one.name for one in (*library.guidelines.fields, *library.fields)}
    assert answers["Not known"] == f"{len(fields) - known} items"


@pytest.mark.by_hand
def test_the_sheet_has_the_matrix_with_the_law_on_top(library):
    sheet = sheet_of(library)

    assert sheet.heads[:3] == ("Source", "In force, dated", "Radioligand therapy")
    assert sheet.rows[0][:3] == ("US label 2024 (law)", "United States, 2024-04", "for")
    assert sheet.rows[1][:3] == (
        "EU label (law)",
        "European Union, 2025-04-03",
        "does not apply",
    )


@pytest.mark.by_hand
def test_disagreements_of_one_reason_are_told_together(library):
    """One report is against radioligand therapy after radioembolisation, five sources for it."""
    advice = advise(vignette("pancreas-second-line-liver", library), library=library)
    sheet = board_sheet(advice, provenance={})
    population = next(one for one in sheet.disputes if one.kind == "population")

    assert population.sides.count("↔") == 4
    assert "Radioligand therapy: ESMO 2020, consider ↔ Singh 2023, against" in population.sides
    told = sum(one.sides.count("↔") for one in sheet.disputes)
    assert told == len(advice.disagreements) - 1  # two of the board's read alike


@pytest.mark.by_hand
def test_missing_items_are_told_by_what_they_settle(library):
    questions = dict(sheet_of(library, progression=None, inoperable=None).questions)

    labels = "; ".join(questions.values())
    assert "Progression of disease, by images or clinically" in labels
    assert list(questions)[-1] == "Missing together with others"
    counts = [int(re.search(r"\d+", key)[0]) for key in questions if key.startswith("Each")]
    assert counts == sorted(counts, reverse=True)


def test_the_sheet_as_a_page_loads_nothing_and_believes_nobody(library):
    page = sheet_html(sheet_of(library, subject="<script>alert(1)</script>"))

    assert LINE in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert 'http-equiv="Content-Security-Policy"' in page
    for loads in ("http://", "https://", "url(", "@import", "<img"):
        assert loads not in page


@pytest.mark.parametrize("name", VIGNETTES)
def test_an_ordinary_patient_fits_one_page(name, library):
    sheet = board_sheet(advise(vignette(name, library), library=library), provenance={"x": "y"})

    assert pages(sheet_pdf(sheet)) == 1


def test_a_sheet_that_needs_two_pages_takes_them(library):
    sheet = sheet_of(library)
    long = sheet._replace(disputes=sheet.disputes * 12)

    assert pages(sheet_pdf(long)) == 2


def test_the_pdf_is_the_same_for_the_same_sheet_and_reads_no_markup(library):
    odd = sheet_of(library, subject='#panic() $x "\\ *b* <a>')

    assert sheet_pdf(odd) == sheet_pdf(odd)


def test_without_the_extra_the_mend_is_told(library, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(SheetError, match=r"pip install 'radioligand\[pdf\]'"):
        sheet_pdf(sheet_of(library))


def test_nobody_has_no_sheet(library):
    with pytest.raises(ValueError, match="without a patient"):
        board_sheet(advise(None, library=library), provenance={})


def test_the_command_writes_the_sheet(tmp_path, monkeypatch):
    form, out = tmp_path / "patient.json", tmp_path / "sheet"
    form.write_text(json.dumps(FORM), "utf-8")

    def run(*words: object):
        return CliRunner().invoke(cli, ["advise", *map(str, words)])

    done = run(form, "--out", out, "--pdf")
    assert done.exit_code == 0, done.output
    assert f"Sheet: {out / 'sheet.pdf'}" in done.output
    assert (out / "sheet.pdf").read_bytes().startswith(b"%PDF")
    assert LINE in (out / "sheet.html").read_text("utf-8")
    assert "sheet.html" in (out / "index.html").read_text("utf-8")
    assert run(form, "--out", out).exit_code == 0
    assert not (out / "sheet.pdf").exists()  # the folder is replaced as a whole
    for words in (("--out", out, "--pdf"), (form, "--pdf")):
        assert run(*words).exit_code == 2
    monkeypatch.setitem(sys.modules, "typst", None)
    refused = run(form, "--out", out, "--pdf")
    assert refused.exit_code == 1
    assert "radioligand[pdf]" in refused.output


@pytest.mark.browser
def test_a_browser_prints_the_fullest_vignette_on_one_page(library, tmp_path):
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine; it is required where CI is set")
    assert CHROMIUM is not None, "CI is set and there is no Chromium"
    sheet = board_sheet(advise(vignette(FULLEST, library), library=library), provenance={"x": "y"})
    (tmp_path / "sheet.html").write_text(sheet_html(sheet), "utf-8")
    options = "--headless --no-sandbox --disable-gpu --no-first-run --no-pdf-header-footer"

    subprocess.run(
        [
            *(CHROMIUM, *options.split(), f"--user-data-dir={tmp_path}/p"),
            *(f"--print-to-pdf={tmp_path}/sheet.pdf", (tmp_path / "sheet.html").as_uri()),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )

    printed = (tmp_path / "sheet.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", printed)) == 1

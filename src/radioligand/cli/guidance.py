# SPDX-License-Identifier: Apache-2.0
"""Guidance on one patient, on nobody or on a registry: read, judge, tell, write."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from radioligand.advice import (
    Advice,
    Library,
    Recomputed,
    Sheet,
    SheetError,
    advice_page,
    advise,
    board_sheet,
    read_library,
    registry_page,
    sheet_html,
    sheet_pdf,
)
from radioligand.cli.main_job import versions
from radioligand.guidance import PatientError, patient_template, read_patients
from radioligand.guidance.fhir import form_of, is_bundle
from radioligand.guidance.matrix import named
from radioligand.guidance.registry import counted
from radioligand.io.documents import DocumentError, guideline_hashes, read_form, read_table
from radioligand.io.outputs import MARK, check_output, sha256, write_folder

SIGNS = {"applies": "✓", "does not apply": "✗", "undetermined": "?"}


def form_template(added: Sequence[Path]) -> str:
    """An empty form of everything that a statement may ask, as JSON."""
    library = read_library(added)
    form = patient_template(library.guidelines, also=library.fields)
    return json.dumps(form, indent=2, ensure_ascii=False)


def advised(path: Path | None, *, added: Sequence[Path], on: date | None) -> Advice:
    """Judge the patient of a form or a FHIR bundle; without a path, no patient.

    Raises DocumentError that lists every fault of the form.
    """
    library = read_library(added)
    try:
        return advise(_form(path, library) if path else None, library=library, on=on)
    except PatientError as error:
        raise DocumentError(f"{path}: {error}") from None


def _form(path: Path, library: Library) -> Mapping[str, Any]:
    document = read_form(path)
    if not is_bundle(document):
        return document
    return form_of(document, guidelines=library.guidelines, also=library.fields)


def write_page(
    advice: Advice, *, path: Path | None, added: Sequence[Path], out: Path, pdf: bool = False
) -> Path:
    """Write page, sheet, tables and findings into a folder; return the page's path.

    With `pdf` the sheet is printed as PDF too. Without a patient there is no sheet.
    """
    check_output(out)
    inputs = {"patient": sha256(path.read_bytes())} if path else {}
    provenance = inputs | guideline_hashes(added) | versions()
    sheet = "" if advice.is_literature else "sheet.html"
    page = advice_page(advice, provenance=provenance, sheet=sheet, recomputed=_recomputed(advice))
    results = json.dumps(advice.as_json(), indent=2, ensure_ascii=False) + "\n"
    cards = json.dumps(advice.as_cards(), indent=2, ensure_ascii=False) + "\n"
    files: dict[str, str | bytes] = {
        "index.html": page.index_html,
        "results.json": results,
        "cards.json": cards,
        **{f"tables/{name}": text for name, text in page.tables.items()},
        **{f"figures/{name}": text for name, text in page.figures.items()},
        MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
    }
    if sheet:
        files |= _sheet_files(board_sheet(advice, provenance=_marks(provenance)), pdf=pdf)
    write_folder(out, files)
    return out / "index.html"


def _recomputed(advice: Advice) -> list[Recomputed]:
    """Recompute the studies whose rows the evidence names."""
    from radioligand.evidence import read_published, reproduce

    rows = {
        row
        for one in advice.library.guidelines.evidence
        for estimate in (one.response_percent, one.pfs_months, one.survival_months)
        if estimate
        for row in estimate.recomputed
    }
    published = read_published()
    named = {row.partition(".")[0] for row in rows}
    studies = [study.id for study in published.studies if study.id in named]
    found = reproduce(published, studies=studies) if studies else ()
    return [
        Recomputed(one.id, one.published, one.recomputed, one.method, one.verdict, one.reason)
        for one in found
        if one.id in rows
    ]


def _marks(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What a printed sheet can be told by: marks of the form and of all else it was made from."""
    everything = json.dumps(provenance, sort_keys=True).encode()
    return {"form": provenance["patient"], "made from": sha256(everything)}


def _sheet_files(sheet: Sheet, *, pdf: bool) -> dict[str, str | bytes]:
    try:
        printed = {"sheet.pdf": sheet_pdf(sheet)} if pdf else {}
    except SheetError as error:
        raise DocumentError(str(error)) from None
    return {"sheet.html": sheet_html(sheet), **printed}


def is_registry(path: Path | None) -> bool:
    """Whether a path is a table of patients and no form."""
    return path is not None and path.suffix.lower() in (".csv", ".parquet")


def run_registry(
    path: Path, *, added: Sequence[Path], out: Path | None
) -> tuple[list[dict[str, Any]], Path | None]:
    """Count a registry's patients by statement; with `out`, write the page and return its path.

    Raises DocumentError that lists every rule that the table breaks.
    """
    guidelines = read_library(added).guidelines
    try:
        patients = read_patients(read_table(path), guidelines=guidelines)
    except PatientError as error:
        raise DocumentError(f"{path}: {error}") from None
    counts = counted(patients, guidelines=guidelines).rename(str.lower).to_dicts()
    if out is None:
        return counts, None
    check_output(out)
    provenance = {"patients": sha256(path.read_bytes())} | guideline_hashes(added) | versions()
    page = registry_page(patients, guidelines=guidelines, provenance=provenance)
    files = {
        "index.html": page.index_html,
        "results.json": json.dumps(counts, indent=2, ensure_ascii=False) + "\n",
        **{f"tables/{name}": text for name, text in page.tables.items()},
        **{f"figures/{name}": text for name, text in page.figures.items()},
        MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
    }
    write_folder(out, files)
    return counts, out / "index.html"


def tell(advice: Advice) -> None:
    """Print what applies, what is open and where sources differ; in literature mode, all."""
    guidelines = advice.library.guidelines
    for option in guidelines.options:
        about = [one for one in advice.findings if one.statement.option == option.id]
        if not advice.is_literature:
            about = [one for one in about if one.verdict != "does not apply"]
        if not about:
            continue
        click.echo(f"\n{option.says}")
        for one in about:
            sign = " " if advice.is_literature else SIGNS[one.verdict]
            statement = one.statement
            click.echo(f"{sign} {statement.stance}: {statement.says}")
            click.echo(f"      {guidelines.place_of(statement)}")
            if one.missing and not advice.is_literature:
                click.echo(f"      missing: {', '.join(one.missing)}")
            elif one.verdict == "undetermined" and not advice.is_literature:
                click.echo(f"      {'; '.join(one.because)}")
    if advice.disagreements:
        click.echo("\nDisagreements")
    told = (
        f"  {one.kind}: {named(one.first, guidelines)} / {named(one.second, guidelines)}. {one.why}"
        for one in advice.disagreements
    )
    for line in dict.fromkeys(told):  # statements of one source may read alike
        click.echo(line)
    if advice.questions:
        click.echo("\nMissing items that would settle statements alone")
    for question in advice.questions:
        click.echo(f"  {question.field}: {', '.join(question.statements)}")
    for due in advice.due:
        if due.state in ("due", "overdue"):
            click.echo(f"\n{due.state}: {due.examination.says}")

# SPDX-License-Identifier: Apache-2.0
"""The sheet that a tumour board has before it, prints and signs: one page for an ordinary patient.

A record of texts is made once; two templates print it, as HTML and, by Typst, as PDF. It shows
reported findings and never an image, and ranks nothing. What does not fit stands on the page.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from itertools import groupby
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from radioligand.advice.advising import Advice
from radioligand.guidance import APPLIES, LINE, NOT, UNDETERMINED, Guidelines
from radioligand.guidance.matrix import Disagreement
from radioligand.guidance.parsing import ASSESSED
from radioligand.guidance.patient import fields_of, in_label
from radioligand.guidance.records import PatientField

SIGNATURES = ("Oncology", "Nuclear medicine", "Surgery", "Pathology", "Radiology", "Chair")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class SheetError(ValueError):
    """The sheet cannot be printed as asked; the message tells what to mend."""


class Dispute(NamedTuple):
    """Which two sides disagree, what kind of disagreement it is, and why."""

    kind: str
    sides: str
    why: str


class Sheet(NamedTuple):
    """What the sheet says, as texts; `rows` are those of the matrix, under `heads`."""

    who: str
    counts: str
    facts: tuple[tuple[str, str], ...]
    answers: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str
    disputes: tuple[Dispute, ...]
    questions: tuple[tuple[str, str], ...]
    due: tuple[str, ...]
    signatures: tuple[str, ...]
    made_from: str
    line: str = LINE


def board_sheet(advice: Advice, *, provenance: Mapping[str, object]) -> Sheet:
    """Gather what the board needs of one patient's advice.

    Raises ValueError in literature mode: without a patient there is nothing to sign.
    """
    if advice.is_literature:
        raise ValueError("the sheet is one patient's; without a patient there is the page alone")
    known = fields_of(advice.library.guidelines, advice.library.fields)
    seen = advice.patient.row(0, named=True)
    found = {name: field for name, field in known.items() if seen.get(name) is not None}
    facts = (
        (one.label, _with_day(_value(seen[name], one), seen.get(f"{name}_date")))
        for name, one in found.items()
        if one.type != "flag" and name != ASSESSED
    )
    numbers = Counter(one.verdict for one in advice.findings)
    who = f"Patient {seen['USUBJID'] or 'not named'}"
    return Sheet(
        who=f"{who}, as of {advice.on}" if advice.on else who,
        counts=f"{numbers[APPLIES]} apply, {numbers[UNDETERMINED]} are undetermined, "
        f"{numbers[NOT]} do not apply",
        facts=tuple(facts),
        answers=tuple(_answers(known, seen)),
        heads=("Source", "In force, dated", *(option.says for option in advice.matrix.options)),
        rows=tuple(_matrix_rows(advice)),
        legend="In no order of worth. (law): an approved indication, binding where it is in "
        "force. neither: a remark, neither for nor against. ?: undetermined. [dissent]: the "
        "source's own authors differ. Empty: nothing that applies.",
        disputes=_disputes(advice),
        questions=tuple(_questions(advice, known)),
        due=tuple(_due(advice)),
        signatures=SIGNATURES,
        made_from=", ".join(f"{name} {str(value)[:12]}" for name, value in provenance.items()),
    )


def sheet_html(sheet: Sheet) -> str:
    """Print the sheet as a page of its own that needs no other file and runs no script."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_template("sheet.html"))
    return template.render(sheet=sheet, policy=POLICY, style=Markup(_template("sheet.css")))


def sheet_pdf(sheet: Sheet) -> bytes:
    """Print the sheet as PDF, A4, the same bytes for the same sheet.

    Raises SheetError where Typst is not installed.
    """
    try:
        import typst
    except ModuleNotFoundError:
        says = "a PDF cannot be written without the extra: pip install 'radioligand[pdf]'"
        raise SheetError(says) from None
    told = sheet._asdict() | {"disputes": [one._asdict() for one in sheet.disputes]}
    written: bytes = typst.compile(
        _template("sheet.typ").encode(),
        ignore_system_fonts=True,  # its own fonts, so that every machine breaks lines alike
        sys_inputs={"sheet": json.dumps(told)},
    )
    return written


def _template(name: str) -> str:
    return files("radioligand.advice").joinpath(name).read_text("utf-8")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _value(value: Any, field: PatientField) -> str:
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    if shown.isupper() and len(shown) > 2:  # the form's words shout; grades (G2) do not
        shown = shown.lower()
    return f"{shown} {field.unit}" if field.unit not in (None, "1") else shown


def _with_day(text: str, day: date | None) -> str:
    return f"{text} ({day})" if day else text


def _answers(
    known: Mapping[str, PatientField], seen: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield the flags that are true, then those that are not; then how much is not known."""
    flags = [name for name, field in known.items() if field.type == "flag"]
    for told, holds in (("Yes", True), ("No", False)):
        labels = [
            _with_day(known[name].label, seen.get(f"{name}_date"))
            for name in flags
            if seen.get(name) is holds
        ]
        if labels:
            yield told, "; ".join(labels)
    unknown = [field.label for name, field in known.items() if seen.get(name) is None]
    if unknown:
        yield "Not known", _counted(len(unknown), "item")


def _matrix_rows(advice: Advice) -> Iterator[tuple[str, ...]]:
    matrix = advice.matrix
    for source in matrix.sources:
        yield (
            f"{source.short} (law)" if source.kind == "label" else source.short,
            f"{source.jurisdiction}, {source.published}",
            *(matrix.stances(source.id, option.id) for option in matrix.options),
        )


def _disputes(advice: Advice) -> tuple[Dispute, ...]:
    """Every disagreement; those of one kind and one reason together."""
    sides: dict[tuple[str, str], list[str]] = {}
    for one in advice.disagreements:
        told = _sides(one, advice.library.guidelines)
        sides.setdefault((one.kind, one.why), []).append(told)
    return tuple(
        Dispute(kind, "; ".join(dict.fromkeys(told)), why) for (kind, why), told in sides.items()
    )


def _sides(one: Disagreement, guidelines: Guidelines) -> str:
    """'Surgery: A 2020, for ↔ B 2024, against'; each with its own option where they differ."""
    pair = (one.first, one.second)
    options = [guidelines.option_of[each.statement.option].says for each in pair]
    is_shared = options[0] == options[1]
    told = []
    for each, option in zip(pair, options, strict=True):
        source = guidelines.source_of[each.statement.source].short
        about = "" if is_shared else f", {option}"
        verdict = "" if each.applies else f" ({each.verdict})"
        told.append(f"{source}{about}, {each.statement.stance}{verdict}")
    return f"{options[0]}: {' ↔ '.join(told)}" if is_shared else " ↔ ".join(told)


def _questions(advice: Advice, known: Mapping[str, PatientField]) -> Iterator[tuple[str, str]]:
    """Yield what alone would settle statements, then what else those undetermined lack."""
    for number, group in groupby(advice.questions, key=lambda one: len(one.statements)):
        labels = "; ".join(one.label for one in group)
        yield f"Each alone would settle {_counted(number, 'statement')}", labels
    settling = {one.field for one in advice.questions}
    missing = dict.fromkeys(name for one in advice.findings for name in one.missing)
    others = [in_label(name, known) for name in missing if name not in settling]
    if others:
        yield "Missing together with others", "; ".join(others)


def _due(advice: Advice) -> Iterator[str]:
    guidelines = advice.library.guidelines
    for one in advice.due:
        rule = one.examination
        window = " to ".join(str(day) for day in (one.first, one.until) if day is not None)
        last = f"last done {one.last}" if one.last else "not known to be done"
        source = f"{guidelines.source_of[rule.source].short}, {rule.place}"
        yield "; ".join(filter(None, (f"{one.state}: {rule.says}", window, last, source)))

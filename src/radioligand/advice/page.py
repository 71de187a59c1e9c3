# SPDX-License-Identifier: Apache-2.0
"""The page behind the board's sheet: patient, matrix, open questions; then every statement.

It shows reported findings and never an image. Nothing on it is ranked.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radioligand.advice.advising import Advice
from radioligand.advice.evidence_section import Recomputed, evidence_section
from radioligand.advice.numbering import Numbers, provenance_section
from radioligand.guidance import APPLIES, LINE, NOT, UNDETERMINED, Finding
from radioligand.guidance.matrix import named
from radioligand.guidance.patient import fields_of, in_label
from radioligand.report import KeyLine, RenderedReport, Report
from radioligand.report.document import Section, render_sections
from radioligand.report.tables import Body, Cell, Column, Row, cell

ORDER = (APPLIES, UNDETERMINED, NOT)
MARK = {"applies": "✓", "undetermined": "?", "does not apply": "✗"}


def advice_page(
    advice: Advice,
    *,
    provenance: Mapping[str, object],
    sheet: str = "",
    recomputed: Sequence[Recomputed] = (),
) -> RenderedReport:
    """Return the page and its tables, the same for the same advice.

    `sheet` is the name of the file beside it that holds the board's sheet; "" if there is none.
    `recomputed` are rows of published results to which the evidence may link.
    """
    numbers = Numbers()
    sections = [*_patient_sections(advice, numbers, sheet), *_reading(advice, numbers, recomputed)]
    sections.append(provenance_section(provenance, numbers))
    return render_sections(sections, report=_report(advice, provenance))


def _report(advice: Advice, provenance: Mapping[str, object]) -> Report:
    subject = advice.patient["USUBJID"][0]
    title = "Guideline statements" if advice.is_literature else "Tumour board"
    who = "" if advice.is_literature else f"Patient {subject or 'not named'}"
    when = f"as of {advice.on}" if advice.on else ""
    return Report(
        title=title,
        subtitle=", ".join(filter(None, (who, when)))
        or "What each source says, for whom, and where they differ",
        arms=(),
        displays=(),
        simulated=False,
        key_lines=() if advice.is_literature else tuple(_key_lines(advice)),
        provenance=provenance,
        line=LINE,
    )


def _key_lines(advice: Advice) -> Iterator[KeyLine]:
    for verdict in ORDER:
        number = sum(one.verdict == verdict for one in advice.findings)
        yield KeyLine(f"Statements: {verdict}", str(number))
    yield KeyLine("Disagreements", str(len(advice.disagreements)))


# -- of the patient -------------------------------------------------------------------------------


def _patient_sections(advice: Advice, numbers: Numbers, sheet: str) -> Iterator[Section]:
    """Yield what is said of this patient; in literature mode the matrix alone."""
    if not advice.is_literature:
        part = numbers.table("patient", "What is known of the patient", _patient(advice))
        told = (f"The board's sheet, one page to print and sign, is {sheet} beside this page.",)
        yield Section("section-patient", "Patient", (part,), told if sheet else ())
    title = "Stances by source and treatment"
    matrix = numbers.table("matrix", title, _matrix(advice))
    yield Section("section-matrix", "Who says what", (matrix,))
    if advice.is_literature:
        return
    made = [
        numbers.table(name, title, body)
        for name, title, body in (
            ("disagreements", "Statements that disagree on this patient", _disagreements(advice)),
            ("questions", "Which missing item would settle which statement", _questions(advice)),
            ("due", "Imaging due, by the sources' rules", _due(advice)),
        )
        if body.rows
    ]
    yield Section("section-open", "Disagreements and open questions", tuple(made))


def _patient(advice: Advice) -> Body:
    known = fields_of(advice.library.guidelines, advice.library.fields)
    row = advice.patient.row(0, named=True)
    rows = []
    for name, field in known.items():
        if row.get(name) is None:
            continue
        found = row.get(f"{name}_date")
        rows.append(
            Row(
                field.label,
                (cell(_value(row[name], field.unit)), cell("" if found is None else str(found))),
            )
        )
    note = "Findings are as reported; no image was looked at."
    return Body("Item", (Column("Value"), Column("Found on")), tuple(rows), (note,))


def _value(value: Any, unit: str | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{shown} {unit}" if unit and unit != "1" else shown


def _matrix(advice: Advice) -> Body:
    """Sources in rows, labels on top; a stance with its strength, open ones with a mark."""
    matrix = advice.matrix
    columns = (Column("In force, dated"), *(Column(option.says) for option in matrix.options))
    rows = []
    for source in matrix.sources:
        texts = [
            matrix.stances(source.id, option.id, marked=not advice.is_literature)
            for option in matrix.options
        ]
        name = f"{source.short} (law)" if source.kind == "label" else source.short
        where = f"{source.jurisdiction}, {source.published}"
        rows.append(Row(name, tuple(map(cell, (where, *texts)))))
    quoted = [source.short for source in matrix.sources if source.read_in or source.told_by]
    notes = [
        "Rows and columns are in no order of worth. ? = undetermined: something is missing. "
        "An empty field: nothing that applies. [dissent]: the source's own authors differ.",
        f"Known through another paper's account: {', '.join(quoted)}." if quoted else "",
    ]
    return Body("Source", columns, tuple(rows), tuple(filter(None, notes)))


def _disagreements(advice: Advice) -> Body:
    guidelines = advice.library.guidelines

    def side(one: Finding) -> Cell:
        return cell(named(one, guidelines))._replace(link=one.statement.id)

    rows = tuple(
        Row(one.kind, (side(one.first), side(one.second), cell(one.why)))
        for one in advice.disagreements
    )
    return Body("Kind", (Column("One"), Column("Other"), Column("Why")), rows)


def _questions(advice: Advice) -> Body:
    rows = []
    for question in advice.questions:
        told = {APPLIES: "", NOT: ""}
        for verdict in told:
            changes = (change for change in question.changes if change.verdict == verdict)
            named = (f"{one.statement} (if {', '.join(one.values)})" for one in changes)
            told[verdict] = "; ".join(named)
        rows.append(Row(question.label, (cell(told[APPLIES] or "—"), cell(told[NOT] or "—"))))
    note = "Each item alone, all else as it is. Statements that need several items are not listed."
    columns = (Column("Would then apply"), Column("Would then not apply"))
    return Body("Missing item", columns, tuple(rows), (note,))


def _due(advice: Advice) -> Body:
    guidelines = advice.library.guidelines
    rows = []
    for one in advice.due:
        rule = one.examination
        window = " to ".join(str(day) for day in (one.first, one.until) if day is not None)
        source = f"{guidelines.source_of[rule.source].short}, {rule.place}"
        last = str(one.last) if one.last else "unknown"
        rows.append(Row(rule.says, (cell(one.state), cell(window), cell(last), cell(source))))
    columns = (Column("State"), Column("Window"), Column("Last done"), Column("Source"))
    return Body("Examination", columns, tuple(rows))


# -- to read --------------------------------------------------------------------------------------


def _reading(
    advice: Advice, numbers: Numbers, recomputed: Sequence[Recomputed]
) -> Iterator[Section]:
    guidelines = advice.library.guidelines
    parts = tuple(
        numbers.table(f"option-{option.id}", option.says, _statements(advice, option.id))
        for option in guidelines.options
        if any(one.statement.option == option.id for one in advice.findings)
    )
    yield Section("all-statements", "Every statement", parts)
    yield evidence_section(advice, numbers, recomputed={one.id: one for one in recomputed})
    sources = numbers.table("sources", "Sources", _sources(advice))
    yield Section("section-sources", "Sources and their age", (sources,))


def _statements(advice: Advice, option: str) -> Body:
    guidelines = advice.library.guidelines
    about = [one for one in advice.findings if one.statement.option == option]
    if not advice.is_literature:
        about.sort(key=lambda one: ORDER.index(one.verdict))
    known = fields_of(guidelines, advice.library.fields)
    rows = []
    for one in about:
        statement = one.statement
        strength = statement.strength
        told = [statement.says, statement.population, statement.dissent]
        if statement.evidence:
            told.append(f"Rests on {', '.join(statement.evidence)}.")
        if statement.valid_from:
            told.append(f"In force since {statement.valid_from}.")
        if strength:
            told.append(f"Strength {strength.grade} ({strength.system}).")
        verdict = f"{MARK[one.verdict]} {one.verdict}"
        missing = (in_label(name, known) for name in one.missing)
        why = "; ".join(missing) or "; ".join(one.because)
        judged = () if advice.is_literature else (cell(verdict), cell(why))
        cells = (
            cell(statement.stance),
            cell(" ".join(filter(None, told))),
            *judged,
            cell(f"{guidelines.place_of(statement)} ({guidelines.kind_of(statement)})"),
        )
        rows.append(Row(statement.id, cells, anchor=statement.id))
    judged_columns = (
        () if advice.is_literature else (Column("Verdict"), Column("Because, or missing"))
    )
    columns = (Column("Stance"), Column("Says, in our words"), *judged_columns, Column("Source"))
    return Body("Statement", columns, tuple(rows))


def _sources(advice: Advice) -> Body:
    guidelines = advice.library.guidelines
    ages = {one.source.id: one for one in advice.stale}
    used = {one.statement.source for one in advice.findings}
    rows = []
    for source in guidelines.sources:
        if source.id not in used:
            continue
        through = guidelines.teller_of(source) or "itself"
        old = ages.get(source.id)
        age = "" if old is None else f"{old.age_months:g} months"
        if old is not None and old.superseded_by:
            age += f", superseded by {old.superseded_by}"
        doi = f"doi:{source.doi}." if source.doi else ""
        citation = " ".join(filter(None, (source.citation, doi, source.interests)))
        texts = (citation, source.kind, source.jurisdiction, source.published, through, age)
        rows.append(Row(source.short, tuple(map(cell, texts))))
    heads = ("Citation, and who paid", "Kind", "In force", "Dated", "Read in", "Out of date")
    note = "Out of date: superseded, or older than 24 months on the day asked. "
    note += "Age is counted from the first day that the printed date can mean. Who paid for a "
    note += "document, and what its authors declare, is told where it was read itself and says so."
    return Body("Source", tuple(Column(head) for head in heads), tuple(rows), (note,))

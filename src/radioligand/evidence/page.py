# SPDX-License-Identifier: Apache-2.0
"""The page of published against recomputed: a table a group, the conflicts, the methods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, groupby

from radioligand.evidence.methods import METHODS
from radioligand.evidence.records import Published
from radioligand.evidence.reproduction import Reproduced, counted
from radioligand.report import KeyLine, RenderedReport, Report
from radioligand.report.document import Part, Section, render_sections
from radioligand.report.formatting import long_date
from radioligand.report.tables import Body, Column, Row, Table, cell

KINDS = {"direct": "Numbers that follow from others", "consistency": "Consistency checks"}


def published_page(
    rows: Sequence[Reproduced], published: Published, *, provenance: Mapping[str, object]
) -> RenderedReport:
    """Return the page and its tables, the same for the same rows."""
    report = Report(
        title="Published against recomputed",
        subtitle="Every printed number that follows from other printed numbers, recomputed by the "
        "functions that a study uses",
        arms=(),
        displays=(),
        simulated=False,
        key_lines=tuple(_key_lines(rows)),
        provenance=provenance,
    )
    asked = {row.study for row in rows}
    studies = [study for study in published.studies if study.id in asked]
    numbers = count(1)
    sections = [
        Section(
            f"study-{study.id}",
            study.title,
            tuple(
                _part(f"{study.id}-{name.rsplit('.', 1)[1]}", group[0].group, next(numbers), group)
                for name, group in _groups(row for row in rows if row.study == study.id)
            ),
        )
        for study in studies
    ]
    closing = (
        ("conflicts", "Where papers differ", _conflicts(published, rows)),
        ("methods-used", "Methods", _methods(rows)),
        ("sources", "Sources", _sources(published)),
        ("provenance", "What this page was made from", _provenance(provenance)),
    )
    sections += [
        Section(f"section-{name}", title, (_of(name, title, next(numbers), body),))
        for name, title, body in closing
    ]
    return render_sections(sections, report=report)


def _groups(rows: Iterator[Reproduced]) -> Iterator[tuple[str, tuple[Reproduced, ...]]]:
    for name, group in groupby(rows, key=lambda row: row.id.rsplit(".", 1)[0]):
        yield name, tuple(group)


def _key_lines(rows: Sequence[Reproduced]) -> Iterator[KeyLine]:
    for kind, label in KINDS.items():
        found = counted(row for row in rows if row.kind == kind)
        total = found["match"] + found["alternative"] + found["no match"]
        detail = (
            f"{found['match']} match, {found['alternative']} by a named alternative, "
            f"{found['no match']} do not"
        )
        yield KeyLine(label, str(total), detail)


def _part(name: str, title: str, number: int, rows: Sequence[Reproduced]) -> Part:
    """A table of a group; what all its rows share stands beside its title."""
    reasons = tuple(dict.fromkeys(row.reason for row in rows if row.reason))
    traits: dict[str, Callable[[Reproduced], str]] = {
        "paper": lambda row: row.source.removesuffix(f", {row.place}"),
        "place": lambda row: row.place,
        "snapshot": _snapshot,
        "method": lambda row: row.method,
    }
    shared = {name: of for name, of in traits.items() if len({of(row) for row in rows}) == 1}
    places = [traits[name] for name in ("paper", "place", "snapshot") if name not in shared]
    columns: dict[str, Callable[[Reproduced], str]] = {
        "Made from": lambda row: row.made_from,
        "Published": lambda row: row.published,
        "Recomputed": lambda row: row.recomputed,
        "Verdict": lambda row: _verdict(row, reasons),
    }
    if "method" not in shared:
        columns["Method"] = traits["method"]
    if places:
        columns["Where"] = lambda row: "; ".join(of(row) for of in places)
    body = Body(
        "Number",
        tuple(Column(label) for label in columns),
        tuple(Row(row.says, tuple(cell(of(row)) for of in columns.values())) for row in rows),
        notes=tuple(f"[{place}] {reason}" for place, reason in enumerate(reasons, 1)),
    )
    beside = "; ".join(of(rows[0]) for of in shared.values())
    return _of(name, title, number, body, population=beside)


def _of(name: str, title: str, number: int, body: Body, *, population: str = "") -> Part:
    table = Table(name, f"Table {number}: {title}", population, body, (), notice="")
    return Part(name, f"Table {number}", title, population, table)


def _snapshot(row: Reproduced) -> str:
    cutoff = long_date(row.cutoff.isoformat()) if row.cutoff else "no cutoff"
    return cutoff if row.reviewer == "none" else f"{cutoff}, {row.reviewer} review"


def _verdict(row: Reproduced, reasons: tuple[str, ...]) -> str:
    note = f" [{reasons.index(row.reason) + 1}]" if row.reason else ""
    return f"{row.verdict}{', weak' if row.weak else ''}{note}"


def _conflicts(published: Published, asked: Sequence[Reproduced]) -> Body:
    rows: list[Row] = []
    for conflict in published.conflicts_of({row.paper for row in asked}):
        rows.append(Row(conflict.what))
        for one in conflict.statements:
            cutoff = long_date(one.cutoff.isoformat()) if one.cutoff else "—"
            source = f"{published.paper(one.paper).short}, {one.place}"
            reviewer = "—" if one.reviewer == "none" else one.reviewer
            rows.append(Row(source, (cell(one.value), cell(cutoff), cell(reviewer)), 1))
        rows.append(Row("Why", (cell(conflict.why, columns=3),), 1))
    return Body("Source", (Column("Value"), Column("Cutoff"), Column("Reviewer")), tuple(rows))


def _methods(rows: Sequence[Reproduced]) -> Body:
    used = {row.method for row in rows}
    found = [Row(name, (cell(method.says),)) for name, method in METHODS.items() if name in used]
    notes = (
        "A row is weak if one event more or less in an arm would print the same. "
        "Numbers are rounded half up to the decimals printed, unless the method says otherwise.",
    )
    return Body("Method", (Column("Formula"),), tuple(found), notes)


def _sources(published: Published) -> Body:
    rows = tuple(Row(paper.short, (cell(paper.citation),)) for paper in published.papers)
    return Body("Paper", (Column("Citation"),), rows)


def _provenance(provenance: Mapping[str, object]) -> Body:
    rows = tuple(Row(name, (cell(str(value)),)) for name, value in provenance.items())
    return Body("What", (Column("Value"),), rows)

# SPDX-License-Identifier: Apache-2.0
"""The board's table of evidence beside the patient, every number with its recomputation.

Numbers stand as printed, a misprint with its mark. Rows stand side by side, not in comparison.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from radioligand.advice.advising import Advice
from radioligand.advice.numbering import Numbers
from radioligand.guidance.records import Estimate, Evidence
from radioligand.report.document import Part, Section
from radioligand.report.median_figure import Median, median_figure
from radioligand.report.tables import Body, Cell, Column, Row, cell

PLACE = "Tafuto 2025, Table 1"
ALL = "All sites and grades"


class Recomputed(NamedTuple):
    """What became of a printed number when it was worked out again from others, or checked."""

    id: str
    published: str
    recomputed: str
    method: str
    verdict: str
    reason: str = ""


def evidence_section(
    advice: Advice, numbers: Numbers, *, recomputed: Mapping[str, Recomputed]
) -> Section:
    """Give the evidence of the patient's site and grade, then the rest; all without a patient.

    Numbers link to their row among `recomputed`, by id, where it is given.
    """
    every = advice.library.guidelines.evidence
    row = advice.patient.row(0, named=True)
    own = [one for one in every if _speaks_of(one, row)]
    groups: list[tuple[str, Sequence[Evidence]]] = [(ALL, every)]
    if own and not advice.is_literature:
        others = [one for one in every if one not in own]
        groups = [("The patient's site and grade", own), ("Other sites or grades", others)]
    population, shown = groups[0]
    table = numbers.table(
        "evidence",
        "Response and medians as printed",
        _table(groups, recomputed),
        population=PLACE,
        sortable=True,
    )
    parts = [*_figures(numbers, shown, population), table]
    if recomputed:
        body = _recomputed(every, recomputed)
        parts.append(numbers.table("recomputed", "The same numbers worked out again", body))
    return Section("section-evidence", "Evidence the board lays beside", tuple(parts))


def _speaks_of(one: Evidence, row: Mapping[str, Any]) -> bool:
    """Whether an arm is of the patient's site and grade; an unknown Ki-67 index may fit."""
    index, limits = row["ki67_percent"], one.ki67_percent
    fits = index is None or limits is None or limits[0] <= index <= limits[1]
    return row["primary_site"] in one.sites and row["grade"] in one.grades and fits


def _estimates(one: Evidence) -> tuple[Estimate | None, ...]:
    return one.response_percent, one.pfs_months, one.survival_months


def _table(
    groups: Sequence[tuple[str, Sequence[Evidence]]], recomputed: Mapping[str, Recomputed]
) -> Body:
    rows: list[Row] = []
    for title, found in groups:
        rows += [Row(title), *(_row(one, recomputed) for one in found)]
    heads = ("Population", "Grade", "Line", "Response, %", "PFS, months", "Survival, months")
    remarks = (
        f"{one.study}, {one.treatment}: {estimate.remark}"
        for _, found in groups
        for one in found
        for estimate in _estimates(one)
        if estimate and estimate.remark
    )
    notes = [
        "Rows stand side by side, not in comparison: they come from different studies. Grade is "
        "our reading of the population.",
        *(f"* {one}" for one in remarks),
    ]
    if recomputed:
        notes.append("A number that is a link was worked out again, or checked, from others.")
    return Body("Treatment", tuple(map(Column, (*heads, "Study"))), tuple(rows), tuple(notes))


def _row(one: Evidence, recomputed: Mapping[str, Recomputed]) -> Row:
    told = (one.population, "–".join(one.grades), one.line)
    numbers = (_number(estimate, recomputed) for estimate in _estimates(one))
    return Row(
        one.treatment,
        (*map(cell, told), *numbers, cell(f"{one.study} ({one.reference})")),
        indent=1,
    )


def _number(one: Estimate | None, recomputed: Mapping[str, Recomputed]) -> Cell:
    if one is None:
        return cell("—")
    link = next((row for row in one.recomputed if row in recomputed), "")
    shown = _median("", one).told if one.value else "0"
    return cell(shown)._replace(link=link)


def _median(label: str, one: Estimate) -> Median:
    return Median(label, one.value, one.lower, one.upper, one.remark)


def _figures(numbers: Numbers, evidence: Sequence[Evidence], population: str) -> Iterator[Part]:
    for name, what, key in (
        ("evidence-medians", "progression-free survival", "pfs_months"),
        ("evidence-survival", "overall survival", "survival_months"),
    ):
        rows = [
            _median(f"{one.treatment}, {one.population} ({one.study})", getattr(one, key))
            for one in evidence
            if getattr(one, key)
        ]
        if not rows:
            continue
        title = f"Median {what} as printed"
        drawn = median_figure(rows, name=name, title=title, axis=f"Median {what}, months")
        remarks = tuple(f"* {row.label}: {row.remark}" for row in rows if row.remark)
        yield numbers.figure(name, title, drawn, population=population, footnotes=remarks)


def _recomputed(evidence: Sequence[Evidence], recomputed: Mapping[str, Recomputed]) -> Body:
    ids = (
        row
        for one in evidence
        for estimate in _estimates(one)
        if estimate
        for row in estimate.recomputed
    )
    rows = tuple(
        Row(
            one.id,
            tuple(map(cell, (one.published, one.recomputed, one.method, one.verdict, one.reason))),
            anchor=one.id,
        )
        for one in (recomputed[row] for row in ids if row in recomputed)
    )
    heads = ("Printed", "Recomputed", "Method", "Verdict", "Reason")
    note = "As 'radioligand reproduce board' prints them, with the board's other numbers."
    return Body("Row", tuple(map(Column, heads)), rows, (note,))

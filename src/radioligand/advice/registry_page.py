# SPDX-License-Identifier: Apache-2.0
"""A registry's page: how many patients each statement speaks of, and where sources differ."""

from collections.abc import Mapping
from itertools import groupby

import polars as pl

from radioligand.advice.numbering import Numbers, provenance_section
from radioligand.guidance import LINE, Guidelines
from radioligand.guidance.registry import agreement, by_source, counted, disputed
from radioligand.report import KeyLine, RenderedReport, Report
from radioligand.report.document import Part, Section, render_sections
from radioligand.report.sets_figure import MOST, Combination, sets_figure
from radioligand.report.tables import Body, Column, Row, cell

OPTION = "radioligand-therapy"


def registry_page(
    patients: pl.DataFrame, *, guidelines: Guidelines, provenance: Mapping[str, object]
) -> RenderedReport:
    """Return the page of a registry's patients, as `read_patients` leaves them."""
    counts = counted(patients, guidelines=guidelines)
    sets = agreement(patients, guidelines=guidelines, option=OPTION)
    sources = by_source(patients, guidelines=guidelines, option=OPTION)
    disputes = disputed(patients, guidelines=guidelines)
    numbers = Numbers()
    sections = (
        Section(
            "section-agreement",
            "Which sources would treat whom",
            (
                numbers.table(
                    "sources",
                    "Patients whom each source would treat",
                    _sources(sources, guidelines),
                ),
                _figure(sets, sources, guidelines, numbers),
                numbers.table("agreement", "Sources in favour", _sets(sets, guidelines)),
            ),
        ),
        Section(
            "section-disputes",
            "Where sources disagree",
            (
                numbers.table(
                    "disputes",
                    "Patients on whom two statements disagree",
                    _disputes(disputes, guidelines),
                ),
            ),
        ),
        Section(
            "all-statements",
            "Every statement",
            (numbers.table("counts", "Patients by statement", _counts(counts, guidelines)),),
        ),
        provenance_section(provenance, numbers),
    )
    report = Report(
        title="Guideline statements on a registry",
        subtitle="How many patients each source speaks of, and where sources differ",
        arms=(),
        displays=(),
        simulated=False,
        key_lines=(
            KeyLine("Patients", str(patients.height)),
            KeyLine("Statements", str(counts.height)),
            KeyLine("Sets of sources in favour", str(sets.height)),
            KeyLine("Patients on whom one is opposed", str(sets["OPPOSED"].sum())),
            KeyLine("Pairs of statements that disagree", str(disputes.height)),
        ),
        provenance=provenance,
        line=LINE,
    )
    return render_sections(sections, report=report)


def _members(sources: str, guidelines: Guidelines) -> tuple[str, ...]:
    return tuple(guidelines.source_of[one].short for one in sources.split(", ") if one)


def _sources(sources: pl.DataFrame, guidelines: Guidelines) -> Body:
    rows = tuple(
        Row(guidelines.source_of[source].short, tuple(cell(str(one)) for one in counts))
        for source, *counts in sources.rows()
    )
    heads = ("In favour", "Not in favour", "Undetermined", "Opposed")
    note = (
        "In favour: a statement applies that is for radioligand therapy or lets it be considered. "
    )
    note += "Opposed: one applies that is against it, or for a trial only; a source may say both."
    return Body("Source", tuple(map(Column, heads)), rows, (note,))


def _disputes(disputes: pl.DataFrame, guidelines: Guidelines) -> Body:
    statements = {one.id: one for one in guidelines.statements}

    def side(name: str) -> str:
        one = statements[name]
        option = guidelines.option_of[one.option].says
        return f"{guidelines.source_of[one.source].short} ({option}: {one.stance})"

    rows = tuple(
        Row(kind, (cell(side(first)), cell(side(second)), cell(str(count)), cell(why)))
        for kind, first, second, why, count in disputes.rows()
    )
    heads = ("One", "Other", "Patients", "Why")
    return Body("Kind", tuple(map(Column, heads)), rows)


def _figure(
    sets: pl.DataFrame, sources: pl.DataFrame, guidelines: Guidelines, numbers: Numbers
) -> Part:
    title = "Patients by the set of sources in favour of radioligand therapy"
    rows = [Combination(_members(row[0], guidelines), row[1]) for row in sets.rows()]
    named = {member for one in rows for member in one.members}
    sizes = {guidelines.source_of[row[0]].short: row[1] for row in sources.rows()}
    drawn = sets_figure(
        rows,
        sets={short: size for short, size in sizes.items() if short in named},
        name="agreement-sets",
        title=title,
        axis="Patients, by exactly which sources are in favour",
    )
    notes = (
        ["The grey bar: no source is in favour."] if any(not one.members for one in rows) else []
    )
    notes += [f"The {MOST} largest of {len(rows)} sets."] if len(rows) > MOST else []
    return numbers.figure("agreement-sets", title, drawn, footnotes=tuple(notes))


def _sets(sets: pl.DataFrame, guidelines: Guidelines) -> Body:
    rows = tuple(
        Row(
            ", ".join(_members(sources, guidelines)) or "none",
            (cell(str(count)), cell(str(opposed))),
        )
        for sources, count, opposed in sets.rows()
    )
    note = "Opposed: patients on whom a statement applies that is against, or for a trial only. "
    note += "A source that is undetermined on a patient is not counted in favour."
    return Body("Sources in favour", (Column("Patients"), Column("Opposed")), rows, (note,))


def _counts(counts: pl.DataFrame, guidelines: Guidelines) -> Body:
    rows: list[Row] = []
    order = {option.id: place for place, option in enumerate(guidelines.options)}
    found = sorted(counts.to_dicts(), key=lambda row: order[row["OPTION"]])
    for option, group in groupby(found, key=lambda row: row["OPTION"]):
        rows.append(Row(guidelines.option_of[option].says))
        for row in group:
            numbers = (row["APPLIES"], row["DOES_NOT_APPLY"], row["UNDETERMINED"])
            source = guidelines.source_of[row["SOURCE"]].short
            cells = (row["STANCE"], source, *map(str, numbers))
            rows.append(Row(row["STATEMENT"], tuple(map(cell, cells)), 1))
    heads = ("Stance", "Source", "Applies", "Does not apply", "Undetermined")
    return Body("Statement", tuple(map(Column, heads)), tuple(rows))

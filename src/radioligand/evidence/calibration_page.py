# SPDX-License-Identifier: Apache-2.0
"""The page of a calibration: what was asked, what was reached, what cannot be had together."""

from collections.abc import Iterator, Mapping
from itertools import count
from math import isfinite

from radioligand.evidence.calibration import Calibrated, Reached
from radioligand.evidence.printing import decimals_of, rounded
from radioligand.evidence.targets import TOKEN, Role
from radioligand.report import CALIBRATED, KeyLine, RenderedReport, Report
from radioligand.report.document import Part, Section, render_sections
from radioligand.report.tables import Body, Column, Row, Table, cell

ROLES: Mapping[Role, str] = {
    "primary": "Primary targets",
    "secondary": "Secondary targets",
    "shown": "Printed beside them, and not aimed at",
}
METHOD = (
    "The parameters below were turned until virtual cohorts came near the targets on average. Of "
    "the seeds whose arms are as large as published, that was taken whose subjects are most like "
    "those published at baseline. Of many draws of each subject's tumour kinetics, visits, "
    "withdrawal and death, one was then chosen by simulated annealing, so that the cohort prints "
    "what the paper prints. Every number was measured as in any study: SDTM, cut at the cutoff, "
    "derived, and computed by the functions of the analysis.",
    "A cohort that agrees was chosen to agree. It shows what data behind such a paper may look "
    "like, and tests whether an analysis would print those numbers; about a treatment it tells "
    "nothing that the paper does not. Other cohorts, with other curves, meet the same targets.",
)
LOST = 3  # rivals of a target that are named


def calibration_page(found: Calibrated, *, provenance: Mapping[str, object]) -> RenderedReport:
    """Return the page and its tables, the same for the same calibration."""
    targets, number = found.targets, count(1)
    report = Report(
        title=f"Calibrated cohort: {targets.title}",
        subtitle=f"Virtual patients made to look like {targets.paper}, {targets.reviewer} review",
        arms=(),
        displays=(),
        simulated=True,
        calibrated=True,
        cutoff=targets.cutoff.isoformat(),
        key_lines=tuple(_key_lines(found)),
        provenance=provenance,
    )

    def part(name: str, title: str, body: Body) -> Part:
        label = f"Table {next(number)}"
        table = Table(name, f"{label}: {title}", "", body, (), notice=CALIBRATED)
        return Part(name, label, title, "", table)

    met = tuple(
        part(f"targets-{role}", title, _targets(found, role))
        for role, title in ROLES.items()
        if found.counted(role)[1]
    )
    apart = [part("contradictions", "Under simple shapes", _shapes(found))] * bool(
        found.contradictions
    )
    if found.rivals:
        apart.append(part("rivals", "What stands against the targets not met", _rivals(found)))
    return render_sections(
        (
            Section("section-about", "What this is", (), METHOD),
            Section("section-targets", "Targets", met),
            Section(
                "section-contradictions",
                "What cannot be had together",
                tuple(apart),
                tuple(one.says for one in found.contradictions) or (NO_SHAPE,),
            ),
            Section(
                "section-parameters", "Parameters", (part("levers", "Turned", _levers(found)),)
            ),
            Section(
                "section-provenance",
                "What this page was made from",
                (part("provenance", "Provenance", _provenance(provenance)),),
            ),
        ),
        report=report,
    )


NO_SHAPE = "The document of these targets names no contradiction under simple shapes."


def _key_lines(found: Calibrated) -> Iterator[KeyLine]:
    for role in ("primary", "secondary"):
        met, total = found.counted(role)
        if total:
            yield KeyLine(
                ROLES[role],
                f"{met} of {total}",
                "reached at printed precision",
            )


def _targets(found: Calibrated, role: Role) -> Body:
    rows = [row for row in found.rows if row.target.role == role]
    heads = ("Published", "Reached", "Same", "Misses by", "Cohorts not chosen", "Where")
    return Body(
        "Number",
        tuple(Column(head) for head in heads),
        tuple(
            Row(
                row.target.says,
                (
                    cell(row.target.published),
                    cell(row.reached),
                    cell("yes" if row.met else "no"),
                    cell(misses(row)),
                    cell(_average(row)),
                    cell(row.target.place),
                ),
            )
            for row in rows
        ),
        (
            "Misses by: how far each number lies from the printed one; — where it prints the same. "
            "NE is not estimated. Cohorts not chosen: mean and standard deviation over "
            "studies of the same population.",
        ),
    )


def misses(row: Reached) -> str:
    """By how much a target is missed, number by number; '' if it is met."""
    if row.met:
        return ""
    return "; ".join(
        _number(miss, row.target.published, one=1) if miss else "—" for miss in row.misses
    )


def _average(row: Reached) -> str:
    mean, spread = row.average[0]
    if not isfinite(mean):
        return "NE"
    told = (_number(each, row.target.published, one=1) for each in (mean, spread))
    return " ± ".join(told)


def _number(value: float, published: str, *, one: int) -> str:
    """A number with some decimals more than the first printed one has."""
    if not isfinite(value):
        return "NE"
    first = next((number for _, number in TOKEN.findall(published) if number != "NE"), "0.0")
    decimals = decimals_of(first) + one
    told = rounded(value, decimals)
    return (
        told if float(told.replace("−", "-")) or not value else f"<{10.0**-decimals:.{decimals}f}"
    )


def _shapes(found: Calibrated) -> Body:
    rows = tuple(
        Row(
            f"{found.targets.target(one.target).says}, by {one.kind}",
            (
                cell(f"{one.published:g}"),
                cell(f"{one.implied:.3g}"),
                cell("yes" if one.inside else "no"),
                cell(f"{one.shape:.2f}" if isfinite(one.shape) else "—"),
            ),
        )
        for one in found.contradictions
    )
    heads = ("Published", "Implied by the others", "Within its limits", "Weibull shape for all")
    return Body("Number", tuple(Column(head) for head in heads), rows)


def _rivals(found: Calibrated) -> Body:
    rows = []
    for one in found.rivals:
        lost = [
            f"{found.targets.target(name).says} ({times})" for name, times in one.spoiled[:LOST]
        ]
        rows.append(
            Row(
                found.targets.target(one.target).says,
                (
                    cell(str(one.nearer)),
                    cell("; ".join(lost) or ("nothing" if one.nearer else "—")),
                    cell("yes" if one.alone else "no"),
                ),
            )
        )
    tried = found.rivals[0].tried
    return Body(
        "Target not met",
        (
            Column(f"Nearer, of {tried} changes"),
            Column("Lost by these, and how often"),
            Column("Met alone"),
        ),
        tuple(rows),
        (
            "Each change gives one subject another of its draws; all are looked at. Where none "
            "brings a target nearer, it takes several at once. Met alone: whether a search that "
            "asks for nothing else meets it from these draws. If not, no draw, or too few, has the "
            "event on the day that it takes; if so, the search found none that meets the others "
            "too, which is no proof that there is none.",
        ),
    )


def _levers(found: Calibrated) -> Body:
    rows = tuple(
        Row(path, (cell(f"{before:.5g}"), cell(f"{after:.5g}")))
        for path, (before, after) in found.levers.items()
    )
    return Body("Parameter", (Column("Shipped"), Column("Calibrated")), rows)


def _provenance(provenance: Mapping[str, object]) -> Body:
    rows = tuple(Row(name, (cell(str(value)),)) for name, value in provenance.items())
    return Body("What", (Column("Value"),), rows)

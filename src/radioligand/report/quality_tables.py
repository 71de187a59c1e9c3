# SPDX-License-Identifier: Apache-2.0
"""Tables on the data and the choices behind the numbers: policies, findings, invariants."""

from collections.abc import Iterator, Mapping

from radioligand.report import formatting
from radioligand.report.contents import Report
from radioligand.report.lookup import ALL, View
from radioligand.report.tables import Body, Column, Row, cell


def invariants(view: View) -> Body:
    """What must hold in every derived study, how often it does not, and where first."""
    numbers, rows = view.main, []
    for invariant in view.ordered(numbers.variables):
        found = next(
            (
                number
                for arm in ("", ALL)
                if (number := numbers.find("count", arm=arm, variable=invariant))
            ),
            None,
        )
        if found is None:
            rows.append(Row(view.label(invariant), (cell("not checked"), cell(""))))
            continue
        broken = formatting.count(found.value) if found.value is not None else "not checked"
        rows.append(Row(view.label(invariant), (cell(broken, found), cell(found.text or ""))))
    return Body("Invariant", (Column("Violations"), Column("First records")), tuple(rows))


def policies(report: Report) -> Body:
    """Each choice on which sources differ; one that departs from its default is marked."""
    rows = tuple(
        Row(
            policy.name,
            (
                cell(policy.choice if policy.choice == policy.default else f"{policy.choice} *"),
                cell(policy.default),
                cell(policy.source),
            ),
        )
        for policy in report.policies
    )
    departs = any(policy.choice != policy.default for policy in report.policies)
    notes = ("* Differs from the default.",) if departs else ()
    return Body("Policy", (Column("Choice"), Column("Default"), Column("Source")), rows, notes)


def findings(report: Report) -> Body:
    """Each rule that a dataset breaks: how many of how many rows, and the first of them."""
    rows = tuple(
        Row(
            finding.dataset,
            (
                cell(finding.severity),
                cell(finding.rule),
                cell(f"{formatting.count(finding.broken)} of {formatting.count(finding.rows)}"),
                cell("; ".join(finding.examples)),
            ),
        )
        for finding in report.findings
    )
    columns = (Column("Severity"), Column("Rule"), Column("Rows"), Column("First records"))
    return Body("Dataset", columns, rows)


def missing_domains(report: Report) -> Body:
    """Each dataset that the study lacks, and what the report therefore leaves out."""
    rows = tuple(Row(each.domain, (cell(each.consequence),)) for each in report.missing_domains)
    return Body("Dataset", (Column("What is left out"),), rows)


def provenance(report: Report) -> Body:
    """Hashes, versions, seed: what it takes to make the same report again."""
    rows = tuple(Row(name, (cell(value),)) for name, value in _flat(report.provenance))
    return Body("What", (Column("Value"),), rows)


def _flat(values: Mapping[str, object], *, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested names and values in one level: ('inputs DM', 'sha256…')."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, before=f"{before}{name} ")
        else:
            yield f"{before}{name}", str(value)

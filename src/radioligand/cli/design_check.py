# SPDX-License-Identifier: Apache-2.0
"""A protocol held against considerations of design, on the terminal and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict

from radioligand.planning import design_findings
from radioligand.protocol import Protocol

MARKS = {"met": "✓", "not met": "✗", "does not apply": "–"}


def as_rows(protocol: Protocol) -> list[dict[str, str]]:
    """Each consideration with its verdict, what was found, and its source."""
    return [asdict(one) for one in design_findings(protocol)]


def lines(protocol: Protocol) -> Iterator[str]:
    """Yield the same for a terminal; the source is cited once, below."""
    findings = design_findings(protocol)
    for one in findings:
        yield f"{MARKS[one.verdict]} {one.rule}: {one.finding}"
        yield f"    {one.says}."
    for source in dict.fromkeys(one.source for one in findings):
        yield f"\n{source}"
    if protocol.assumptions:
        assumed = sum(one.origin == "assumed" for one in protocol.assumptions)
        many = len(protocol.assumptions)
        yield f"\nOf {many} parts of the document the source fixes {many - assumed}:"
        for row in protocol.assumptions:
            yield f"  {row.origin:<7}  {row.path}: {row.says}"

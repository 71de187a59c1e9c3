# SPDX-License-Identifier: Apache-2.0
"""Findings as CDS Hooks cards: plain data for the answer of a service, and its description."""

from collections.abc import Iterator, Sequence
from typing import Any

from radioligand.guidance.evaluation import APPLIES, UNDETERMINED, Finding, Question
from radioligand.guidance.matrix import Disagreement, named
from radioligand.guidance.records import LINE, Guidelines

SUMMARY = 140  # characters that CDS Hooks 2.0 allows a summary
LISTED = 10  # missing items that a card lists; the rest are counted


def discovery() -> dict[str, Any]:
    """Describe the service as CDS Hooks asks of ``/cds-services``."""
    return {
        "services": [
            {
                "id": "radioligand-guidance",
                "hook": "patient-view",
                "title": "Guideline statements on radioligand therapy",
                "description": f"What guidelines say of a patient, and where they differ. {LINE}",
                "prefetch": {
                    "patient": "Patient/{{context.patientId}}",
                    "conditions": "Condition?patient={{context.patientId}}",
                    "observations": "Observation?patient={{context.patientId}}",
                },
            }
        ]
    }


def cards(
    findings: Sequence[Finding],
    *,
    guidelines: Guidelines,
    disagreements: Sequence[Disagreement] = (),
    questions: Sequence[Question] = (),
) -> dict[str, Any]:
    """Return the answer of a CDS Hooks service: ``{"cards": [...]}``.

    One card a treatment of which a statement applies, one for disagreements, one for what is
    missing. Every indicator is "info", no card suggests an action, and each says who the reader
    must be.
    """
    made = [*_options(findings, guidelines)]
    if disagreements:
        lines = [
            f"- {named(one.first, guidelines)} / {named(one.second, guidelines)}: "
            f"{one.kind}. {one.why}"
            for one in disagreements
        ]
        made.append(_card(f"{_counted(len(lines), 'disagreement')} between statements", lines))
    if questions:
        lines = [
            f"- {one.label}: {_counted(len(one.statements), 'statement')}"
            for one in questions[:LISTED]
        ]
        more = len(questions) - LISTED
        lines += [f"- and {more} more, each of which would settle fewer or as many"] * (more > 0)
        each = _counted(len(questions), "missing item")
        made.append(_card(f"{each} would settle statements", lines))
    return {"cards": made}


def _options(findings: Sequence[Finding], guidelines: Guidelines) -> Iterator[dict[str, Any]]:
    for option in guidelines.options:
        about = [one for one in findings if one.statement.option == option.id]
        applied = [one for one in about if one.verdict == APPLIES]
        if option.kind != "treatment" or not applied:
            continue
        still_open = sum(one.verdict == UNDETERMINED for one in about)
        stances: dict[str, int] = {}
        for one in applied:
            stances[one.statement.stance] = stances.get(one.statement.stance, 0) + 1
        told = ", ".join(f"{number} {stance}" for stance, number in stances.items())
        lines = [
            f"- {one.statement.stance}: {one.statement.says} "
            f"({guidelines.place_of(one.statement)}; "
            f"{guidelines.since(one.statement)})"
            for one in applied
        ]
        yield _card(f"{option.says}: {told}; {still_open} undetermined", lines)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _card(summary: str, lines: Sequence[str]) -> dict[str, Any]:
    return {
        "summary": summary if len(summary) <= SUMMARY else f"{summary[: SUMMARY - 1]}…",
        "detail": "\n".join((*lines, "", LINE)),
        "indicator": "info",
        "source": {"label": "radioligand"},
    }

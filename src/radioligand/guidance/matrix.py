# SPDX-License-Identifier: Apache-2.0
"""Options against sources: who says what of this patient, and where they disagree.

The matrix is not ordered by worth. Labels stand on top because they are the law somewhere; the
other sources stand as the documents list them.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from radioligand.guidance.evaluation import NOT, UNDETERMINED, Finding
from radioligand.guidance.records import Guidelines, Option, Source, Statement

FAVOURABLE, CONTRARY = ("for", "consider"), ("against", "only in a trial")


class Matrix(NamedTuple):
    """`cells` holds, by source and option, the findings that apply or are undetermined.

    Of a label it holds those that do not apply as well: that the law does not cover a patient is
    what a board has to know.
    """

    sources: tuple[Source, ...]
    options: tuple[Option, ...]
    cells: dict[tuple[str, str], tuple[Finding, ...]]

    def stances(self, source: str, option: str, *, marked: bool = True) -> str:
        """The stances, each once, with strength and dissent: 'for (1b-A); consider?'.

        A question mark stands for undetermined, unless they are not to be `marked`.
        """
        told = (_told(one, marked) for one in self.cells.get((source, option), ()))
        return "; ".join(dict.fromkeys(told))


def _told(finding: Finding, marked: bool) -> str:
    one = finding.statement
    if finding.verdict == NOT:
        return NOT
    strength = f" ({one.strength.grade})" if one.strength else ""
    dissent = " [dissent]" if one.dissent else ""
    mark = "?" if marked and finding.verdict == UNDETERMINED else ""
    return f"{one.stance}{strength}{dissent}{mark}"


class Disagreement(NamedTuple):
    """Two statements that disagree about this patient, what kind of disagreement it is, and why."""

    kind: str
    first: Finding
    second: Finding
    why: str


def matrix(findings: Sequence[Finding], *, guidelines: Guidelines) -> Matrix:
    """Arrange the statements on treatments by source and option.

    Sources and options of which nothing applies and nothing is open are left out, labels and what
    they speak of never.
    """
    treatments = {one.id for one in guidelines.options if one.kind == "treatment"}
    cells: dict[tuple[str, str], tuple[Finding, ...]] = {}
    for one in findings:
        key = (one.statement.source, one.statement.option)
        is_shown = one.verdict != NOT or guidelines.kind_of(one.statement) == "label"
        if one.statement.option in treatments and is_shown:
            cells[key] = (*cells.get(key, ()), one)
    sources = [
        one
        for one in sorted(guidelines.sources, key=lambda source: source.kind != "label")
        if any(source == one.id for source, _ in cells)
    ]
    options = (one for one in guidelines.options if any(option == one.id for _, option in cells))
    return Matrix(tuple(sources), tuple(options), cells)


def named(finding: Finding, guidelines: Guidelines) -> str:
    """Name a statement as a side of a disagreement: 'US label 2024 (Surgery: for, applies)'."""
    one = finding.statement
    option = guidelines.option_of[one.option].says
    return f"{guidelines.source_of[one.source].short} ({option}: {one.stance}, {finding.verdict})"


def disagreements(
    findings: Sequence[Finding], *, guidelines: Guidelines
) -> tuple[Disagreement, ...]:
    """List every pair of statements that disagree about this patient.

    Pairs that the documents list come first, with their kind and reason. Then every two
    statements that apply, speak of one option and take opposite stances; what a trial asked of
    its patients is no stance.
    """
    by_id = {one.statement.id: one for one in findings}
    found: list[Disagreement] = []
    for conflict in guidelines.conflicts:
        if not all(one in by_id for one in conflict.between):
            continue
        first, second = (by_id[one] for one in conflict.between)
        certain = UNDETERMINED not in (first.verdict, second.verdict)
        both, one_alone = first.applies and second.applies, first.applies != second.applies
        if certain and (both if conflict.where == "both" else one_alone):
            found.append(Disagreement(conflict.kind, first, second, conflict.why))
    listed = {frozenset((each.first.statement.id, each.second.statement.id)) for each in found}
    applying = [one for one in findings if one.applies]
    for first, second in combinations(applying, 2):
        one, other = first.statement, second.statement
        is_listed = frozenset((one.id, other.id)) in listed
        if not is_listed and are_opposed(one, other, guidelines):
            kind, why = opposition(one, other, guidelines)
            found.append(Disagreement(kind, first, second, why))
    return tuple(found)


def are_opposed(first: Statement, second: Statement, guidelines: Guidelines) -> bool:
    """Whether two statements take opposite stances on one option.

    What a trial asked of its patients is no stance.
    """
    stances = {first.stance, second.stance}
    is_trial = "trial criterion" in (guidelines.kind_of(first), guidelines.kind_of(second))
    differ = bool(stances & {*FAVOURABLE} and stances & {*CONTRARY})
    return first.option == second.option and differ and not is_trial


def opposition(first: Statement, second: Statement, guidelines: Guidelines) -> tuple[str, str]:
    """Class an opposition by what the documents tell of the two statements, and say why."""
    one, other = (guidelines.source_of[each.source] for each in (first, second))
    if one.id == other.id:
        return "genuine", "One source says both."
    if "label" in (one.kind, other.kind):
        label = one if one.kind == "label" else other
        return (
            "jurisdiction",
            f"{label.short} is law in its own country alone: {label.jurisdiction}.",
        )
    older, newer = sorted(
        (first, second), key=lambda each: guidelines.source_of[each.source].earliest
    )
    later = [trial for trial in newer.evidence if trial not in older.evidence]
    age = guidelines.source_of[newer.source].published, guidelines.source_of[older.source].published
    if later and age[0] != age[1]:
        return "date of evidence", f"{', '.join(later)} is cited by the newer one alone."
    if first.when != second.when:
        return "population", "They define their patients differently, and this one is of both."
    return "genuine", "Same patients, same time, other opinion."

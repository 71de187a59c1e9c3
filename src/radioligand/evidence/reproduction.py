# SPDX-License-Identifier: Apache-2.0
"""Published against recomputed: each row by its standard method, then by its named alternatives."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal

from radioligand.evidence.comparison import attempt, is_weak
from radioligand.evidence.methods import METHODS
from radioligand.evidence.parsing import PublishedError, parse_published
from radioligand.evidence.records import Kind, Published, Reviewer, Row
from radioligand.io.documents import published_documents
from radioligand.protocol import Fault

Verdict = Literal["match", "alternative", "no match"]
SHARES = (
    ("events", "n"), ("reference_events", "reference_n"), ("share", "n"), ("part", "whole")
)  # fmt: skip
VERDICTS: tuple[Verdict, ...] = ("match", "alternative", "no match")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """A row with what was recomputed: by `method`, the alternative if that alone succeeds.

    `values` are unrounded, empty for a rule. `weak`: with one event more or less in the inputs
    the row would read the same.
    """

    id: str
    study: str
    group: str
    kind: Kind
    says: str
    source: str
    paper: str
    place: str
    cutoff: date | None
    reviewer: Reviewer
    inputs: Mapping[str, Any]
    published: str
    recomputed: str
    method: str
    verdict: Verdict
    weak: bool
    reason: str
    values: tuple[float, ...]

    @property
    def made_from(self) -> str:
        """The inputs in words: '81 of 151', 'lower 0.182, upper 0.418'."""
        return in_words(self.inputs)

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object; days as 2023-07-20."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def read_published() -> Published:
    """Read the published results that come with the package."""
    return parse_published(published_documents())


def reproduce(published: Published, *, studies: Iterable[str] = ()) -> tuple[Reproduced, ...]:
    """Recompute every row of the studies named, of all if none is.

    Raises PublishedError if one of them is not there.
    """
    known = {study.id: study for study in published.studies}
    asked = tuple(studies) or tuple(known)
    if unknown := [name for name in asked if name not in known]:
        mend = f"There are {', '.join(known)}; without a name, all are recomputed."
        raise PublishedError(tuple(Fault(name, "no such study", mend) for name in unknown))
    return tuple(
        _reproduced(row, study=name, group=group.title, short=published.paper(row.paper).short)
        for name in asked
        for group in known[name].groups
        for row in group.rows
    )


def counted(rows: Iterable[Reproduced]) -> Mapping[str, int]:
    """Count the rows by verdict, and the weak ones among those that agree."""
    rows = tuple(rows)
    seen = Counter(row.verdict for row in rows)
    return {verdict: seen[verdict] for verdict in VERDICTS} | {"weak": sum(r.weak for r in rows)}


def _reproduced(row: Row, *, study: str, group: str, short: str) -> Reproduced:
    name, inputs = row.method, row.inputs
    found = attempt(METHODS[name], inputs, row.published)
    verdict: Verdict = "match" if found.agrees else "no match"
    for other in () if found.agrees else row.alternatives:
        tried = attempt(METHODS[other.method], other.inputs, row.published)
        if tried.agrees:
            name, inputs, found, verdict = other.method, other.inputs, tried, "alternative"
            break
    return Reproduced(
        id=row.id,
        study=study,
        group=group,
        kind=row.kind,
        says=row.says,
        source=f"{short}, {row.place}",
        paper=row.paper,
        place=row.place,
        cutoff=row.cutoff,
        reviewer=row.reviewer,
        inputs=inputs,
        published=row.published,
        recomputed=found.text,
        method=name,
        verdict=verdict,
        weak=found.agrees and is_weak(METHODS[name], inputs, row.published),
        reason=row.reason,
        values=found.values,
    )


def in_words(inputs: Mapping[str, Any]) -> str:
    """Write inputs for a reader: '81 of 151, 40 of 75', 'lower 0.182, upper 0.418'."""
    words, left = [], dict(inputs)
    for part, whole in SHARES:
        if part in left and whole in left:
            words.append(f"{left.pop(part)} of {left.pop(whole)}")
    for name, value in left.items():
        many = isinstance(value, tuple) and name != "tables"
        told = ", ".join(map(str, value)) if many else _plain(value)
        words.append(f"{name.replace('_', ' ')} {told}")
    return ", ".join(words)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value

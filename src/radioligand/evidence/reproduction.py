# SPDX-License-Identifier: Apache-2.0
"""Published against recomputed: each row by its standard method, then by its named alternatives."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from itertools import product
from typing import Any, Literal, NamedTuple

from radioligand.evidence.methods import METHODS, Method, answer
from radioligand.evidence.parsing import PublishedError, parse_published
from radioligand.evidence.printing import (
    decimals_of,
    half_unit,
    in_form,
    numbers_in,
    overlaps,
    rounded,
    value_of,
)
from radioligand.evidence.records import Kind, Published, Reviewer, Row
from radioligand.io.documents import published_documents
from radioligand.protocol import Fault

Verdict = Literal["match", "alternative", "no match"]
SHARES = {"events": "n", "reference_events": "reference_n", "share": "n", "part": "whole"}
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


class Attempt(NamedTuple):
    """What a method made of a row's inputs, in the form of the published text."""

    text: str
    agrees: bool
    values: tuple[float, ...]


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
    """Write inputs for a reader."""
    words = []
    for name, value in inputs.items():
        if name in SHARES and SHARES[name] in inputs:
            words.append(f"{value} of {inputs[SHARES[name]]}")
        elif name in SHARES.values():
            continue
        elif isinstance(value, tuple) and name != "tables":
            words.append(f"{name.replace('_', ' ')} {', '.join(map(str, value))}")
        else:
            words.append(f"{name.replace('_', ' ')} {_plain(value)}")
    return ", ".join(words)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def attempt(method: Method, inputs: Mapping[str, Any], published: str) -> Attempt:
    """Apply the method and hold what it gives against the published text."""
    if method.before_rounding:
        return _attempt_before_rounding(method, inputs, published)
    found = answer(method, _as_numbers(method, inputs))
    if isinstance(found, bool):
        return Attempt("holds" if found else "does not hold", found, ())
    text = in_form(found, published, rounding=method.rounding)
    return Attempt(text, text == published, found)


def is_weak(method: Method, inputs: Mapping[str, Any], published: str) -> bool:
    """Return whether one event more or less in one arm would agree as well."""
    for name in method.nudged:
        for step in (-1, 1):
            nudged = {**inputs, name: inputs[name] + step}
            if _is_possible(nudged) and attempt(method, nudged, published).agrees:
                return True
    return False


def _is_possible(inputs: Mapping[str, Any]) -> bool:
    pairs = [(inputs[one], inputs.get(size)) for one, size in SHARES.items() if one in inputs]
    return all(events >= 0 and (size is None or events <= size) for events, size in pairs)


def _attempt_before_rounding(method: Method, inputs: Mapping[str, Any], published: str) -> Attempt:
    """Let printed inputs be any numbers that round to them; every method here is monotone in each.

    So what it can give lies between its least and greatest answer at the corners.
    """
    tried = (answer(method, corner) for corner in _corners(method, inputs))
    answers = [found for found in tried if not isinstance(found, bool)]
    ranges = [(min(values), max(values)) for values in zip(*answers, strict=True)]
    forms = numbers_in(published)
    agrees = all(
        overlaps(bound, number, low, high)
        for (bound, number), (low, high) in zip(forms, ranges, strict=True)
    )
    shown = "; ".join(
        f"{rounded(low, decimals_of(number) + 1)} to {rounded(high, decimals_of(number) + 1)}"
        for (_, number), (low, high) in zip(forms, ranges, strict=True)
    )
    middle = tuple((low + high) / 2 for low, high in ranges)
    return Attempt(shown, agrees, middle)


def _corners(method: Method, inputs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of the least or the greatest number that each printed input can stand for."""
    names = [name for name, kind in method.inputs.items() if kind in ("number", "numbers")]
    names = [name for name in names if name in inputs]
    texts = [(name, place, text) for name in names for place, text in _printed(inputs[name])]
    plain = _as_numbers(method, inputs)
    for signs in product((-1, 1), repeat=len(texts)):
        corner = {**plain, **{name: list(_tupled(plain[name])) for name in names}}
        for sign, (name, place, text) in zip(signs, texts, strict=True):
            corner[name][place] += sign * half_unit(text)
        for name in names:
            corner[name] = (
                tuple(corner[name]) if method.inputs[name] == "numbers" else corner[name][0]
            )
        yield corner


def _printed(value: str | tuple[str, ...]) -> Iterator[tuple[int, str]]:
    yield from enumerate((value,) if isinstance(value, str) else value)


def _tupled(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _as_numbers(method: Method, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Printed numbers as floats, everything else as it is."""
    found = dict(inputs)
    for name, value in inputs.items():
        if method.inputs[name] == "number":
            found[name] = value_of(value)
        elif method.inputs[name] == "numbers":
            found[name] = tuple(value_of(one) for one in value)
    return found

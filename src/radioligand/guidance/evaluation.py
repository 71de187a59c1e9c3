# SPDX-License-Identifier: Apache-2.0
"""Which statements apply to a patient, which do not, what decided it and what is missing.

Conditions are answered in three values, so a statement applies only by what is known. Nothing is
weighed, scored or ranked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from radioligand.criteria import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    comparisons,
    in_words,
    met,
    with_unknown,
)
from radioligand.guidance.parsing import ASSESSED, GuidelineError
from radioligand.guidance.patient import complete, fields_of
from radioligand.guidance.records import Guidelines, PatientField, Statement

APPLIES, NOT, UNDETERMINED = "applies", "does not apply", "undetermined"
Known = Mapping[Comparison, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement on one patient.

    `because` are the terms that decided it, in words; for one that is undetermined, those still
    open. `missing` names the fields, or the newer findings, that are needed to decide.
    """

    statement: Statement
    verdict: str
    because: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def applies(self) -> bool:
        return self.verdict == APPLIES


class Change(NamedTuple):
    """A statement that one more item would settle, and the values that settle it."""

    statement: str
    verdict: str
    values: tuple[str, ...]


class Question(NamedTuple):
    """An item that is missing, and the statements that it alone would settle."""

    field: str
    label: str
    changes: tuple[Change, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements that it would settle, each once."""
        return tuple(dict.fromkeys(change.statement for change in self.changes))


def verdict(holds: bool | None) -> str:
    """Name a value of three-valued logic as it is said of a statement."""
    return UNDETERMINED if holds is None else APPLIES if holds else NOT


def with_trials(guidelines: Guidelines, trials: Mapping[str, Condition]) -> Guidelines:
    """Give the statements that point to a trial that trial's condition, in the form's words.

    Raises KeyError for a trial that is not among `trials`, and GuidelineError where a trial asks
    whether a field is known: what is missing of a patient decides nothing here.
    """
    statements = tuple(
        one
        if one.trial is None
        else one.model_copy(update={"when": _in_our_words(trials[one.trial], one)})
        for one in guidelines.statements
    )
    faults = (
        f"{one.id}: {one.trial} asks whether {each.field} is known; name in `fields` the flag of "
        "the form that tells it."
        for one in statements
        if one.trial
        for each in comparisons(one.when)
        if each.operator == "known"
    )
    if told := tuple(faults):
        raise GuidelineError(told)
    return guidelines.model_copy(update={"statements": statements})


def _in_our_words(condition: Condition, statement: Statement) -> Condition:
    """Ask of the form's own fields, and let our words do wherever the protocol's word does.

    A date that has to be known turns into the flag that stands for it.
    """
    match condition:
        case AllOf(parts):
            return AllOf(tuple(_in_our_words(part, statement) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_in_our_words(part, statement) for part in parts))
        case Not(part):
            return Not(_in_our_words(part, statement))
        case Comparison(field=name) if name in statement.fields:
            asks = "is" if condition.operator == "known" else condition.operator
            return replace(condition, field=statement.fields[name], operator=asks)
        case Comparison(field=name, operator="equals" | "one_of", value=value) if (
            name in statement.words
        ):
            theirs = value if isinstance(value, tuple) else (value,)
            ours = (own for own, their in statement.words[name].items() if their in theirs)
            both = tuple(dict.fromkeys((*theirs, *ours)))
            return replace(condition, operator="one_of", value=both)
        case _:
            return condition


def asked(guidelines: Guidelines) -> list[Statement]:
    """The statements that can be asked of a patient: those of trials not given are left out."""
    return [one for one in guidelines.statements if one.when is not None]


def verdicts(patients: pl.DataFrame, *, guidelines: Guidelines) -> pl.DataFrame:
    """Judge every patient by every statement: USUBJID, and a Boolean column a statement.

    True: it applies; false: it does not; null: undetermined. `patients` is as `complete` or
    `read_patients` leaves it; a field that is no column is unknown.
    """
    conditions = {one.id: one.when for one in asked(guidelines)}
    return with_unknown(patients, conditions.values()).select(
        "USUBJID", **{name: met(condition) for name, condition in conditions.items()}
    )


def judge(
    patient: pl.DataFrame, *, guidelines: Guidelines, also: Sequence[PatientField] = ()
) -> tuple[Finding, ...]:
    """Judge one patient by every statement, in the documents' order, with the reasons.

    `also` are fields that trials ask for, so that reasons can name them. Raises ValueError if the
    frame does not hold exactly one patient.
    """
    if patient.height != 1:
        raise ValueError(f"one patient is judged at a time; the frame holds {patient.height}")
    statements = asked(guidelines)
    conditions = [one.when for one in statements]
    terms = list(dict.fromkeys(one for each in conditions for one in comparisons(each)))
    frame = with_unknown(patient, conditions)
    answers = frame.select(**{str(place): met(one) for place, one in enumerate(terms)}).row(0)
    known = dict(zip(terms, answers, strict=True))
    labels = {name: field.label for name, field in fields_of(guidelines, also).items()}
    words: dict[Condition, str] = {one: _asks(one, labels) for one in terms}
    words |= {one.when: one.says for one in guidelines.definitions}
    seen = frame.row(0, named=True)
    return tuple(_finding(one, known, seen, words) for one in statements)


def _finding(
    statement: Statement, known: Known, seen: Mapping[str, Any], words: Mapping[Condition, str]
) -> Finding:
    holds = kleene(statement.when, known)
    terms = tuple(dict.fromkeys(deciding(statement.when, known)))
    lacking = dict.fromkeys(name for one in terms for name in _lacking(one, seen))
    return Finding(
        statement=statement,
        verdict=verdict(holds),
        because=tuple(_term_in_words(one, known[one], seen, words) for one in terms),
        missing=tuple(lacking) if holds is None else (),
    )


def kleene(condition: Condition, known: Known) -> bool | None:
    """Join the answers to the comparisons of a condition, as `criteria.met` joins columns."""
    match condition:
        case AllOf(parts):
            answers = {kleene(part, known) for part in parts}
            return False if False in answers else None if None in answers else True
        case AnyOf(parts):
            answers = {kleene(part, known) for part in parts}
            return True if True in answers else None if None in answers else False
        case Not(part):
            inner = kleene(part, known)
            return None if inner is None else not inner
        case _:
            return known[condition]


def deciding(condition: Condition, known: Known) -> Iterator[Comparison]:
    """The comparisons that made a condition what it is; of an open one, those still open.

    Of a conjunction that is false these are the false parts, of one that is true all parts; of
    a disjunction the other way round.
    """
    match condition:
        case AllOf(parts) | AnyOf(parts):
            holds = kleene(condition, known)
            for part in parts:
                if kleene(part, known) is holds:
                    yield from deciding(part, known)
        case Not(part):
            yield from deciding(part, known)
        case _:
            yield condition


def _asks(one: Comparison, labels: Mapping[str, str]) -> str:
    """What a comparison asks, by the label of its field; the answer of a flag says the rest."""
    label = labels.get(one.field, one.field)
    if one.operator == "is":
        return label
    return in_words(replace(one, field=label, within_days=None, before=None))


def _term_in_words(
    one: Comparison, holds: bool | None, seen: Mapping[str, Any], words: Mapping[Condition, str]
) -> str:
    """'Grade (WHO 2022) G2: G3': what is asked, by a definition's name if it has one; what is."""
    value = seen[one.field]
    if value is None:
        return f"{words[one]}: unknown"
    shown = f"{words[one]}: {_shown(value)}"
    if holds is not None:
        return shown
    stale = any(_lacking(one, seen))
    return f"{shown}, {'too old or undated' if stale else 'left open by the source'}"


def _age(one: Comparison, seen: Mapping[str, Any]) -> int | None:
    day: date | None = seen.get(f"{one.field}_date")
    before: date | None = seen.get(one.before or "")
    return None if day is None or before is None else (before - day).days


def _lacking(one: Comparison, seen: Mapping[str, Any]) -> Iterator[str]:
    if seen[one.field] is None:
        yield one.field
        return
    if one.within_days is None:
        return
    if seen.get(f"{one.field}_date") is None:
        yield f"{one.field}_date"
    elif seen.get(one.before or "") is None:
        yield one.before or ""
    elif _age(one, seen) not in range(one.within_days + 1):
        yield f"{one.field} within {one.within_days} days up to {one.before}"


# -- which missing item would change which statement -----------------------------------------------


def questions(
    patient: pl.DataFrame, *, guidelines: Guidelines, also: Sequence[PatientField] = ()
) -> tuple[Question, ...]:
    """Find every missing item that alone would settle a statement, and by which values.

    Each field that is unknown, or too old, is tried with every value on which a statement turns;
    values that contradict what is known are left out. Those that settle most stand first.
    `patient` is one row, as `read_patient` leaves it.
    """
    fields = fields_of(guidelines, also)
    statements = asked(guidelines)
    terms = [one for each in statements for one in comparisons(each.when)]
    patient = with_unknown(patient, [each.when for each in statements])
    before = verdicts(patient, guidelines=guidelines).row(0, named=True)
    open_ = [name for name, holds in before.items() if holds is None and name != "USUBJID"]
    row = patient.row(0, named=True)
    tried = list(_tried(row, terms, fields))
    if not tried or not open_:
        return ()
    rows = [_changed(row, name, value) for name, value in tried]
    frame = complete(pl.DataFrame(rows, schema=patient.schema), guidelines=guidelines, also=also)
    frame = frame.with_columns(number=pl.int_range(pl.len()))
    for one in guidelines.contradictions:
        frame = frame.filter(~met(one.when).fill_null(False))
    after = verdicts(frame, guidelines=guidelines).select(open_).to_dicts()
    settled: dict[str, dict[tuple[str, str], list[str]]] = {}
    for number, found in zip(frame["number"], after, strict=True):
        name, value = tried[number]
        for statement, holds in found.items():
            if holds is not None:
                key = (statement, verdict(holds))
                settled.setdefault(name, {}).setdefault(key, []).append(_shown(value))
    asking = (
        Question(
            name,
            fields[name].label,
            tuple(Change(*key, tuple(dict.fromkeys(values))) for key, values in changes.items()),
        )
        for name, changes in settled.items()
    )
    return tuple(sorted(asking, key=lambda one: (-len(one.statements), one.field)))


def _tried(
    row: Mapping[str, Any], terms: Sequence[Comparison], fields: Mapping[str, PatientField]
) -> Iterator[tuple[str, Any]]:
    for name in dict.fromkeys(one.field for one in terms):
        about = [one for one in terms if one.field == name]
        is_known = not any(lacking for one in about for lacking in _lacking(one, row))
        if not is_known and name in fields:
            yield from ((name, value) for value in _values(fields[name], about))


def _values(field: PatientField, about: Sequence[Comparison]) -> Iterator[Any]:
    """Values of a field, one from every stretch that a limit bounds, limits themselves too."""
    match field.type:
        case "flag":
            yield from (True, False)
        case "text":
            words = field.words or dict.fromkeys(
                word
                for one in about
                for word in (one.value if isinstance(one.value, tuple) else (one.value,))
            )
            yield from words
        case "number":
            limits = sorted(
                {
                    float(limit)
                    for one in about
                    for limit in (one.value if isinstance(one.value, tuple) else (one.value,))
                }
            )
            between = [(low + high) / 2 for low, high in pairwise(limits)]
            ends = [limits[0] - 1, limits[-1] + 1] if limits else []
            highest = float("inf") if field.highest is None else field.highest
            for value in sorted((*limits, *between, *ends)):
                if field.lowest <= value <= highest and (value == int(value) or not field.whole):
                    yield value


def _changed(row: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The patient with one item more, found on the day of the assessment."""
    dated = f"{name}_date"
    return {**row, name: value, **({dated: row.get(ASSESSED)} if dated in row else {})}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)

# SPDX-License-Identifier: Apache-2.0
"""The form that a person fills in for one patient: which inputs, and what was typed into them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from radioligand.criteria import comparisons
from radioligand.patient_form import entry_faults
from radioligand.protocol import Protocol
from radioligand.protocol.records import Variable
from radioligand.screening.forms import asked_of, conditions, words_of

YES, NO = "yes", "no"
LONGEST = 200  # letters of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One field to be filled in; `words` are the answers that the protocol knows of a text.

    `is_open`: another word than these is an answer too, and meets no criterion that lists them.
    `is_dated`: a criterion limits the finding in time, so that its date is asked for as well.
    `criteria`: ids of the criteria that ask for it, directly or for what is worked out of it.
    """

    field: str
    label: str
    type: Literal["number", "text", "date", "flag"]
    unit: str | None
    words: tuple[str, ...]
    is_open: bool
    is_dated: bool
    criteria: tuple[str, ...]


def inputs(protocol: Protocol) -> tuple[Input, ...]:
    """Return every field of a patient that has to be asked for, in the protocol's order.

    What can be worked out of other fields, such as the months between two dates, is left out.
    """
    words = words_of(protocol)
    dated = {
        one.field
        for condition in conditions(protocol)
        for one in comparisons(condition)
        if one.within_days is not None
    }
    asked_by = _asked_by(protocol)
    return tuple(
        Input(
            field=one.field,
            label=one.label,
            type=one.type,
            unit=one.unit,
            words=tuple(sorted(words.get(one.field, ()), key=_place(one))),
            is_open=not (one.order or one.bands or "OTHER" in words.get(one.field, ())),
            is_dated=one.field in dated,
            criteria=tuple(asked_by.get(one.field, ())),
        )
        for one in protocol.variables
        if one.field and not _parts(one, protocol)
    )


def _place(variable: Variable) -> Any:
    order = [*variable.order, *(band.label for band in variable.bands)]
    return lambda word: order.index(word) if word in order else len(order)


def _parts(variable: Variable, protocol: Protocol) -> tuple[Variable, ...]:
    """Return the variables that a patient's form has and that this one is worked out of.

    None if one of them would have to be asked for and is no field.
    """
    known = {one.name: one for one in protocol.variables}
    made_of = [variable.bands_of, variable.recode_of, *(variable.interval or ())]
    needed = [known.get(name) for name in made_of if name]
    if variable.first_of:
        needed = [known[name] for name in variable.first_of if name in known]
    found = [one for one in needed if one is not None and (one.field or _parts(one, protocol))]
    return tuple(found) if len(found) == len(needed) else ()


def _asked_by(protocol: Protocol) -> dict[str, list[str]]:
    """Map each field that is asked for to the criteria that depend on it."""
    by_field = {one.field: one for one in protocol.variables if one.field}
    asked: dict[str, list[str]] = {}

    def origins(variable: Variable) -> Iterator[str]:
        parts = _parts(variable, protocol)
        if not parts and variable.field:
            yield variable.field
        for part in parts:
            yield from origins(part)

    for criterion in protocol.eligibility:
        if not criterion.default:
            continue
        for one in comparisons(criterion.holds):
            for field in origins(by_field[one.field]) if one.field in by_field else ():
                if criterion.id not in asked.setdefault(field, []):
                    asked[field].append(criterion.id)
    return asked


def typed(
    form: Mapping[str, str], *, protocol: Protocol, today: date | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Turn what was typed into the fields of a patient's form, and say what is wrong with which.

    Returns (fields, faults): fields as `read_patient` takes them, an empty input left out, since
    it is unknown; faults by field: what cannot be read, what is impossible, and of dates, where
    `today` is given, those to come. Numbers may have a decimal comma.
    """
    variables = {one.field: one for one in protocol.variables if one.field}
    words = words_of(protocol)
    fields: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for one in inputs(protocol):
        text = form.get(one.field, "").strip()
        dated = form.get(f"{one.field}_date", "").strip() if one.is_dated else ""
        if not text and not dated:
            continue
        try:
            entry = _entry(one, text, dated)
        except ValueError as error:
            faults[one.field] = str(error)
            continue
        asked = asked_of(variables[one.field], words.get(one.field, ()))
        wrong = [*entry_faults(entry, asked), *_to_come(one, entry, today)]
        if wrong:
            faults[one.field] = "; ".join(wrong)
        else:
            fields[one.field] = entry
    return fields, faults


def _to_come(one: Input, entry: Mapping[str, Any], today: date | None) -> Iterator[str]:
    days = [entry.get("date"), entry["value"] if one.type == "date" else None]
    for day in days:
        if today is not None and day is not None and day > today.isoformat():
            yield f"{day} has not come yet"


def _entry(one: Input, text: str, dated: str) -> dict[str, Any]:
    value: Any = text or None
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} letters, of {LONGEST} at most")
    if text and one.type == "number":
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
    elif text and one.type == "flag":
        if text not in (YES, NO):
            raise ValueError("answer yes or no")
        value = text == YES
    entry = {"value": value}
    if one.unit and value is not None:
        entry["unit"] = one.unit
    if dated:
        entry["date"] = dated
    return entry

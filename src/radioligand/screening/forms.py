# SPDX-License-Identifier: Apache-2.0
"""One patient's form: plain values in, a checked frame of fields out."""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

import polars as pl

from radioligand.criteria import Condition, comparisons
from radioligand.protocol import Protocol
from radioligand.protocol.records import Variable

DTYPES: dict[str, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "date": pl.Date(),
    "flag": pl.Boolean(),
}
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
PARTS = ("value", "unit", "date", "label")


def read_patient(form: Mapping[str, Any], *, protocol: Protocol) -> pl.DataFrame:
    """Turn a patient's form into a frame of one row, one column a field of the protocol.

    Two forms are read: ``{"subject": "01-001", "fields": {"ki67_percent": {"value": 17, "unit":
    "%", "date": "2024-01-03"}}}``, where a plain value may stand for the table, and the flat
    ``{"ki67_percent": 17, "ki67_percent_date": "2024-01-03"}``. Null, or left out, is unknown.
    A unit may be left out; if given it is the protocol's.

    Raises ValueError that lists every fault: unknown fields, other types or units than declared,
    impossible numbers, words the protocol does not know, dates that are none.
    """
    if not isinstance(form, Mapping) or not isinstance(form.get("fields", {}), Mapping):
        raise ValueError("the patient's form is a table of field names and values")
    known = {one.field: one for one in protocol.variables if one.field}
    words = words_of(protocol)
    beside = [key for key in form if "fields" in form and key not in ("fields", "subject")]
    faults = [f"{key}: this does not belong beside 'fields' but in it" for key in beside]
    columns: dict[str, pl.Series] = {}
    for name, parts in _entries(form, known).items():
        if name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.5)
            mend = f"did you mean {close[0]!r}?" if close else "the template lists all."
            faults.append(f"{name}: there is no such field; {mend}")
            continue
        wrong = list(_faults(parts, known[name], words.get(name, ())))
        faults += [f"{name}: {fault}" for fault in wrong]
        if not wrong:
            value = _value(parts.get("value"), known[name])
            columns[name] = pl.Series([value], dtype=DTYPES[known[name].type])
            if parts.get("date") is not None:
                columns[f"{name}_date"] = pl.Series([date.fromisoformat(parts["date"])])
    if faults:
        many = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise ValueError("\n  ".join([f"the patient's form has {many}:", *faults]))
    unknown = {
        name: pl.Series([None], dtype=DTYPES[one.type])
        for name, one in known.items()
        if name not in columns
    }
    subject = None if form.get("subject") is None else str(form["subject"])
    return pl.DataFrame({"USUBJID": pl.Series([subject], dtype=pl.String), **columns, **unknown})


def _entries(form: Mapping[str, Any], known: Mapping[str, Variable]) -> dict[str, dict[str, Any]]:
    """Return value, unit and date by field, whichever way they were written."""
    flat = form.get("fields", form)
    entries: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        stem, _, part = key.rpartition("_")
        if key == "subject" and flat is form:
            continue
        if key not in known and stem in known and part in ("date", "unit"):
            entries.setdefault(stem, {})[part] = value
        elif isinstance(value, Mapping):
            entries.setdefault(key, {}).update(value)
        else:
            entries.setdefault(key, {})["value"] = value
    return entries


def _faults(parts: Mapping[str, Any], variable: Variable, words: tuple[str, ...]) -> Iterator[str]:
    for key in parts:
        if key not in PARTS:
            yield f"{key!r} is none of {', '.join(PARTS)}"
    unit = parts.get("unit")
    if unit is not None and unit != variable.unit:
        yield f"the unit is {variable.unit or 'none'}, not {unit!r}; convert the value"
    if parts.get("date") is not None:
        yield from _date_faults(parts["date"])
    value = parts.get("value")
    if value is None:
        return
    match variable.type:
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{value!r} is not a number"
            elif not math.isfinite(value) or value < 0:
                yield f"{value} is not possible"
            elif variable.unit == "%" and value > 100:
                yield f"{value} % is above 100 %"
        case "flag":
            if not isinstance(value, bool):
                yield f"{value!r} is neither true nor false"
        case "date":
            yield from _date_faults(value)
        case _:
            yield from _word_faults(value, variable, words)


def _word_faults(value: Any, variable: Variable, words: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{value!r} is not text"
    elif value not in words:
        same = [word for word in words if word.casefold() == value.strip().casefold()]
        if same:
            yield f"{value!r} is written {same[0]!r}"
        elif variable.order or variable.bands:
            yield f"{value!r} is none of {', '.join(words)}"


def _date_faults(value: Any) -> Iterator[str]:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        yield f"{value!r} is not a date such as 2024-03-09"
        return
    if not EARLIEST <= day <= LATEST:
        yield f"{value} is not possible"


def _value(value: Any, variable: Variable) -> Any:
    if value is not None and variable.type == "number":
        return float(value)
    if value is not None and variable.type == "date":
        return date.fromisoformat(value)
    return value


def words_of(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """Return the words that the protocol uses of each text field."""
    fields = {one.name: one.field for one in protocol.variables if one.field}
    words: dict[str, list[str]] = {field: [] for field in fields.values()}
    for one in protocol.variables:
        if one.field:
            words[one.field] += [*one.order, *(band.label for band in one.bands)]
        if one.recode_of in fields:
            words[fields[one.recode_of]] += one.recode
    for condition in conditions(protocol):
        for comparison in comparisons(condition):
            value = comparison.value
            several = value if isinstance(value, tuple) else (value,)
            words.setdefault(comparison.field, []).extend(
                word for word in several if isinstance(word, str)
            )
    return {field: tuple(dict.fromkeys(found)) for field, found in words.items()}


def conditions(protocol: Protocol) -> list[Condition]:
    """Return every condition on a patient: of eligibility and of the strata."""
    factors = protocol.randomisation.strata if protocol.randomisation else ()
    levels = [level.holds for factor in factors for level in factor.levels if level.holds]
    return [*(criterion.holds for criterion in protocol.eligibility), *levels]


def patient_template(protocol: Protocol) -> dict[str, Any]:
    """Return an empty form: every field with its label, its unit and a null value to be filled in.

    Fields that a criterion limits in time also ask for the date of the finding.
    """
    timed = {
        one.field
        for condition in conditions(protocol)
        for one in comparisons(condition)
        if one.within_days is not None
    }
    fields = {}
    for one in protocol.variables:
        if one.field:
            entry: dict[str, Any] = {"label": one.label, "value": None}
            if one.unit:
                entry["unit"] = one.unit
            if one.field in timed:
                entry["date"] = None
            fields[one.field] = entry
    return {"subject": None, "fields": fields}

# SPDX-License-Identifier: Apache-2.0
"""One patient's form: plain values in, a checked frame of fields out."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from radioligand.criteria import Condition, comparisons
from radioligand.patient_form import (
    DTYPES,
    Asked,
    entries,
    entry_faults,
    misplaced,
    read_value,
    unknown_field,
)
from radioligand.protocol import Protocol
from radioligand.protocol.records import Variable

# what an adult can have, by unit; beyond it a number is a slip of the pen or of the unit
POSSIBLE: dict[str, tuple[float, float]] = {
    "%": (0, 100),
    "years": (0, 120),
    "points": (0, 100),
    "kg": (20, 400),
    "g/L": (5, 250),
    "10^9/L": (0, 3000),
    "umol/L": (1, 3000),
    "mL/min": (0, 300),
}


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
    faults = misplaced(form)
    columns: dict[str, pl.Series] = {}
    for name, parts in entries(form, known).items():
        if name not in known:
            faults.append(unknown_field(name, known))
            continue
        wrong = list(entry_faults(parts, asked_of(known[name], words.get(name, ()))))
        faults += [f"{name}: {fault}" for fault in wrong]
        if not wrong:
            value = read_value(parts.get("value"), known[name].type)
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


def asked_of(variable: Variable, words: tuple[str, ...]) -> Asked:
    """Return what a form may hold of a field: limits by unit, beyond which it is a slip."""
    lowest, highest = POSSIBLE.get(variable.unit or "", (0.0, math.inf))
    return Asked(
        variable.type,
        variable.unit,
        words,
        closed=bool(variable.order or variable.bands),
        lowest=lowest,
        highest=highest,
    )


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

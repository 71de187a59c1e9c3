# SPDX-License-Identifier: Apache-2.0
"""Patients as frames of fields: a form read and checked, and what follows from what is known."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from radioligand.criteria import comparisons, met
from radioligand.guidance.parsing import ASSESSED, GRADES
from radioligand.guidance.records import Guidelines, PatientField
from radioligand.patient_form import (
    DTYPES,
    EARLIEST,
    LATEST,
    Asked,
    entries,
    entry_faults,
    misplaced,
    read_value,
    unknown_field,
)


class PatientError(ValueError):
    """A patient's data are impossible or contradict each other; `faults` holds every one."""

    def __init__(self, faults: tuple[str, ...], *, of: str = "the patient's form") -> None:
        """List all `faults` of what is called `of`."""
        self.faults = faults
        many = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
        super().__init__("\n  ".join((f"{of} has {many}:", *faults)))


def read_patient(
    form: Mapping[str, Any], *, guidelines: Guidelines, also: Sequence[PatientField] = ()
) -> pl.DataFrame:
    """Turn a patient's form into a frame of one row: USUBJID, a column a field, dates of findings.

    The form is written as for screening: ``{"subject": ..., "fields": {"ki67_percent": {"value":
    17, "unit": "%", "date": "2025-03-01"}}}`` or flat, ``{"ki67_percent": 17}``. Null, or left
    out, is unknown. `also` are fields that no guideline asks for but a trial does.

    Raises PatientError with every fault: unknown fields, other types or units, impossible
    numbers, unknown words, and findings that contradict each other.
    """
    if not isinstance(form, Mapping) or not isinstance(form.get("fields", {}), Mapping):
        raise PatientError(("it is no table of field names and values",))
    known = fields_of(guidelines, also)
    faults = misplaced(form)
    values: dict[str, Any] = {}
    for name, parts in entries(form, known).items():
        if name not in known:
            faults.append(unknown_field(name, known))
            continue
        wrong = list(entry_faults(parts, _asked(known[name])))
        faults += [f"{name}: {fault}" for fault in wrong]
        if not wrong:
            values[name] = read_value(parts.get("value"), known[name].type)
            if parts.get("date") is not None:
                values[f"{name}_date"] = date.fromisoformat(parts["date"])
    subject = None if form.get("subject") is None else str(form["subject"])
    frame = pl.DataFrame([{"USUBJID": subject, **values}], schema=_schema(known, values))
    faults += _contradictions(frame, guidelines)
    if faults:
        raise PatientError(tuple(faults))
    return complete(frame, guidelines=guidelines, also=also)


def read_patients(table: pl.DataFrame, *, guidelines: Guidelines) -> pl.DataFrame:
    """Check a registry's table, one patient a row, and fill in what follows from what is known.

    Columns bear the names of fields, their dates ``<field>_date``; USUBJID names the patient.
    Columns that no field is called by are left out. Raises PatientError: a rule broken is told
    once, with how many of how many rows break it and the first three of them.
    """
    known = fields_of(guidelines)
    faults: list[str] = []
    if "USUBJID" not in table.columns:
        faults.append("USUBJID: the column that names the patients is missing.")
        table = table.with_columns(USUBJID=pl.int_range(1, pl.len() + 1).cast(pl.String))
    columns = [pl.col("USUBJID").cast(pl.String)]
    for name in table.columns:
        stem = name.removesuffix("_date")
        kind = known[name].type if name in known else "date" if stem in known else None
        if kind is None:
            continue
        if table.schema[name] == pl.String and kind in ("date", "flag"):
            words = {"true": True, "false": False}
            read = (
                pl.col(name).str.to_date("%Y-%m-%d", strict=False)
                if kind == "date"
                else pl.col(name).str.to_lowercase().replace_strict(words, default=None)
            )
        else:
            read = pl.col(name).cast(DTYPES[kind], strict=False)
        columns.append(read.alias(name))
        lost = table.filter(pl.col(name).is_not_null() & read.is_null())
        faults += _told(lost, table.height, f"{name}: a {kind} is what stands here", name)
    frame = table.select(columns)
    for name in frame.columns:
        if name in known:
            says, holds = _possible(known[name])
            broken = frame.filter(~holds)
            faults += _told(broken, frame.height, f"{name}: {says}", name)
    filled = _with_columns(frame, known)
    for one in guidelines.contradictions:
        broken = filled.filter(met(one.when))
        faults += _told(
            broken,
            frame.height,
            one.says,
            *dict.fromkeys(comparison.field for comparison in comparisons(one.when)),
        )
    if faults:
        raise PatientError(tuple(faults), of="the table of patients")
    return complete(filled, guidelines=guidelines)


def complete(
    patients: pl.DataFrame, *, guidelines: Guidelines, also: Sequence[PatientField] = ()
) -> pl.DataFrame:
    """Add the fields that are not there, and what follows by definition; overwrite nothing.

    The grade follows from the Ki-67 index (WHO 2022: below 3 % G1, 3 to 20 % G2, above 20 % G3);
    G1 and G2 are well differentiated.
    """
    ki67 = pl.col("ki67_percent")
    grade = (
        pl.when(ki67 < 3).then(pl.lit(GRADES[0]))
        .when(ki67 <= 20).then(pl.lit(GRADES[1]))
        .when(ki67 > 20).then(pl.lit(GRADES[2]))
    )  # fmt: skip
    low = pl.when(pl.col("grade").is_in(GRADES[:2])).then(pl.lit("WELL DIFFERENTIATED"))
    return (
        _with_columns(patients, fields_of(guidelines, also))
        .with_columns(grade=pl.coalesce("grade", grade))
        .with_columns(differentiation=pl.coalesce("differentiation", low))
    )


def patient_template(
    guidelines: Guidelines, *, also: Sequence[PatientField] = ()
) -> dict[str, Any]:
    """Return an empty form: every field with label, unit, words and a null value to fill in."""
    fields: dict[str, Any] = {}
    for name, one in fields_of(guidelines, also).items():
        entry: dict[str, Any] = {"label": one.label, "value": None}
        if one.unit:
            entry["unit"] = one.unit
        if one.words:
            entry["label"] += f" ({', '.join(one.words)})"
        if one.window_days is not None:
            entry["date"] = None
        fields[name] = entry
    return {"subject": None, "fields": fields}


def fields_of(guidelines: Guidelines, also: Sequence[PatientField] = ()) -> dict[str, PatientField]:
    """Every field by name; the guidelines' own go before those of trials."""
    return {one.name: one for one in (*also, *guidelines.fields)}


def in_label(missing: str, known: Mapping[str, PatientField]) -> str:
    """Name what a finding misses by the label of its field: 'date of: Ki-67 index'."""
    if missing in known:
        return known[missing].label
    stem, _, window = missing.partition(" within ")
    if window and stem in known:
        return f"{known[stem].label}, found in the {window.split()[0]} days before"
    stem = missing.removesuffix("_date")
    return f"date of: {known[stem].label}" if stem in known else missing


def _schema(known: Mapping[str, PatientField], values: Mapping[str, Any]) -> dict[str, pl.DataType]:
    dated = {name: pl.Date() for name in values if name not in known}
    own = {name: DTYPES[known[name].type] for name in values if name in known}
    return {"USUBJID": pl.String(), **own, **dated}


def _with_columns(frame: pl.DataFrame, known: Mapping[str, PatientField]) -> pl.DataFrame:
    wanted = {name: DTYPES[one.type] for name, one in known.items()}
    wanted |= {f"{name}_date": pl.Date() for name, one in known.items() if one.type != "date"}
    lacking = {name: kind for name, kind in wanted.items() if name not in frame.columns}
    return frame.with_columns(**{name: pl.lit(None, kind) for name, kind in lacking.items()})


def _contradictions(frame: pl.DataFrame, guidelines: Guidelines) -> Iterator[str]:
    filled = _with_columns(frame, fields_of(guidelines))
    asked = filled.select(**{one.id: met(one.when) for one in guidelines.contradictions})
    broken = asked.row(0, named=True)
    seen = filled.row(0, named=True)
    for one in guidelines.contradictions:
        if broken[one.id]:
            names = dict.fromkeys(comparison.field for comparison in comparisons(one.when))
            told = ", ".join(f"{name} {seen[name]}" for name in names if seen[name] is not None)
            yield f"{told}: {one.says}. {one.mend}"


def _told(broken: pl.DataFrame, rows: int, says: str, *shows: str) -> list[str]:
    if broken.is_empty():
        return []
    lines = [f"{says}; {broken.height} of {rows} rows break this."]
    for row in broken.select("USUBJID", *shows).head(3).to_dicts():
        lines.append("  " + "  ".join(f"{name} {value!r}" for name, value in row.items()))
    return ["\n    ".join(lines)]


def _possible(field: PatientField) -> tuple[str, pl.Expr]:
    """What a value of the field must be, and whether it is; a missing one is."""
    value = pl.col(field.name)
    match field.type:
        case "number":
            upper = math.inf if field.highest is None else field.highest
            says = f"the value lies from {field.lowest:g} to {upper:g} {field.unit or ''}".rstrip()
            holds = value.is_between(field.lowest, upper)
            if field.whole:
                says, holds = f"{says}, whole", holds & (value == value.round())
            return says, holds.fill_null(True)
        case "text" if field.words:
            return f"the value is one of {', '.join(field.words)}", value.is_in(
                field.words
            ).fill_null(True)
        case "date":
            return "the date is possible", value.is_between(EARLIEST, LATEST).fill_null(True)
        case _:
            return "", pl.lit(True)


def _asked(field: PatientField) -> Asked:
    return Asked(
        field.type,
        field.unit,
        field.words,
        closed=bool(field.words),
        lowest=field.lowest,
        highest=math.inf if field.highest is None else field.highest,
        whole=field.whole,
    )


def assessed(patient: pl.DataFrame) -> date | None:
    """The day to which the age of one patient's findings is counted."""
    day: date | None = patient[ASSESSED][0]
    return day

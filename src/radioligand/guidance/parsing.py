# SPDX-License-Identifier: Apache-2.0
"""From the plain tables of the guideline documents to records, or to every fault at once."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from radioligand.criteria import AllOf, AnyOf, Comparison, Condition, Not, comparisons
from radioligand.guidance.records import Guidelines, PatientField

ASSESSED = "assessment_date"  # the day to which the age of a finding is counted
GRADES = ("G1", "G2", "G3")


class GuidelineError(ValueError):
    """Guideline documents break their rules; `faults` holds every one of them."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """List all `faults`."""
        self.faults = faults
        many = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
        super().__init__("\n  ".join((f"guideline documents: {many}.", *faults)))


def parse_guidelines(
    documents: Mapping[str, Mapping[str, Any]], *, protocols: Collection[str] = ()
) -> Guidelines:
    """Turn the tables of all documents, by file name, into one record.

    Each document adds to the lists it holds (`[[statements]]`, `[[sources]]` ...). In a
    condition a text stands for the definition of that name. `protocols` are the trials a
    statement may point to. Raises GuidelineError that holds every fault of every document.
    """
    tables: dict[str, list[Any]] = {}
    faults: list[str] = []
    for name, document in documents.items():
        for key, rows in document.items():
            if isinstance(rows, list | tuple):
                tables.setdefault(key, []).extend(rows)
            else:
                faults.append(f"{name}: {key!r} is no list of tables; write [[{key}]].")
    definitions = _definitions(tables, faults)
    whole = {
        key: tuple(_spelt_out(row, definitions, faults) for row in rows)
        for key, rows in tables.items()
    }
    try:
        guidelines = Guidelines.model_validate(_tupled(whole))
    except ValidationError as error:
        raise GuidelineError((*faults, *_structure_faults(error, whole))) from None
    faults += _reference_faults(guidelines, protocols)
    if faults:
        raise GuidelineError(tuple(dict.fromkeys(faults)))
    return _with_windows(guidelines)


def _definitions(tables: Mapping[str, list[Any]], faults: list[str]) -> dict[str, Any]:
    """Conditions by name; each may use those before it."""
    found: dict[str, Any] = {}
    for row in tables.get("definitions", ()):
        if isinstance(row, Mapping) and isinstance(row.get("id"), str) and "when" in row:
            found[row["id"]] = _named(row["when"], found, f"definitions[{row['id']}]", faults)
    return found


def _spelt_out(row: Any, definitions: Mapping[str, Any], faults: list[str]) -> Any:
    if not isinstance(row, Mapping) or "when" not in row:
        return row
    at = f"{row.get('id', 'a table without id')}"
    return {**row, "when": _named(row["when"], definitions, at, faults)}


def _named(when: Any, definitions: Mapping[str, Any], at: str, faults: list[str]) -> Any:
    """Put the definitions in the place of their names, all the way down."""
    if isinstance(when, str):
        if when not in definitions:
            close = get_close_matches(when, definitions, n=1)
            mend = f" Did you mean {close[0]!r}?" if close else ""
            faults.append(f"{at}: no definition is called {when!r}.{mend}")
            return {"field": "nothing", "is": True}
        return definitions[when]
    if isinstance(when, Mapping):
        inner = {key: when[key] for key in ("all", "any", "not") if key in when}
        return {
            **when,
            **{key: _named(part, definitions, at, faults) for key, part in inner.items()},
        }
    if isinstance(when, list | tuple):
        return [_named(part, definitions, at, faults) for part in when]
    return when


def _tupled(value: Any) -> Any:
    """TOML arrays as tuples, all the way down: records are frozen to the bottom."""
    if isinstance(value, Mapping):
        return {key: _tupled(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tupled(inside) for inside in value)
    return value


def _structure_faults(error: ValidationError, tables: Mapping[str, Any]) -> Iterator[str]:
    for one in error.errors():
        path, here = "", tables
        for step in one["loc"]:
            if isinstance(step, int):
                here = here[step] if isinstance(here, tuple) and step < len(here) else {}
                table = here if isinstance(here, Mapping) else {}
                path += f"[{table.get('id', table.get('name', step))}]"
            else:
                path += f".{step}" if path else step
                here = here.get(step, {}) if isinstance(here, Mapping) else {}
        match one["type"]:
            case "extra_forbidden":
                yield f"{path}: this key is unknown."
            case "missing":
                yield f"{path}: this key is required and missing."
            case "literal_error":
                allowed = one["ctx"]["expected"]
                yield f"{path}: {one['input']!r} is not a choice here; use {allowed}."
            case "value_error":
                yield f"{path}: {one['ctx']['error']}."
            case _:
                yield f"{path}: {one['msg']} (found {one['input']!r})."


def _reference_faults(guidelines: Guidelines, protocols: Collection[str]) -> Iterator[str]:
    """Names that point nowhere, ids used twice, and conditions that cannot be asked."""
    lists: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("option", guidelines.options),
        ("source", guidelines.sources),
        ("definition", guidelines.definitions),
        ("statement", guidelines.statements),
        ("conflict", guidelines.conflicts),
        ("examination", guidelines.examinations),
        ("evidence", guidelines.evidence),
    )
    for word, rows in lists:
        ids = [row.id for row in rows]
        for one in sorted({one for one in ids if ids.count(one) > 1}):
            yield f"{one}: {ids.count(one)} entries are {word} {one!r}; give each its own id."
    sources = {source.id for source in guidelines.sources}
    options = {option.id for option in guidelines.options}
    statements = {statement.id for statement in guidelines.statements}
    fields = {field.name for field in guidelines.fields}
    pointers: list[tuple[str, str, str | None, set[str]]] = []
    for source in guidelines.sources:
        pointers.append((source.id, "source", source.read_in, sources))
        pointers.append((source.id, "source", source.superseded_by, sources))
    for one in guidelines.statements:
        pointers.append((one.id, "source", one.source, sources))
        pointers.append((one.id, "option", one.option, options))
        pointers.append((one.id, "statement", one.superseded_by, statements))
        pointers.append((one.id, "protocol", one.trial, set(protocols)))
        pointers += [(one.id, "field", field, fields) for field in one.fields.values()]
        if (one.when is None) == (one.trial is None):
            yield f"{one.id}: a statement has either `when` or `trial`."
    for conflict in guidelines.conflicts:
        pointers += [(conflict.id, "statement", one, statements) for one in conflict.between]
    for due in guidelines.examinations:
        pointers.append((due.id, "source", due.source, sources))
    for arm in guidelines.evidence:
        pointers.append((arm.id, "source", arm.source, sources))
    for at, word, target, known in pointers:
        if target is not None and target not in known:
            yield f"{at}: there is no {word} {target!r}."
    yield from _condition_faults(guidelines)


def _condition_faults(guidelines: Guidelines) -> Iterator[str]:
    fields = {field.name: field for field in guidelines.fields}
    fits = {"number": ("number", "date"), "text": ("text",), "flag": ("flag",)}
    for at, condition in _conditions(guidelines):
        for one in comparisons(condition):
            field = fields.get(one.field)
            if field is None:
                close = get_close_matches(one.field, fields, n=1, cutoff=0.5)
                mend = f" Did you mean {close[0]!r}?" if close else ""
                yield f"{at}: there is no field {one.field!r}.{mend}"
                continue
            if one.operator == "known":
                yield f"{at}: a statement may not turn on what is missing; `known` is not for it."
                continue
            values = one.value if isinstance(one.value, tuple) else (one.value,)
            asked = (
                "flag"
                if one.operator == "is"
                else "text"
                if isinstance(values[0], str)
                else "number"
            )
            if field.type not in fits[asked]:
                yield f"{at}: {one.field} is a {field.type}, the condition asks of a {asked}."
            if one.unit != field.unit and asked == "number":
                units = f"{field.unit or 'no unit'}, not in {one.unit or 'none'}"
                yield f"{at}: {one.field} is in {units}."
            for word in values if asked == "text" else ():
                if word not in field.words:
                    yield f"{at}: {word!r} is no word of {one.field}."
    for row in guidelines.examinations:
        for name in (row.anchor, row.done):
            if name is not None and name not in fields:
                yield f"{row.id}: there is no field {name!r}."


def _conditions(guidelines: Guidelines) -> Iterator[tuple[str, Condition]]:
    lists: tuple[tuple[Any, ...], ...] = (
        guidelines.definitions,
        guidelines.statements,
        guidelines.contradictions,
        guidelines.examinations,
    )
    for rows in lists:
        yield from ((row.id, row.when) for row in rows if row.when is not None)


def _with_windows(guidelines: Guidelines) -> Guidelines:
    """Limit every finding whose field has a window to that window, in statements."""
    windows = {one.name: one for one in guidelines.fields if one.window_days is not None}
    return guidelines.model_copy(
        update={
            name: tuple(
                row.model_copy(update={"when": _limited(row.when, windows)}) if row.when else row
                for row in getattr(guidelines, name)
            )
            for name in ("definitions", "statements", "examinations")
        }
    )


def _limited(condition: Condition, windows: Mapping[str, PatientField]) -> Condition:
    match condition:
        case Comparison(field=name, within_days=None) if name in windows:
            days = windows[name].window_days
            return replace(condition, within_days=days, before=ASSESSED)
        case AllOf(parts):
            return AllOf(tuple(_limited(part, windows) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_limited(part, windows) for part in parts))
        case Not(part):
            return Not(_limited(part, windows))
        case _:
            return condition

# SPDX-License-Identifier: Apache-2.0
"""A patient's form: the two ways to write one, and which values it may hold.

Screening and guidance read the same forms, each with fields of its own.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, NamedTuple

import polars as pl

DTYPES: dict[str, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "date": pl.Date(),
    "flag": pl.Boolean(),
}
PARTS = ("value", "unit", "date", "label")
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)


class Asked(NamedTuple):
    """What the form asks of one field; `type` is one of `DTYPES`.

    `words` are those that are known of a text; unless it is `closed`, others will do as well.
    """

    type: str
    unit: str | None = None
    words: tuple[str, ...] = ()
    closed: bool = True
    lowest: float = 0
    highest: float = math.inf
    whole: bool = False


def entries(form: Mapping[str, Any], known: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return value, unit and date by field, whichever way they were written.

    Either ``{"fields": {"ki67_percent": {"value": 17, "unit": "%", "date": "2025-03-01"}}}``,
    where a plain value may stand for the table, or flat ``{"ki67_percent": 17,
    "ki67_percent_date": "2025-03-01"}``.
    """
    flat = form.get("fields", form)
    found: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        stem, _, part = key.rpartition("_")
        if key == "subject" and flat is form:
            continue
        if key not in known and stem in known and part in ("date", "unit"):
            found.setdefault(stem, {})[part] = value
        elif isinstance(value, Mapping):
            found.setdefault(key, {}).update(value)
        else:
            found.setdefault(key, {})["value"] = value
    return found


def misplaced(form: Mapping[str, Any]) -> list[str]:
    """Tell what stands beside the fields and belongs among them."""
    beside = [key for key in form if "fields" in form and key not in ("fields", "subject")]
    return [f"{key}: this does not belong beside 'fields' but in it" for key in beside]


def unknown_field(name: str, known: Collection[str]) -> str:
    """Say that there is no such field, and which may have been meant."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    mend = f"did you mean {close[0]!r}?" if close else "the template lists all."
    return f"{name}: there is no such field; {mend}"


def entry_faults(parts: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    """Tell what is wrong with the entry of one field; a value of None is unknown and no fault."""
    for key in parts:
        if key not in PARTS:
            yield f"{key!r} is none of {', '.join(PARTS)}"
    unit = parts.get("unit")
    if unit is not None and unit != asked.unit:
        yield f"the unit is {asked.unit or 'none'}, not {unit!r}; convert the value"
        asked = asked._replace(highest=math.inf)  # which is told in the right unit
    if parts.get("date") is not None:
        yield from _date_faults(parts["date"])
    value = parts.get("value")
    if value is None:
        return
    match asked.type:
        case "number":
            yield from _number_faults(value, asked)
        case "flag":
            if not isinstance(value, bool):
                yield f"{value!r} is neither true nor false"
        case "date":
            yield from _date_faults(value)
        case _:
            yield from _word_faults(value, asked)


def _number_faults(value: Any, asked: Asked) -> Iterator[str]:
    unit = f" {asked.unit}" if asked.unit else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{value!r} is not a number"
    elif not math.isfinite(value) or value < asked.lowest:
        yield f"{value} is not possible"
    elif asked.whole and value != int(value):
        yield f"{value} is no whole number"
    elif value > asked.highest:
        yield f"{value}{unit} is above {asked.highest:g}{unit}"


def _word_faults(value: Any, asked: Asked) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{value!r} is not text"
    elif value not in asked.words:
        same = [word for word in asked.words if word.casefold() == value.strip().casefold()]
        if same:
            yield f"{value!r} is written {same[0]!r}"
        elif asked.closed:
            yield f"{value!r} is none of {', '.join(asked.words)}"


def _date_faults(value: Any) -> Iterator[str]:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        yield f"{value!r} is not a date such as 2024-03-09"
        return
    if not EARLIEST <= day <= LATEST:
        yield f"{value} is not possible"


def read_value(value: Any, type_: str) -> Any:
    """Return a value without faults as a frame holds it: float, str, date, bool, or None."""
    if value is not None and type_ == "number":
        return float(value)
    if value is not None and type_ == "date":
        return date.fromisoformat(value)
    return value

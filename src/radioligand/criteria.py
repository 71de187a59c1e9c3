# SPDX-License-Identifier: Apache-2.0
"""A condition on a patient, answered in three values: met, not met or unknown.

A condition is data (it comes from a TOML document) and turns into a polars expression, so that
one patient's form and a frame of a hundred thousand subjects are judged by the same rule. The
logic is Kleene's: unknown and not met is not met, unknown or met is met, anything else that
touches an unknown stays unknown. A missing value never makes a condition met.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import polars as pl


class Verdict(StrEnum):
    """What can be said of one condition on one patient."""

    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "unknown"


def verdict(met: bool | None) -> Verdict:
    """Name a value of three-valued logic; None is unknown."""
    return Verdict.UNKNOWN if met is None else Verdict.MET if met else Verdict.NOT_MET


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One question about one field: `field` `operator` `value`, in `unit`.

    Where a source leaves a limit open ("above 10 to 15 %"), `value` is the pair of the lowest and
    the highest limit it can mean; a number on which the two disagree is unknown.

    With `within_days` the field counts only if its date (column ``<field>_date``) lies in the
    given number of days up to and including the date in column `before`; an older, a later or
    an undated finding is unknown, not met.
    """

    field: str
    operator: str
    value: Any
    unit: str | None = None
    within_days: int | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Met if every part is met; not met if one is not met."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Met if one part is met; not met if every part is not met."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Met if the part is not met."""

    part: "Condition"


Condition = Comparison | AllOf | AnyOf | Not

_NUMBER, _TEXT, _FLAG = (int, float, date), (str,), (bool,)
# operator: (what its value must be, how it reads in a sentence)
OPERATORS: dict[str, tuple[tuple[type, ...], str]] = {
    "between": (_NUMBER, "from {0} to {1}"),
    "at_least": (_NUMBER, "at least {0}"),
    "at_most": (_NUMBER, "at most {0}"),
    "above": (_NUMBER, "above {0}"),
    "below": (_NUMBER, "below {0}"),
    "equals": ((*_NUMBER, *_TEXT), "{0}"),
    "one_of": ((*_NUMBER, *_TEXT), "one of {0}"),
    "is": (_FLAG, ""),
    "known": (_FLAG, ""),
}
_OPTIONS = ("unit", "within_days", "before")
_LIMITS = {
    "at_least": pl.Expr.ge,
    "at_most": pl.Expr.le,
    "above": pl.Expr.gt,
    "below": pl.Expr.lt,
}


def parse_condition(document: object) -> Condition:
    """Read a condition as it stands in TOML.

    ``{field = "ki67_percent", unit = "%", between = [10, 55]}``, ``{all = [...]}``,
    ``{any = [...]}``, ``{not = {...}}``; operators are those of `OPERATORS`.

    Raises ValueError naming everything that is wrong with it.
    """
    faults: list[str] = []
    condition = _parse(document, "", faults)
    if faults or condition is None:
        raise ValueError("; ".join(faults))
    return condition


def _parse(document: object, path: str, faults: list[str]) -> Condition | None:
    at = f"{path}: " if path else ""
    if not isinstance(document, Mapping):
        faults.append(f"{at}a condition is a table such as {{field = ..., at_least = ...}}")
        return None
    joined = [word for word in ("all", "any", "not") if word in document]
    if joined:
        if len(document) > 1:
            extra = ", ".join(repr(key) for key in document if key != joined[0])
            faults.append(f"{at}{joined[0]!r} stands alone in its table, found also {extra}")
            return None
        inside = document[joined[0]]
        if joined[0] == "not":
            part = _parse(inside, f"{path}not", faults)
            return None if part is None else Not(part)
        if not isinstance(inside, list | tuple) or not inside:
            faults.append(f"{at}{joined[0]!r} takes a list of conditions")
            return None
        parts = [
            _parse(part, f"{path}{joined[0]}[{index}]", faults) for index, part in enumerate(inside)
        ]
        whole = tuple(part for part in parts if part is not None)
        return AllOf(whole) if joined[0] == "all" else AnyOf(whole)
    return _parse_comparison(document, at, faults)


def _parse_comparison(document: Mapping[str, Any], at: str, faults: list[str]) -> Comparison | None:
    before = len(faults)
    operators = [key for key in document if key in OPERATORS]
    if not isinstance(document.get("field"), str):
        faults.append(f"{at}a condition names its field")
    if len(operators) != 1:
        faults.append(f"{at}a condition has one of {', '.join(OPERATORS)}; found {len(operators)}")
    for key in document:
        if key not in OPERATORS and key not in _OPTIONS and key != "field":
            faults.append(f"{at}unknown word {key!r} in a condition")
    within, anchor = document.get("within_days"), document.get("before")
    if (within is None) != (anchor is None):
        faults.append(f"{at}within_days and before go together")
    for operator in operators:
        faults.extend(f"{at}{fault}" for fault in _value_faults(operator, document[operator]))
    if len(faults) > before:
        return None
    value = document[operators[0]]
    return Comparison(
        field=document["field"],
        operator=operators[0],
        value=tuple(value) if isinstance(value, list | tuple) else value,
        unit=document.get("unit"),
        within_days=within,
        before=anchor,
    )


def _value_faults(operator: str, value: object) -> Iterator[str]:
    kinds, _ = OPERATORS[operator]
    several = operator in ("between", "one_of")
    is_list = isinstance(value, list | tuple)
    is_pair = operator == "between" or (operator in _LIMITS and is_list)
    values = list(value) if (several or is_pair) and isinstance(value, list | tuple) else [value]
    if several and not is_list:
        yield f"{operator} takes a list"
    if is_pair and len(values) != 2:
        yield f"{operator} takes two limits, lowest first"
    for one in values:
        if not isinstance(one, kinds) or (isinstance(one, bool) and bool not in kinds):
            yield f"{operator} cannot take {one!r}"
    if is_pair and len(values) == 2:
        low, high = values
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            yield f"{operator} takes two limits, lowest first; {low} is above {high}"


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison a condition is made of, in reading order."""
    match condition:
        case Comparison():
            yield condition
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons(part)
        case Not(part):
            yield from comparisons(part)


def met(condition: Condition) -> pl.Expr:
    """The condition as a Boolean expression over a frame of fields; null is unknown."""
    match condition:
        case Comparison():
            return _compared(condition)
        case AllOf(parts):
            return pl.all_horizontal([met(part) for part in parts])
        case AnyOf(parts):
            return pl.any_horizontal([met(part) for part in parts])
        case Not(part):
            return ~met(part)


def _compared(comparison: Comparison) -> pl.Expr:
    value: Any = comparison.value
    field: pl.Expr = pl.col(comparison.field)
    if comparison.within_days is not None:
        age = pl.col(comparison.before or "") - pl.col(f"{comparison.field}_date")
        in_window = age.dt.total_days().is_between(0, comparison.within_days)
        field = pl.when(in_window).then(field)
    match comparison.operator:
        case "between":
            return field.is_between(value[0], value[1])
        case "at_least" | "at_most" | "above" | "below":
            return _limited(field, _LIMITS[comparison.operator], value)
        case "equals":
            return field.eq(value)
        case "one_of":
            return pl.any_horizontal([field.eq(one) for one in value])
        case "is":
            return field if value else ~field
        case _:  # "known": the one question that an unknown answers
            return field.is_not_null() if value else field.is_null()


def _limited(field: pl.Expr, compare: Callable[[pl.Expr, Any], pl.Expr], value: Any) -> pl.Expr:
    """Compare with a limit; with a pair of limits, unknown where the two disagree."""
    if not isinstance(value, tuple):
        return compare(field, value)
    low, high = (compare(field, limit) for limit in value)
    return pl.when(low == high).then(low)


def with_unknown(patients: pl.DataFrame, conditions: Iterable[Condition]) -> pl.DataFrame:
    """Add, as unknown, the columns that the conditions ask for and the frame lacks.

    Such a column has the type of the value it is compared with: Boolean, String or Float64; Date
    for the date of a finding and for the date it is counted back from.
    """
    wanted: dict[str, pl.DataType] = {}
    for one in (one for condition in conditions for one in comparisons(condition)):
        wanted.setdefault(one.field, _dtype(one))
        if one.within_days is not None:
            wanted |= {f"{one.field}_date": pl.Date(), one.before or "": pl.Date()}
    lacking = {name: kind for name, kind in wanted.items() if name not in patients.columns}
    return patients.with_columns(**{name: pl.lit(None, kind) for name, kind in lacking.items()})


def _dtype(one: Comparison) -> pl.DataType:
    if one.operator == "is":
        return pl.Boolean()
    value = one.value[0] if isinstance(one.value, tuple) else one.value
    return pl.String() if isinstance(value, str) else pl.Float64()


def in_words(condition: Condition) -> str:
    """The condition as a reader would say it: 'ki67_percent from 10 to 55 %'."""
    match condition:
        case Comparison():
            value = condition.value
            if condition.operator == "is":
                return condition.field if value else f"not {condition.field}"
            if condition.operator == "known":
                return f"{condition.field} is {'' if value else 'not '}known"
            if condition.operator == "one_of":
                shown = ", ".join(str(one) for one in value)
                text = OPERATORS["one_of"][1].format(shown)
            elif condition.operator in _LIMITS and isinstance(value, tuple):
                text = OPERATORS[condition.operator][1].format("–".join(str(one) for one in value))
            else:
                several = value if isinstance(value, tuple) else (value,)
                text = OPERATORS[condition.operator][1].format(*several)
            unit = f" {condition.unit}" if condition.unit not in (None, "1") else ""
            window = (
                f", found in the {condition.within_days} days up to {condition.before}"
                if condition.within_days is not None
                else ""
            )
            return f"{condition.field} {text}{unit}{window}"
        case AllOf(parts):
            return " and ".join(_bracketed(part) for part in parts)
        case AnyOf(parts):
            return " or ".join(_bracketed(part) for part in parts)
        case Not(part):
            return f"not {_bracketed(part)}"


def _bracketed(condition: Condition) -> str:
    words = in_words(condition)
    return words if isinstance(condition, Comparison | Not) else f"({words})"

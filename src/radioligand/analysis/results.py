# SPDX-License-Identifier: Apache-2.0
"""The results frame: one row a number, unformatted, with its keys, its origin and its method."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, TypedDict

import polars as pl

ALL = "ALL"  # the arm of a number about all subjects

SCHEMA = pl.Schema(
    {
        "analysis": pl.String,
        "dataset": pl.String,
        "where": pl.String,
        "population": pl.String,
        "parameter": pl.String,
        "arm": pl.String,
        "variable": pl.String,
        "level": pl.String,
        "subject": pl.String,
        "time_days": pl.Float64,
        "statistic": pl.String,
        "value": pl.Float64,
        "text": pl.String,
        "unit": pl.String,
        "method": pl.String,
    }
)


class Row(NamedTuple):
    """One number of the results frame, in the order of SCHEMA."""

    analysis: str
    dataset: str | None
    where: str | None
    population: str | None
    parameter: str | None
    arm: str | None
    variable: str | None
    level: str | None
    subject: str | None
    time_days: float | None
    statistic: str
    value: float | None
    text: str | None
    unit: str | None
    method: str | None


class Keys(TypedDict, total=False):
    """Keys that several rows share, to be handed on together."""

    arm: str | None
    variable: str | None
    level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where numbers come from: the columns that all rows of one set of records share."""

    analysis: str
    dataset: str | None = None
    where: str | None = None
    population: str | None = None
    parameter: str | None = None

    def row(
        self,
        statistic: str,
        value: float | None = None,
        *,
        arm: str | None = None,
        variable: str | None = None,
        level: str | None = None,
        subject: str | None = None,
        time_days: float | None = None,
        text: str | None = None,
        unit: str | None = None,
        method: str | None = None,
    ) -> Row:
        """Return a row of these keys. A value that is nan or infinite becomes null and "NE"."""
        number = None if value is None else float(value) + 0.0  # -0.0 is 0.0
        if number is not None and not isfinite(number):
            number, text = None, text or "NE"
        time = None if time_days is None else float(time_days)
        return Row(
            self.analysis,
            self.dataset,
            self.where,
            self.population,
            self.parameter,
            arm,
            variable,
            level,
            subject,
            time,
            statistic,
            number,
            text,
            unit,
            method,
        )

    def not_estimable(
        self,
        reason: str,
        *statistics: str,
        arm: str | None = None,
        variable: str | None = None,
        level: str | None = None,
    ) -> tuple[Row, ...]:
        """Return `statistics` without value and a row "not_estimable", all with the reason."""
        text = f"not estimable: {reason}"
        return tuple(
            self.row(name, arm=arm, variable=variable, level=level, text=text)
            for name in (*statistics, "not_estimable")
        )


def frame_of(rows: Iterable[Row]) -> pl.DataFrame:
    """Return rows as the results frame, in their order."""
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


def results_json(frame: pl.DataFrame) -> str:
    """Return the results frame as a JSON list, one object a line, the same bytes for the same rows.

    Keys stand in the order of SCHEMA, nulls are left out, and a number has as many digits as are
    needed to read the same number back.
    """
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    names = tuple(SCHEMA)
    objects = (
        encode({name: one for name, one in zip(names, row, strict=True) if one is not None})
        for row in frame.select(names).iter_rows()
    )
    return "[\n" + ",\n".join(objects) + "\n]\n"


def invariant_rows(checks: pl.DataFrame) -> pl.DataFrame:
    """Return the outcome of invariants (invariant, says, datasets, checked, broken, examples).

    Each gives a label, how many records or subjects were checked, and how many broke it.
    """
    rows = []
    for check in checks.to_dicts():
        origin = Origin(analysis="invariants", dataset=check["datasets"], where=check["says"])
        variable = check["invariant"]
        rows += [
            origin.row("label", variable=variable, text=check["says"]),
            origin.row("checked", check["checked"], arm=ALL, variable=variable),
            origin.row(
                "count", check["broken"], arm=ALL, variable=variable, text=check["examples"] or None
            ),
        ]
    return frame_of(rows)

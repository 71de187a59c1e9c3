# SPDX-License-Identifier: Apache-2.0
"""Laboratory values as a site types them and reads them: units, reference range, CTCAE grade."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from radioligand.cdisc.laboratory import worse_side
from radioligand.protocol import Protocol
from radioligand.safety.ctcae import criterion_of, graded, version_of
from radioligand.service.events import Event, Patient


class Measured(NamedTuple):
    """A laboratory test: its unit, its adult reference range, and what is possible at all.

    Beyond `possible` a value is a slip of the pen or of the unit, as haemoglobin in g/dL for g/L.
    """

    code: str
    label: str
    unit: str
    low: float | None
    high: float | None
    possible: tuple[float, float]


# The ranges are those that laboratories commonly print for adults; they are stored with each
# value, so that another table changes nothing that was recorded.
# fmt: off
TESTS = (
    Measured("HGB", "Haemoglobin", "g/L", 120, 170, (25, 250)),
    Measured("WBC", "White cells", "10^9/L", 4.0, 10.0, (0, 500)),
    Measured("NEUT", "Neutrophils", "10^9/L", 1.8, 7.5, (0, 400)),
    Measured("LYM", "Lymphocytes", "10^9/L", 1.0, 4.0, (0, 400)),
    Measured("PLAT", "Platelets", "10^9/L", 150, 400, (0, 3000)),
    Measured("CREAT", "Creatinine", "umol/L", 45, 104, (10, 2500)),
    Measured("CREATCLR", "Creatinine clearance", "mL/min", 80, None, (0, 300)),
    Measured("ALT", "ALT", "U/L", 5, 40, (0, 20_000)),
    Measured("AST", "AST", "U/L", 5, 40, (0, 20_000)),
    Measured("BILI", "Bilirubin", "umol/L", 3, 21, (1, 1500)),
    Measured("ALB", "Albumin", "g/L", 35, 50, (8, 80)),
)
# fmt: on
TEST_OF = {one.code: one for one in TESTS}


def rows_of(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """Return one row a value: number of its event, date, code, value, unit and range."""
    return [
        {
            "event": event.number,
            "date": event.payload["date"],
            "code": code,
            "value": float(entry["value"]),
            "unit": entry["unit"],
            "low": entry.get("low"),
            "high": entry.get("high"),
        }
        for event in events
        if event.kind == "laboratory recorded"
        for code, entry in event.payload["tests"].items()
        if entry["value"] is not None  # a correction may take a value back
    ]


def worst_of_day(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a test and day: of several values the worse.

    So a second sample of a day cannot make a dose pass that the first one held.
    """
    worst: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["date"], row["code"])
        other = worst.get(key)
        is_high = worse_side(row["code"]) == "H"
        if other is None or (row["value"] > other["value"]) == is_high:
            worst[key] = row
    return list(worst.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value as a page shows it; `grade` is "" where CTCAE has none."""

    value: float
    unit: str
    grade: str
    outside: str  # "low", "high" or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Values by day, newest first, and by test in the order of the table."""

    grading: str
    tests: tuple[Measured, ...]
    days: tuple[tuple[str, dict[str, Value]], ...]


def panel(patient: Patient, *, protocol: Protocol) -> Panel:
    """Return a patient's laboratory values with their grades in the protocol's CTCAE version.

    The baseline is the last value up to the first infusion, or else the first of all.
    """
    grading = protocol.safety.grading if protocol.safety else ""
    rows = worst_of_day(rows_of(patient.events))
    days: dict[str, dict[str, Value]] = {}
    for row, grade in zip(rows, _grades(rows, patient, version_of(grading)), strict=True):
        below = row["low"] is not None and row["value"] < row["low"]
        above = row["high"] is not None and row["value"] > row["high"]
        days.setdefault(row["date"], {})[row["code"]] = Value(
            value=row["value"],
            unit=row["unit"],
            grade=grade,
            outside="low" if below else "high" if above else "",
        )
    shown = {code for values in days.values() for code in values}
    return Panel(
        grading=grading,
        tests=tuple(one for one in TESTS if one.code in shown),
        days=tuple(sorted(days.items(), reverse=True)),
    )


def _grades(rows: list[dict[str, Any]], patient: Patient, version: int | None) -> list[str]:
    """Return the grade of each value, "" where the table has no criterion for it."""
    first_dose = min(
        (one.payload["date"] for one in patient.events if one.kind == "dose infused"), default=""
    )
    base: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row["date"]):
        if row["code"] not in base or row["date"] <= first_dose:
            base[row["code"]] = row["value"]
    grades = []
    for row in rows:
        test = TEST_OF.get(row["code"])
        criterion = (
            test and version and criterion_of(test.code, worse_side(test.code), version=version)
        )
        if not criterion:
            grades.append("")
            continue
        frame = pl.DataFrame(
            {
                "AVAL": [row["value"]],
                "AVALU": [row["unit"]],
                "ANRLO": [row["low"]],
                "ANRHI": [row["high"]],
                "BASE": [base[row["code"]]],
                "BNRIND": [None],
            },
            schema_overrides={"ANRLO": pl.Float64, "ANRHI": pl.Float64, "BNRIND": pl.String},
        )
        grades.append(frame.select(graded(criterion)).item() or "")
    return grades

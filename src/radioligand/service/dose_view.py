# SPDX-License-Identifier: Apache-2.0
"""One dose of a patient: where it stands, what the dose rules decide and from which values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from radioligand.protocol import Protocol
from radioligand.protocol.records import Treatment
from radioligand.service.events import Patient
from radioligand.service.laboratory_view import rows_of, worst_of_day
from radioligand.treatment.dose_rules import (
    ADMINISTERED,
    FULL,
    HOLD,
    REDUCE,
    STOP,
    UNDETERMINED,
    derive_addose,
)
from radioligand.treatment.exposure import RANDOMISED

LUTETIUM_177_HALF_LIFE_DAYS = 6.6443
HOURS = 24.0
DECISIONS = {FULL: "full", REDUCE: "half", HOLD: "hold", STOP: "stop"}  # the ledger's words
STEPS = (
    ("planned", "dose {cycle} planned"),
    ("labs checked", "labs checked for dose {cycle}"),
    ("decided", "cleared for dose {cycle}"),
    ("ordered", "dose {cycle} ordered"),
    ("received", "dose {cycle} received"),
    ("infused", "cycle {cycle} over"),
)


def activity_at(activity_gbq: float, *, measured: datetime, at: datetime) -> float:
    r"""Return the activity of lutetium-177, in GBq, at another time than it was measured.

    :math:`A(t) = A_0 \, 2^{-(t - t_0)/T_{1/2}}` with a half-life of 6.6443 days.
    """
    days = (at - measured) / timedelta(days=1)
    return float(activity_gbq * 2 ** (-days / LUTETIUM_177_HALF_LIFE_DAYS))


def radioligand_of(protocol: Protocol) -> Treatment | None:
    """Return the treatment that the dose rules are about, as its arm plans it."""
    if protocol.dosing is None:
        return None
    name = protocol.dosing.treatment
    return next((one for arm in protocol.arms for one in arm.treatments if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """Where a patient's next dose stands; `payload` maps each step done to what was recorded."""

    cycle: int
    of: int | None
    steps: tuple[tuple[str, bool], ...]  # (name, is done), in order
    payload: Mapping[str, Mapping[str, Any]]
    due: tuple[str, str, str] | None  # planned day and window, from the last infusion

    @property
    def next_step(self) -> str:
        """The first step that is not done; "" when all are."""
        return next((name for name, is_done in self.steps if not is_done), "")

    def is_done(self, step: str) -> bool:
        """Whether a step of that name is done."""
        return dict(self.steps)[step]


def next_dose(patient: Patient, *, protocol: Protocol) -> Dose | None:
    """Return the dose that is next, or None: no radioligand, stopped, or all cycles given."""
    plan = radioligand_of(protocol)
    cycle = len(patient.cycles) + 1
    if plan is None or "on radioligand" not in patient.facts:
        return None
    if "radioligand stopped" in patient.facts or (plan.cycles and cycle > plan.cycles):
        return None
    facts = patient.facts
    payload = {one.kind: one.payload for one in patient.events if one.payload.get("cycle") == cycle}
    return Dose(
        cycle=cycle,
        of=plan.cycles,
        steps=tuple((name, fact.format(cycle=cycle) in facts) for name, fact in STEPS),
        payload=payload,
        due=_due(patient, plan),
    )


def ordered_cycle(patient: Patient) -> int | None:
    """Return the cycle of a dose that is ordered and not given, also once treatment is stopped."""
    cycle = len(patient.cycles) + 1
    return cycle if f"dose {cycle} ordered" in patient.facts else None


def _due(patient: Patient, plan: Treatment) -> tuple[str, str, str] | None:
    given = infusions(patient)
    if not given or not plan.every_weeks:
        return None
    last = date.fromisoformat(given[-1]["date"])
    day = last + timedelta(days=round(7 * plan.every_weeks))
    window = timedelta(days=round(7 * plan.window_weeks))
    return day.isoformat(), (day - window).isoformat(), (day + window).isoformat()


def infusions(patient: Patient) -> list[Mapping[str, Any]]:
    """Return what was recorded of each infusion, in order."""
    return [one.payload for one in patient.events if one.kind == "dose infused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of a dose, and why; `values` are (field, value with unit)."""

    verdict: str  # FULL DOSE, REDUCE, HOLD, STOP or UNDETERMINED
    activity_gbq: float | None
    rule: str
    says: str
    origin: str
    values: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]

    @property
    def word(self) -> str:
        """The ledger's word for it; "" while undetermined."""
        return DECISIONS.get(self.verdict, "")


def decision(patient: Patient, *, protocol: Protocol, on: date) -> Decision:
    """Apply the protocol's dose rules to a patient's next dose on a day.

    The same derivation decides here and in the analysis: `treatment.derive_addose` sees the
    doses given, the laboratory values and the adverse events of the ledger. The rules speak of
    doses after the first; the first is given in full. Raises ValueError without dose rules.
    """
    plan, treatment = protocol.dosing, radioligand_of(protocol)
    if plan is None or treatment is None:
        raise ValueError("the protocol has no dose rules")
    planned = float(treatment.amount or 0)
    cycle = len(patient.cycles) + 1
    if cycle == 1:
        says = "The first dose is given in full; the rules speak of the doses after it."
        return Decision(
            verdict=FULL,
            activity_gbq=planned,
            rule="",
            says=says,
            origin="",
            values=(),
            missing=(),
        )
    last = date.fromisoformat(infusions(patient)[-1]["date"])
    day = max(on, last + timedelta(days=1))  # no second dose is decided for the day of the first
    found = derive_addose(
        _adex(patient, treatment, plan.treatment, cycle=cycle, on=day),
        _adsl(patient, protocol),
        _adlb(patient),
        _adae(patient),
        protocol=protocol,
    ).filter(CYCLE=cycle, PARCAT1=ADMINISTERED)
    row = found.row(0, named=True)
    units = {field.field: field.unit or "" for field in plan.fields}
    units |= {name: "" for name, unit in units.items() if unit == "grade"}  # the name says it
    pairs = [one.partition("=") for one in (row["FIELDS"] or "").split("; ") if one]
    return Decision(
        verdict=row["AVALC"],
        activity_gbq=None if row["AVAL"] is None else row["AVAL"] * planned,
        rule=row["RULE"] or "",
        says=row["SAYS"] or _otherwise(row["AVALC"]),
        origin=row["ORIGIN"] or "",
        values=tuple(
            (_words(name), f"{float(value):g} {units[name]}".strip()) for name, _, value in pairs
        ),
        missing=tuple(_words(name) for name in (row["MISSING"] or "").split("; ") if name),
    )


def _otherwise(verdict: str) -> str:
    if verdict == UNDETERMINED:
        return "Something that a rule asks for is not known; a missing value lets no dose pass."
    return "No rule asks for less."


def _words(field: str) -> str:
    return field.replace("_", " ")


def _adex(patient: Patient, plan: Treatment, name: str, *, cycle: int, on: date) -> pl.DataFrame:
    given = [(one["cycle"], one["date"], one["activity_gbq"]) for one in infusions(patient)]
    doses = [*given, (cycle, on.isoformat(), plan.amount)]
    return pl.DataFrame(
        {
            "USUBJID": [patient.subject] * len(doses),
            "PARAMCD": ["DOSE"] * len(doses),
            "PARCAT2": [name] * len(doses),
            "EPOCH": [RANDOMISED] * len(doses),
            "CYCLE": [dose[0] for dose in doses],
            "ASTDT": [date.fromisoformat(dose[1]) for dose in doses],
            "AVAL": [float(dose[2] or 0) for dose in doses],
            "PLANNED": [float(plan.amount or 0)] * len(doses),
            "PLNINT": [7.0 * (plan.every_weeks or 0)] * len(doses),
            "PLNWIN": [7.0 * plan.window_weeks] * len(doses),
        }
    )


def _adsl(patient: Patient, protocol: Protocol) -> pl.DataFrame:
    said = {"STUDYID": protocol.trial.name, "USUBJID": patient.subject}
    return pl.DataFrame([said | {"TRT01P": patient.arm or "", "TRT01A": patient.arm or ""}])


def _adlb(patient: Patient) -> pl.DataFrame:
    rows = [
        {
            "USUBJID": patient.subject,
            "ADT": date.fromisoformat(row["date"]),
            "PARAMCD": row["code"],
            "AVAL": row["value"],
        }
        for row in worst_of_day(rows_of(patient.events))
    ]
    schema = {"USUBJID": pl.String, "ADT": pl.Date, "PARAMCD": pl.String, "AVAL": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def _adae(patient: Patient) -> pl.DataFrame:
    rows = [
        {
            "USUBJID": patient.subject,
            "ASTDT": date.fromisoformat(one.payload["date"]),
            "AERELLU": "Y" if one.payload["is_related"] else "N",
            "ATOXGRN": float(one.payload["grade"]),
        }
        for one in patient.events
        if one.kind == "adverse event recorded"
    ]
    schema = {"USUBJID": pl.String, "ASTDT": pl.Date, "AERELLU": pl.String, "ATOXGRN": pl.Float64}
    return pl.DataFrame(rows, schema=schema)

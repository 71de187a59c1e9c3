# SPDX-License-Identifier: Apache-2.0
"""Visits and questionnaires of the ledger as SDTM: SV, VS, the Karnofsky score in RS, and QS."""

from collections.abc import Iterator, Mapping
from typing import Any

from radioligand.protocol import Protocol
from radioligand.protocol.base import Where
from radioligand.service.events import Event, Patient
from radioligand.service.vital_signs import SIGN_OF

Row = dict[str, Any]
CORE, MODULE = "EOR01", "EOR24"  # how the names of items begin; they end with the item's number
KARNOFSKY = "KPS"


def _numbered(event: Event, patient: Patient, name: str) -> Row:
    """Return the visit of an event: those of one kind are numbered by their days."""
    same = sorted(
        (one for one in patient.events if one.kind == event.kind),
        key=lambda one: (one.payload["date"], one.number),
    )
    number = 1 + [one.number for one in same].index(event.number)
    return {"VISIT": f"{name} {number}", "VISITNUM": float(number)}


def visit_rows(event: Event, patient: Patient) -> Iterator[tuple[str, Row]]:
    """Yield a visit, its vital signs, and its performance status."""
    day, visit = str(event.payload["date"]), _numbered(event, patient, "VISIT")
    yield "SV", {"SVSTDTC": day, "SVENDTC": day} | visit
    for code, value in event.payload["signs"].items():
        if value is None:
            continue
        if code == KARNOFSKY:
            yield (
                "RS",
                {
                    "RSTESTCD": KARNOFSKY,
                    "RSTEST": SIGN_OF[code].label,
                    "RSCAT": "KARNOFSKY PERFORMANCE STATUS",
                    "RSSTRESC": f"{value:g}",
                    "RSSTRESN": float(value),
                    "RSDTC": day,
                }
                | visit,
            )
            continue
        sign = SIGN_OF[code]
        yield (
            "VS",
            {
                "VSTESTCD": code,
                "VSTEST": sign.label,
                "VSSTRESC": f"{value:g}",
                "VSSTRESN": float(value),
                "VSSTRESU": sign.unit,
                "VSDTC": day,
            }
            | visit,
        )


def questionnaire_rows(
    event: Event, patient: Patient, protocol: Protocol
) -> Iterator[tuple[str, Row]]:
    """Yield the answers of a questionnaire, where the protocol looks for its instrument."""
    day, visit = str(event.payload["date"]), _numbered(event, patient, "QUESTIONNAIRE")
    for name, answers in event.payload["answers"].items():
        begins = CORE if name == core_of(protocol) else MODULE
        where = {key: _first(value) for key, value in where_of(name, protocol).items()}
        for item, value in answers.items():
            if value is None:
                continue
            answer = {
                "QSTESTCD": f"{begins}{int(item):02d}",
                "QSTEST": f"{begins}-Item {int(item)}",
                "QSCAT": name,
                "QSORRES": str(value),
                "QSSTRESC": str(value),
                "QSSTRESN": float(value),
                "QSDTC": day,
            }
            yield "QS", answer | where | visit


def core_of(protocol: Protocol) -> str:
    """Return the protocol's core questionnaire; "" where it has none."""
    return protocol.quality_of_life.instrument if protocol.quality_of_life else ""


def where_of(instrument: str, protocol: Protocol) -> Where:
    """Return the values by which the protocol finds the records of an instrument."""
    plan = protocol.quality_of_life
    if plan is None:
        return {}
    known: Mapping[str, Where] = {plan.instrument: plan.where} | {
        one.instrument: one.where for one in plan.modules
    }
    return known.get(instrument, {})


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value

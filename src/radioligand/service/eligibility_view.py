# SPDX-License-Identifier: Apache-2.0
"""One patient's eligibility as a page shows it: each verdict with value, unit and date it used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from radioligand.criteria import comparisons
from radioligand.protocol import Protocol
from radioligand.screening import answer, inputs, read_patient
from radioligand.service.forms import levels_of
from radioligand.subjects import complete

Fields = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One value that a criterion looked at; `value` and `found_on` in words, "" if unknown."""

    label: str
    value: str
    found_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One criterion on one patient; `missing` says what would decide it."""

    id: str
    kind: str
    says: str
    verdict: str
    seen: tuple[Seen, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """The whole answer: eligible, not eligible or undetermined; and the level of each stratum.

    A level that cannot be told is None. `faults` are values that cannot be read.
    """

    verdict: str
    criteria: tuple[Judged, ...]
    strata: Mapping[str, str | None]
    faults: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """What stands against the patient: the criteria not met, else those unknown."""
        wanted = "not met" if self.verdict == "not eligible" else "unknown"
        return tuple(f"{one.id} {one.says}" for one in self.criteria if one.verdict == wanted)


def eligibility(
    fields: Fields, *, subject: str, protocol: Protocol, on: date | None = None
) -> Eligibility:
    """Judge what is known of a patient.

    fields : as `radioligand.screening.read_patient` takes them, {field: {"value", "date"}}.
    on : the day of randomisation, to which time limits are counted; None: that of screening.

    Faults of single values stand in the answer, which is undetermined then.
    """
    given = {name: dict(entry) for name, entry in fields.items()}
    if on:
        for one in protocol.variables:
            if one.field and "RANDDT" in one.first_of:
                given[one.field] = {"value": on.isoformat()}
    try:
        patient = read_patient({"subject": subject, "fields": given}, protocol=protocol)
    except ValueError as error:
        faults = tuple(line.strip() for line in str(error).splitlines()[1:])
        return Eligibility(verdict="undetermined", criteria=(), strata={}, faults=faults)
    patient = complete(patient, variables=protocol.variables, data=protocol.data)
    told = answer(patient, protocol=protocol)
    known = patient.row(0, named=True)
    return Eligibility(
        verdict=told["verdict"],
        criteria=tuple(
            Judged(
                id=row["id"],
                kind=row["kind"],
                says=row["says"],
                verdict=row["verdict"],
                seen=_seen(criterion.holds, known, protocol),
                missing=tuple(_label(name, protocol) for name in row["missing"]),
            )
            for criterion, row in zip(protocol.eligibility, told["criteria"], strict=True)
            if criterion.default
        ),
        strata=levels_of({"subject": subject, "fields": given}, protocol=protocol),
    )


def _seen(condition: Any, known: Mapping[str, Any], protocol: Protocol) -> tuple[Seen, ...]:
    units = {one.field: one.unit for one in protocol.variables if one.field}
    seen = []
    for name in dict.fromkeys(one.field for one in comparisons(condition)):
        found_on = known.get(f"{name}_date")
        seen.append(
            Seen(
                label=_label(name, protocol),
                value=in_words(known.get(name), units.get(name)),
                found_on=found_on.isoformat() if found_on else "",
            )
        )
    return tuple(seen)


def in_words(value: Any, unit: str | None = None) -> str:
    """Return a value as a reader writes it, with its unit; "" if it is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        shown = f"{value:.4g}" if abs(value) < 1000 else f"{value:g}"
        return f"{shown} {unit}" if unit and unit != "1" else shown
    return value.isoformat() if isinstance(value, date) else str(value)


def _label(name: str, protocol: Protocol) -> str:
    """Return a field's label; the name of a window ("... within 92 days ...") as it is."""
    labels = {one.field: one.label for one in protocol.variables if one.field}
    stem, is_date = name.removesuffix("_date"), name.endswith("_date")
    if name in labels:
        return labels[name]
    if is_date and stem in labels:
        return f"date of: {labels[stem]}"
    first, _, rest = name.partition(" ")
    return f"{labels[first]} {rest}" if first in labels else name


def fields_shown(fields: Fields, *, protocol: Protocol) -> tuple[Seen, ...]:
    """Return what was filled in, in the order of the form."""
    return tuple(
        Seen(
            label=one.label,
            value=in_words(_plain(fields[one.field].get("value")), one.unit),
            found_on=str(fields[one.field].get("date") or ""),
        )
        for one in inputs(protocol)
        if one.field in fields
    )


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

# SPDX-License-Identifier: Apache-2.0
"""What of a record can be put right, as fields of a form, and what was changed in them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, TypeVar

from radioligand.patient_form import EARLIEST
from radioligand.protocol import Protocol
from radioligand.quality_of_life.instruments import highest_answers
from radioligand.screening import inputs, typed
from radioligand.service.dose_view import activity_at
from radioligand.service.events import CORRECTABLE, Event, Patient, value_at
from radioligand.service.journal import in_utc
from radioligand.service.laboratory_view import TEST_OF
from radioligand.service.lesions import LONGEST_MM, STATES, TARGET
from radioligand.service.vital_signs import SIGN_OF

T = TypeVar("T")
CENTRAL = "INDEPENDENT ASSESSOR"
RESPONSES = ("CR", "PR", "SD", "PD", "NE")
CAUSES = ("DISEASE UNDER STUDY", "ADVERSE EVENT", "OTHER", "UNKNOWN")
MOST_GBQ = 30.0


class Field(NamedTuple):
    """One value that can be put right; `path` is where it stands in the record."""

    path: str
    label: str
    value: Any
    type: Literal["day", "moment", "number", "flag", "choice", "text"]
    unit: str = ""
    choices: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 0.0
    is_needed: bool = True  # False: left empty it is not known, or was not done

    @property
    def typed(self) -> str:
        """The value as it is typed."""
        if self.value is None:
            return ""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if self.type == "moment":
            return str(self.value)[:16]
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


def can_be_corrected(event: Event, patient: Patient, *, is_central: bool) -> bool:
    """Whether a record is put right by this reader: a central one by the central reader alone.

    A screening form before randomisation is not corrected but recorded anew.
    """
    if event.kind not in CORRECTABLE:
        return False
    of_reader = event.kind == "imaging recorded" and event.payload["evaluator"] == CENTRAL
    return of_reader == is_central and (event.kind != "screened" or patient.arm is not None)


def own_records(patient: Patient, *, is_central: bool) -> dict[int, Event]:
    """Return a patient's records by the number that pages call them by, from 1.

    An event's number in the ledger counts the whole trial, which no site is told. The number of a
    central reading counts these alone: other records would tell a blinded reader of treatment.
    """
    records = (
        one
        for one in patient.events
        if not is_central
        or (one.kind == "imaging recorded" and one.payload["evaluator"] == CENTRAL)
    )
    return dict(enumerate(records, start=1))


def links_of(patient: Patient, *, is_central: bool) -> dict[int, int]:
    """Map the ledger's number of each record that this reader may put right to its own number."""
    return {
        one.number: own
        for own, one in own_records(patient, is_central=is_central).items()
        if can_be_corrected(one, patient, is_central=is_central)
    }


def fields_of(event: Event, protocol: Protocol) -> tuple[Field, ...]:
    """Return the values of a record that can be put right, in the order of its form."""
    return tuple(_fields(event.kind, event.payload, protocol))


def _fields(kind: str, said: Mapping[str, Any], protocol: Protocol) -> Iterator[Field]:
    if kind == "consented":
        yield Field("consent_date", "Date of informed consent", said["consent_date"], "day")
    elif kind == "screened":
        yield from _screening(said["form"].get("fields", {}), protocol)
    elif kind == "dose received":
        yield Field("measured", "Measured, UTC", said["measured"], "moment")
        gbq = said["activity_gbq"]
        label = "Activity by the calibrator"
        yield Field("activity_gbq", label, gbq, "number", "GBq", (), 0.1, MOST_GBQ)
    elif kind == "dose infused":
        yield Field("started", "Start of infusion, UTC", said["started"], "moment")
        left = said["residual_gbq"]
        yield Field(
            "residual_gbq", "Left in vial and lines", left, "number", "GBq", (), 0, MOST_GBQ
        )
    else:
        yield Field("date", "Date", said["date"], "day")
        yield from _findings(kind, said)


def _screening(form: Mapping[str, Any], protocol: Protocol) -> Iterator[Field]:
    for one in inputs(protocol):
        if one.field == "consent_date":
            continue
        entry, words = form.get(one.field) or {}, tuple(one.words or ())
        types = {"number": "number", "flag": "flag", "date": "day"}
        kind: Any = types.get(one.type, "choice" if words and not one.is_open else "text")
        unit = one.unit if one.unit and one.unit != "1" else ""
        value = entry.get("value")
        yield Field(one.field, one.label, value, kind, unit, words, is_needed=False)
        if one.is_dated:
            label, found = f"{one.label}: found on", entry.get("date")
            yield Field(f"{one.field}_date", label, found, "day", is_needed=False)


def _findings(kind: str, said: Mapping[str, Any]) -> Iterator[Field]:
    if kind == "laboratory recorded":
        for code, entry in said["tests"].items():
            test = TEST_OF.get(code)
            label, least, most = (test.label, *test.possible) if test else (code, 0, 1e6)
            path, unit, value = f"tests/{code}/value", entry["unit"], entry["value"]
            yield Field(path, label, value, "number", unit, (), least, most, is_needed=False)
    elif kind == "visit recorded":
        for code, entry in said["signs"].items():
            sign = SIGN_OF[code]
            yield Field(
                f"signs/{code}",
                sign.label,
                entry,
                "number",
                sign.unit,
                (),
                sign.lowest,
                sign.highest,
                is_needed=False,
            )
    elif kind == "questionnaire recorded":
        for name, answers in said["answers"].items():
            answers_to = highest_answers(name)
            for item, value in answers.items():
                path, numbers = f"answers/{name}/{item}", range(1, answers_to[int(item)] + 1)
                choices = tuple(str(one) for one in numbers)
                label = f"{name}, item {item}"
                yield Field(path, label, value, "choice", "", choices, is_needed=False)
    elif kind == "adverse event recorded":
        yield Field("term", "Event", said["term"], "text")
        yield Field("grade", "Highest grade", str(said["grade"]), "choice", "", tuple("12345"))
        yield Field("is_related", "Related to the study treatment", said["is_related"], "flag")
        yield Field("is_serious", "Serious", said["is_serious"], "flag")
    elif kind == "imaging recorded":
        if said["response"] != "BASELINE":
            yield Field("response", "Overall response", said["response"], "choice", "", RESPONSES)
        for at, one in enumerate(said.get("lesions", ())):
            label = f"{one['link']}, {str(one['location']).lower()}"
            path = f"lesions/{at}"
            if one["kind"] == TARGET:
                yield Field(
                    f"{path}/value",
                    label,
                    one["value"],
                    "number",
                    "mm",
                    (),
                    0,
                    LONGEST_MM,
                    is_needed=False,
                )
            elif one["result"] in (*STATES, None):
                result = one["result"]
                yield Field(f"{path}/result", label, result, "choice", "", STATES, is_needed=False)
    elif kind == "treatment given":
        yield Field("amount", "Amount given", said["amount"], "number", said["unit"], (), 0, 10_000)
    elif kind == "died":
        yield Field("cause", "Cause", said["cause"], "choice", "", CAUSES)


# -- what was changed -----------------------------------------------------------------------------


def changes(
    event: Event,
    form: Mapping[str, str],
    patient: Patient,
    *,
    protocol: Protocol,
    now: datetime,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values that differ, by path: as they were, and as they are now.

    What is worked out of a value changes with it, such as the activity of an infusion with its
    start. Raises ValueError that says every fault, or that nothing was changed.
    """
    if event.kind == "screened":
        new = _screening_changes(event, form, protocol, now.date())
    else:
        faults, new = [], {}
        for one in fields_of(event, protocol):
            try:
                value = _read(one, form.get(one.path, "").strip(), now)
            except ValueError as error:
                faults.append(f"{one.label}: {error}")
                continue
            if value != value_at(event.payload, one.path):
                new[one.path] = value
        if faults:
            raise ValueError(" ".join(faults))
        new |= _worked_out(event, new, patient)
    if not new:
        raise ValueError("Nothing was changed.")
    return {path: value_at(event.payload, path) for path in new}, new


def _screening_changes(
    event: Event, form: Mapping[str, str], protocol: Protocol, today: date
) -> dict[str, Any]:
    old = event.payload["form"].get("fields", {})
    values = {"consent_date": (old.get("consent_date") or {}).get("value") or ""} | dict(form)
    fields, faults = typed(values, protocol=protocol, today=today)
    if faults:
        labels = {one.field: one.label for one in inputs(protocol)}
        raise ValueError(" ".join(f"{labels[name]}: {says}" for name, says in faults.items()))
    none: dict[str, Any] = {"value": None}
    return {
        f"form/fields/{name}": fields.get(name, none)
        for name in {**old, **fields}
        if (fields.get(name) or none).get("value") != (old.get(name) or none).get("value")
        or (fields.get(name) or {}).get("date") != (old.get(name) or {}).get("date")
    }


def _read(field: Field, text: str, now: datetime) -> Any:
    """Return the value of a field as it is recorded; raises ValueError for none or a wrong one."""
    if not text:
        if field.is_needed:
            raise ValueError("it cannot be empty.")
        return None
    match field.type:
        case "day":
            day = _parsed(date.fromisoformat, text, "a date such as 2024-03-09")
            if day < EARLIEST:
                raise ValueError(f"{text} is not possible.")
            if day > now.date():
                raise ValueError(f"{text} has not come yet.")
            return day.isoformat()
        case "moment":
            moment = _parsed(in_utc, text, "a time such as 2024-03-09T10:30")
            if moment.date() < EARLIEST:
                raise ValueError(f"{text} is not possible.")
            if moment > now:
                raise ValueError(f"{text} has not come yet; times are in UTC.")
            return moment.isoformat()
        case "number":
            value = _parsed(float, text.replace(",", "."), "a number")
            if not field.lowest <= value <= field.highest:
                raise ValueError(
                    f"{value:g} does not lie between {field.lowest:g} and {field.highest:g}."
                )
            return value
        case "flag":
            return text == "yes"
        case "choice":
            if text not in field.choices:
                raise ValueError(f"it is one of {', '.join(field.choices)}.")
            return int(text) if text.isdigit() else text
        case _:
            if not 2 <= len(text) <= 200:
                raise ValueError("it has 2 to 200 letters.")
            return text


def _parsed(read: Callable[[str], T], text: str, kind: str) -> T:
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"{text} is not {kind}.") from None


def _worked_out(event: Event, new: Mapping[str, Any], patient: Patient) -> dict[str, Any]:
    """Return what follows from the values that were changed."""
    found: dict[str, Any] = {}
    if event.kind == "imaging recorded":
        for path, value in new.items():
            if path.endswith("/value"):
                found[path.replace("/value", "/result")] = None if value is None else f"{value:g}"
    if event.kind == "dose received" and "measured" in new:
        found["date"] = new["measured"][:10]
    if event.kind == "dose infused" and new:
        said = dict(event.payload) | dict(new)
        found = {"date": said["started"][:10], "activity_gbq": infused_gbq(said, patient)}
        found = {name: value for name, value in found.items() if value != event.payload[name]}
    return found


def infused_gbq(infusion: Mapping[str, Any], patient: Patient) -> float:
    """Return the activity of an infusion from the calibrator's reading that is recorded now.

    Raises ValueError if the infusion began before the reading, or more is left than was there.
    """
    received = [
        one.payload
        for one in patient.events
        if one.kind == "dose received" and one.payload["cycle"] == infusion["cycle"]
    ][-1]
    measured = datetime.fromisoformat(received["measured"])
    started = datetime.fromisoformat(infusion["started"])
    if started < measured:
        raise ValueError("The infusion comes after the calibrator's reading.")
    there = activity_at(received["activity_gbq"], measured=measured, at=started)
    left = float(infusion["residual_gbq"])
    if left > there:
        raise ValueError(f"More is left ({left:g} GBq) than was there ({there:.2f} GBq).")
    return round(there - left, 4)

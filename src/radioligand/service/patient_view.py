# SPDX-License-Identifier: Apache-2.0
"""A patient in words: where they stand, what happened, and what a blinded reader may know of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from radioligand.service.events import Event, Patient

# What happens to a patient of either arm alike; all else would tell the arm.
OPEN_TO_BLINDED = frozenset(
    {
        "consented",
        "screened",
        "screen failed",
        "eligibility signed",
        "randomised",
        "stratum corrected",
        "imaging recorded",
        "progression confirmed",
        "progression withdrawn",
        "consent withdrawn",
        "left the study",
        "died",
    }
)
_STATES = (
    ("dead", "died", "bad"),
    ("left the study", "left the study", "bad"),
    ("screen failed", "screen failure", "bad"),
    ("progression confirmed", "progressed", "open"),
    ("randomised", "in the trial", "good"),
    ("eligibility signed", "to be randomised", "open"),
    ("eligible", "to be signed", "open"),
    ("screened", "in screening", "open"),
    ("consented", "in screening", "open"),
)


def state_of(patient: Patient) -> tuple[str, str]:
    """Return where a patient stands, in words that are the same for every arm, and its colour."""
    return next(
        ((says, colour) for fact, says, colour in _STATES if fact in patient.facts), ("new", "open")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event in words; `on` is the day it speaks of, `at` when it was recorded."""

    number: int
    on: str
    at: str
    says: str
    detail: str
    who: str
    kind: str
    is_corrected: bool = False


def history(patient: Patient, *, sees_arms: bool) -> tuple[Told, ...]:
    """Return a patient's events, newest first; a blinded reader gets those alike in every arm."""
    corrected = {one.payload["corrects"] for one in patient.events if one.kind == "data corrected"}
    return tuple(
        Told(
            number=one.number,
            kind=one.kind,
            is_corrected=one.number in corrected,
            on=_day(one),
            at=one.at,
            says=one.kind[:1].upper() + one.kind[1:],
            detail="; ".join(_details(one, sees_arms=sees_arms)),
            who=f"signed by {one.signature.name}" if one.signature else one.actor,
        )
        for one in reversed(patient.events)
        if sees_arms or one.kind in OPEN_TO_BLINDED
    )


def _day(event: Event) -> str:
    told = event.payload.get("date") or event.payload.get("consent_date")
    return str(told or event.at[:10])


def _details(event: Event, *, sees_arms: bool) -> Iterator[str]:
    payload = event.payload
    if "cycle" in payload:
        yield f"cycle {payload['cycle']}"
    match event.kind:
        case "screened":
            yield str(payload["verdict"])
        case "randomised" if sees_arms:
            yield str(payload["arm"])
        case "laboratory recorded":
            yield ", ".join(
                f"{code} {one['value']:g}"
                for code, one in payload["tests"].items()
                if one["value"] is not None
            )
        case "visit recorded":
            yield ", ".join(
                f"{code} {value:g}" for code, value in payload["signs"].items() if value is not None
            )
        case "questionnaire recorded":
            yield ", ".join(
                f"{name}: {len(answers)} answers" for name, answers in payload["answers"].items()
            )
        case "data corrected":
            yield f"of {payload['kind']}"
            yield ", ".join(
                f"{path.removesuffix('/value').rpartition('/')[2]} {_plain(was)} → "
                f"{_plain(payload['now'][path])}"
                for path, was in payload["was"].items()
            )
        case "adverse event recorded":
            yield f"{payload['term']}, grade {payload['grade']}"
        case "dose decided":
            yield f"{payload['decision']}: {payload['says']}"
        case "treatment given":
            yield f"{payload['drug']} {payload['amount']:g} {payload['unit']}"
        case "imaging recorded":
            yield f"{payload['evaluator'].lower()}: {payload['response']}"
        case "stratum corrected":
            yield ", ".join(f"{name} {level}" for name, level in payload["strata"].items())
        case "dose ordered" | "dose received" | "dose infused":
            yield f"{payload['activity_gbq']:.2f} GBq"
    if event.reason:
        yield event.reason


def _plain(value: Any) -> str:
    """Return a recorded value in letters."""
    if isinstance(value, Mapping):
        value = value.get("value")
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def by_day(told: tuple[Told, ...]) -> tuple[tuple[str, tuple[Told, ...]], ...]:
    """Return what happened by the day it speaks of, the newest first."""
    days: dict[str, list[Told]] = {}
    for one in told:
        days.setdefault(one.on, []).append(one)
    return tuple((day, tuple(reversed(days[day]))) for day in sorted(days, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One infusion that was given, and the decision before it."""

    cycle: int
    day: str
    weeks: float | None  # since the one before
    activity_gbq: float
    decision: str
    says: str
    signed: str


def cycles(patient: Patient) -> tuple[Cycle, ...]:
    """Return the infusions that were given, in order."""
    found: list[Cycle] = []
    decided: Event | None = None
    for one in patient.events:
        if one.kind == "dose decided":
            decided = one
        if one.kind != "dose infused" or decided is None:
            continue
        day = date.fromisoformat(one.payload["date"])
        last = date.fromisoformat(found[-1].day) if found else None
        found.append(
            Cycle(
                cycle=int(one.payload["cycle"]),
                day=day.isoformat(),
                weeks=(day - last).days / 7 if last else None,
                activity_gbq=float(one.payload["activity_gbq"]),
                decision=str(decided.payload["decision"]),
                says=str(decided.payload["says"]),
                signed=decided.signature.name if decided.signature else "",
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the list of patients."""

    subject: str
    site: str
    state: str
    colour: str
    consented: str
    randomised: str
    arm: str  # "" for a blinded reader


def listed(
    patients: tuple[Patient, ...], *, arms: Mapping[str, Any], sees_arms: bool
) -> tuple[Listed, ...]:
    """Return the list of patients, the newest first."""
    rows = []
    for one in reversed(patients):
        state, colour = state_of(one)
        consent = (each.payload for each in one.events if each.kind == "consented")
        rows.append(
            Listed(
                subject=one.subject,
                site=one.site or "",
                state=state,
                colour=colour,
                consented=str(next(consent, {}).get("consent_date", "")),
                randomised=(one.randomised_at or "")[:10],
                arm=arms[one.arm].short if sees_arms and one.arm else "",
            )
        )
    return tuple(rows)

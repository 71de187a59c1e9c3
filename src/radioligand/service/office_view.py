# SPDX-License-Identifier: Apache-2.0
"""The trial as its office sees it: accrual, events, what is missing; never an arm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from radioligand.planning import EventDate, PlanningError, predict_events
from radioligand.protocol import Protocol
from radioligand.service.due_view import everything_due
from radioligand.service.events import Patient
from radioligand.service.ledger import Site

WIDTH, HEIGHT = 640, 260
LEFT, BOTTOM, TOP, RIGHT = 44, 34, 12, 12
UNFINISHED_DAYS = 28  # a screening without a verdict for longer is told


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """One site's numbers; `last` is the day of its last randomisation."""

    site: str
    is_open: bool
    cap: int | None
    screened: int
    failed: int
    randomised: int
    overdue: int
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that a site owes: what, planned on which day, in a window that has passed.

    `day` and `window` are None for what the schedule does not plan.
    """

    site: str
    subject: str
    says: str
    day: date | None = None
    window: tuple[date, date] | None = None
    follows_treatment: bool = False
    is_assessment: bool = True  # False: a dose or injection


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Accrual as lines of an SVG: points of what was seen and planned, and ticks."""

    seen: str
    plan: str
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything on the office's page."""

    screened: int
    randomised: int
    planned: int | None
    expected: float | None
    sites: tuple[SiteRow, ...]
    failures: tuple[tuple[str, int], ...]
    missing: tuple[Missing, ...]
    untold: int  # forms missing that follow treatment, where the reader sees no arms
    events: EventDate | None
    no_events: str
    chart: Chart | None


def office(
    patients: Sequence[Patient],
    sites: Mapping[str, Site],
    *,
    protocol: Protocol,
    today: date,
    sees_arms: bool = False,
) -> Office:
    """Sum up the trial on a day.

    Without `sees_arms` nothing in it depends on who got which arm: what is counted from the first
    treatment would tell when treatment began, and so, as a dose has to be ordered, the arm; of it
    there is one number for the trial, and of doses and injections none.
    """
    dates = sorted(date.fromisoformat(str(one.randomised_at)[:10]) for one in _randomised(patients))
    everything = _missing(patients, protocol, today)
    missing = tuple(one for one in everything if sees_arms or not one.follows_treatment)
    plan = protocol.planning
    events, no_events = _events(patients, protocol, today)
    return Office(
        screened=len(patients),
        randomised=len(dates),
        planned=plan.subjects if plan else None,
        expected=_planned(protocol, (today - dates[0]).days) if dates else None,
        sites=tuple(_site(one, patients, missing) for one in sites.values()),
        failures=tuple(_failures(patients).most_common()),
        missing=missing,
        untold=sum(one.is_assessment for one in everything if one not in missing),
        events=events,
        no_events=no_events,
        chart=_chart(dates, protocol, today) if dates else None,
    )


def _randomised(patients: Sequence[Patient]) -> list[Patient]:
    return [one for one in patients if one.randomised_at]


def _site(site: Site, patients: Sequence[Patient], missing: Sequence[Missing]) -> SiteRow:
    here = [one for one in patients if one.site == site.site]
    days = [str(one.randomised_at)[:10] for one in _randomised(here)]
    return SiteRow(
        site=site.site,
        is_open=site.is_open,
        cap=site.cap,
        screened=len(here),
        failed=sum("screen failed" in one.facts for one in here),
        randomised=len(days),
        overdue=sum(one.site == site.site for one in missing),
        last=max(days, default=""),
    )


def _failures(patients: Sequence[Patient]) -> Counter[str]:
    reasons = (
        next(one.reason or "" for one in patient.events if one.kind == "screen failed")
        for patient in patients
        if "screen failed" in patient.facts
    )
    return Counter(reasons)


def _missing(patients: Sequence[Patient], protocol: Protocol, today: date) -> list[Missing]:
    """Return what is overdue of each patient, and screenings that nobody ended."""
    found: list[Missing] = []
    for one in patients:
        found += [
            Missing(
                site=one.site or "",
                subject=one.subject,
                says=due.says,
                day=due.day,
                window=(due.first, due.last),
                follows_treatment=due.follows_treatment,
                is_assessment=due.week is not None,
            )
            for due in everything_due(one, protocol=protocol, today=today)
            if due.state == "overdue"
        ]
        if "randomised" in one.facts or "screen failed" in one.facts:
            continue
        waited = (today - date.fromisoformat(one.events[-1].at[:10])).days
        if waited > UNFINISHED_DAYS and not one.facts & {"left the study", "dead"}:
            says = f"Screening without an end for {waited} days"
            found.append(Missing(site=one.site or "", subject=one.subject, says=says))
    return found


# -- events ---------------------------------------------------------------------------------------


def _events(
    patients: Sequence[Patient], protocol: Protocol, today: date
) -> tuple[EventDate | None, str]:
    cutoff, plan = protocol.cutoff, protocol.planning
    entered = _randomised(patients)
    if cutoff is None or not entered:
        return None, "Nobody is randomised yet." if cutoff else "The protocol waits for no events."
    adsl = pl.DataFrame(
        [
            {
                "USUBJID": one.subject,
                "RANDDT": date.fromisoformat(str(one.randomised_at)[:10]),
                "EOSDT": _day_of(one, "left the study"),
            }
            for one in entered
        ],
        schema_overrides={"EOSDT": pl.Date},
    )
    times = pl.DataFrame([_time(one, cutoff.endpoint, today) for one in entered])
    try:
        found = predict_events(
            adsl,
            times,
            endpoint=cutoff.endpoint,
            events=cutoff.events,
            cutoff=today,
            subjects=plan.subjects if plan else None,
            per_month=plan.accrual_per_month if plan else None,
        )
    except PlanningError:
        return None, f"No event of {cutoff.endpoint} yet, of {cutoff.events} waited for."
    return found, ""


def _day_of(patient: Patient, kind: str) -> date | None:
    days = [one.payload.get("date") for one in patient.events if one.kind == kind]
    return date.fromisoformat(str(days[-1])) if days else None


def _time(patient: Patient, endpoint: str, today: date) -> dict[str, object]:
    """Return time to centrally confirmed progression or death, or to the last image without."""
    start = date.fromisoformat(str(patient.randomised_at)[:10])
    is_confirmed = "progression confirmed" in patient.facts  # it may have been withdrawn since
    progressed = _day_of(patient, "progression confirmed") if is_confirmed else None
    events = [progressed, _day_of(patient, "died")]
    seen = [day for day in events if day and day <= today]
    images = [
        date.fromisoformat(one.payload["date"])
        for one in patient.events
        if one.kind == "imaging recorded" and one.payload["date"] <= today.isoformat()
    ]
    end = min(seen) if seen else max([start, *images])
    end = max(start, end)
    return {
        "USUBJID": patient.subject,
        "PARAMCD": endpoint,
        "AVAL": float((end - start).days),
        "CNSR": 0 if seen else 1 if end > start else 5,
        "ADT": end,
    }


# -- accrual --------------------------------------------------------------------------------------


def _planned(protocol: Protocol, days: float) -> float | None:
    """Return how many subjects the plan has so many days after the first, at an even pace."""
    plan = protocol.planning
    if plan is None or plan.accrual_per_month is None:
        return None
    planned = plan.accrual_per_month * days / protocol.data.month_days
    return min(planned, float(plan.subjects)) if plan.subjects else planned


def _chart(dates: Sequence[date], protocol: Protocol, today: date) -> Chart:
    first = dates[0]
    span = max((today - first).days, 28)
    expected = _planned(protocol, span) or 0.0
    top = max(len(dates), expected, 5) * 1.08

    def x(days: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * days / span, 1)

    def y(count: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * count / top, 1)

    points = [(x(0), y(0))]
    for number, day in enumerate(dates, start=1):
        across = x((day - first).days)
        points += [(across, y(number - 1)), (across, y(number))]
    points.append((x(span), y(len(dates))))
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500) if top / one <= 6)
    months = max(1, round(span / 30.4375 / 6))
    ticks = []
    day = first
    while day <= first + timedelta(days=span):
        ticks.append((x((day - first).days), f"{day:%b %y}"))
        day += timedelta(days=round(months * 30.4375))
    planned = [(x(at), y(_planned(protocol, at) or 0)) for at in (0, span / 2, span)]
    return Chart(
        seen=_line(points),
        plan=_line(planned) if expected else "",
        across=tuple(ticks),
        up=tuple((y(count), str(count)) for count in range(0, int(top) + 1, step)),
        says=f"{len(dates)} patients randomised by {today}"
        + (f", {expected:.0f} by plan" if expected else ""),
    )


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{across:g},{up:g}" for across, up in points)

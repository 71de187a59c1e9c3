# SPDX-License-Identifier: Apache-2.0
"""Adverse events of the treated subjects: AE and SUPPAE.

A subject's frailty multiplies the share of every term, so that events cluster in subjects while
each term keeps its published share.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from radioligand.simulation.conduct import Course
from radioligand.simulation.design import Design
from radioligand.simulation.dosing import DELAYED
from radioligand.simulation.frames import dataset, iso_dates, supplemental, texts, yes_no
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import Subjects
from radioligand.simulation.streams import (
    Flags,
    Floats,
    Texts,
    Whole,
    from_quantiles,
    normals,
    uniforms,
)

YEAR = 365.25
_PERIOD_DAYS = 30  # after the last dose


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Adverse events, one row each, (m,); days from randomisation."""

    subject: Whole  # row of the randomised subjects
    term: Texts
    organ_class: Texts
    grade: Whole
    start: Floats
    end: Floats  # inf: ongoing
    serious: Flags
    fatal: Flags
    radioligand: Flags  # related to it
    octreotide: Flags
    action_radioligand: Texts
    action_octreotide: Texts


def simulate_events(
    subjects: Subjects, course: Course, *, population: Population, design: Design, seed: int
) -> Events:
    """Draw the adverse events of the randomised `subjects`."""
    parts = [
        _by_term(subjects, course, population, design, seed),
        _stopping(subjects, course, population, design, seed),
        _fatal(subjects, course, population, design, seed),
    ]
    names = Events.__dataclass_fields__
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    # nothing starts or ends after the end of follow-up
    known = joined["start"] < course.end[joined["subject"]]
    return Events(**{name: values[known] for name, values in joined.items()})


def _by_term(
    subjects: Subjects, course: Course, population: Population, design: Design, seed: int
) -> Events:
    safety, terms, n = population.safety, population.safety.terms, subjects.arm.size
    arm_id = np.array(design.arms)[subjects.arm]
    treated = np.isfinite(course.start)
    frailty = from_quantiles(uniforms(seed, "frailty", n), safety.frailty)
    share = np.array([[term.any_grade[arm] for term in terms] for arm in arm_id])
    severe = np.array([[term.severe[arm] for term in terms] for arm in arm_id])
    u = uniforms(seed, "adverse events", n, len(terms), 10)
    happens = (u[..., 0] < share * frailty[:, None]) & treated[:, None]
    who, which = np.nonzero(happens)
    v = u[who, which]

    def of(name: str) -> np.ndarray:
        return np.array([getattr(term, name) for term in terms])[which]

    severity = severe[who, which] / np.maximum(share[who, which], 1e-9)
    is_severe = v[:, 1] < severity
    grade = np.where(
        is_severe,
        np.where(v[:, 2] < safety.grade4, 4, 3),
        np.where(v[:, 2] < of("moderate"), 2, 1),
    )
    start, exists = _onset(course, who, of("onset"), v[:, 3], v[:, 4], safety.onset_days)
    after = _period_end(course)[who] + 1 + np.floor(150 * v[:, 9])
    late = v[:, 8] < safety.outside
    start = np.where(late, after, start)
    spread = normals(seed, "event length", n, len(terms))[who, which]
    length = np.maximum(np.round(of("days") * np.exp(0.9 * spread)), 0)
    end = np.where(v[:, 5] < safety.resolved, start + length, np.inf)
    end = np.where(end < course.end[who], end, np.inf)
    given = np.array(design.infused)[subjects.arm[who]]
    serious = v[:, 6] < np.where(is_severe, of("serious"), safety.serious_mild * of("serious"))
    related = v[:, 7] < of("radioligand")
    same = np.full(who.size, "DOSE NOT CHANGED", dtype="<U16")
    chance = (
        of("octreotide")
        * np.where(given, safety.beside_radioligand, 1.0)
        * np.where(is_severe, safety.severe_octreotide, 1.0)
    )
    action_lu = np.where(given, same, "NOT APPLICABLE")
    events = Events(
        subject=who,
        term=of("term"),
        organ_class=of("organ_class"),
        grade=grade,
        start=start,
        end=end,
        serious=serious,
        fatal=np.zeros(who.size, dtype=bool),
        radioligand=related & given,
        octreotide=v[:, 7] < chance,  # what is related to one drug is often said to be to both
        action_radioligand=action_lu,
        action_octreotide=same.copy(),
    )
    return _where(_with_dose_changes(events, course), exists)


def _where(events: Events, keep: Flags) -> Events:
    return Events(**{name: getattr(events, name)[keep] for name in Events.__dataclass_fields__})


def _period_end(course: Course) -> Floats:
    return np.minimum(course.last_dose + _PERIOD_DAYS, course.end - 1)


def _onset(
    course: Course, who: Whole, kind: Texts, u: Floats, w: Floats, mean_days: float
) -> tuple[Floats, Flags]:
    """Day of onset within the treatment period, and whether the course is long enough for it."""
    begin, end = course.start[who], _period_end(course)[who]
    span = np.maximum(end - begin, 1)
    any_time = begin + np.floor(-mean_days * np.log1p(-u * -np.expm1(-span / mean_days)))
    doses = course.radioligand
    cycles = np.bincount(doses.subject, minlength=course.start.size)
    first = np.cumsum(cycles) - cycles
    picked = first[who] + np.floor(u * cycles[who]).astype(np.int64)
    infused = doses.day[np.minimum(picked, doses.day.size - 1)].astype(np.float64)
    has = cycles[who] > 0
    # nausea comes within days of an infusion, a low count three to six weeks after it
    after = np.where(kind == "infusion", np.floor(5 * w**2), 24 + np.floor(22 * w))
    day = np.where(has & np.isin(kind, ("infusion", "nadir")), infused + after, any_time)
    day = np.where(kind == "late", begin + np.round(410 + 40 * w), day)
    day = np.where(kind == "long-term", begin + np.round(YEAR * (0.75 + 4 * w)), day)
    always, later = ~np.isin(kind, ("late", "long-term")), kind == "long-term"
    return np.where(always, np.minimum(day, end), day), always | later | (day <= end)


def _with_dose_changes(events: Events, course: Course) -> Events:
    """Tie each changed dose to an event shortly before it, where there is one."""
    radioligand, octreotide = events.action_radioligand.copy(), events.action_octreotide.copy()
    for doses, action in ((course.radioligand, radioligand), (course.octreotide, octreotide)):
        for change in np.flatnonzero(doses.adjustment != "").tolist():
            day, reason = doses.day[change], doses.adjustment[change]
            near = (
                (events.subject == doses.subject[change])
                & (events.start < day)
                & (events.start >= day - 60)
                & (action == "DOSE NOT CHANGED")
            )
            if near.any():
                worst = np.flatnonzero(near)[np.argmax(events.grade[near])]
                action[worst] = "DRUG INTERRUPTED" if reason == DELAYED else "DOSE REDUCED"
    return Events(
        **{name: getattr(events, name) for name in Events.__dataclass_fields__}
        | {"action_radioligand": radioligand, "action_octreotide": octreotide}
    )


def _stopping(
    subjects: Subjects, course: Course, population: Population, design: Design, seed: int
) -> Events:
    """The event for which a subject stopped treatment."""
    stops = np.flatnonzero((course.stop_reason == "ADVERSE EVENT") & np.isfinite(course.start))
    u = uniforms(seed, "stopping event", subjects.arm.size, 3)[stops]
    names = population.safety.stopping_terms
    which = np.floor(len(names) * u[:, 0]).astype(np.int64)
    cycles = np.bincount(course.radioligand.subject, minlength=subjects.arm.size)[stops]
    given = np.array(design.infused)[subjects.arm[stops]]
    unfinished = given & (cycles < design.cycles)
    start = np.maximum(course.stop[stops] - 3 - np.floor(10 * u[:, 1]), course.start[stops])
    last = course.last_dose[stops] + _PERIOD_DAYS
    return Events(
        subject=stops,
        term=np.array([term for term, _ in names])[which],
        organ_class=np.array([organ for _, organ in names])[which],
        grade=np.where(u[:, 2] < population.safety.stopping_severe, 3, 2),
        start=np.minimum(start, last),
        end=np.full(stops.size, np.inf),
        serious=np.zeros(stops.size, dtype=bool),
        fatal=np.zeros(stops.size, dtype=bool),
        radioligand=unfinished,
        octreotide=~given & (u[:, 1] < population.safety.stopping_octreotide),
        action_radioligand=np.where(
            unfinished, "DRUG WITHDRAWN", np.where(given, "DOSE NOT CHANGED", "NOT APPLICABLE")
        ),
        action_octreotide=np.full(stops.size, "DRUG WITHDRAWN"),
    )


def _fatal(
    subjects: Subjects, course: Course, population: Population, design: Design, seed: int
) -> Events:
    """Deaths in the treatment period that are also reported as an event."""
    arm_id = np.array(design.arms)[subjects.arm]
    chance = np.array([population.safety.fatal[arm] for arm in arm_id])
    u = uniforms(seed, "fatal event", subjects.arm.size, 2)
    inside = course.death <= course.last_dose + _PERIOD_DAYS
    dead = np.flatnonzero(inside & np.isfinite(course.death) & (u[:, 0] < chance))
    names = [population.safety.fatal_term[arm] for arm in arm_id[dead].tolist()]
    start = np.maximum(course.death[dead] - 1 - np.floor(8 * u[dead, 1]), course.start[dead])
    none = np.zeros(dead.size, dtype=bool)
    applies = np.where(
        np.array(design.infused)[subjects.arm[dead]], "DOSE NOT CHANGED", "NOT APPLICABLE"
    )
    return Events(
        subject=dead,
        term=np.array([name for name, _ in names], dtype=str),
        organ_class=np.array([organ for _, organ in names], dtype=str),
        grade=np.full(dead.size, 5),
        start=start,
        end=course.death[dead],
        serious=~none,
        fatal=~none,
        radioligand=none,
        octreotide=none,
        action_radioligand=applies,
        action_octreotide=np.full(dead.size, "NOT APPLICABLE"),
    )


def adverse_events(
    events: Events, subjects: Subjects, *, population: Population, design: Design, seed: int
) -> dict[str, pl.DataFrame]:
    """AE and SUPPAE; of some events only the month of the start is known."""
    who, m = events.subject, events.subject.size
    day0 = subjects.randomised_day[who]
    vague = uniforms(seed, "vague event date", m) < population.safety.partial_date
    start = iso_dates(day0 + events.start)
    end = iso_dates(day0 + events.end)
    outcome = np.where(
        events.fatal,
        "FATAL",
        np.where(np.isfinite(events.end), "RECOVERED/RESOLVED", "NOT RECOVERED/NOT RESOLVED"),
    )
    related = events.radioligand | events.octreotide
    changed = np.isin(
        events.action_radioligand, ("DRUG WITHDRAWN", "DOSE REDUCED", "DRUG INTERRUPTED")
    )
    columns = {
        "USUBJID": subjects.identifier[who],
        "AETERM": np.char.upper(events.term),
        "AEDECOD": events.term,
        "AEBODSYS": events.organ_class,
        "AESOC": events.organ_class,
        "AETOXGR": events.grade.astype(str),
        "AESER": yes_no(events.serious),
        "AESDTH": yes_no(events.fatal),
        "AEREL": yes_no(related),
        "AEACN": np.where(changed, events.action_radioligand, events.action_octreotide),
        "AEACNOTH": pl.Series(values=[None] * m, dtype=pl.String),
        "AEOUT": outcome,
        "AESTDTC": pl.select(
            pl.when(pl.Series(values=vague & ~events.fatal))
            .then(start.str.slice(0, 7))
            .otherwise(start)
        ).to_series(),
        "AEENDTC": end,
        "day": events.start,
        "AERELLU": texts(
            np.where(
                np.array(design.infused)[subjects.arm[who]],
                np.where(events.radioligand, "Y", "N"),
                "",
            )
        ),
        "AERELOCT": yes_no(events.octreotide),
        "AEACNLU": events.action_radioligand,
        "AEACNOCT": events.action_octreotide,
    }
    both = dataset("AE", design.study, columns, order=["day", "AEDECOD"])
    qualifiers = {
        "AERELLU": "Related to 177Lu-Dotatate",
        "AERELOCT": "Related to octreotide",
        "AEACNLU": "Action taken with 177Lu-Dotatate",
        "AEACNOCT": "Action taken with octreotide",
    }
    supp = supplemental(
        "AE",
        design.study,
        both["USUBJID"],
        {name: (label, both[name]) for name, label in qualifiers.items()},
        sequence=both["AESEQ"],
    )
    return {"AE": both.drop("day", *qualifiers), "SUPPAE": supp}

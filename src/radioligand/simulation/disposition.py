# SPDX-License-Identifier: Apache-2.0
"""What was given and what became of each subject: EX, EC, DS, CM, DD, SV."""

from typing import Any

import numpy as np
import polars as pl

from radioligand.simulation.conduct import Course
from radioligand.simulation.design import Design, Drug
from radioligand.simulation.dose_study import VirtualDoses
from radioligand.simulation.dosing import Doses
from radioligand.simulation.frames import dataset, iso_dates, numbers, texts
from radioligand.simulation.population import Subjects
from radioligand.simulation.streams import Flags, Floats, Texts, uniforms

_FOLLOW_UP_DAYS = 84


def exposure(
    subjects: Subjects,
    course: Course,
    *,
    design: Design,
    seed: int,
    planned: VirtualDoses | None = None,
) -> dict[str, pl.DataFrame]:
    """EX (as given) and EC (as collected, cycles that were not given included).

    With `planned`, what is scheduled in EC is what dosimetry recommended.
    """
    parts = []
    for doses, epoch in (
        (course.radioligand, "TREATMENT"),
        (course.crossover_doses, "CROSSOVER"),
        (course.retreatment_doses, "RE-TREATMENT"),
    ):
        parts += _infusion_rows(subjects, doses, epoch, design, seed)
    parts.append(_injection_rows(subjects, course.octreotide, design))
    parts += [_further_rows(subjects, course, drug, doses) for drug, doses in course.further]
    rows = pl.concat([pl.DataFrame(part) for part in parts], how="vertical_relaxed")
    ex = dataset("EX", design.study, rows, order=["EXSTDTC", "EXTRT"])
    planned_gbq = np.full((course.start.size, design.cycles), design.activity_gbq)
    if planned is not None:
        planned_gbq = planned.planned_gbq
    return {"EX": ex, "EC": _collected(ex, subjects, course, design, planned_gbq)}


def _infusion_rows(
    subjects: Subjects, doses: Doses, epoch: str, design: Design, seed: int
) -> list[dict[str, Any]]:
    who, n = doses.subject, doses.subject.size
    day = subjects.randomised_day[who] + doses.day
    # between 09:00 and 14:00, to five minutes
    begins = 540 + 5 * np.floor(60 * uniforms(seed, f"{epoch} hour", n))
    visit = np.char.add(np.char.add("CYCLE ", doses.cycle.astype(str)), " DAY 1")
    common = {"USUBJID": subjects.identifier[who], "VISIT": visit, "EPOCH": [epoch] * n}
    lutetium = {
        **common,
        "EXTRT": [design.radioligand] * n,
        "EXDOSE": doses.amount,
        "EXDOSU": ["GBq"] * n,
        "EXROUTE": ["INTRAVENOUS"] * n,
        "EXSTDTC": _moment(day, begins),
        "EXENDTC": _moment(day, begins + design.infusion_minutes),
        "EXADJ": texts(doses.adjustment),
    }
    protection = {
        **common,
        "EXTRT": [design.protection] * n,
        "EXDOSE": np.full(n, 1000.0),
        "EXDOSU": ["mL"] * n,
        "EXROUTE": ["INTRAVENOUS"] * n,
        "EXSTDTC": _moment(day, begins + design.protection_start_minutes),
        "EXENDTC": _moment(
            day, begins + design.protection_start_minutes + 60 * design.protection_hours
        ),
        "EXADJ": pl.Series(values=[None] * n, dtype=pl.String),
    }
    return [lutetium, protection]


def _injection_rows(subjects: Subjects, doses: Doses, design: Design) -> dict[str, Any]:
    who, n = doses.subject, doses.subject.size
    date = iso_dates(subjects.randomised_day[who] + doses.day)
    return {
        "USUBJID": subjects.identifier[who],
        "VISIT": pl.Series(values=[None] * n, dtype=pl.String),
        "EPOCH": ["TREATMENT"] * n,
        "EXTRT": [design.analogue] * n,
        "EXDOSE": doses.amount,
        "EXDOSU": ["mg"] * n,
        "EXROUTE": ["INTRAMUSCULAR"] * n,
        "EXSTDTC": date,
        "EXENDTC": date,
        "EXADJ": texts(doses.adjustment),
    }


def _further_rows(subjects: Subjects, course: Course, drug: Drug, doses: Doses) -> dict[str, Any]:
    """A record a supply or infusion; the last supply ends with the treatment."""
    who, n = doses.subject, doses.subject.size
    last = np.minimum(doses.day + drug.lasts_days - 1, np.maximum(course.stop[who] - 1, doses.day))
    return {
        "USUBJID": subjects.identifier[who],
        "VISIT": pl.Series(values=[None] * n, dtype=pl.String),
        "EPOCH": ["TREATMENT"] * n,
        "EXTRT": [drug.name] * n,
        "EXDOSE": doses.amount,
        "EXDOSU": [drug.unit] * n,
        "EXROUTE": [drug.route] * n,
        "EXSTDTC": iso_dates(subjects.randomised_day[who] + doses.day),
        "EXENDTC": iso_dates(subjects.randomised_day[who] + last),
        "EXADJ": texts(doses.adjustment),
    }


def _moment(day: np.ndarray, minutes: Floats) -> list[str]:
    return [
        f"{date}T{int(minute) // 60:02d}:{int(minute) % 60:02d}"
        for date, minute in zip(iso_dates(day).to_list(), minutes.tolist(), strict=True)
    ]


def _collected(
    ex: pl.DataFrame, subjects: Subjects, course: Course, design: Design, planned_gbq: Floats
) -> pl.DataFrame:
    given = ex.filter(pl.col("EXTRT") != design.protection).select(
        "USUBJID",
        ECTRT="EXTRT",
        ECMOOD=pl.lit("PERFORMED"),
        ECOCCUR=pl.lit("Y"),
        ECREASOC=pl.lit(None, dtype=pl.String),
        ECDOSE="EXDOSE",
        ECDOSU="EXDOSU",
        ECADJ="EXADJ",
        ECSTDTC="EXSTDTC",
        ECENDTC="EXENDTC",
        VISIT="VISIT",
        EPOCH="EPOCH",
    )
    given_cycles = np.bincount(course.radioligand.subject, minlength=course.start.size)
    due = (np.array(design.infused)[subjects.arm] & np.isfinite(course.start))[:, None]
    number = np.arange(design.cycles)
    scheduled = due & (planned_gbq > 0)
    planned = _cycles(subjects, scheduled, "SCHEDULED", design).with_columns(
        ECDOSE=planned_gbq[scheduled], ECDOSU=pl.lit("GBq")
    )
    not_given = due & (number >= given_cycles[:, None])
    who, cycle = np.nonzero(not_given)
    nothing_due = (course.stop_reason[who] == "") & (planned_gbq[who, cycle] == 0)
    reason = np.where(nothing_due, "NO ACTIVITY RECOMMENDED", course.stop_reason[who])
    missed = _cycles(subjects, not_given, "PERFORMED", design).with_columns(
        ECOCCUR=pl.lit("N"), ECREASOC=texts(reason)
    )
    rows = pl.concat([given, missed, planned], how="diagonal_relaxed")
    return dataset("EC", design.study, rows, order=["ECTRT", "ECMOOD", "VISIT", "ECSTDTC"])


def _cycles(subjects: Subjects, which: Flags, mood: str, design: Design) -> pl.DataFrame:
    """A row for each cycle of the radioligand that is true in `which`, (n, cycles)."""
    who, cycle = np.nonzero(which)
    return pl.DataFrame(
        {
            "USUBJID": subjects.identifier[who],
            "ECTRT": [design.radioligand] * who.size,
            "ECMOOD": [mood] * who.size,
            "VISIT": [f"CYCLE {each + 1} DAY 1" for each in cycle.tolist()],
            "EPOCH": ["TREATMENT"] * who.size,
        }
    )


def disposition(
    everyone: Subjects, subjects: Subjects, course: Course, *, design: Design
) -> pl.DataFrame:
    """DS: milestones, ends of treatment and of study; `subjects` are the randomised."""
    day0, names, all_names = subjects.randomised_day, subjects.identifier, everyone.identifier
    treated = np.isfinite(course.start)
    left = np.minimum(np.minimum(course.new_therapy, course.withdrawn), course.end)
    why_untreated = np.where(
        course.departure != "",
        course.departure,
        np.where(np.isfinite(course.death), "DEATH", "PHYSICIAN DECISION"),
    )
    coded = np.where(
        np.isin(why_untreated, ("SURGERY BEFORE FIRST TREATMENT", "RANDOMIZATION MISTAKE")),
        "OTHER",
        why_untreated,
    )
    leaves = np.where(np.isfinite(course.death), "DEATH", course.withdrawal_reason)
    gone = np.isfinite(course.death) | np.isfinite(course.withdrawn)
    consented = np.full(everyone.arm.size, "INFORMED CONSENT OBTAINED")
    failed = np.where(everyone.randomised, "", "SCREEN FAILURE")
    milestone, event = "PROTOCOL MILESTONE", "DISPOSITION EVENT"
    followed = np.where(np.isfinite(course.follow_up), "ENTERED LONG-TERM FOLLOW-UP", "")
    crossed = np.where(np.isfinite(course.crossover), "ENTERED CROSSOVER", "")
    parts = [
        _record(all_names, consented, everyone.consent_day, milestone),
        _record(names, np.full(day0.size, "RANDOMIZED"), day0, milestone),
        _record(all_names, failed, everyone.randomised_day, event, term=everyone.failure_reason),
        _record(names, np.where(treated, "", coded), day0 + left, event, "STUDY TREATMENT",
                term=why_untreated),
        _record(names, np.where(treated, course.stop_reason, ""), day0 + course.stop, event,
                "STUDY TREATMENT"),
        _record(names, crossed, day0 + course.crossover - 1, milestone),
        _record(names, followed, day0 + course.follow_up, milestone),
        _record(names, np.where(gone, leaves, ""), day0 + course.end, event, "STUDY PARTICIPATION"),
    ]  # fmt: skip
    return dataset("DS", design.study, pl.concat(parts), order=["DSSTDTC"])


def _record(
    subject: Texts,
    decoded: Texts,
    day: Any,
    category: str,
    subcategory: str = "",
    *,
    term: Texts | None = None,
) -> pl.DataFrame:
    """Rows of DS for the subjects to whom something of the sort happened (`decoded` not empty)."""
    there = decoded != ""
    rows = pl.DataFrame(
        {
            "USUBJID": subject[there],
            "DSTERM": (decoded if term is None else term)[there],
            "DSDECOD": decoded[there],
            "DSSTDTC": iso_dates(day[there]),
        }
    )
    return rows.select(
        "USUBJID",
        "DSTERM",
        "DSDECOD",
        pl.lit(category).alias("DSCAT"),
        pl.lit(subcategory or None, dtype=pl.String).alias("DSSCAT"),
        "DSSTDTC",
    )


def medication(
    prior: dict[str, Any], subjects: Subjects, course: Course, *, design: Design, seed: int
) -> pl.DataFrame:
    """CM: prior cancer therapy and whatever followed study treatment; some dates lack the day."""
    day0 = subjects.randomised_day
    vague = uniforms(seed, "vague therapy date", subjects.arm.size) < 0.10
    # a month alone must not put the therapy before the last scan
    vague &= _month(day0 + course.new_therapy) > _month(day0 + course.last_visit)
    parts = [pl.DataFrame(prior)]
    surgery = course.new_therapy_name == "SURGICAL RESECTION"
    for day, name, category in (
        (
            course.new_therapy,
            course.new_therapy_name,
            np.where(surgery, "SURGERY", "SYSTEMIC THERAPY"),
        ),
        (
            course.later_radioligand,
            np.full(day0.size, "177LU-DOTATATE OR 177LU-DOTATOC"),
            np.full(day0.size, "PRRT"),
        ),
    ):
        taken = np.isfinite(day)
        began = iso_dates((day0 + day)[taken])
        size = int(taken.sum())
        parts.append(
            pl.DataFrame(
                {
                    "USUBJID": subjects.identifier[taken],
                    "CMTRT": name[taken],
                    "CMDECOD": name[taken],
                    "CMCAT": ["SUBSEQUENT CANCER THERAPY"] * size,
                    "CMSCAT": category[taken],
                    "CMSTDTC": _without_day(began, vague[taken]),
                }
            )
        )
    rows = pl.concat(parts, how="diagonal_relaxed")
    return dataset("CM", design.study, rows, order=["CMCAT", "CMSTDTC"])


def _month(days: Floats) -> np.ndarray:
    return np.where(np.isfinite(days), days, 0).astype("datetime64[D]").astype("datetime64[M]")


def _without_day(dates: pl.Series, vague: Flags) -> pl.Series:
    shorter = dates.str.slice(0, 7)
    return pl.select(pl.when(pl.Series(values=vague)).then(shorter).otherwise(dates)).to_series()


def deaths(subjects: Subjects, course: Course, *, design: Design) -> pl.DataFrame:
    """DD: the primary cause of each death."""
    died = np.isfinite(course.death)
    progressed = np.isfinite(course.central_pd) | np.isfinite(course.start)
    cause = np.where(progressed, "DISEASE UNDER STUDY", "OTHER")[died]
    columns = {
        "USUBJID": subjects.identifier[died],
        "DDTESTCD": ["PRCDTH"] * cause.size,
        "DDTEST": ["Primary Cause of Death"] * cause.size,
        "DDORRES": cause,
        "DDSTRESC": cause,
        "DDDTC": iso_dates((subjects.randomised_day + course.death)[died]),
    }
    return dataset("DD", design.study, columns, order=["DDTESTCD"])


def visits(
    everyone: Subjects, subjects: Subjects, course: Course, *, design: Design, screening: Any
) -> pl.DataFrame:
    """SV: screening, scans, cycles and, after progression, survival follow-up by telephone."""
    day0, scans = subjects.randomised_day, course.scans
    parts = [_visit(everyone.identifier, "SCREENING", 1.0, screening)]
    seen = course.seen
    seen[:, 0] = False
    who, visit = np.nonzero(seen)
    names, numbered = np.array(scans.name)[visit], scans.number[visit]
    parts.append(
        _visit(subjects.identifier[who], names, numbered, day0[who] + scans.day[who, visit])
    )
    doses = course.radioligand
    names = np.char.add(np.char.add("CYCLE ", doses.cycle.astype(str)), " DAY 1")
    parts.append(
        _visit(
            subjects.identifier[doses.subject],
            names,
            10.0 + doses.cycle,
            day0[doses.subject] + doses.day,
        )
    )
    last_visit = np.minimum(course.last_visit, course.follow_up)
    first = np.where(np.isfinite(last_visit), np.maximum(last_visit, 0), 0)
    calls = int(design.scan_days[-1] // _FOLLOW_UP_DAYS) + 1
    day = first[:, None] + _FOLLOW_UP_DAYS * np.arange(1, calls + 1)
    over = (course.stop_reason != "") | ~np.isfinite(course.start)
    who, call = np.nonzero((day < course.end[:, None]) & over[:, None])
    parts.append(
        _visit(
            subjects.identifier[who], "SURVIVAL FOLLOW-UP", 501.0 + call, day0[who] + day[who, call]
        )
    )
    rows = pl.concat([pl.DataFrame(part) for part in parts], how="vertical_relaxed")
    return dataset("SV", design.study, rows, order=["SVSTDTC", "VISITNUM"]).drop("SVSEQ")


def _visit(subject: Texts, name: Any, number: Any, day: Any) -> dict[str, Any]:
    size = subject.size
    return {
        "USUBJID": subject,
        "VISITNUM": numbers(np.broadcast_to(number, size), 2),
        "VISIT": np.broadcast_to(name, size).astype(str),
        "SVSTDTC": iso_dates(day),
        "SVENDTC": iso_dates(day),
    }

# SPDX-License-Identifier: Apache-2.0
"""Laboratory values (LB), vital signs (VS) and the Karnofsky score (rows of RS).

After each infusion a count falls to its lowest four to six weeks later and recovers. A subject
with an adverse event of a grade has values of that grade; without one, values above grade 2.
"""

from typing import Any

import numpy as np
import polars as pl

from radioligand.simulation.adverse_events import Events
from radioligand.simulation.conduct import Course
from radioligand.simulation.demography import on_everyone
from radioligand.simulation.design import Design
from radioligand.simulation.frames import dataset, iso_dates, numbers, plain
from radioligand.simulation.parameters import LaboratoryTest, Population
from radioligand.simulation.population import Subjects, cockcroft_gault
from radioligand.simulation.streams import Flags, Floats, Whole, normals, uniforms

_PEAK_WEEKS = 5.0
_DENSE_WEEKS, _SPARSE_WEEKS = 48, 12
_SAFETY_DAYS = 30  # after the end of treatment


def laboratory(
    everyone: Subjects,
    subjects: Subjects,
    course: Course,
    events: Events,
    *,
    population: Population,
    design: Design,
    screening: Whole,
    seed: int,
) -> pl.DataFrame:
    """LB: screening of everyone, then every four weeks of the first year, every twelve later."""
    week, day, seen = _visits(course, design, seed)
    there = np.flatnonzero(everyone.randomised)
    parts = []
    for i, test in enumerate(population.laboratory):
        base, at_screening = _baseline(everyone, test, seed)
        parts.append(_rows(test, everyone.identifier, at_screening, screening, None))
        due = seen & (week % test.every_weeks == 0)
        fall = _fall(course, day) if test.lowest < 1 else np.zeros_like(day)
        depth = _depth(test, base[there], events, seed, subjects.arm.size)
        noise = np.exp(test.visit_sd * normals(seed, f"{test.code} visit", *day.shape))
        value = base[there][:, None] * (1 - depth[:, None] * fall) * noise
        who, visit = np.nonzero(due)
        dates = subjects.randomised_day[who] + day[who, visit]
        parts.append(
            _rows(
                test, subjects.identifier[who], value[who, visit], dates, week[visit]
            ).with_columns(test=pl.lit(i, dtype=pl.Int64))
        )
        parts[-2] = parts[-2].with_columns(test=pl.lit(i, dtype=pl.Int64))
    rows = pl.concat(parts)
    rows = rows.with_columns(
        LBNRIND=pl.when(pl.col("LBSTRESN") < pl.col("LBSTNRLO"))
        .then(pl.lit("LOW"))
        .when(pl.col("LBSTRESN") > pl.col("LBSTNRHI"))
        .then(pl.lit("HIGH"))
        .otherwise(pl.lit("NORMAL")),
        LBBLFL=pl.when(pl.col("VISIT") == "SCREENING").then(pl.lit("Y")),
    )
    return dataset("LB", design.study, rows, order=["LBDTC", "test"]).drop("test")


def _visits(course: Course, design: Design, seed: int) -> tuple[Whole, Floats, Flags]:
    """Planned weeks (v,), days from randomisation (n, v) and whether each was done."""
    last = design.scan_days[-1] // 7
    week = np.array(
        [*range(4, _DENSE_WEEKS, 4), *range(_DENSE_WEEKS, last, _SPARSE_WEEKS)], dtype=np.int64
    )
    n = course.start.size
    u = uniforms(seed, "laboratory visit", n, week.size, 2)
    start = np.where(np.isfinite(course.start), course.start, 0.0)
    day = np.asarray(start[:, None] + 7 * week + np.floor(7 * u[..., 0]) - 3, dtype=np.float64)
    until = np.minimum(course.stop + _SAFETY_DAYS, course.end)
    seen = (day < until[:, None]) & np.isfinite(course.start)[:, None] & (u[..., 1] > 0.03)
    return week, day, seen


def _baseline(everyone: Subjects, test: LaboratoryTest, seed: int) -> tuple[Floats, Floats]:
    """Usual value of each subject and what was measured at screening."""
    n = everyone.arm.size
    if test.code == "CREATCLR":
        return everyone.clearance_ml_min, everyone.clearance_ml_min
    if test.code == "CREAT":
        usual = cockcroft_gault(everyone.age_years, everyone.weight_kg, everyone.male)
        return usual / everyone.clearance_ml_min, usual / everyone.clearance_ml_min
    if test.code == "CGA":
        return everyone.chromogranin_ug_l, everyone.chromogranin_ug_l
    if test.code == "HIAA":
        return everyone.hiaa_umol_day, everyone.hiaa_umol_day
    median, sd = test.baseline
    usual = median * np.exp(
        np.clip(sd * normals(seed, f"{test.code} subject", n), -1.6 * sd, 2 * sd)
    )
    return usual, usual * np.exp(0.5 * test.visit_sd * normals(seed, f"{test.code} screening", n))


def _fall(course: Course, day: Floats) -> Floats:
    """Shape of the fall since the last infusion, 0 to 1, greatest after five weeks, (n, v)."""
    fall = np.zeros_like(day)
    doses = course.radioligand
    for cycle in range(1, int(doses.cycle.max(initial=0)) + 1):
        given = doses.cycle == cycle
        infused = np.full(day.shape[0], np.inf)
        infused[doses.subject[given]] = doses.day[given]
        weeks = np.maximum(day - infused[:, None], 0) / 7 / _PEAK_WEEKS
        weeks = np.where(np.isfinite(infused)[:, None], weeks, 0.0)
        fall = np.maximum(fall, weeks**2 * np.exp(2 * (1 - weeks)))
    return fall


def _depth(test: LaboratoryTest, base: Floats, events: Events, seed: int, n: int) -> Floats:
    """Largest relative fall of each subject; with a rise, negative."""
    if not test.grades:
        spread = np.clip(1 + 0.3 * normals(seed, f"{test.code} depth", n), 0.2, 2)
        return (1 - test.lowest) * spread
    rises = test.grades[0] > test.normal[1]
    typical = 1 - (1 - test.lowest) * np.clip(
        1 + 0.35 * normals(seed, f"{test.code} depth", n), 0.2, 2
    )
    low = np.maximum(base * typical, 1.15 * test.grades[0])  # not of grade 2 without an event
    high = np.minimum(base * typical, 0.87 * test.grades[0])
    extreme = high if rises else low
    linked = np.isin(events.term, test.events)
    edges = (test.normal[1] if rises else test.normal[0], *test.grades)
    for grade in (1, 2, 3, 4):
        who = events.subject[linked & (events.grade == grade)]
        far = edges[grade] if grade < len(edges) else edges[-1] * (1.5 if rises else 0.6)
        extreme[who] = 0.5 * (edges[grade - 1] + far)
    return 1 - extreme / base


def _rows(
    test: LaboratoryTest, subject: Any, value: Floats, day: Any, week: Whole | None
) -> pl.DataFrame:
    n = len(subject)
    result = np.round(np.maximum(value, 10.0**-test.decimals), test.decimals)
    return pl.DataFrame(
        {
            "USUBJID": subject,
            "LBTESTCD": [test.code] * n,
            "LBTEST": [test.name] * n,
            "LBORRES": plain(result),
            "LBORRESU": [test.unit] * n,
            "LBSTRESC": plain(result),
            "LBSTRESN": numbers(result),
            "LBSTRESU": [test.unit] * n,
            "LBSTNRLO": np.full(n, test.normal[0]),
            "LBSTNRHI": np.full(n, test.normal[1]),
            "VISIT": ["SCREENING"] * n if week is None else [f"WEEK {w}" for w in week.tolist()],
            "VISITNUM": np.full(n, 1.0) if week is None else 100.0 + week,
            "LBDTC": iso_dates(day),
        }
    )


def vital_signs(
    everyone: Subjects,
    subjects: Subjects,
    course: Course,
    *,
    design: Design,
    screening: Whole,
    seed: int,
) -> pl.DataFrame:
    """VS: all signs at screening; weight, blood pressure and pulse every twelve weeks."""
    n = everyone.arm.size
    z = normals(seed, "vital signs", n, 4)
    signs = (
        ("WEIGHT", "Weight", "kg", everyone.weight_kg, 1),
        ("HEIGHT", "Height", "cm", everyone.height_cm, 0),
        ("SYSBP", "Systolic Blood Pressure", "mmHg", 128 + 15 * z[:, 0], 0),
        ("DIABP", "Diastolic Blood Pressure", "mmHg", 78 + 9 * (0.6 * z[:, 0] + 0.8 * z[:, 1]), 0),
        ("PULSE", "Pulse Rate", "beats/min", 74 + 10 * z[:, 2], 0),
        ("TEMP", "Temperature", "C", 36.6 + 0.3 * z[:, 3], 1),
        ("BMI", "Body Mass Index", "kg/m2", 1e4 * everyone.weight_kg / everyone.height_cm**2, 1),
    )
    week, day, seen = _visits(course, design, seed)
    seen = seen & (week % _SPARSE_WEEKS == 0)
    who, visit = np.nonzero(seen)
    there = np.flatnonzero(everyone.randomised)[who]
    dates = subjects.randomised_day[who] + day[who, visit]
    parts = []
    for i, (code, name, unit, usual, decimals) in enumerate(signs):
        parts.append(
            _sign(code, name, unit, everyone.identifier, usual, screening, None, decimals, i)
        )
        if code in ("HEIGHT", "TEMP", "BMI"):
            continue
        change = np.exp(0.03 * normals(seed, f"{code} visit", *day.shape))[who, visit]
        parts.append(
            _sign(
                code,
                name,
                unit,
                subjects.identifier[who],
                usual[there] * change,
                dates,
                week[visit],
                decimals,
                i,
            )
        )
    rows = pl.concat(parts)
    return dataset("VS", design.study, rows, order=["VSDTC", "sign"]).drop("sign")


def _sign(
    code: str, name: str, unit: str, subject: Any, value: Floats, day: Any, week: Any,
    decimals: int, place: int,
) -> pl.DataFrame:  # fmt: skip
    n, result = len(subject), np.round(value, decimals)
    return pl.DataFrame(
        {
            "USUBJID": subject,
            "VSTESTCD": [code] * n,
            "VSTEST": [name] * n,
            "VSORRES": plain(result),
            "VSORRESU": [unit] * n,
            "VSSTRESC": plain(result),
            "VSSTRESN": numbers(result),
            "VSSTRESU": [unit] * n,
            "VISIT": ["SCREENING"] * n if week is None else [f"WEEK {w}" for w in week.tolist()],
            "VISITNUM": np.full(n, 1.0) if week is None else 100.0 + week,
            "VSDTC": iso_dates(day),
            "sign": np.full(n, place),
        }
    )


def karnofsky(everyone: Subjects, course: Course, *, screening: Whole, seed: int) -> dict[str, Any]:
    """Columns for RS: the Karnofsky score at screening and every twelve weeks of treatment."""
    n = everyone.arm.size
    forms = 12
    day = 84.0 * np.arange(1, forms + 1)
    until = on_everyone(everyone, np.where(np.isfinite(course.start), course.stop, -1), other=-1)
    u = uniforms(seed, "karnofsky visit", n, forms)
    who, visit = np.nonzero((day < until[:, None]) & (u > 0.1))
    step = np.where(u < 0.2, -10, np.where(u > 0.9, 10, 0))
    later = np.clip(everyone.karnofsky[:, None] + np.cumsum(step, axis=1), 40, 100)[who, visit]
    subject = np.concatenate([everyone.identifier, everyone.identifier[who]])
    score = np.concatenate([everyone.karnofsky, later]).astype(np.float64)
    weeks = [f"WEEK {int(d) // 7}" for d in day[visit]]
    return {
        "USUBJID": subject,
        "RSTESTCD": ["KPS"] * subject.size,
        "RSTEST": ["Karnofsky Performance Status"] * subject.size,
        "RSCAT": ["KARNOFSKY PERFORMANCE STATUS"] * subject.size,
        "RSORRES": plain(score),
        "RSSTRESC": plain(score),
        "RSSTRESN": numbers(score),
        "RSEVAL": ["INVESTIGATOR"] * subject.size,
        "RSEVALID": pl.Series(values=[None] * subject.size, dtype=pl.String),
        "VISIT": ["SCREENING"] * n + weeks,
        "VISITNUM": np.concatenate([np.full(n, 1.0), 100.0 + day[visit] / 7]),
        "RSDTC": iso_dates(np.concatenate([screening, everyone.randomised_day[who] + day[visit]])),
    }

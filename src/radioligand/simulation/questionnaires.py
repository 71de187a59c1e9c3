# SPDX-License-Identifier: Apache-2.0
"""Answers to the EORTC QLQ-C30 (QS): baseline and every twelve weeks of treatment."""

import numpy as np
import polars as pl

from radioligand.simulation.conduct import Course
from radioligand.simulation.design import Design
from radioligand.simulation.frames import dataset, iso_dates
from radioligand.simulation.parameters import QualityOfLife
from radioligand.simulation.population import Subjects
from radioligand.simulation.streams import normals, uniforms

_ITEMS = 30
_GLOBAL = (28, 29)  # items 29 and 30 run from 1, very poor, to 7, excellent
_STEPS = np.array([0.7, 1.7, 2.6])  # latent severity at which the answers 2, 3, 4 begin


def questionnaires(
    subjects: Subjects, course: Course, *, model: QualityOfLife, design: Design, seed: int
) -> pl.DataFrame:
    """QS of the randomised `subjects`: forms and items are missing now and then."""
    n = subjects.arm.size
    forms = int(design.scan_days[-1] // design.form_days) + 1
    u = uniforms(seed, "form", n, forms, 2)
    start = np.where(np.isfinite(course.start), course.start, np.inf)
    day = start[:, None] + design.form_days * np.arange(forms) + np.floor(11 * u[..., 0]) - 5
    # the first form is filled in at the last visit before the first dose
    day[:, 0] = start - 1 - np.floor(6 * u[:, 0, 0])
    until = np.minimum(course.stop, course.end)
    due = np.isfinite(start)[:, None] & (day < until[:, None]) & (u[..., 1] >= model.missing_form)

    years = np.arange(forms) * design.form_days / 365.25
    trait = model.subject_sd * normals(seed, "quality of life", n)
    habit = model.item_sd * normals(seed, "quality of life items", n, _ITEMS)
    mood = model.visit_sd * normals(seed, "quality of life visit", n, forms, _ITEMS)
    latent = (
        np.array(model.severity)
        + trait[:, None, None]
        + habit[:, None, :]
        + mood
        + model.drift_per_year * years[None, :, None]
    )
    answer = 1 + (latent[..., None] > _STEPS).sum(3)
    answer[..., _GLOBAL] = np.clip(np.round(6.2 - 1.1 * latent[..., _GLOBAL]), 1, 7)
    answered = uniforms(seed, "items", n, forms, _ITEMS) >= model.missing_item

    who, form, item = np.nonzero(due[:, :, None] & answered)
    value = answer[who, form, item]
    weeks = form * design.form_days // 7
    columns = {
        "USUBJID": subjects.identifier[who],
        "QSTESTCD": np.array([f"EOR01{i + 1:02d}" for i in range(_ITEMS)])[item],
        "QSTEST": np.array([f"EOR01-Item {i + 1}" for i in range(_ITEMS)])[item],
        "QSCAT": "EORTC QLQ-C30 VERSION 3.0",
        "QSORRES": value.astype(str),
        "QSSTRESC": value.astype(str),
        "QSSTRESN": value.astype(np.float64),
        "VISIT": np.where(form == 0, "BASELINE", np.char.add("WEEK ", weeks.astype(str))),
        "VISITNUM": np.where(form == 0, 2.0, 100.0 + weeks),
        "QSDTC": iso_dates(subjects.randomised_day[who] + day[who, form]),
    }
    return dataset("QS", design.study, columns, order=["VISITNUM", "QSTESTCD"])

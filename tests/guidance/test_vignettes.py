# SPDX-License-Identifier: Apache-2.0
"""Whole patients with the matrix of treatments worked by hand; see `patients/guidance/README.md`.

What trials ask of their patients is left out: it has cases of its own.
"""

import tomllib
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from radioligand.guidance import (
    APPLIES,
    UNDETERMINED,
    Guidelines,
    judge,
    read_patient,
    read_patients,
)
from radioligand.guidance.matrix import disagreements, matrix
from radioligand.guidance.registry import disputed

FOLDER = Path(__file__).parents[1] / "patients" / "guidance" / "vignettes"
DOCUMENT = tomllib.loads((FOLDER / "vignettes.toml").read_text("utf-8"))
USUAL = DOCUMENT.pop("usual")
FOUND = "2025-10-15"


def form_of(name: str, guidelines: Guidelines) -> dict[str, object]:
    form = {"assessment_date": "2025-11-01"} | USUAL | DOCUMENT[name]["patient"]
    dated = {
        f"{one.name}_date": FOUND
        for one in guidelines.fields
        if one.window_days is not None and one.name in form
    }
    return dated | form


def test_there_are_twenty_and_they_cover_grades_sites_and_syndromes():
    patients = [USUAL | one["patient"] for one in DOCUMENT.values()]

    assert len(patients) >= 20
    assert {one["primary_site"] for one in patients} >= {"PANCREAS", "ILEUM", "RECTUM"}
    assert {one["syndrome"] for one in patients} >= {"NONE", "CARCINOID", "GASTRINOMA"}
    assert {one["differentiation"][:4] for one in patients} == {"WELL", "POOR"}
    assert min(one["ki67_percent"] for one in patients) < 3
    assert any(one["prior_prrt"] for one in patients)


@pytest.mark.by_hand
@pytest.mark.parametrize("name", DOCUMENT)
def test_the_matrix_of_treatments(name, library):
    guidelines = library.guidelines
    patient = read_patient(form_of(name, guidelines), guidelines=guidelines)
    findings = [one for one in judge(patient, guidelines=guidelines) if one.statement.trial is None]

    cells = matrix(findings, guidelines=guidelines).cells
    told = {
        verdict: {
            f"{source}: {option} {one.statement.stance}"
            for (source, option), found in cells.items()
            for one in found
            if one.verdict == verdict
        }
        for verdict in (APPLIES, UNDETERMINED)
    }

    assert told[APPLIES] == set(DOCUMENT[name]["matrix"])
    assert told[UNDETERMINED] == set(DOCUMENT[name]["open"])


def test_as_a_registry_they_disagree_as_one_by_one(library):
    guidelines = library.guidelines
    forms = [{"USUBJID": name} | form_of(name, guidelines) for name in DOCUMENT]
    patients = read_patients(pl.DataFrame(forms, infer_schema_length=None), guidelines=guidelines)

    rows = disputed(patients, guidelines=guidelines).rows()

    alone = Counter(
        (one.kind, one.first.statement.id, one.second.statement.id, one.why)
        for row in range(patients.height)
        for one in disagreements(judge(patients[row], guidelines=guidelines), guidelines=guidelines)
    )
    assert {row[:4]: row[4] for row in rows} == dict(alone)
    assert len(rows) > 20
    assert [row[4] for row in rows] == sorted((row[4] for row in rows), reverse=True)

# SPDX-License-Identifier: Apache-2.0
"""Guideline statements with their sources, evaluated on one patient; nothing is ranked."""

from radioligand.guidance.evaluation import (
    APPLIES,
    NOT,
    UNDETERMINED,
    Change,
    Finding,
    Question,
    judge,
    questions,
    verdicts,
    with_trials,
)
from radioligand.guidance.parsing import GuidelineError, parse_guidelines
from radioligand.guidance.patient import (
    PatientError,
    complete,
    patient_template,
    read_patient,
    read_patients,
)
from radioligand.guidance.records import LINE, Guidelines, Source, Statement

__all__ = [
    "APPLIES",
    "LINE",
    "NOT",
    "UNDETERMINED",
    "Change",
    "Finding",
    "GuidelineError",
    "Guidelines",
    "PatientError",
    "Question",
    "Source",
    "Statement",
    "complete",
    "judge",
    "parse_guidelines",
    "patient_template",
    "questions",
    "read_patient",
    "read_patients",
    "verdicts",
    "with_trials",
]

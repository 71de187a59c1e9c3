# SPDX-License-Identifier: Apache-2.0
"""Who may enter the trial: each criterion's verdict, the reasons, and one patient's form."""

from radioligand.screening.eligibility import answer, consort, screen, summary
from radioligand.screening.forms import patient_template, read_patient
from radioligand.screening.inputs import Input, inputs, typed

__all__ = [
    "Input",
    "answer",
    "consort",
    "inputs",
    "patient_template",
    "read_patient",
    "screen",
    "summary",
    "typed",
]

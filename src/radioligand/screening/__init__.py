# SPDX-License-Identifier: Apache-2.0
"""Who may enter the trial: each criterion's verdict, the reasons, and one patient's form."""

from radioligand.screening.eligibility import answer, consort, screen, summary
from radioligand.screening.forms import patient_template, read_patient

__all__ = ["answer", "consort", "patient_template", "read_patient", "screen", "summary"]

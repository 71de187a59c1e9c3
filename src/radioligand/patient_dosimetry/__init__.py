# SPDX-License-Identifier: Apache-2.0
"""From a patient's table of activities to doses, and from doses to the next activity."""

from radioligand.patient_dosimetry.doses import find_doses
from radioligand.patient_dosimetry.measurements import Measurements, check_measurements
from radioligand.patient_dosimetry.page import dose_page
from radioligand.patient_dosimetry.plans import SubjectPlan, plan_subjects
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.patient_dosimetry.results import doses_frame, results_document

__all__ = [
    "Measurements",
    "RegionDose",
    "SubjectPlan",
    "check_measurements",
    "dose_page",
    "doses_frame",
    "find_doses",
    "plan_subjects",
    "results_document",
]

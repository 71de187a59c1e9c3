# SPDX-License-Identifier: Apache-2.0
"""Safety: treatment-emergent adverse events and their groupings; laboratory values and grades."""

from radioligand.safety.adverse_events import derive_adae, treatment_emergent
from radioligand.safety.ctcae import combined_grade, grade
from radioligand.safety.laboratory import derive_adlb, with_baseline

__all__ = [
    "combined_grade",
    "derive_adae",
    "derive_adlb",
    "grade",
    "treatment_emergent",
    "with_baseline",
]

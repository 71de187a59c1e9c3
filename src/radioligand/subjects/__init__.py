# SPDX-License-Identifier: Apache-2.0
"""What is known of each subject: one row each, and the fields that criteria ask for."""

from radioligand.subjects.adsl import derive_adsl, unavailable
from radioligand.subjects.asked import fields
from radioligand.subjects.derived import complete
from radioligand.subjects.strata import baseline_levels, mismatches

__all__ = [
    "baseline_levels",
    "complete",
    "derive_adsl",
    "fields",
    "mismatches",
    "unavailable",
]

# SPDX-License-Identifier: Apache-2.0
"""What is known of each subject: one row each, and the fields that criteria ask for."""

from radioligand.subjects.adsl import baseline_levels, derive_adsl, fields, mismatches, unavailable
from radioligand.subjects.derived import complete

__all__ = [
    "baseline_levels",
    "complete",
    "derive_adsl",
    "fields",
    "mismatches",
    "unavailable",
]

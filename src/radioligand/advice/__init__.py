# SPDX-License-Identifier: Apache-2.0
"""Guidance as the tumour board meets it: library, one patient's advice, and the sheet."""

from radioligand.advice.library import Library, patient_of, read_library

__all__ = ["Library", "patient_of", "read_library"]

# SPDX-License-Identifier: Apache-2.0
"""Guidance as the tumour board meets it: library, one patient's advice, and the sheet."""

from radioligand.advice.advising import Advice, advise
from radioligand.advice.library import Library, patient_of, read_library
from radioligand.advice.page import advice_page
from radioligand.advice.registry_page import registry_page

__all__ = [
    "Advice",
    "Library",
    "advice_page",
    "advise",
    "patient_of",
    "read_library",
    "registry_page",
]

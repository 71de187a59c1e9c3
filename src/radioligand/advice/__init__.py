# SPDX-License-Identifier: Apache-2.0
"""Guidance as the tumour board meets it: library, one patient's advice, and the sheet."""

from radioligand.advice.advising import Advice, advise
from radioligand.advice.evidence_section import Recomputed
from radioligand.advice.library import Library, patient_of, read_library
from radioligand.advice.page import advice_page
from radioligand.advice.registry_page import registry_page
from radioligand.advice.sheet import Sheet, SheetError, board_sheet, sheet_html, sheet_pdf

__all__ = [
    "Advice",
    "Library",
    "Recomputed",
    "Sheet",
    "SheetError",
    "advice_page",
    "advise",
    "board_sheet",
    "patient_of",
    "read_library",
    "registry_page",
    "sheet_html",
    "sheet_pdf",
]

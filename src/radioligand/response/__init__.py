# SPDX-License-Identifier: Apache-2.0
"""RECIST 1.1: from lesions and readers' responses to ADTR and ADRS."""

from radioligand.response.agreement import disagreements
from radioligand.response.best_response import best_overall_response
from radioligand.response.combination import OVERALL, Response, overall_response
from radioligand.response.parameters import derive_adrs
from radioligand.response.sums import derive_adtr

__all__ = [
    "OVERALL",
    "Response",
    "best_overall_response",
    "derive_adrs",
    "derive_adtr",
    "disagreements",
    "overall_response",
]

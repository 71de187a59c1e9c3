# SPDX-License-Identifier: Apache-2.0
"""Results in, report out: tables, figures and one self-contained page; computes no number."""

from radioligand.report.contents import (
    CALIBRATED,
    SIMULATED,
    Arm,
    Display,
    Finding,
    KeyLine,
    MissingDomain,
    Policy,
    RenderedReport,
    Report,
    Statement,
)
from radioligand.report.document import render
from radioligand.report.headline import headline

__all__ = [
    "CALIBRATED",
    "SIMULATED",
    "Arm",
    "Display",
    "Finding",
    "KeyLine",
    "MissingDomain",
    "Policy",
    "RenderedReport",
    "Report",
    "Statement",
    "headline",
    "render",
]

# SPDX-License-Identifier: Apache-2.0
"""What is said of a form that AICc chose: over those it was compared with, and no others."""

import math

import polars as pl
import pytest

from radioligand.io.documents import read_protocol
from radioligand.patient_dosimetry import check_measurements, find_doses
from radioligand.protocol.records import DoseMethod

FOUR = (4.0, 24.0, 96.0, 168.0)
EIGHT = (1.0, 4.0, 8.0, 16.0, 24.0, 48.0, 96.0, 168.0)


def kidney(hours, activity, forms):
    """The one dose of a kidney's scans, by a method that chooses among `forms`."""
    own = DoseMethod(role="organ", forms=forms)
    dosimetry = read_protocol("dosimetry-prrt").dosimetry.model_copy(update={"methods": (own,)})
    scans = pl.DataFrame({"hours": hours, "activity": activity}).with_columns(
        subject=pl.lit("S1"), cycle=1, region=pl.lit("KIDNEYS"), role=pl.lit("organ"),
        unit=pl.lit("MBq"), decay_corrected_to=pl.lit("none"), relative_error=0.05,
        systematic_error=0.05, volume_ml=300.0, volume_error=0.05, density_g_per_ml=1.05,
        nuclide=pl.lit("Lu-177"),
    )  # fmt: skip
    infusion = pl.DataFrame(
        {"subject": "S1", "cycle": "1", "start": "2026-01-12T09:00", "activity_mbq": "7400",
         "calibrated_at": "2026-01-12T09:00", "nuclide": "Lu-177"}
    )  # fmt: skip
    measured = check_measurements(scans.cast(pl.String), infusion, dosimetry=dosimetry)
    (found,) = find_doses(measured, dosimetry=dosimetry)
    return found


def test_a_form_that_could_not_be_compared_is_no_choice():
    # four scans of one patient: AICc of four parameters is not defined
    found = kidney(FOUR, (96.1, 70.2, 27.0, 10.1), ("mono", "bi"))
    assert "chosen" not in found.method
    assert "weight" not in found.method
    assert found.method.startswith("mono-exponential fit, fixed: no other form could be compared")
    assert "bi: " in found.method
    assert any(said.startswith("form not compared: bi: ") for said in found.warnings)


@pytest.mark.by_hand
def test_a_choice_names_what_was_compared_and_what_was_not():
    # a fast and a slow part; a third is not there to be found
    activity = [60 * math.exp(-0.0139 * hours) + 60 * math.exp(-0.15 * hours) for hours in EIGHT]
    found = kidney(EIGHT, activity, ("mono", "bi", "tri"))
    assert "bi-exponential fit, chosen over mono by AICc (weight 1.00 on 1 curve)" in found.method
    assert "not compared: tri: 1 of 1 curves do not determine it" in found.method
    assert found.warnings[-1].startswith("form not compared: tri: ")

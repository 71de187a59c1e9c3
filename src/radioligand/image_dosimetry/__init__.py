# SPDX-License-Identifier: Apache-2.0
"""One patient's images of one cycle to absorbed doses: checked, computed, shown."""

from radioligand.image_dosimetry.doses import (
    ImageDosimetry,
    RegionDose,
    activity_rows,
    compute_doses,
)
from radioligand.image_dosimetry.reading import ReadStudy, read_images
from radioligand.image_dosimetry.study import Fault, ImageStudy, ImageStudyError, parse_study

__all__ = [
    "Fault",
    "ImageDosimetry",
    "ImageStudy",
    "ImageStudyError",
    "ReadStudy",
    "RegionDose",
    "activity_rows",
    "compute_doses",
    "parse_study",
    "read_images",
]

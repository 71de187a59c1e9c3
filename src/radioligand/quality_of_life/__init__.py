# SPDX-License-Identifier: Apache-2.0
"""Quality of life: the scales of the questionnaires, their scores, and deterioration."""

from radioligand.quality_of_life.instruments import GI_NET21, INSTRUMENTS, SCALES, ScaleItems
from radioligand.quality_of_life.scores import SCALE_OF, derive_adqs, score

__all__ = [
    "GI_NET21",
    "INSTRUMENTS",
    "SCALES",
    "SCALE_OF",
    "ScaleItems",
    "derive_adqs",
    "score",
]

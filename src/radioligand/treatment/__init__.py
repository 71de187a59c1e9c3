# SPDX-License-Identifier: Apache-2.0
"""Exposure, and the doses that the protocol's rules decide on."""

from radioligand.treatment.dose_rules import departures, derive_addose
from radioligand.treatment.exposure import derive_adex, deviations, plans

__all__ = ["departures", "derive_addose", "derive_adex", "deviations", "plans"]

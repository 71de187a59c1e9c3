# SPDX-License-Identifier: Apache-2.0
"""What is known of the nuclide: half-life, energy per decay, how sure, and who says so."""

import math
from dataclasses import dataclass, replace

JOULE_PER_KEV = 1.602176634e-16  # exact since the SI of 2019
DECAYS_PER_MBQ_H = 3.6e9
GRAM_PER_KG = 1e3

ACCEPTED_DAYS = (6.63, 6.66)  # half-lives of 177Lu that evaluations give; older sheets lie above


@dataclass(frozen=True, slots=True, kw_only=True)
class Nuclide:
    """The constants of a nuclide; a result keeps the one it was computed with.

    `electron_kev` is the mean energy of beta, conversion and Auger electrons per decay,
    `photon_kev` that of all photons.
    """

    name: str
    half_life_days: float
    half_life_uncertainty_days: float
    electron_kev: float
    photon_kev: float
    source: str
    reason: str = ""  # why it differs from the constants of this file

    @property
    def half_life_hours(self) -> float:
        return self.half_life_days * 24

    @property
    def decay_per_hour(self) -> float:
        return math.log(2) / self.half_life_hours


LUTETIUM_177 = Nuclide(
    name="177Lu",
    half_life_days=6.6443,
    half_life_uncertainty_days=0.0009,
    electron_kev=147.923,
    photon_kev=35.1,
    source="half-life: LNHB/DDEP table of 2025; energies: emissions of ICRP publication 107",
)


def with_half_life(nuclide: Nuclide, half_life_days: float, *, reason: str) -> Nuclide:
    """Return the nuclide with another half-life, which needs a reason that results repeat.

    Raises ValueError for a half-life outside 6.63 to 6.66 d, or without a reason.
    """
    low, high = ACCEPTED_DAYS
    faults = []
    if not low <= half_life_days <= high:
        faults.append(
            f"half-life of {nuclide.name}: {half_life_days:g} d lies outside {low:g} to "
            f"{high:g} d; evaluations give {nuclide.half_life_days:g} d"
        )
    if not reason.strip():
        faults.append(f"half-life of {nuclide.name}: say why {half_life_days:g} d is used")
    if faults:
        raise ValueError("; ".join(faults) + ".")
    return replace(nuclide, half_life_days=half_life_days, reason=reason)


def gray_grams(energy_kev: float) -> float:
    """Return the dose in Gy of 1 MBq h that leaves `energy_kev` per decay in 1 g."""
    return energy_kev * JOULE_PER_KEV * DECAYS_PER_MBQ_H * GRAM_PER_KG

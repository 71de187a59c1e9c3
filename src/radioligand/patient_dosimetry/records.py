# SPDX-License-Identifier: Apache-2.0
"""The dose of one region in one cycle, with every number it was computed from."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.curves import Curve
from radioligand.dosimetry.uncertainty import Budget

Floats = NDArray[np.float64]


class CrossTerm(NamedTuple):
    """What one source sends to a region; S in mGy/(MBq s), of a remainder what its rule gives."""

    source: str
    tia_mbq_h: float
    s_mgy_per_mbq_s: float
    dose_gy: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionDose:
    """One region and cycle. `dose_gy` is None of a remainder, which has an integral alone.

    `method` says how the integral was found and `dose_method` how it became a dose; `curve` is the
    curve that was integrated, or the mono-exponential that one scan was given.
    """

    subject: str
    cycle: int
    region: str
    role: str
    injected_gbq: float
    time_hours: Floats
    activity_mbq: Floats
    entered: tuple[str, ...]  # each scan as the table has it
    relative_error: Floats
    method: str
    method_source: str  # citation of a borrowed half-life, or ""
    curve: Curve | None
    parameters: Floats  # of the fit: logarithms of amplitudes in MBq and of rates per hour
    covariance: Floats  # of the parameters; empty without a fit
    residual: Floats  # in standard errors
    chi_square: float
    degrees_of_freedom: int
    tia_mbq_h: float
    tail_fraction: float
    effective_half_life_hours: float
    systematic_error: float  # relative, of activity, shared by all scans
    volume_ml: float
    volume_error: float  # relative
    density_g_per_ml: float
    mass_g: float
    dose_method: str
    energy_kev: float  # that stays in the region, per decay
    self_gy: float
    cross_gy: float
    cross_terms: tuple[CrossTerm, ...]
    dose_gy: float | None
    budget: Budget
    protraction: float  # Lea–Catcheside factor, nan without a repair half-time
    bed_gy: float
    eqd2_gy: float
    plausible_gy_per_gbq: tuple[float, float] | None  # by the protocol; outside is a warning
    warnings: tuple[str, ...]

    @property
    def gy_per_gbq(self) -> float | None:
        return None if self.dose_gy is None else self.dose_gy / self.injected_gbq

    @property
    def limits_gy(self) -> tuple[float, float] | None:
        """The 95 % interval of the dose."""
        return None if self.dose_gy is None else self.budget.limits(self.dose_gy)

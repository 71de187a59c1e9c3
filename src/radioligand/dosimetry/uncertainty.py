# SPDX-License-Identifier: Apache-2.0
"""The uncertainty of an absorbed dose, end to end: propagated, or sampled; the two agree.

What all scans share (calibration, recovery, the drawn volume) does not shrink with more scans, so
it stands apart from the random errors that the fit carries. The way of the EANM guidance of 2018.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from radioligand.dosimetry.curve_forms import FORMS, FormName
from radioligand.dosimetry.curves import Floats
from radioligand.dosimetry.nuclide import LUTETIUM_177, Nuclide
from radioligand.dosimetry.time_activity import fit_replicates

Z95 = 1.959963984540054
LEAST = 0.02  # of a measured activity that a replicate keeps; an activity is positive
BLOCK = 200_000  # rows fitted at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Standard relative uncertainties of one dose, by origin."""

    fit: float  # random errors of the scans, by way of the integral
    borrowed: float  # of a rate that the scans do not tell, the same in all cycles of a patient
    activity: float  # calibration and recovery, shared by all scans
    volume: float  # by way of activity and of mass together
    dose_factor: float  # of the S value itself

    @property
    def systematic(self) -> float:
        """What all cycles of a patient share."""
        return math.hypot(self.borrowed, self.activity, self.volume, self.dose_factor)

    @property
    def own(self) -> float:
        """What a patient does not share with others of a site: scans, rate and volume."""
        return math.hypot(self.fit, self.borrowed, self.volume)

    @property
    def total(self) -> float:
        return math.hypot(self.fit, self.systematic)

    def limits(self, dose_gy: float) -> tuple[float, float]:
        """The 95 % interval, on the logarithm, for a dose is positive."""
        return dose_gy * math.exp(-Z95 * self.total), dose_gy * math.exp(Z95 * self.total)


def budget(
    fit: float,
    *,
    borrowed: float = 0.0,
    activity: float,
    volume: float,
    dose_factor: float,
    mass_slope: float = -1.0,
    volume_slope: float = 0.0,
) -> Budget:
    """Propagate relative standard uncertainties to the dose.

    Parameters
    ----------
    fit : of the integral by the errors of its scans, from the covariance of the fit.
    borrowed : of the integral by a rate taken from a cohort or from another cycle.
    activity : of calibration and recovery, shared by all scans.
    volume : of the drawn volume.
    dose_factor : of the S value at given mass.
    mass_slope : d ln(dose) / d ln(mass), `absorbed_dose.mass_slope`.
    volume_slope : d ln(activity) / d ln(volume). The same volume decides counts, recovery and mass,
        so a part cancels; 0 where activity does not depend on how the region was drawn.

    Raises ValueError for one that is negative or missing.

    """
    parts = {
        "fit": fit,
        "borrowed": borrowed,
        "activity": activity,
        "volume": volume,
        "dose_factor": dose_factor,
    }
    bad = [f"{name} {value:g}" for name, value in parts.items() if not value >= 0]
    if bad:
        raise ValueError(f"relative uncertainties are not negative; found {', '.join(bad)}.")
    return Budget(
        fit=fit,
        borrowed=borrowed,
        activity=activity,
        volume=abs(mass_slope + volume_slope) * volume,
        dose_factor=dose_factor,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replicates:
    """Doses of m regions under re-drawn errors, (m, samples), and their summary, (m,)."""

    dose_gy: Floats

    @property
    def median_gy(self) -> Floats:
        return np.asarray(np.median(self.dose_gy, axis=1))

    @property
    def relative_uncertainty(self) -> Floats:
        """Standard deviation over the mean."""
        return np.asarray(self.dose_gy.std(axis=1, ddof=1) / self.dose_gy.mean(axis=1))

    def interval(self, level: float = 0.95) -> Floats:
        """The central interval, (m, 2)."""
        ends = (1 - level) / 2, (1 + level) / 2
        return np.asarray(np.quantile(self.dose_gy, ends, axis=1).T)


def sample_doses(
    time_hours: ArrayLike,
    activity_mbq: ArrayLike,
    *,
    form: FormName,
    relative_error: ArrayLike,
    start: ArrayLike,
    gy_per_mbq_h: ArrayLike,
    activity: ArrayLike,
    volume: ArrayLike,
    dose_factor: ArrayLike,
    mass_slope: ArrayLike = -1.0,
    volume_slope: ArrayLike = 0.0,
    samples: int,
    rng: Generator,
    patient: ArrayLike | None = None,
    nuclide: Nuclide = LUTETIUM_177,
) -> Replicates:
    """Draw every error anew, refit each curve, and return the doses.

    Parameters
    ----------
    time_hours, activity_mbq, relative_error : (m, n), or (n,) for one region.
    start : (m, p) parameters of the fits, where the search begins.
    gy_per_mbq_h : (m,) dose per integral at the measured mass.
    activity, volume, dose_factor, mass_slope, volume_slope : (m,) as in `budget`.
    patient : (m,) whose region each is; the error of calibration is one draw a patient. Without
        it every region is another patient's.

    """
    observed = np.atleast_2d(np.asarray(activity_mbq, float))
    m, n = observed.shape
    times = np.broadcast_to(np.asarray(time_hours, float), (m, n))
    errors = np.broadcast_to(np.asarray(relative_error, float), (m, n))
    starts = np.atleast_2d(np.asarray(start, float))
    whose = np.arange(m) if patient is None else np.unique(patient, return_inverse=True)[1]
    shared = rng.standard_normal((int(whose.max()) + 1, samples))
    slope = np.broadcast_to(np.add(mass_slope, volume_slope), (m,))
    doses = np.empty((m, samples))
    many = max(1, BLOCK // samples)
    for begin in range(0, m, many):
        part = slice(begin, min(begin + many, m))
        integral = _integrals(
            times[part], observed[part], errors[part], starts[part], form, samples, rng, nuclide
        )
        each = integral.shape
        logarithm = _column(activity, m, part) * shared[whose[part]]
        logarithm += slope[part, None] * _column(volume, m, part) * rng.standard_normal(each)
        logarithm += _column(dose_factor, m, part) * rng.standard_normal(each)
        doses[part] = integral * np.exp(logarithm) * _column(gy_per_mbq_h, m, part)
    return Replicates(dose_gy=doses)


def _column(values: ArrayLike, m: int, part: slice) -> Floats:
    return np.broadcast_to(np.asarray(values, float), (m,))[part, None]


def _integrals(
    time: Floats,
    observed: Floats,
    error: Floats,
    start: Floats,
    form: FormName,
    samples: int,
    rng: Generator,
    nuclide: Nuclide,
) -> Floats:
    """Integrals of the curves through re-drawn activities, (m, samples)."""
    m, n = observed.shape
    factor = 1 + error[:, None, :] * rng.standard_normal((m, samples, n))
    drawn = (observed[:, None, :] * np.maximum(factor, LEAST)).reshape(-1, n)
    rows = (m * samples, n)
    sigma = np.repeat(error * observed, samples, axis=0)
    times = np.repeat(time, samples, axis=0)
    starts = np.repeat(start, samples, axis=0)
    half = rows[0] // 2
    with ThreadPoolExecutor(2) as pool:  # the compiled fit releases Python's lock
        found = pool.map(
            lambda piece: fit_replicates(
                times[piece],
                drawn[piece],
                sigma[piece],
                starts[piece],
                shape=FORMS[form],
                nuclide=nuclide,
            )[2],
            (slice(0, half), slice(half, None)),
        )
        return np.concatenate(list(found)).reshape(m, samples)

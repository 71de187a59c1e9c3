# SPDX-License-Identifier: Apache-2.0
"""Activity over time as a sum of exponentials: its value, its integral, its tail."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A(t) = sum of amplitude_mbq exp(-rate_per_hour t), both (k,); an uptake is negative.

    Rates are effective: physical decay is part of them.
    """

    amplitude_mbq: Floats
    rate_per_hour: Floats

    @property
    def terminal_half_life_hours(self) -> float:
        return math.log(2) / float(self.rate_per_hour.min())

    @property
    def integral_mbq_h(self) -> float:
        """The time-integrated activity, from the infusion to the end of time."""
        return float(np.sum(self.amplitude_mbq / self.rate_per_hour))

    def activity_mbq(self, time_hours: ArrayLike) -> Floats:
        """Return the activity at each of the times, of their shape."""
        time = np.asarray(time_hours, float)[..., None]
        return np.asarray(np.sum(self.amplitude_mbq * np.exp(-self.rate_per_hour * time), axis=-1))

    def tail_mbq_h(self, after_hours: float) -> float:
        """Return the integral from `after_hours` on."""
        left = self.amplitude_mbq * np.exp(-self.rate_per_hour * after_hours)
        return float(np.sum(left / self.rate_per_hour))

    def tail_fraction(self, after_hours: float) -> float:
        """Return which part of the integral comes after `after_hours`."""
        return self.tail_mbq_h(after_hours) / self.integral_mbq_h


def curve(amplitude_mbq: ArrayLike, rate_per_hour: ArrayLike) -> Curve:
    """Return the curve of these terms.

    Raises ValueError if the lengths differ, a rate is not positive, or the integral is not.
    """
    amplitude = np.atleast_1d(np.asarray(amplitude_mbq, float))
    rate = np.atleast_1d(np.asarray(rate_per_hour, float))
    if amplitude.shape != rate.shape or amplitude.ndim != 1 or not amplitude.size:
        raise ValueError(f"amplitudes and rates differ: {amplitude.shape}, {rate.shape}.")
    if not (np.all(np.isfinite(amplitude)) and np.all(np.isfinite(rate)) and np.all(rate > 0)):
        raise ValueError(f"a rate is positive and every term finite; found rates {rate.tolist()}.")
    found = Curve(amplitude_mbq=amplitude, rate_per_hour=rate)
    if not found.integral_mbq_h > 0:
        raise ValueError(f"the curve holds {found.integral_mbq_h:g} MBq h; it must be positive.")
    return found

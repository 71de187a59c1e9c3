# SPDX-License-Identifier: Apache-2.0
"""True curves of virtual patients: what a region holds over time, for one gray of dose."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.simulation.dose_scenarios import Kinetics
from radioligand.simulation.streams import Floats


class Terms(NamedTuple):
    """Exponentials of curves whose integral is 1: amplitudes and rates per hour, (..., k) each."""

    amplitude: Floats
    rate_per_hour: Floats

    def at(self, hours: ArrayLike) -> Floats:
        """Return the curves at times (..., t) that go with them, per hour."""
        decay = np.exp(-self.rate_per_hour[..., None, :] * np.asarray(hours, float)[..., None])
        return np.asarray((self.amplitude[..., None, :] * decay).sum(-1))

    def protraction(self, repair_half_time_hours: float) -> Floats:
        """Return the Lea-Catcheside factor of each curve, as `dosimetry.radiobiology` finds it."""
        a, rate = self.amplitude, self.rate_per_hour
        repair = np.log(2) / repair_half_time_hours
        both = a[..., :, None] * a[..., None, :]
        sums = (rate[..., :, None] + rate[..., None, :]) * (repair + rate)[..., None, :]
        return np.asarray(2 * (both / sums).sum((-1, -2)))


def half_lives(kinetics: Kinetics, z: Floats) -> Floats:
    """Terminal effective half-lives in hours of standard normal numbers; none slower than decay."""
    drawn = kinetics.half_life_hours * np.exp(kinetics.half_life_log_sd * z)
    return np.asarray(np.minimum(drawn, 0.99 * LUTETIUM_177.half_life_hours))


def terms(kinetics: Kinetics, half_life_hours: Floats) -> Terms:
    """Return the curves of regions with these terminal half-lives: one to three exponentials.

    What washes out has a terminal term and, with `fast_share`, a faster one; with an uptake their
    sum is taken off at the rate of uptake, so that nothing is there at time 0. Both have the same
    place on the axis whatever a patient's terminal half-life, and never exceed it.
    """
    ratio = half_life_hours / kinetics.half_life_hours
    share = kinetics.fast_share or 0.0
    amplitudes = [np.full(half_life_hours.shape, 1.0 - share)]
    halves = [half_life_hours]
    if kinetics.fast_half_life_hours is not None:
        amplitudes.append(np.full(half_life_hours.shape, share))
        halves.append(kinetics.fast_half_life_hours * ratio)
    if kinetics.uptake_half_life_hours is not None:
        amplitudes.append(np.full(half_life_hours.shape, -1.0))
        halves.append(kinetics.uptake_half_life_hours * ratio)
    amplitude, rate = np.stack(amplitudes, -1), np.log(2) / np.stack(halves, -1)
    return Terms(amplitude / (amplitude / rate).sum(-1, keepdims=True), rate)

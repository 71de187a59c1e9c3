# SPDX-License-Identifier: Apache-2.0
"""A course of cycles: doses added up, bounded, and foretold; what steers among lesions.

Organs are held to the upper bound of their dose, lesions are aimed at by the median. A protocol
gives every limit and target, none stands here.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from radioligand.dosimetry.curves import Floats
from radioligand.dosimetry.radiobiology import bed_gy

Quantity = Literal["dose", "bed"]
Steering = Literal["min", "mean", "mass-weighted mean", "max"]
Prediction = Literal["last", "mean", "trend"]
Missing = Literal["refuse", "carry"]

Z95 = 1.6448536269514722  # one-sided: the dose lies above its bound with 5 %


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """One region's cycles so far, (c,) each, in order.

    `dose_gy` is nan for a cycle that was given and not measured; `random` and `systematic` are
    relative standard uncertainties, the second shared by all cycles; `protraction` is G.
    """

    region: str
    activity_gbq: Floats
    dose_gy: Floats
    random: Floats
    systematic: float
    protraction: Floats
    mass_g: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that an organ may get over the course; in BED with its alpha/beta."""

    region: str
    quantity: Quantity
    limit_gy: float
    alpha_beta_gy: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What lesions shall get over the course, by a statistic over them; `aim_gy` is meant."""

    lower_gy: float
    upper_gy: float
    aim_gy: float
    steering: Steering


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """How the next cycle's Gy/GBq is foretold from those before.

    `factor` multiplies it (lesions may take up less from cycle to cycle), `spread` is the relative
    standard deviation from cycle to cycle.
    """

    by: Prediction
    spread: float
    factor: float = 1.0


def complete(course: Course, *, missing: Missing, spread: float = math.nan) -> Course:
    """Return the course with every cycle dosed, by the policy for cycles without measurement.

    "refuse" raises ValueError that names the cycles; "carry" takes the Gy/GBq of the nearest
    measured cycle, with `spread` added to its relative uncertainty.
    """
    gone = np.flatnonzero(np.isnan(course.dose_gy))
    if not gone.size:
        return course
    known = np.flatnonzero(~np.isnan(course.dose_gy))
    if missing == "refuse" or not known.size:
        cycles = ", ".join(str(one + 1) for one in gone)
        raise ValueError(
            f"{course.region}: cycle {cycles} of {course.dose_gy.size} was given and has no dose. "
            "Measure it, or let the protocol carry the dose per activity from another cycle."
        )
    if not spread >= 0:
        raise ValueError(f"{course.region}: carrying a dose needs a declared spread.")
    nearest = known[np.argmin(np.abs(known[None, :] - gone[:, None]), axis=1)]
    dose, random, g = course.dose_gy.copy(), course.random.copy(), course.protraction.copy()
    per_gbq = course.dose_gy[nearest] / course.activity_gbq[nearest]
    dose[gone] = per_gbq * course.activity_gbq[gone]
    random[gone] = np.hypot(course.random[nearest], spread)
    g[gone] = course.protraction[nearest]
    return replace(course, dose_gy=dose, random=random, protraction=g)


def expected_gy_per_gbq(course: Course, *, by: Expectation) -> float:
    """Return the median Gy/GBq of the next cycle.

    "trend" goes on along the straight line of ln(Gy/GBq) over cycles and needs three of them.
    """
    per_gbq = course.dose_gy / course.activity_gbq
    if by.by == "last":
        found = float(per_gbq[-1])
    elif by.by == "mean":
        found = float(per_gbq.mean())
    else:
        if per_gbq.size < 3:
            raise ValueError(f"{course.region}: a trend needs three cycles, {per_gbq.size} given.")
        cycles = np.arange(per_gbq.size)
        slope, first = np.polyfit(cycles, np.log(per_gbq), 1)
        found = math.exp(first + slope * per_gbq.size)
    return by.factor * found


def upper_dose_gy(course: Course) -> Floats:
    """Return the upper 95 % bound of each cycle, (c,): D (1 + 1.645 u).

    Their sum bounds the course; it takes all errors for shared, which is on the safe side.
    """
    total = np.hypot(course.random, course.systematic)
    return np.asarray(course.dose_gy * (1 + Z95 * total))


def upper_gy_per_gbq(course: Course, *, by: Expectation) -> float:
    """Return the upper 95 % bound of the next Gy/GBq, with the spread between cycles."""
    u = math.hypot(float(course.random[-1]), course.systematic, by.spread)
    return expected_gy_per_gbq(course, by=by) * (1 + Z95 * u)


def accumulated_gy(course: Course, *, limit: Limit) -> float:
    """Return the upper bound of what the limit counts: the sum of doses, or of BED by cycle."""
    upper = upper_dose_gy(course)
    if limit.quantity == "dose":
        return float(upper.sum())
    return float(
        bed_gy(upper, protraction=course.protraction, alpha_beta_gy=limit.alpha_beta_gy).sum()
    )


def steering_gy(dose_gy: Floats, mass_g: Floats, *, steering: Steering) -> float:
    """Return the statistic of the lesions' doses, (l,), that steers."""
    if steering == "min":
        return float(dose_gy.min())
    if steering == "max":
        return float(dose_gy.max())
    if steering == "mean":
        return float(dose_gy.mean())
    if not np.all(mass_g > 0):
        raise ValueError("the mass-weighted mean needs the mass of every target lesion.")
    return float(np.average(dose_gy, weights=mass_g))


def activity_for(
    aim_gy: float,
    dose_gy: Floats,
    gy_per_gbq: Floats,
    mass_g: Floats,
    *,
    steering: Steering,
    cycles_left: int = 1,
) -> float:
    """Return the activity a cycle that brings the steering statistic to `aim_gy`; 0 if it is there.

    The smallest of several lesions reaches it when the last does, the largest when the first does.
    """
    each = (aim_gy - dose_gy) / (cycles_left * gy_per_gbq)
    if steering == "min":
        found = float(each.max())
    elif steering == "max":
        found = float(each.min())
    else:
        here = steering_gy(dose_gy, mass_g, steering=steering)
        rate = steering_gy(gy_per_gbq, mass_g, steering=steering)
        found = (aim_gy - here) / (cycles_left * rate)
    return max(found, 0.0)

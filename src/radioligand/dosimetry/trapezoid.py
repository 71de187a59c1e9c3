# SPDX-License-Identifier: Apache-2.0
"""The integral without a model: straight lines between scans, and a named guess of the ends."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.nuclide import LUTETIUM_177, Nuclide

Tail = Literal["last-two", "physical"]
Before = Literal["zero", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trapezoid:
    """Time-integrated activity, in its three parts; `is_upper_bound` where the tail is physical."""

    before_mbq_h: float
    between_mbq_h: float
    tail_mbq_h: float
    tail: Tail
    tail_rate_per_hour: float
    is_upper_bound: bool

    @property
    def tia_mbq_h(self) -> float:
        return self.before_mbq_h + self.between_mbq_h + self.tail_mbq_h

    @property
    def tail_fraction(self) -> float:
        return self.tail_mbq_h / self.tia_mbq_h


def trapezoid(
    time_hours: ArrayLike,
    activity_mbq: ArrayLike,
    *,
    tail: Tail,
    before: Before,
    nuclide: Nuclide = LUTETIUM_177,
) -> Trapezoid:
    """Integrate by trapezoids from 0 to the last scan, then by an exponential tail.

    `tail` "last-two" falls as the last two scans do, never slower than physical decay; "physical"
    is an upper bound and labelled so: on one patient's kidney it was 45 % too much. `before` the
    first scan the activity is taken as "constant" or as rising from "zero".

    Raises ValueError for fewer than two scans, times that do not ascend, activities not positive.
    """
    time, activity = np.asarray(time_hours, float), np.asarray(activity_mbq, float)
    if time.shape != activity.shape or time.ndim != 1 or time.size < 2:
        raise ValueError(f"trapezoids take two scans or more; found {time.shape}, {activity.shape}")
    if not (np.all(np.diff(time) > 0) and time[0] >= 0 and np.all(activity > 0)):
        raise ValueError("times ascend from the infusion on, and every activity is positive.")
    rate = nuclide.decay_per_hour
    if tail == "last-two":
        rate = max(rate, math.log(activity[-2] / activity[-1]) / float(time[-1] - time[-2]))
    share = 1.0 if before == "constant" else 0.5
    return Trapezoid(
        before_mbq_h=share * float(activity[0] * time[0]),
        between_mbq_h=float(np.trapezoid(activity, time)),
        tail_mbq_h=float(activity[-1]) / rate,
        tail=tail,
        tail_rate_per_hour=rate,
        is_upper_bound=tail == "physical",
    )

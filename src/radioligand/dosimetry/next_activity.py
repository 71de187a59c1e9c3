# SPDX-License-Identifier: Apache-2.0
"""The next activity: what each organ, the lesions and the caps allow, and which of them binds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from radioligand.dosimetry.course import (
    Course,
    Expectation,
    Limit,
    Quantity,
    Target,
    accumulated_gy,
    activity_for,
    expected_gy_per_gbq,
    steering_gy,
    upper_gy_per_gbq,
)
from radioligand.dosimetry.radiobiology import bed_gy

Strategy = Literal["lesion target", "organ limit"]
Status = Literal[
    "target reachable", "organ-limited", "cap-limited", "target already met", "stop: limit reached"
]

ROUNDING = 1e-9  # relative; a limit that is reached to the last digits is reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One thing that bounds the next activity, and the numbers it follows from.

    For an organ `accumulated_gy` and `gy_per_gbq` are upper bounds, for the target they are
    medians; activity = (limit - accumulated) / (cycles left × Gy/GBq), solved for BED. A target
    whose lower end is reached allows nothing more.
    """

    name: str
    kind: Literal["organ", "target", "cap", "step cap"]
    activity_gbq: float
    limit_gy: float = math.nan
    accumulated_gy: float = math.nan
    gy_per_gbq: float = math.nan
    quantity: Quantity = "dose"
    protraction: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The next activity, what bounds it, and how likely each limit is exceeded with it.

    `target_interval_gbq` are the activities that bring the steering statistic to the two ends of
    its target; None without lesions. `exceeding` is by region, at the end of the cycles left.
    """

    activity_gbq: float
    status: Status
    binding: str
    constraints: tuple[Constraint, ...]
    target_interval_gbq: tuple[float, float] | None
    steering_gy: float
    expected_steering_gy: float
    exceeding: dict[str, float]
    cycles_left: int


def organ_constraint(
    course: Course, *, limit: Limit, by: Expectation, cycles_left: int = 1
) -> Constraint:
    r"""Return the activity a cycle that takes an organ's upper bound to its limit.

    For dose :math:`A = (L - \sum D_i)/(n d)`. For BED, n cycles of dose x = A d each add
    n x (1 + g x), g = G/(alpha/beta) of the last cycle, so with b = (L - sum BED)/n

    .. math:: A = \frac{-1+\sqrt{1+4bg}}{2gd}.
    """
    used = accumulated_gy(course, limit=limit)
    per_gbq = upper_gy_per_gbq(course, by=by)
    left = (limit.limit_gy - used) / cycles_left
    protraction = math.nan
    activity = left / per_gbq
    if limit.quantity == "bed":
        protraction = float(course.protraction[-1])
        g = protraction / limit.alpha_beta_gy
        # the root, with the square roots' difference made a sum, which keeps its digits
        activity = 2 * left / (1 + math.sqrt(max(1 + 4 * left * g, 0.0))) / per_gbq
    return Constraint(
        name=limit.region,
        kind="organ",
        activity_gbq=max(activity, 0.0),
        limit_gy=limit.limit_gy,
        accumulated_gy=used,
        gy_per_gbq=per_gbq,
        quantity=limit.quantity,
        protraction=protraction,
    )


def next_activity(
    organs: Sequence[Course],
    lesions: Sequence[Course],
    *,
    limits: Sequence[Limit],
    target: Target | None,
    strategy: Strategy,
    organ_expectation: Expectation,
    lesion_expectation: Expectation,
    cap_gbq: float,
    step_ratio: float = math.inf,
    cycles_left: int = 1,
    samples: int = 10_000,
    rng: Generator,
) -> Plan:
    """Return the next activity and the constraint that binds it.

    The activity is the smallest of what each organ's limit allows, the cap, the step cap (ratio to
    the activity before) and, by the strategy "lesion target", what brings the steering statistic to
    its aim; once the statistic is at the lower end of its target that is nothing. By "organ limit"
    lesions do not hold it back.

    Raises ValueError with every fault: no limits, a limit without its organ, a cycle without dose,
    no lesion for a lesion target.
    """
    _check(organs, lesions, limits, target, strategy, cap_gbq, cycles_left)
    by_region = {one.region: one for one in organs}
    constraints = [
        organ_constraint(
            by_region[limit.region], limit=limit, by=organ_expectation, cycles_left=cycles_left
        )
        for limit in limits
    ]
    constraints.append(Constraint(name="activity cap", kind="cap", activity_gbq=cap_gbq))
    if math.isfinite(step_ratio):
        before = float(organs[0].activity_gbq[-1])
        constraints.append(
            Constraint(name="step cap", kind="step cap", activity_gbq=before * step_ratio)
        )
    dose = np.array([one.dose_gy.sum() for one in lesions])
    rate = np.array([expected_gy_per_gbq(one, by=lesion_expectation) for one in lesions])
    mass = np.array([one.mass_g for one in lesions])
    interval, here, met = None, math.nan, False
    if target and lesions:
        here = steering_gy(dose, mass, steering=target.steering)
        needed = [
            activity_for(aim, dose, rate, mass, steering=target.steering, cycles_left=cycles_left)
            for aim in (target.lower_gy, target.upper_gy, target.aim_gy)
        ]
        interval = needed[0], needed[1]
        if strategy == "lesion target":
            met = here >= target.lower_gy * (1 - ROUNDING)
            constraints.append(
                Constraint(
                    name=f"{target.steering} of target lesions",
                    kind="target",
                    activity_gbq=0.0 if met else needed[2],
                    limit_gy=target.aim_gy,
                    accumulated_gy=here,
                )
            )
    binding = min(constraints, key=lambda one: one.activity_gbq)
    reached = [
        one for one in constraints
        if one.kind == "organ" and one.limit_gy - one.accumulated_gy <= ROUNDING * one.limit_gy
    ]  # fmt: skip
    activity = binding.activity_gbq
    status: Status
    if reached:
        activity, binding, status = 0.0, reached[0], "stop: limit reached"
    elif met:
        activity, status = 0.0, "target already met"
        binding = next(one for one in constraints if one.kind == "target")
    else:
        status = "organ-limited" if binding.kind == "organ" else "cap-limited"
    after = dose + cycles_left * activity * rate
    expected = math.nan
    if target and lesions:
        expected = steering_gy(after, mass, steering=target.steering)
        if activity and expected >= target.lower_gy * (1 - ROUNDING):
            status = "target reachable"
    return Plan(
        activity_gbq=activity,
        status=status,
        binding=binding.name,
        constraints=tuple(constraints),
        target_interval_gbq=interval,
        steering_gy=here,
        expected_steering_gy=expected,
        exceeding={
            limit.region: exceeding(
                by_region[limit.region],
                activity,
                limit=limit,
                by=organ_expectation,
                cycles_left=cycles_left,
                samples=samples,
                rng=rng,
            )
            for limit in limits
        },
        cycles_left=cycles_left,
    )


def exceeding(
    course: Course,
    activity_gbq: float,
    *,
    limit: Limit,
    by: Expectation,
    cycles_left: int,
    samples: int,
    rng: Generator,
) -> float:
    """Return the probability that the course exceeds its limit when each cycle left is given so.

    Sampled: random errors are drawn by cycle, the systematic one once for all of them; each is
    log-normal about its median.
    """
    shared = np.exp(course.systematic * rng.standard_normal((samples, 1)))
    so_far = course.dose_gy * np.exp(
        course.random * rng.standard_normal((samples, course.random.size))
    )
    u = math.hypot(float(course.random[-1]), by.spread)
    each = activity_gbq * expected_gy_per_gbq(course, by=by)
    ahead = each * np.exp(u * rng.standard_normal((samples, cycles_left)))
    doses = shared * np.hstack([so_far, ahead])
    if limit.quantity == "bed":
        g = np.append(course.protraction, np.repeat(course.protraction[-1], cycles_left))
        doses = bed_gy(doses, protraction=g, alpha_beta_gy=limit.alpha_beta_gy)
    return float(np.mean(doses.sum(axis=1) > limit.limit_gy))


def _check(
    organs: Sequence[Course],
    lesions: Sequence[Course],
    limits: Sequence[Limit],
    target: Target | None,
    strategy: Strategy,
    cap_gbq: float,
    cycles_left: int,
) -> None:
    """Raise ValueError with everything that keeps an activity from being recommended."""
    faults = []
    if not limits:
        faults.append("no limit is given; an activity without one is not recommended")
    known = {one.region for one in organs}
    for limit in limits:
        if limit.region not in known:
            faults.append(f"{limit.region}: it has a limit and no dose")
        if limit.quantity == "bed" and not limit.alpha_beta_gy > 0:
            faults.append(f"{limit.region}: a limit in BED needs its alpha/beta")
    for one in (*organs, *lesions):
        gone = np.flatnonzero(np.isnan(one.dose_gy)) + 1
        if gone.size:
            cycles = ", ".join(str(cycle) for cycle in gone)
            faults.append(f"{one.region}: cycle {cycles} was given and has no dose")
        if not one.dose_gy.size:
            faults.append(f"{one.region}: no cycle was given yet")
    if strategy == "lesion target" and not (target and lesions):
        faults.append("the strategy 'lesion target' needs a target and a lesion with a dose")
    if not cap_gbq > 0:
        faults.append(f"activity cap {cap_gbq:g} GBq: it must be positive")
    if cycles_left < 1:
        faults.append("no cycle is left to plan")
    if faults:
        raise ValueError("; ".join(faults) + ".")

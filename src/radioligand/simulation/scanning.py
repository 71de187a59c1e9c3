# SPDX-License-Identifier: Apache-2.0
"""The calendar of scans: planned visits with their jitter, late, missed and unscheduled ones."""

from dataclasses import dataclass, replace

import numpy as np

from radioligand.simulation.design import Design
from radioligand.simulation.parameters import Population
from radioligand.simulation.streams import (
    Flags,
    Floats,
    Whole,
    between,
    from_quantiles,
    uniforms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans:
    """Scans of the randomised subjects, (n, v); column 0 is the baseline. Days from randomisation.

    Before each planned visit stands a column for a scan that nobody had planned. Last come those of
    long-term follow-up, which are not done until `with_follow_up` has them.
    """

    name: tuple[str, ...]  # VISIT of each column
    number: Floats  # VISITNUM of each column
    day: Floats  # (n, v)
    done: Flags  # (n, v)
    follow_up: Flags  # (v,) scans of long-term follow-up, read locally


def simulate_scans(
    population: Population,
    *,
    design: Design,
    early: Floats,
    seed: int,
    draws: Whole | None = None,
) -> Scans:
    """Draw the calendar; `early` (n,) is the day of a scan before the first planned one, or inf.

    draws : (n,) which draw of its visits after the baseline each subject has.
    """
    visits, n = population.visits, early.size
    planned = np.array(design.scan_days, dtype=np.float64)
    k = planned.size
    jitter = np.round(
        from_quantiles(uniforms(seed, "scan day", n, k, draws=draws), visits.jitter_days)
    )
    late = uniforms(seed, "late scan", n, k, 2, draws=draws)
    delay = np.where(late[..., 0] < visits.late, between(late[..., 1], visits.late_days), 0.0)
    on_plan = planned + jitter + delay
    done = uniforms(seed, "missed scan", n, k, draws=draws) >= visits.missed
    baseline = -between(uniforms(seed, "baseline scan", n), visits.baseline_days_before)

    before = np.concatenate([np.zeros((n, 1)), on_plan[:, :-1]], axis=1)
    extra = uniforms(seed, "unscheduled scan", n, k, 2, draws=draws)
    extra_day = np.round(before + (0.3 + 0.4 * extra[..., 1]) * (on_plan - before))
    extra_done = extra[..., 0] < visits.unscheduled
    extra_done[:, 0] = np.isfinite(early)
    extra_day[:, 0] = np.where(np.isfinite(early), early, extra_day[:, 0])

    day = np.empty((n, 2 * k + 1))
    day[:, 0], day[:, 1::2], day[:, 2::2] = baseline, extra_day, on_plan
    was_done = np.ones((n, 2 * k + 1), dtype=bool)
    was_done[:, 1::2], was_done[:, 2::2] = extra_done, done
    names, numbers = ["SCREENING"], [1.0]
    for days in design.scan_days:
        names += ["UNSCHEDULED", f"WEEK {days // 7}"]
        numbers += [days / 7 + 99.5, days / 7 + 100]
    later = design.follow_up_scan_days
    names += [f"FOLLOW-UP WEEK {days // 7}" for days in later]
    numbers += [days / 7 + 1000 for days in later]
    none = np.zeros((n, len(later)))
    return Scans(
        name=tuple(names),
        number=np.array(numbers),
        day=np.concatenate([day, none], axis=1),
        done=np.concatenate([was_done, none.astype(bool)], axis=1),
        follow_up=np.arange(len(names)) > 2 * k,
    )


def until(scans: Scans, last: Floats) -> Scans:
    """Leave out the planned scans after the day `last` of each subject, (n,)."""
    return replace(scans, done=scans.done & (scans.day <= last[:, None]))


def with_follow_up(
    scans: Scans,
    *,
    start: Floats,
    stop: Floats,
    population: Population,
    design: Design,
    seed: int,
) -> Scans:
    """Add the scans of follow-up from the day `start` (inf: none) to before `stop`, both (n,)."""
    visits, later = population.visits, np.array(design.follow_up_scan_days, dtype=np.float64)
    if not later.size:
        return scans
    u = uniforms(seed, "follow-up scan", start.size, later.size, 2)
    jitter = np.round(from_quantiles(u[..., 0], visits.jitter_days))
    day, done = scans.day.copy(), scans.done.copy()
    on_plan = np.where(np.isfinite(start), start, 0.0)[:, None] + later + jitter
    is_due = np.isfinite(start)[:, None] & (on_plan < stop[:, None]) & (u[..., 1] >= visits.missed)
    day[:, scans.follow_up], done[:, scans.follow_up] = on_plan, is_due
    return replace(scans, day=day, done=done)

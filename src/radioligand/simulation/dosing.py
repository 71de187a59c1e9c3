# SPDX-License-Identifier: Apache-2.0
"""Doses as they are given: infusions in cycles and injections, put off and reduced now and then."""

from dataclasses import dataclass

import numpy as np

from radioligand.simulation.design import Design, Drug
from radioligand.simulation.parameters import Population
from radioligand.simulation.streams import (
    Flags,
    Floats,
    Texts,
    Whole,
    between,
    from_quantiles,
    normals,
    uniforms,
)

DELAYED = "DELAYED"
REDUCED = "ADVERSE EVENT: DOSE REDUCED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doses:
    """Doses of one drug in one epoch, by subject and day; one row each, (m,)."""

    subject: Whole  # row of the randomised subjects
    day: Whole  # from randomisation
    cycle: Whole  # from 1; 0 where there are no cycles
    amount: Floats
    adjustment: Texts  # DELAYED, REDUCED or ""


def filling(
    subjects: int, *, population: Population, design: Design, phase: str, seed: int
) -> tuple[Floats, Flags]:
    """Activity given over planned, (subjects, cycles), and whether it was halved for toxicity."""
    conduct, cycles = population.conduct, design.cycles
    arm, number = design.arms[design.infused.index(True)], np.arange(cycles)
    toxic = uniforms(seed, f"{phase} reduction", subjects, 2)
    first = 1 + np.floor((cycles - 1) * toxic[:, 1])
    halved = (toxic[:, 0] < conduct.reduced[arm])[:, None] & (number >= first[:, None])
    own = uniforms(seed, f"{phase} activity", subjects, 1)
    given = (
        from_quantiles(own, conduct.activity_fraction)
        * (
            1
            + conduct.activity_sd * normals(seed, f"{phase} activity of a cycle", subjects, cycles)
        )
        * np.where(halved, 0.5, 1.0)
    )
    return given, halved


def infusions(
    start: Floats,
    stop: Floats,
    *,
    population: Population,
    design: Design,
    phase: str,
    seed: int,
    given_gbq: Floats | None = None,
) -> Doses:
    """Radioligand infusions of one phase, from the day `start` (inf: none) until before `stop`.

    Both are (n,). Doses are put off and reduced as often as in the first arm that is infused. A
    subject may have one cycle put off and its later cycles halved. What is given is the protocol's
    activity as filled, or `given_gbq`, (n, cycles), of which 0 is no infusion.
    """
    conduct, n, cycles = population.conduct, start.size, design.cycles
    arm, number = design.arms[design.infused.index(True)], np.arange(design.cycles)
    jitter = from_quantiles(
        uniforms(seed, f"{phase} cycle day", n, cycles), conduct.cycle_jitter_days
    )
    late = uniforms(seed, f"{phase} delay", n, 3)
    which = 1 + np.floor((cycles - 1) * late[:, 1])
    delayed = (late[:, 0] < conduct.delayed[arm])[:, None] & (number == which[:, None])
    delay = np.where(delayed, between(late[:, 2], conduct.delay_days)[:, None], 0.0)
    interval = np.round(design.cycle_days + jitter + delay)
    interval[:, 0] = 0
    day = np.where(np.isfinite(start), start, 0.0)[:, None] + np.cumsum(interval, axis=1)

    filled, halved = filling(n, population=population, design=design, phase=phase, seed=seed)
    activity = design.activity_gbq * filled if given_gbq is None else given_gbq
    is_given = (day < stop[:, None]) & np.isfinite(start)[:, None]
    who, cycle = np.nonzero(is_given & (activity > 0))
    return Doses(
        subject=who,
        day=day[who, cycle].astype(np.int64),
        cycle=cycle + 1,
        amount=np.round(activity[who, cycle], 2),
        adjustment=np.where(halved, REDUCED, np.where(delayed, DELAYED, ""))[who, cycle],
    )


def injections(
    start: Floats,
    stop: Floats,
    arm: Whole,
    infused: Doses,
    *,
    population: Population,
    design: Design,
    seed: int,
) -> Doses:
    """Analogue injections until before `stop`; start, stop and arm are (n,).

    Beside the radioligand the day after each infusion, and from the last infusion on at the
    interval of the design; in an arm without radioligand at that interval throughout.
    """
    conduct, n = population.conduct, start.size
    experimental = np.array(design.infused)[arm]
    start = np.where(np.array(design.analogue_mg)[arm] > 0, start, np.inf)
    length = int(design.scan_days[-1] // design.analogue_days) + 1
    number = np.arange(length)
    jitter = from_quantiles(
        uniforms(seed, "octreotide day", n, length), conduct.octreotide_jitter_days
    )
    late = uniforms(seed, "octreotide delay", n, 3)
    which = 1 + np.floor(6 * late[:, 1])
    put_off = ~experimental & (late[:, 0] < _by_arm(conduct.delayed, design)[arm])
    delayed = put_off[:, None] & (number == which[:, None])
    delay = np.where(delayed, between(late[:, 2], conduct.delay_days)[:, None], 0.0)
    interval = np.round(design.analogue_days + jitter) + delay
    interval[:, 0] = np.where(experimental, 1.0, 0.0)

    last_infusion = np.zeros(n)
    np.maximum.at(last_infusion, infused.subject, infused.day.astype(np.float64))
    first = np.where(experimental, last_infusion, np.where(np.isfinite(start), start, 0.0))
    day = first[:, None] + np.cumsum(interval, axis=1)
    who, which_dose = np.nonzero((day < stop[:, None]) & np.isfinite(start)[:, None])

    toxic = uniforms(seed, "octreotide reduction", n) < _by_arm(conduct.reduced, design)[arm]
    mg = np.array(design.analogue_mg)[arm]
    halved = (toxic & ~experimental)[who] & (which_dose >= 4)
    between_cycles = _followed_by_another(infused) & np.isfinite(start)[infused.subject]
    subject = np.concatenate([infused.subject[between_cycles], who])
    days = np.concatenate([infused.day[between_cycles] + 1, day[who, which_dose].astype(np.int64)])
    changed = np.where(delayed[who, which_dose], DELAYED, np.where(halved, REDUCED, ""))
    order = np.lexsort((days, subject))
    return Doses(
        subject=subject[order],
        day=days[order],
        cycle=np.zeros(order.size, dtype=np.int64),
        amount=np.concatenate(
            [mg[infused.subject[between_cycles]], np.where(halved, 0.5, 1.0) * mg[who]]
        )[order],
        adjustment=np.concatenate([np.full(int(between_cycles.sum()), ""), changed])[order],
    )


def _by_arm(share: dict[str, float], design: Design) -> Floats:
    return np.array([share[arm] for arm in design.arms])


def further_doses(
    start: Floats, stop: Floats, arm: Whole, infused: Doses, *, drug: Drug, given: Flags
) -> Doses:
    """Doses of a further drug until before `stop`, to the arms in which it is `given`, (arms,).

    At its interval from the first dose on, or on the day of each infusion.
    """
    has = given[arm] & np.isfinite(start)
    if drug.every_days:
        longest = np.where(has, stop - np.where(has, start, 0.0), 0.0).max(initial=0.0)
        number = np.arange(int(longest // drug.every_days) + 1)
        days = np.where(has, start, 0.0)[:, None] + drug.every_days * number
        who, which = np.nonzero((days < stop[:, None]) & has[:, None])
        day = days[who, which].astype(np.int64)
    else:
        with_it = has[infused.subject] & (infused.day < stop[infused.subject])
        who, day = infused.subject[with_it], infused.day[with_it]
    return Doses(
        subject=who,
        day=day,
        cycle=np.zeros(who.size, dtype=np.int64),
        amount=np.full(who.size, drug.amount),
        adjustment=np.full(who.size, ""),
    )


def _followed_by_another(doses: Doses) -> Flags:
    """Whether the same subject has a later dose; doses are in the order of subject and day."""
    return np.asarray(np.diff(doses.subject, append=-1) == 0, dtype=np.bool_)


def last_dose(doses: tuple[Doses, ...], *, subjects: int) -> Floats:
    """Day of the last of several drugs' doses, (subjects,); inf for those given none."""
    last = np.full(subjects, -np.inf)
    for each in doses:
        np.maximum.at(last, each.subject, each.day.astype(np.float64))
    return np.where(np.isfinite(last), last, np.inf)

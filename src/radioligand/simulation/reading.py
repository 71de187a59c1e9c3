# SPDX-License-Identifier: Apache-2.0
"""What one reader sees of the lesions, scan by scan, and what RECIST 1.1 makes of it.

Every reader looks at the same lesions but chooses targets, errs and hesitates on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radioligand.simulation.parameters import Population
from radioligand.simulation.streams import Flags, Floats, Whole, normals, uniforms, waiting_times
from radioligand.simulation.tumours import MEASURABLE, NODE, ORGAN, Tumours

RESPONSES = np.array(["CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", ""])
CR, PR, SD, NON_CR_NON_PD, PD, NE, NONE = range(7)
_TARGETS, _PER_ORGAN, _NODE_MM, _NODE_NORMAL_MM = 5, 2, 15.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """One reader's findings: (n, slots) chosen at baseline, (n, v, slots) at each scan.

    A diameter is 0 for a lesion that is gone, nan for one that could not be read. The first
    scan is the baseline.
    """

    target: Flags  # (n, slots)
    non_target: Flags  # (n, slots)
    diameter_mm: Floats  # (n, v, slots) of targets, as recorded
    too_small: Flags  # (n, v, slots) seen but too small to measure
    absent: Flags  # (n, v, slots) of non-targets
    non_target_progression: Flags  # (n, v)
    new_unequivocal: Flags  # (n, v)
    new_equivocal: Flags  # (n, v)
    sum_mm: Floats  # (n, v) of readable targets
    target_response: Whole  # (n, v) index into RESPONSES; the baseline's means nothing
    non_target_response: Whole  # (n, v)
    overall: Whole  # (n, v)


def read_scans(
    tumours: Tumours,
    true_mm: Floats,
    week: Floats,
    done: Flags,
    *,
    population: Population,
    reader: str,
    decimals: int,
    seed: int,
) -> Reads:
    """Let a reader look at the scans that were done.

    true_mm : (n, v, slots) diameters; week : (n, v) since the start of treatment;
    done : (n, v); decimals : to which the reader records millimetres.
    """
    habit = population.reading
    n, v, slots = true_mm.shape
    error = normals(seed, f"{reader} error", n, v, slots, 2)
    seen = (
        true_mm * np.exp(habit.error_fraction[reader] * error[..., 0])
        + habit.error_mm * error[..., 1]
    )
    gone = _gone(true_mm, habit.vanishes_mm)
    small = ~gone & (seen < habit.too_small_mm) & ~NODE
    recorded = np.where(small, habit.too_small_mm, np.round(np.maximum(seen, 4.0), decimals))
    recorded = np.where(gone & ~NODE, 0.0, recorded)
    recorded = np.where(gone & NODE, np.minimum(recorded, 9.0), recorded)

    target = _chosen_targets(tumours.present, recorded[:, 0], population, reader, seed)
    non_target = tumours.present & ~target
    delay = habit.delay_weeks[reader] * waiting_times(seed, f"{reader} delay", n, 2)
    new = week >= (tumours.new_lesion_week + delay[:, 0])[:, None]
    followed = np.any(non_target, axis=1, keepdims=True)
    progression = (week >= (tumours.non_target_week + delay[:, 1])[:, None]) & followed
    first_new = new & done & (np.cumsum(new & done, axis=1) == 1)
    unsure = uniforms(seed, f"{reader} equivocal", n) < habit.equivocal
    equivocal = first_new & unsure[:, None]
    unequivocal = new & ~equivocal
    unequivocal[:, 0] = equivocal[:, 0] = progression[:, 0] = False

    blind = uniforms(seed, f"{reader} not evaluable", n, v, 2)
    blind_slot = np.floor(blind[..., 1] * slots)
    unread = (blind[..., :1] < habit.not_evaluable) & (np.arange(slots) == blind_slot[..., None])
    unread &= ~progression[..., None]  # what progresses is seen
    unread[:, 0] = False
    diameter = np.where(unread, np.nan, recorded)
    absent = gone & ~unread

    sums, target_response = _target_response(diameter, target, done)
    non_target_response = _non_target_response(absent, unread, non_target, progression)
    return Reads(
        target=target,
        non_target=non_target,
        diameter_mm=diameter,
        too_small=small & ~unread,
        absent=absent,
        non_target_progression=progression,
        new_unequivocal=unequivocal & done,
        new_equivocal=equivocal & done,
        sum_mm=sums,
        target_response=target_response,
        non_target_response=non_target_response,
        overall=_overall(target_response, non_target_response, unequivocal),
    )


def _gone(true_mm: Floats, vanishes_mm: float) -> Flags:
    """Whether a lesion has disappeared (a node: is normal) and has not grown back since."""
    threshold = np.where(NODE, 8.5, vanishes_mm)
    return_mm = np.where(NODE, 11.0, 7.0)  # so that noise does not make a lesion flicker
    return np.logical_or.accumulate(true_mm < threshold, axis=1) & (true_mm < return_mm)


def _chosen_targets(
    present: Flags, baseline_mm: Floats, population: Population, reader: str, seed: int
) -> Flags:
    """The largest measurable lesions as the reader sees them: five, two of an organ."""
    habit = population.reading
    n, slots = present.shape
    measurable = present & (np.arange(slots) < MEASURABLE)
    measurable &= baseline_mm >= np.where(NODE, _NODE_MM, 10.0)
    taste = normals(seed, f"{reader} selection", n, slots) * habit.selection_sd
    over = uniforms(seed, f"{reader} passed over", n, slots) < habit.passed_over
    over &= measurable.sum(1, keepdims=True) > 1
    rank_mm = np.where(measurable, np.log(np.maximum(baseline_mm, 1)) + taste - 9 * over, -np.inf)
    wanted = measurable & ~over
    wanted |= measurable & ~wanted.any(1, keepdims=True)  # never pass over all of them
    for organ in np.unique(ORGAN):
        inside = np.flatnonzero(organ == ORGAN)
        place = _place(np.where(wanted, rank_mm, -np.inf)[:, inside])
        wanted[:, inside] &= place < _PER_ORGAN
    return wanted & (_place(np.where(wanted, rank_mm, -np.inf)) < _TARGETS)


def _place(values: Floats) -> Whole:
    """Place of each value in its row, 0 the largest."""
    order = np.argsort(-values, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _target_response(diameter: Floats, target: Flags, done: Flags) -> tuple[Floats, Whole]:
    """Sums of the readable targets and the target response of each scan, (n, v)."""
    wanted = target[:, None, :]
    unread = (np.isnan(diameter) & wanted).any(2)
    sums = np.where(wanted, np.nan_to_num(diameter), 0.0).sum(2)
    complete = np.where(unread | ~done, np.inf, sums)
    nadir = np.minimum.accumulate(complete, axis=1)
    nadir = np.concatenate([complete[:, :1], nadir[:, :-1]], axis=1)  # strictly before
    normal = np.where(NODE, diameter < _NODE_NORMAL_MM, diameter == 0)
    cr = (normal | ~wanted).all(2) & ~unread
    after_cr = np.logical_or.accumulate(cr & done, axis=1)
    after_cr = np.concatenate([np.zeros_like(after_cr[:, :1]), after_cr[:, :-1]], axis=1)
    growth = sums - nadir
    eps = 1e-6  # recorded tenths of a millimetre are not exact in binary
    pd = (growth >= 5 - eps) & (sums >= 1.2 * nadir - eps)
    pd |= after_cr & ~cr & ~unread
    pr = sums <= 0.7 * sums[:, :1] + eps
    none = np.broadcast_to(~np.any(target, axis=1, keepdims=True), cr.shape)
    found = ((none, NONE), (cr, CR), (pd, PD), (unread, NE), (pr, PR))
    return sums, _first_that_holds(found, otherwise=SD)


def _non_target_response(
    absent: Flags, unread: Flags, non_target: Flags, progression: Flags
) -> Whole:
    wanted = non_target[:, None, :]
    none = np.broadcast_to(~np.any(non_target, axis=1, keepdims=True), progression.shape)
    not_all = (unread & wanted).any(2)
    cr = (absent | ~wanted).all(2)
    found = ((none, NONE), (progression, PD), (not_all, NE), (cr, CR))
    return _first_that_holds(found, otherwise=NON_CR_NON_PD)


def _overall(target: Whole, non_target: Whole, new: Flags) -> Whole:
    """RECIST 1.1 tables 1 and 2; the first that fits."""
    found = (
        (new | (target == PD) | (non_target == PD), PD),
        ((target == CR) & np.isin(non_target, (CR, NONE)), CR),
        (target == CR, PR),
        (target == NONE, non_target),
    )
    return _first_that_holds(found, otherwise=target)


def _first_that_holds(found: Sequence[tuple[Any, int | Whole]], *, otherwise: int | Whole) -> Whole:
    """The response of the first condition that holds at each scan, (n, v)."""
    response = np.broadcast_to(np.asarray(otherwise, dtype=np.int64), found[0][0].shape)
    for holds, code in reversed(found):
        response = np.where(holds, code, response)
    return response

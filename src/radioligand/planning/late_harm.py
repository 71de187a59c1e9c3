# SPDX-License-Identifier: Apache-2.0
"""A harm that comes late and seldom: whether a trial of this size sees it, and by when."""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from radioligand import protocol as p
from radioligand.planning.faults import whole
from radioligand.planning.sizing import Plan

ERROR = 0.05  # of calling the high share excluded though it is true


@dataclass(frozen=True, slots=True, kw_only=True)
class LateHarmPlan:
    """What one arm can tell of a late harm if all its subjects are followed so long.

    Nobody dies or drops out before: `simulation.late_harm` counts those who do.
    """

    given: p.LateHarm
    arm: str
    subjects: int  # of the arm
    seen_usual: float  # probability of at least one subject with it, at the usual share
    seen_high: float
    needed: int  # subjects of an arm in whom the usual share is seen with the probability asked
    excluded: float  # probability that the high share is excluded, at the usual one
    month: float  # when the last subject has been followed so long


def late_harm_plans(protocol: p.Protocol, plan: Plan) -> tuple[LateHarmPlan, ...]:
    """Return for each late harm and each experimental arm what a trial of the planned size tells.

    With n subjects of an arm and a share q, at least one has it with probability
    1 - (1 - q)^n. The high share is excluded if so few have it that this has a probability of
    5 % or less under it (exact binomial, one-sided). Of arms that a selection stops, those are
    counted that enter before it. Everybody is taken as followed to the month of the harm.
    """
    parts = sum(arm.ratio for arm in protocol.arms)
    found = []
    for given in protocol.late_harm:
        for arm in protocol.arms:
            if arm.role != "experimental":
                continue
            of_all = arm.ratio / parts
            picked = plan.comparison.selection
            subjects = int((picked.subjects if picked else plan.subjects) * of_all)
            chance = bdtr(np.arange(subjects + 1), subjects, given.high)
            few = int(np.searchsorted(chance, ERROR, side="right")) - 1
            found.append(
                LateHarmPlan(
                    given=given,
                    arm=arm.id,
                    subjects=subjects,
                    seen_usual=float(1 - (1 - given.usual) ** subjects),
                    seen_high=float(1 - (1 - given.high) ** subjects),
                    needed=whole(float(np.log1p(-given.seen) / np.log1p(-given.usual))),
                    excluded=float(bdtr(few, subjects, given.usual)) if few >= 0 else 0.0,
                    month=plan.accrual_months + given.months,
                )
            )
    return tuple(found)


def late_harm_wording(plans: tuple[LateHarmPlan, ...]) -> tuple[str, ...]:
    """Return a paragraph on each harm in the first arm; arms of one size tell the same."""
    told: dict[str, LateHarmPlan] = {}
    for one in plans:
        told.setdefault(one.given.endpoint, one)
    return tuple(
        f"{one.given.label}: in {one.subjects} subjects of an experimental arm at least one has it "
        f"by {one.given.months:g} months with a probability of {_percent(one.seen_usual)} at a "
        f"share of {_percent(one.given.usual)}, and of {_percent(one.seen_high)} at "
        f"{_percent(one.given.high)}; {_percent(one.given.seen)} at the lower share takes "
        f"{one.needed} subjects. The higher share would be excluded with {_percent(one.excluded)} "
        f"power. The last subject has been followed so long in month {one.month:.0f}. Nobody is "
        "taken as lost before; virtual trials count losses."
        for one in told.values()
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

# SPDX-License-Identifier: Apache-2.0
"""How subjects come: so many a month, uniformly, in pieces, along a ramp or as sites open."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.planning.curves import Floats, piece_faults, time_in_pieces
from radioligand.planning.faults import PlanningError, outside, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """A rate of entry, linear within pieces; the last rate is kept for ever.

    Months count from the entry of the first subject; rates are subjects a month.
    """

    starts_months: tuple[float, ...]  # the first is 0
    per_month: tuple[float, ...]  # at the start of each piece
    change_per_month: tuple[float, ...]  # slope within it; 0 in the last

    def entered(self, months: ArrayLike) -> Floats:
        """Return how many have entered by each of `months`, of any shape; none before month 0."""
        time_in = time_in_pieces(np.asarray(months, np.float64), self.starts_months)
        rate, slope = np.array(self.per_month), np.array(self.change_per_month)
        return np.asarray((time_in * rate + time_in**2 * slope / 2).sum(-1), np.float64)

    def faster(self, factor: float) -> "Accrual":
        """Return the same accrual at `factor` times its rate."""
        return Accrual(
            starts_months=self.starts_months,
            per_month=tuple(factor * rate for rate in self.per_month),
            change_per_month=tuple(factor * slope for slope in self.change_per_month),
        )

    def months_for(self, subjects: float) -> float:
        """Return the month in which the last of so many subjects enters.

        Raises PlanningError if so many never enter.
        """
        at_starts = self.entered(np.array(self.starts_months))
        piece = int(np.searchsorted(at_starts, subjects, "left")) - 1
        missing = subjects - at_starts[max(piece, 0)]
        rate, slope = self.per_month[max(piece, 0)], self.change_per_month[max(piece, 0)]
        if missing > 0 and rate == slope == 0:
            raise PlanningError(
                f"accrual: {at_starts[-1]:g} of {subjects:g} subjects enter, and then none; "
                "let the last rate be above 0."
            )
        # the root of rate t + slope t^2 / 2 = missing, in the form that holds for slope 0
        denominator = rate + np.sqrt(rate**2 + 2 * slope * missing)
        within = 2 * missing / denominator if missing > 0 else 0.0
        return float(self.starts_months[max(piece, 0)] + within)


def uniform_accrual(per_month: float) -> Accrual:
    """Return the same rate for ever."""
    return piecewise_accrual((0.0,), (per_month,))


def piecewise_accrual(starts_months: Sequence[float], per_month: Sequence[float]) -> Accrual:
    """Return rates that hold from a month on until the next; the last has no end."""
    starts, rates = tuple(map(float, starts_months)), tuple(map(float, per_month))
    refuse(piece_faults("starts_months", starts, "per_month", rates))
    if not any(rates):
        refuse(["per_month: no rate is above 0; let somebody enter."])
    return Accrual(
        starts_months=starts, per_month=rates, change_per_month=tuple(0.0 for _ in rates)
    )


def ramped_accrual(per_month: float, *, ramp_months: float) -> Accrual:
    """Return a rate that grows from 0, the same amount each month, to `per_month` and stays."""
    given = {"per_month": per_month, "ramp_months": ramp_months}
    refuse(outside(given, above=0, mend="give a number above 0"))
    return Accrual(
        starts_months=(0.0, ramp_months),
        per_month=(0.0, per_month),
        change_per_month=(per_month / ramp_months, 0.0),
    )


def site_accrual(opens_months: Sequence[float], *, per_site_per_month: float) -> Accrual:
    """Return the rate of sites that open at those months, each with the same rate from then on."""
    faults = outside({"per_site_per_month": per_site_per_month}, above=0, mend="give more than 0")
    opens = np.asarray(opens_months, np.float64)
    if opens.ndim != 1 or not opens.size or not (np.isfinite(opens) & (opens >= 0)).all():
        faults.append("opens_months: give the month, 0 or later, in which each site opens.")
    refuse(faults)
    starts, opened = np.unique(opens, return_counts=True)
    rates = per_site_per_month * np.cumsum(opened)
    if starts[0] > 0:
        starts, rates = np.append(0.0, starts), np.append(0.0, rates)
    return piecewise_accrual(starts.tolist(), rates.tolist())

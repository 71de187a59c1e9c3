# SPDX-License-Identifier: Apache-2.0
"""Survival when an event is only known to lie between two visits: Turnbull's estimate."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.observations import Faults, Floats, Ints, numbers, rows_of
from radioligand.statistics.records import Record, Values

MOST_CYCLES = 5000
CLOSED = 1e-11  # gain, as a share of all subjects, at which the top is reached
NEARLY_CLOSED = 1e-7  # and at which it may be left, should rounding keep it from getting nearer
GONE = 1e-12  # a share below this is rounding


@dataclass(frozen=True, slots=True)
class EventTime(Values):
    """Where the time lies by which a share p has had the event: after `begin`, not after `end`."""

    begin: float
    end: float  # infinite if the share is not reached

    @property
    def middle(self) -> float:
        """Middle of the two, as R reports it; nan if the share is not reached."""
        return (self.begin + self.end) / 2 if self.end < np.inf else np.nan


@dataclass(frozen=True, slots=True)
class SurvivalBounds(Values, rows="time"):
    """Survival at chosen times, (k,) each: the data say no more than that it lies between."""

    time: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnbull(Record, rows="begin"):
    """A survival curve; arrays follow the intervals in which it falls, (m,).

    Between the intervals the curve is level; where within one it falls is not known.
    """

    begin: Floats  # the fall is after this time,
    end: Floats  # and not after this: the same where the day is known, infinite after all visits
    probability: Floats  # of an event there
    survival: Floats  # at `end`
    log_likelihood: float
    certificate: float  # most that any place could still gain, as a share of all; 0 at the top
    cycles: int
    rows: int

    @property
    def median(self) -> float:
        """Middle of the interval that holds the median; nan if it is not reached."""
        return self.quantile(0.5).middle

    def quantile(self, p: float) -> EventTime:
        """Return the interval that holds the first time by which a share `p` had the event.

        Raises ValueError for a p that is not between 0 and 1.
        """
        if not 0 < p < 1:
            raise ValueError(f"p: {p!r} is no share; give a number between 0 and 1.")
        place = int(np.argmax(self.survival <= 1 - p + 1e-9))
        return EventTime(float(self.begin[place]), float(self.end[place]))

    def survival_at(self, times: ArrayLike) -> SurvivalBounds:
        """Return the least and the greatest survival at `times`, (k,) or one number."""
        moments = np.atleast_1d(np.asarray(times, np.float64))
        after = np.append(1.0, self.survival)
        ended = np.searchsorted(self.end, moments, "right")
        begun = np.maximum(ended, np.searchsorted(self.begin, moments, "left"))
        return SurvivalBounds(moments, after[begun], after[ended])


def turnbull(lower: ArrayLike, upper: ArrayLike, *, weights: ArrayLike | None = None) -> Turnbull:
    r"""Estimate survival from intervals that hold each subject's time to an event.

    Parameters
    ----------
    lower : (n,) day of the last visit without the event; 0 or missing where there was none.
    upper : (n,) day of the first visit with it; infinite or missing where it was not seen. The
        event is after `lower` and not after `upper`; equal days are an event on that day.
    weights : (n,) how many equal rows a row stands for.

    Raises ValueError that names each fault of the input, if no row has an event, or if the most
    likely curve is not found.

    Notes
    -----
    The likelihood :math:`\prod_i\{S(L_i)-S(U_i)\}` is greatest for a curve that falls only in
    intervals that begin with some L and end with the next U. Their shares are found by turns of
    self-consistency (EM) and of isotonic regression on the likelihood's slope (ICM). They are at
    the top if and only if no interval j has :math:`\sum_i a_{ij}/P_i>n`, with :math:`P_i` the
    probability of row i's interval and a whether it holds j; the largest of these sums over n,
    less 1, is the `certificate`. There is one top only, since each place opens the interval of
    some row, so no other shares give all rows the same probabilities. Turnbull, J R Stat Soc B
    1976;38:290; Wellner and Zhan, J Am Stat Assoc 1997;92:945; Gentleman and Geyer, Biometrika
    1994;81:618. Oracle: R ``survival::survfit`` of ``Surv(type = "interval2")``, which stops at
    four digits.

    """
    begin, end, weight = checked(lower, upper, weights)
    places, problem = innermost(begin, end, weight)
    share, cycles = most_likely(problem)
    share = np.where(share > GONE, share, 0.0)
    share /= share.sum()
    falls = share > 0
    return Turnbull(
        begin=places[falls, 0],
        end=places[falls, 1],
        probability=share[falls],
        survival=np.append(np.cumsum(share[falls][::-1])[::-1][1:], 0.0),
        log_likelihood=float(weight.sum()) * problem.value(share),
        certificate=max(float(problem.gain(share).max()) - 1, 0.0),
        cycles=cycles,
        rows=begin.size,
    )


class Problem(NamedTuple):
    """Rows that may fall in the same m places, gathered; r different ones."""

    first: Ints  # (r,) place in which such a row's event may lie,
    last: Ints  # (r,) and all places up to this one
    weight: Floats  # (r,) share of all rows
    places: int

    def chance(self, share: Floats) -> Floats:
        """Return the probability of each row's interval, (r,)."""
        below = np.append(0.0, np.cumsum(share))
        return np.asarray(below[self.last + 1] - below[self.first], np.float64)

    def value(self, share: Floats) -> float:
        """Return the log likelihood of one row on average."""
        chance = self.chance(share)
        return float(self.weight @ np.log(chance)) if bool(np.all(chance > 0)) else -np.inf

    def gain(self, share: Floats) -> Floats:
        """Return what a little more at each place would add to the log likelihood, (m,)."""
        slope = self.weight / self.chance(share)
        return np.cumsum(self.at_begin(slope) - self.at_end(slope))[:-1]

    def at_begin(self, values: Floats) -> Floats:
        """Sum row values where their intervals begin, (m + 1,)."""
        return np.bincount(self.first, values, self.places + 1).astype(np.float64)

    def at_end(self, values: Floats) -> Floats:
        """Sum row values where their intervals have ended, (m + 1,)."""
        return np.bincount(self.last + 1, values, self.places + 1).astype(np.float64)


def most_likely(problem: Problem) -> tuple[Floats, int]:
    """Return the most likely shares (m,) and the number of cycles that found them."""
    share = np.full(problem.places, 1 / problem.places)
    for cycle in range(MOST_CYCLES):
        gain = problem.gain(share)
        off = max(float(gain.max()) - 1, float(np.abs(gain[share > GONE] - 1).max()))
        if off < CLOSED:
            return share, cycle
        share = share * gain
        share = isotonic_step(problem, share / share.sum())
    if off < NEARLY_CLOSED:
        return share, MOST_CYCLES
    raise ValueError(
        f"The most likely curve was not found in {MOST_CYCLES} cycles (certificate {off:.2g})."
    )


def isotonic_step(problem: Problem, share: Floats) -> Floats:
    """Move the distribution function to where its slope and curvature point, kept rising."""
    from scipy.optimize import isotonic_regression

    if problem.places == 1:
        return share
    below = np.cumsum(share)[:-1]
    gain, chance = problem.gain(share), problem.chance(share)
    bend = problem.weight / chance**2
    curvature = (problem.at_begin(bend) + problem.at_end(bend))[1:-1]
    target = below + (gain[:-1] - gain[1:]) / curvature
    rising = np.clip(isotonic_regression(target, weights=curvature).x, 0, 1)
    step = np.diff(np.concatenate([[0.0], rising, [1.0]])) - share
    here = problem.value(share)
    for _ in range(40):
        if problem.value(share + step) >= here:
            return np.maximum(share + step, 0.0)
        step = step / 2
    return share


def innermost(begin: Floats, end: Floats, weight: Floats) -> tuple[Floats, Problem]:
    """Return the places (m, 2) where the curve may fall, and which of them each row holds."""
    days = np.unique(np.concatenate([begin, end]))
    left = 2 * np.searchsorted(days, begin) + (begin < end)  # just after a day comes after the day
    right = 2 * np.searchsorted(days, end)
    moments = np.concatenate([left, right])
    is_right = np.arange(moments.size) >= left.size
    order = np.lexsort((is_right, moments))
    moments, is_right = moments[order], is_right[order]
    meet = np.flatnonzero(~is_right[:-1] & is_right[1:])
    opens, closes = moments[meet], moments[meet + 1]
    first = np.searchsorted(opens, left)
    last = np.searchsorted(closes, right, "right") - 1
    pairs, row = np.unique(first * opens.size + last, return_inverse=True)
    first, last = np.divmod(pairs, opens.size)
    gathered = np.bincount(row, weights=weight) / weight.sum()
    places = np.stack([days[opens // 2], days[closes // 2]], axis=1)
    return places, Problem(first, last, gathered, opens.size)


def checked(
    lower: ArrayLike, upper: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Return the ends of each interval, missing ones filled in, and the weights."""
    faults = Faults()
    begin, end = numbers("lower", lower, faults), numbers("upper", upper, faults)
    weight = np.ones(begin.size) if weights is None else numbers("weights", weights, faults)
    given = {"lower": lower, "upper": upper, "weights": weights}
    sizes = {name: rows_of(values) for name, values in given.items() if values is not None}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        faults.append(f"Lengths differ: {told}; give one value a row in each.")
    elif not sizes["lower"]:
        faults.append("There are no rows: lower is empty.")
    faults.refuse()
    begin = np.where(np.isnan(begin), 0.0, begin)
    end = np.where(np.isnan(end), np.inf, end)
    bad = ~((begin >= 0) & (begin < np.inf))
    faults.among(
        "lower", begin, bad, "are negative or infinite", "give days from origin, 0 or more"
    )
    faults.among("upper", end, end < begin, "are before lower", "give the later visit as upper")
    bad = ~((weight > 0) & (weight < np.inf))
    mend = "leave out a row that should not count"
    faults.among("weights", weight, bad, "are zero, negative, missing or infinite", mend)
    if not np.any(end < np.inf):
        faults.append(f"upper: none of {end.size} rows has an event; there is no curve.")
    faults.refuse()
    return begin, end, weight

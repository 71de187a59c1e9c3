# SPDX-License-Identifier: Apache-2.0
"""Curves of survival: Kaplan–Meier with its intervals and quantiles, and Nelson–Aalen."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.observations import (
    Floats,
    Numbers,
    Observations,
    check_choice,
    check_level,
    deviate,
    observations,
)
from radioligand.statistics.ordering import (
    NEAR,
    cell_ends,
    cut,
    is_large,
    loopable,
    on_all_cores,
    order_of,
    pieces_of,
)
from radioligand.statistics.risk_sets import risk_sets

BLOCK = 1 << 15  # times whose intermediate results fit a core's own cache

Interval = Literal["log-log", "log", "plain", "arcsine"]
Convention = Literal["r", "r-table", "sas"]


class Quantile(NamedTuple):
    """Time by which a share p has had the event; nan where it is not estimated."""

    estimate: Numbers
    lower: Numbers
    upper: Numbers


class SurvivalAt(NamedTuple):
    """Survival at chosen times, (k,) each; nan where it is not estimated."""

    time: Floats
    at_risk: Floats  # just before each time, as a table under a figure shows it
    estimate: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeier:
    """A survival curve; arrays follow the distinct times, ascending, (m,)."""

    time: Floats  # of an event or a censoring
    at_risk: Floats  # just before
    events: Floats
    censored: Floats
    survival: Floats  # just after
    standard_error: Floats  # of survival, Greenwood; nan once survival is 0
    lower: Floats  # nan where the interval is not defined
    upper: Floats
    interval: Interval
    level: float
    convention: Convention

    @property
    def median(self) -> float:
        """Time at which survival falls to one half; nan if it does not."""
        return float(self.quantile(0.5).estimate)

    @property
    def median_interval(self) -> tuple[float, float]:
        """Limits of the median by Brookmeyer and Crowley; nan is not estimated."""
        found = self.quantile(0.5)
        return float(found.lower), float(found.upper)

    def quantile(self, p: ArrayLike, *, convention: Convention | None = None) -> Quantile:
        """Return the time by which a share `p`, (k,) or one number, has had the event.

        The limits are the times at which the pointwise limits of survival fall to 1 - p
        (Brookmeyer and Crowley, Biometrics 1982;38:29, with the curve's own interval).

        Convention "r" is R's `quantile.survfit`: where survival equals 1 - p along a plateau,
        the middle of the plateau, which ends at the last time if the curve ends on it. A limit
        that is undefined once survival is 0 leaves the quantile's limit undefined.

        Convention "r-table" is what R prints for a curve. It differs from "r" twice: a curve that
        ends on the plateau has its beginning, and where the upper limit rises again the first
        crossing counts, not the one nearest 1 - p.

        Convention "sas" is PROC LIFETEST's definition: the first time with survival under
        1 - p, or the middle of a plateau that equals 1 - p and is left again; a curve that ends
        on it has no such quantile. The limits bound the times whose pointwise interval holds
        1 - p, so an interval that is open in R closes where survival reaches 0.

        Raises ValueError for a p outside 0 to 1.
        """
        shares = np.atleast_1d(np.asarray(p, np.float64))
        if not np.all((shares >= 0) & (shares <= 1)):
            raise ValueError(f"p: {p!r} is no share; give numbers from 0 to 1.")
        rule = self.convention if convention is None else convention
        check_choice("convention", rule, get_args(Convention))
        by_rule = {"r": self._quantile_r, "r-table": self._quantile_r_table}
        one = by_rule.get(rule, self._quantile_sas)
        estimate, lower, upper = (
            np.array([one(share) for share in shares.tolist()]).reshape(-1, 3).T
        )
        if np.ndim(p) == 0:
            return Quantile(float(estimate[0]), float(lower[0]), float(upper[0]))
        return Quantile(estimate, lower, upper)

    def survival_at(self, times: ArrayLike, *, extend: bool = False) -> SurvivalAt:
        """Return survival and number at risk at `times`, (k,) or one number.

        After the last time nothing is known, so the answer is nan, unless survival had reached
        0 or `extend` asks to carry the last value on.
        """
        moments = np.atleast_1d(np.asarray(times, np.float64))
        at_risk = np.append(self.at_risk, 0.0)[np.searchsorted(self.time, moments, "left")]
        place = np.searchsorted(self.time, moments, "right")
        unknown = (moments > self.time[-1]) & (self.survival[-1] > 0) & (not extend)

        def at(start: float, curve: Floats) -> Floats:
            return np.where(unknown, np.nan, np.append(start, curve)[place])

        return SurvivalAt(
            time=moments,
            at_risk=at_risk,
            estimate=at(1.0, self.survival),
            standard_error=at(0.0, self.standard_error),
            lower=at(1.0, self.lower),
            upper=at(1.0, self.upper),
        )

    def _quantile_r(self, p: float) -> tuple[float, ...]:
        if p == 0:
            return 0.0, 0.0, 0.0
        return tuple(self._nearest(1 - p, one) for one in (self.survival, self.lower, self.upper))

    def _quantile_r_table(self, p: float) -> tuple[float, ...]:
        return tuple(self._first(1 - p, one) for one in (self.survival, self.lower, self.upper))

    def _first(self, target: float, curve: Floats) -> float:
        """Find the first time `curve` is at or under `target`, or the middle of a plateau there."""
        reached = np.flatnonzero(curve < target + NEAR)
        if not reached.size:
            return np.nan
        begin = reached[0]
        under = reached[curve[reached] < curve[begin]]
        end = under[0] if abs(curve[begin] - target) < NEAR and under.size else begin
        return float(self.time[begin] + self.time[end]) / 2

    def _nearest(self, target: float, curve: Floats) -> float:
        """Find where `curve` crosses `target`; of a limit that rises again, its nearest value."""
        reached = np.where(curve <= target + NEAR, curve, -np.inf)
        passed = np.where(curve <= target - NEAR, curve, -np.inf)
        begin, end = int(reached.argmax()), int(passed.argmax())
        if reached[begin] == -np.inf:
            return np.nan
        if abs(curve[-1] - target) < NEAR:
            return float(self.time[begin] + self.time[-1]) / 2
        if passed[end] == -np.inf:
            return np.nan
        return float(self.time[begin] + self.time[end]) / 2

    def _quantile_sas(self, p: float) -> tuple[float, ...]:
        target = 1 - p
        below = np.flatnonzero(self.survival < target - NEAR)
        level = np.flatnonzero(np.abs(self.survival - target) <= NEAR)
        estimate = np.nan
        if below.size:
            estimate = float(self.time[below[0]])
            if level.size:
                estimate = (float(self.time[level[0]]) + estimate) / 2
        held = (self.lower <= target) & (target <= self.upper) & (self.survival > 0)
        inside = np.flatnonzero(held & (self.survival < 1))
        if not inside.size:
            return estimate, np.nan, np.nan
        after = np.flatnonzero(self.events[inside[-1] + 1 :] > 0) + inside[-1] + 1
        upper = float(self.time[after[0]]) if after.size else np.nan
        return estimate, float(self.time[inside[0]]), upper


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    interval: Interval = "log-log",
    level: float = 0.95,
    convention: Convention = "r",
) -> KaplanMeier:
    r"""Estimate survival from times to an event or to censoring.

    Parameters
    ----------
    time : (n,) whole days from origin to event or censoring.
    event : (n,) bool or 0 and 1, True where the event was seen (in ADTTE, ``CNSR == 0``).
    entry : (n,) days after which the subject was at risk; 0 for all if not given.
    weights : (n,) how many equal rows a row stands for. They count as rows do in the variance.
    interval : scale on which the pointwise interval is symmetric. "log-log" is SAS's default,
        "log" is R's; log-log keeps its level best in small arms.
    level : coverage of the intervals.
    convention : whose rule for quantiles, see `KaplanMeier.quantile`.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    With d events among Y at risk: :math:`S(t)=\prod_{s\le t}(1-d_s/Y_s)` and
    :math:`\mathrm{var}\,S(t)=S(t)^2\sum_{s\le t} d_s/\{Y_s(Y_s-d_s)\}`.
    Kaplan and Meier, J Am Stat Assoc 1958;53:457; Greenwood 1926. A subject censored at the time
    of an event is at risk of it. Oracle: R ``survival::survfit``, with ``robust = FALSE`` where
    weights are fractions.

    """
    check_choice("interval", interval, get_args(Interval))
    check_choice("convention", convention, get_args(Convention))
    check_level(level)
    rows = observations(time, event, entry=entry, weights=weights)
    when, at_risk, events, leaving = counts(rows)
    survival, standard_error, lower, upper, censored = np.empty((5, when.size))
    pieces = cut(when.size, 1 + when.size // BLOCK)

    def at_each_time(begin: int, end: int) -> None:
        here = slice(begin, end)
        left = survivors(at_risk[here], events[here])
        censored[here] = survivors(leaving[here], events[here])
        survival[here] = left / at_risk[here]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            standard_error[here] = events[here] / (at_risk[here] * left)

    def up_to_each_time(begin: int, end: int) -> None:
        here = slice(begin, end)
        relative_error = np.sqrt(standard_error[here])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            limits = pointwise_interval(survival[here], relative_error, interval, level)
            lower[here], upper[here] = limits
            standard_error[here] = survival[here] * relative_error

    on_all_cores(at_each_time, pieces)
    np.cumprod(survival, out=survival)
    np.cumsum(standard_error, out=standard_error)
    on_all_cores(up_to_each_time, pieces)
    return KaplanMeier(
        time=when,
        at_risk=at_risk,
        events=events,
        censored=censored,
        survival=survival,
        standard_error=standard_error,
        lower=lower,
        upper=upper,
        interval=interval,
        level=level,
        convention=convention,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NelsonAalen:
    """A cumulative hazard; arrays follow the distinct times, ascending, (m,)."""

    time: Floats
    at_risk: Floats
    events: Floats
    cumulative_hazard: Floats
    standard_error: Floats
    lower: Floats  # symmetric on the log scale; nan before the first event
    upper: Floats
    level: float


def nelson_aalen(
    time: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> NelsonAalen:
    r"""Estimate the cumulative hazard; arguments are those of `kaplan_meier`.

    Notes
    -----
    :math:`H(t)=\sum_{s\le t} d_s/Y_s` with variance :math:`\sum_{s\le t} d_s/Y_s^2`.
    Aalen, Ann Stat 1978;6:701. Oracle: ``cumhaz`` and ``std.chaz`` of R ``survival::survfit``.

    """
    check_level(level)
    rows = observations(time, event, entry=entry, weights=weights)
    when, at_risk, events, _ = counts(rows)
    hazard = np.cumsum(events / at_risk)
    standard_error = np.sqrt(np.cumsum(events / at_risk**2))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = np.exp(deviate(level) * standard_error / hazard)
        lower, upper = hazard / factor, hazard * factor
    return NelsonAalen(
        time=when,
        at_risk=at_risk,
        events=events,
        cumulative_hazard=hazard,
        standard_error=standard_error,
        lower=lower,
        upper=upper,
        level=level,
    )


class Counts(NamedTuple):
    """Who leaves when, in weights if there are any; arrays follow the distinct times, (m,)."""

    time: Floats
    at_risk: Floats
    events: Floats
    leaving: Floats  # events and censored


def counts(rows: Observations) -> Counts:
    """Count those at risk, the events and those who leave at each distinct time."""
    if is_large(rows.time.size) and rows.entry is None:
        return counts_of_many(rows)
    sets = risk_sets(rows)
    one = rows.event.astype(np.float64)
    weighted = one if rows.weights is None else one * rows.weights
    return Counts(
        time=sets.time,
        at_risk=sets.at_risk(rows.weights),
        events=sets.total(weighted),
        leaving=sets.total(rows.weights),
    )


def counts_of_many(rows: Observations) -> Counts:
    """Count as `counts` does, in one pass over the rows in their order; nobody enters late."""
    from radioligand.statistics import kernels

    order = order_of(rows)
    ends = cell_ends(order.ascending)
    begins, m = ends[:-1], ends.size - 1
    event = loopable(rows.event).view(np.uint8)
    weight = np.empty(0) if rows.weights is None else loopable(rows.weights)
    leaving, events = np.empty(m), np.empty(m)
    on_all_cores(
        kernels.count_cells,
        [(order.row, ends, event, weight, leaving, events, *one) for one in pieces_of(m)],
    )
    at_risk = (rows.time.size - begins).astype(np.float64)
    if rows.weights is not None:
        at_risk = np.cumsum(leaving[::-1])[::-1]
    return Counts(order.ascending[begins], at_risk, events, leaving)


def survivors(at_risk: Floats, events: Floats) -> Floats:
    """Subtract, and take what fractional weights leave by rounding for nothing."""
    left = at_risk - events
    return np.where(left > 1e-12 * at_risk, left, 0.0)


def pointwise_interval(
    survival: Floats, relative_error: Floats, interval: Interval, level: float
) -> tuple[Floats, Floats]:
    """Return limits of survival; `relative_error` is its standard error over itself."""
    z = deviate(level)
    if interval == "plain":
        width = z * relative_error * survival
        return np.maximum(survival - width, 0), np.minimum(survival + width, 1)
    positive = np.where(survival == 0, np.nan, survival)
    if interval == "log":
        factor = np.exp(z * relative_error)
        return positive / factor, np.minimum(positive * factor, 1)
    if interval == "log-log":
        inner = np.where(survival == 1, np.nan, positive)
        power = np.exp(z * relative_error / np.log(inner))
        return inner ** (1 / power), inner**power
    width = 0.5 * z * relative_error * np.sqrt(positive / (1 - positive))
    angle = np.arcsin(np.sqrt(positive))
    lower, upper = np.maximum(angle - width, 0), np.minimum(angle + width, np.pi / 2)
    return np.sin(lower) ** 2, np.sin(upper) ** 2

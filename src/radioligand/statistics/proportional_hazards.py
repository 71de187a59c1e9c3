# SPDX-License-Identifier: Apache-2.0
"""Whether a hazard ratio stays the same over time, as Cox's model supposes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.cox import ChiSquareTest, Fit, chi_square_test, fit
from radioligand.statistics.curves import kaplan_meier
from radioligand.statistics.observations import Floats, check_choice
from radioligand.statistics.partial_likelihood import Ties, likelihood
from radioligand.statistics.records import Record

Transform = Literal["km", "identity", "rank", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProportionalHazardsTest(Record, rows="names"):
    """Score tests of a trend of the log hazard ratios with time; arrays are (p,)."""

    names: tuple[str, ...]
    statistic: Floats  # each with one degree of freedom
    p_value: Floats
    overall: ChiSquareTest  # of all covariates at once
    transform: Transform


def proportional_hazards_test(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    transform: Transform = "km",
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    names: Sequence[str] | None = None,
) -> ProportionalHazardsTest:
    r"""Test whether each log hazard ratio has a trend with time.

    Parameters
    ----------
    time, event, covariates, strata, entry, weights, names : as in `cox`.
    ties : "efron" or "breslow".
    transform : the function of time that carries the trend: "km" one less the Kaplan–Meier curve
        of all rows, "identity" days, "rank" the rank of the row's time, "log" its logarithm.

    Raises ValueError as `cox` does, and for an event on day 0 with "log".

    Notes
    -----
    The score test of :math:`\gamma=0` in :math:`\lambda(t\mid x)=\lambda_0(t)\exp\{x\beta+x\gamma
    g(t)\}` at the fitted :math:`\beta`. Grambsch and Therneau, Biometrika 1994;81:515, exact
    rather than by their approximation. Oracle: R ``survival::cox.zph``, version 3.

    """
    check_choice("transform", transform, get_args(Transform))
    check_choice("ties", ties, ("efron", "breslow"))
    found = fit(time, event, covariates, strata, entry, weights, ties, names)
    g = transformed(found, transform)
    g -= g @ found.data.tied / found.data.tied.sum()
    once, twice = (likelihood(found.data, found.scaled, cell_weight=weight) for weight in (g, g**2))
    plain, p = found.fitted.information, found.scale.size
    trend = twice.information - once.information @ np.linalg.solve(plain, once.information)
    # the test of one covariate leaves the trends of the others at 0
    statistic = once.score**2 / np.diag(trend)
    overall = float(once.score @ np.linalg.solve(trend, once.score))
    return ProportionalHazardsTest(
        names=found.words,
        statistic=statistic,
        p_value=np.asarray(special.chdtrc(1, statistic), np.float64),
        overall=chi_square_test(overall, p),
        transform=transform,
    )


def transformed(found: Fit, transform: Transform) -> Floats:
    """Return the function of time at each cell with events, (q,)."""
    times = found.data.sets.time[found.data.happens]
    rows = found.rows
    if transform == "identity":
        return times.copy()
    if transform == "log":
        if times.min() <= 0:
            raise ValueError("transform: the logarithm of day 0 is not defined; give 'km'.")
        return np.asarray(np.log(times), np.float64)
    if transform == "rank":
        ordered = np.sort(rows.time)
        before = np.searchsorted(ordered, times, "left")
        return np.asarray((before + np.searchsorted(ordered, times, "right") + 1) / 2, np.float64)
    curve = kaplan_meier(rows.time, rows.event, entry=rows.entry)
    place = np.searchsorted(curve.time, times, "left")
    return np.asarray(1 - np.append(1.0, curve.survival)[place], np.float64)

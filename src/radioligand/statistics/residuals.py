# SPDX-License-Identifier: Apache-2.0
"""Residuals of Cox's model: whom it does not fit, who moves it, and how effects drift with time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import fit, symmetric_inverse
from radioligand.statistics.event_sums import faced, on_cells
from radioligand.statistics.observations import Floats, Ints, check_choice
from radioligand.statistics.partial_likelihood import Ties, expected_events, score_residuals
from radioligand.statistics.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxResiduals(
    Record,
    rows="martingale",
    apart=("names", "event_row", "event_time"),
    wide=("score", "dfbeta", "dfbetas"),
    labels="names",
):
    """Residuals of n rows, E of them with events, in a model of p covariates."""

    names: tuple[str, ...]
    martingale: Floats  # (n,) events seen less events expected
    deviance: Floats  # (n,) the same, nearer to symmetric about 0
    score: Floats  # (n, p) what a row adds to the score, per unit of its weight
    dfbeta: Floats  # (n, p) log hazard ratio with the row less that without, nearly
    dfbetas: Floats  # (n, p) dfbeta in standard errors
    event_row: Ints  # (E,) the rows with events, by stratum, time and row
    event_time: Floats  # (E,)
    schoenfeld: Floats  # (E, p) covariate of the row less its mean in the risk set
    scaled_schoenfeld: Floats  # (E, p) scattered about the log hazard ratio at each time


def cox_residuals(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    names: Sequence[str] | None = None,
) -> CoxResiduals:
    r"""Fit Cox's model and return what it leaves unexplained, row by row.

    Parameters
    ----------
    time, event, covariates, strata, entry, weights, names : as in `cox`.
    ties : "efron" or "breslow".

    Raises ValueError as `cox` does.

    Notes
    -----
    With :math:`\bar x(s)` the mean of the covariates over the risk set, weighted by hazard, and
    :math:`M_i(t)=N_i(t)-\int_0^t Y_i\,e^{x_i\beta}\,d\Lambda_0`: the martingale residual is
    :math:`M_i(\infty)`; the deviance residual
    :math:`\mathrm{sign}(M)\sqrt{-2\{M+N\log(N-M)\}}`; the score residual
    :math:`\int(x_i-\bar x)\,dM_i`; dfbeta the score residual, times the weight, times the
    covariance; Schoenfeld's :math:`x_i-\bar x(t_i)`, which scaled is times the covariance and the
    number of events, plus :math:`\beta`. Each row of several of one subject has its own; sum
    them over the subject, deviance excepted. Therneau, Grambsch and Fleming, Biometrika
    1990;77:147; Schoenfeld, Biometrika 1982;69:239; Grambsch and Therneau, Biometrika
    1994;81:515. Oracle: R ``survival::residuals.coxph``.

    """
    check_choice("ties", ties, ("efron", "breslow"))
    found = fit(time, event, covariates, strata, entry, weights, ties, names)
    data, scale = found.data, found.scale
    covariance = symmetric_inverse(found.fitted.information)
    at = faced(data, found.scaled)

    hazard, spared = (
        on_cells(data, at.hazard * share)[data.happens] for share in (1.0, data.share)
    )
    seen = found.rows.event.astype(np.float64)
    expected = expected_events(data, at.theta, hazard, spared) / data.weight
    martingale = seen - expected

    score = score_residuals(data, found.scaled)  # weights included
    dfbeta = score @ covariance / scale

    rows = np.flatnonzero(found.rows.event)
    rows = rows[np.argsort(data.sets.cell[rows], kind="stable")]
    means = np.stack([on_cells(data, one)[data.happens] / data.tied for one in at.mean.T], axis=1)
    schoenfeld = data.x[rows] - np.repeat(means, data.tied.astype(np.intp), axis=0)
    trend = schoenfeld @ covariance * rows.size + found.scaled
    return CoxResiduals(
        names=found.words,
        martingale=martingale,
        deviance=deviance(seen, expected),
        score=score / data.weight[:, None] * scale,
        dfbeta=dfbeta,
        dfbetas=dfbeta / (np.sqrt(np.diag(covariance)) / scale),
        event_row=rows,
        event_time=found.rows.time[rows],
        schoenfeld=schoenfeld * scale,
        scaled_schoenfeld=trend / scale,
    )


def deviance(seen: Floats, expected: Floats) -> Floats:
    """Return deviance residuals, (n,); `seen` is 0 or 1."""
    with np.errstate(divide="ignore"):
        surprise = np.where(seen > 0, np.log(expected), 0.0)
    apart = np.maximum(expected - seen - surprise, 0.0)  # 0 or more, but for rounding
    return np.asarray(np.sign(seen - expected) * np.sqrt(2 * apart), np.float64)

# SPDX-License-Identifier: Apache-2.0
"""Cox's model with Firth's penalty, which has an answer where the events separate the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.cox import (
    ChiSquareTest,
    check_information,
    chi_square_test,
    model_rows,
    named,
    symmetric_inverse,
)
from radioligand.statistics.event_sums import each_event, event_sums, faced
from radioligand.statistics.observations import Bools, Faults, Floats, check_choice, check_level
from radioligand.statistics.partial_likelihood import (
    CoxData,
    Likelihood,
    Ties,
    cox_data,
    likelihood,
)
from radioligand.statistics.profile import climb, profile
from radioligand.statistics.records import Record

DIFFERENCE = 1e-6  # of coefficients per standard deviation of the covariate


@dataclass(frozen=True, slots=True, kw_only=True)
class FirthModel(Record, rows="names", apart=("log_likelihood",)):
    """A model fitted with Firth's penalty; arrays follow the covariates, (p,)."""

    names: tuple[str, ...]
    log_hazard_ratio: Floats  # per unit of the covariate; finite
    standard_error: Floats  # by the information; limits and p values do not use it
    hazard_ratio: Floats
    lower: Floats  # by profile penalised likelihood
    upper: Floats
    p_value: Floats  # two-sided, by penalised likelihood ratio
    covariance: Floats  # (p, p)
    log_likelihood: tuple[float, float]  # penalised: with all coefficients 0, and fitted
    likelihood_ratio_test: ChiSquareTest  # penalised, of all coefficients at once
    iterations: int
    rows: int
    events: int
    ties: Ties
    level: float


def firth_cox(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    ties: Ties = "efron",
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> FirthModel:
    r"""Fit Cox's model with Firth's penalty, so that no coefficient is infinite.

    Parameters
    ----------
    time, event, covariates, strata, entry, names : as in `cox`, which refuses a covariate whose
        coefficient is infinite, as in an arm without events; this does not.
    ties : "efron" or "breslow". R's coxphf and SAS's FIRTH take Breslow's rule unless told.
    level : coverage of the interval.

    Raises ValueError that names each fault of the input, and a covariate that is constant or a
    combination of others.

    Notes
    -----
    The largest :math:`\ell(\beta)+\tfrac12\log|I(\beta)|`, with I the information: Jeffreys'
    prior, which takes away the bias of order 1/n (Firth, Biometrika 1993;80:27). Limits and p
    values are by profile of the same function, its penalty that of the whole model (Heinze and
    Schemper, Biometrics 2001;57:114). Wald's would not do: near separation the function is far
    from a parabola. Oracle: an independent maximisation in R, by brute force.

    """
    check_level(level)
    check_choice("ties", ties, ("efron", "breslow"))
    rows, x, stratum = model_rows(time, event, covariates, strata, entry, None)
    words = named(names, x.shape[1])
    constant = Faults(
        f"{word}: is {one[0]:g} in every row; leave it out."
        for word, one in zip(words, x.T, strict=True)
        if np.ptp(one) == 0
    )
    constant.refuse()

    scale = x.std(0)
    data = cox_data(rows, (x - x.mean(0)) / scale, stratum=stratum, ties=ties)
    origin = np.zeros(scale.size)
    check_information(likelihood(data, origin).information, words)
    surface = partial(curved, data)
    null = penalised_likelihood(data, origin).value
    summit, scaled, iterations = climb(surface, origin, free=np.ones(scale.size, np.bool_))
    limits, p_value = profile(surface, summit, scaled, level)

    beta = scaled / scale
    with np.errstate(over="ignore"):
        ratio = np.exp(beta)
        lower, upper = np.exp(limits / scale)
    of_units = float(np.log(scale).sum())  # the information is that of scaled covariates
    information = likelihood(data, scaled).information
    covariance = symmetric_inverse(information) / np.outer(scale, scale)
    return FirthModel(
        names=words,
        log_hazard_ratio=beta,
        standard_error=np.sqrt(np.diag(covariance)),
        hazard_ratio=ratio,
        lower=lower,
        upper=upper,
        p_value=p_value,
        covariance=covariance,
        log_likelihood=(null + of_units, summit.value + of_units),
        likelihood_ratio_test=chi_square_test(2 * (summit.value - null), beta.size),
        iterations=iterations,
        rows=rows.time.size,
        events=int(rows.event.sum()),
        ties=ties,
        level=level,
    )


def curved(data: CoxData, coefficients: Floats, free: Bools) -> Likelihood:
    """Return the penalised likelihood, its own curvature in the `free` part of the information.

    Near separation the two differ by half and more, and steps by the information go astray. Where
    the function is not concave the information has to do. A difference quotient gives the
    curvature: it sets the length of steps only, not where they end.
    """
    here = penalised_likelihood(data, coefficients)
    curvature = np.empty((int(free.sum()),) * 2)
    for row, move in zip(curvature, DIFFERENCE * np.eye(free.size)[free], strict=True):
        ahead = penalised_likelihood(data, coefficients + move)
        row[:] = (here.score - ahead.score)[free] / DIFFERENCE
    curvature = (curvature + curvature.T) / 2
    if np.isfinite(curvature).all() and (np.linalg.eigvalsh(curvature) > 0).all():
        here.information[np.ix_(free, free)] = curvature
    return here


def penalised_likelihood(data: CoxData, coefficients: Floats) -> Likelihood:
    r"""Return the penalised log likelihood, its derivative, and the information unpenalised.

    The penalty's derivative is :math:`\tfrac12\mathrm{tr}(I^{-1}\,\partial I/\partial\beta_r)`,
    and the derivative of the information at one event is the third central moment of the
    covariates over the risk set. With :math:`W=I^{-1}` and :math:`a=x'Wx` its trace is
    :math:`E[a x_r]-E[a]\mu_r-2(\mathrm{cov}(x)\,W\mu)_r`: no third moments need be summed.
    """
    plain = likelihood(data, coefficients)
    known = np.isfinite(plain.information).all()
    sign, log_determinant = np.linalg.slogdet(plain.information) if known else (0, -np.inf)
    if not sign > 0:  # too far out; the step is then halved
        return Likelihood(-np.inf, plain.score, plain.information)
    at, x = faced(data, coefficients), data.x
    inverse = np.linalg.inv(plain.information)
    length = np.einsum("ni,ij,nj->n", x, inverse, x)  # a

    def mean(values: Floats) -> Floats:
        return event_sums(data, at.theta * values) / at.denominator

    lever = at.mean @ inverse  # W mu, (E, p)
    products = [
        sum(mean(x[:, r] * x[:, s]) * lever[:, s] for s in range(x.shape[1]))
        - at.mean[:, r] * np.sum(at.mean * lever, axis=1)
        for r in range(x.shape[1])
    ]  # cov(x) W mu
    by_length = mean(length)
    third = [
        mean(length * x[:, r]) - by_length * at.mean[:, r] - 2 * products[r]
        for r in range(x.shape[1])
    ]
    penalty = 0.5 * np.array(third) @ each_event(data, data.mean_weight)
    return Likelihood(
        plain.value + 0.5 * float(log_determinant), plain.score + penalty, plain.information
    )

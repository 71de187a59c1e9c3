# SPDX-License-Identifier: Apache-2.0
"""Cox's proportional hazards model: hazard ratios with their intervals and tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.statistics import special
from radioligand.statistics.covariates import Frame, check_covariates, covariate_columns
from radioligand.statistics.observations import (
    Faults,
    Floats,
    Ints,
    Observations,
    check_choice,
    check_level,
    coded,
    observations,
)
from radioligand.statistics.ordered_likelihood import (
    OrderedCox,
    ordered_cox,
    ordered_likelihood,
    reach,
)
from radioligand.statistics.ordering import is_large
from radioligand.statistics.partial_likelihood import (
    CoxData,
    Likelihood,
    Ties,
    cox_data,
    likelihood,
    score_residuals,
)
from radioligand.statistics.records import Record, Values
from radioligand.statistics.wald import hazard_ratios

MOST_ITERATIONS = 60
STILL = 1e-8  # a change of every linear predictor smaller than this is the last one made
IDLE = 1e-12  # and one smaller than this leaves the likelihood and its derivatives as they are
FAR = 300.0  # linear predictors so far apart tell of no hazard; their squares' exponents still fit
FAR_LATE = 30.0  # the same with late entry, where risk sets are differences and lose small hazards
FLAT = 1e-6  # a gain in log likelihood smaller than this, by a step that is not, has no end
ALIASED = 1e-10  # least eigenvalue of the information, scaled to unit diagonal


@dataclass(frozen=True, slots=True)
class ChiSquareTest(Values):
    """A statistic, referred to chi-square."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxModel(Record, rows="names", apart=("log_likelihood",)):
    """A fitted model; arrays follow the covariates, (p,)."""

    names: tuple[str, ...]
    log_hazard_ratio: Floats  # per unit of the covariate
    standard_error: Floats  # robust if clusters were given
    hazard_ratio: Floats
    lower: Floats
    upper: Floats
    z: Floats
    p_value: Floats  # two-sided, Wald
    covariance: Floats  # (p, p)
    log_likelihood: tuple[float, float]  # with all coefficients 0, and fitted
    wald_test: ChiSquareTest  # of all coefficients at once, as are the next two
    score_test: ChiSquareTest
    likelihood_ratio_test: ChiSquareTest
    iterations: int
    rows: int
    events: int
    ties: Ties
    level: float


def cox(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    ties: Ties = "efron",
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> CoxModel:
    r"""Fit Cox's model, in which covariates multiply a hazard of any shape.

    Parameters
    ----------
    time : (n,) whole days from origin to event or censoring.
    event : (n,) bool or 0 and 1, True where the event was seen (in ADTTE, ``CNSR == 0``).
    covariates : (n,) or (n, p) numbers; code an arm as 0 and 1, the reference 0.
    strata : (n,) label of the stratum, each with a baseline hazard of its own.
    entry : (n,) days after which the subject was at risk.
    weights : (n,) how many equal rows a row stands for.
    cluster : (n,) label of rows that belong together; the variance is then the robust one of
        Lin and Wei (J Am Stat Assoc 1989;84:1074). Give each row its own for weighted rows.
    ties : "efron" is near the exact likelihood at a fraction of its cost, and R's default;
        "breslow" is SAS's; "exact" is R's "exact" and SAS's DISCRETE, without weights or entry.
    level : coverage of the Wald interval.
    names : p words for the covariates, used in messages.

    Raises ValueError that names each fault of the input, a covariate that is constant or a
    combination of others, and one whose coefficient is infinite because the events separate it.

    Notes
    -----
    :math:`\lambda(t\mid x)=\lambda_s(t)\,e^{x\beta}` in stratum s. Newton's method on the partial
    likelihood until no linear predictor moves by 1e-8. Cox, J R Stat Soc B 1972;34:187; Efron,
    J Am Stat Assoc 1977;72:557. Oracle: R ``survival::coxph``.

    """
    check_level(level)
    problem = state(time, event, covariates, strata, entry, weights, ties, names)
    data = problem.quickest()
    null, fitted, scaled, iterations = summit(data, problem.words)
    covariance = symmetric_inverse(fitted.information)
    if cluster is not None:
        observations(time, event, cluster=cluster)
        plain = problem.plain() if isinstance(data, OrderedCox) else data
        covariance = robust(plain, scaled, covariance, coded("cluster", cluster)[1])
    scale = problem.frame.scale
    covariance = covariance / np.outer(scale, scale)
    beta = scaled / scale
    return CoxModel(
        names=problem.words,
        **hazard_ratios(beta, covariance, level=level),
        log_likelihood=(null.value, fitted.value),
        wald_test=chi_square_test(wald_statistic(beta, covariance), beta.size),
        score_test=chi_square_test(
            float(null.score @ np.linalg.solve(null.information, null.score)), beta.size
        ),
        likelihood_ratio_test=chi_square_test(2 * (fitted.value - null.value), beta.size),
        iterations=iterations,
        rows=problem.rows.time.size,
        events=int(problem.rows.event.sum()),
        ties=ties,
    )


class Problem(NamedTuple):
    """A model to be fitted, checked: n rows, p covariates."""

    rows: Observations
    words: tuple[str, ...]
    x: Floats  # (n, p)
    frame: Frame
    stratum: Ints | None
    ties: Ties

    def plain(self) -> CoxData:
        """Return the risk sets, with covariates centred and scaled."""
        x = (self.x - self.frame.mean) / self.frame.scale
        return cox_data(self.rows, x, stratum=self.stratum, ties=self.ties)

    def quickest(self) -> CoxData | OrderedCox:
        """Return the form in which the likelihood is evaluated in the least time."""
        if not is_large(len(self.x)) or self.rows.entry is not None or self.ties == "exact":
            return self.plain()
        return ordered_cox(self.rows, self.x, self.frame, stratum=self.stratum, ties=self.ties)


class Fit(NamedTuple):
    """A model fitted to covariates that were centred and divided by `scale`, (p,)."""

    rows: Observations
    words: tuple[str, ...]
    data: CoxData
    scale: Floats
    null: Likelihood
    fitted: Likelihood
    scaled: Floats  # coefficients times scale
    iterations: int


def fit(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    strata: ArrayLike | None,
    entry: ArrayLike | None,
    weights: ArrayLike | None,
    ties: Ties,
    names: Sequence[str] | None,
) -> Fit:
    """Check the input of `cox`, find its most likely coefficients, and keep the risk sets."""
    problem = state(time, event, covariates, strata, entry, weights, ties, names)
    data = problem.plain()
    null, fitted, scaled, iterations = summit(data, problem.words)
    return Fit(
        problem.rows, problem.words, data, problem.frame.scale, null, fitted, scaled, iterations
    )


def state(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    strata: ArrayLike | None,
    entry: ArrayLike | None,
    weights: ArrayLike | None,
    ties: Ties,
    names: Sequence[str] | None,
) -> Problem:
    """Check the input of `cox`."""
    check_choice("ties", ties, get_args(Ties))
    rows, x, stratum = model_rows(time, event, covariates, strata, entry, weights)
    if ties == "exact" and (rows.weights is not None or rows.entry is not None):
        raise ValueError("ties: 'exact' takes neither weights nor entry; give 'efron'.")
    words = named(names, x.shape[1])
    frame = check_covariates(rows, x, words)
    return Problem(rows, words, x, frame, stratum, ties)


def summit(
    data: CoxData | OrderedCox, words: Sequence[str]
) -> tuple[Likelihood, Likelihood, Floats, int]:
    """Return the likelihood of no effect, the largest one, its coefficients and the steps to it."""
    null = likelihood_at(data, np.zeros(len(words)))
    check_information(null.information, words)
    return null, *newton(data, null, words)


def model_rows(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    strata: ArrayLike | None,
    entry: ArrayLike | None,
    weights: ArrayLike | None,
) -> tuple[Observations, Floats, Ints | None]:
    """Check what a model is fitted to; return its rows, covariates (n, p) and stratum codes."""
    array = np.asarray(covariates)
    columns = array[:, None] if array.ndim == 1 else array
    rows = observations(
        time, event, entry=entry, weights=weights, covariates=columns, strata=strata
    )
    faults = Faults()
    if columns.ndim != 2 or not columns.shape[1]:
        faults.append(f"covariates: have shape {array.shape}; give (n,) or (n, p) numbers.")
        faults.refuse()
    x = covariate_columns(columns, faults)
    if not rows.event.any():
        faults.append(f"event: none of {rows.time.size} rows has one; there is nothing to model.")
    faults.refuse()
    stratum = None if strata is None else coded("strata", strata)[1]
    return rows, x, stratum


def named(names: Sequence[str] | None, p: int) -> tuple[str, ...]:
    """Return a word for each covariate."""
    words = tuple(f"covariate {code}" for code in range(p)) if names is None else tuple(names)
    if len(words) != p:
        raise ValueError(f"names: {len(words)} words for {p} covariates.")
    return words


def check_information(information: Floats, words: Sequence[str]) -> None:
    """Refuse covariates of which the events say nothing, alone or next to the others."""
    diagonal = np.diag(information)
    silent = [word for word, own in zip(words, diagonal, strict=True) if own < ALIASED]
    if silent:
        raise ValueError(
            f"{', '.join(silent)}: does not vary among those at risk together at any event "
            "(perhaps it is constant in each stratum); leave it out."
        )
    root = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(information / np.outer(root, root))
    if values[0] < ALIASED:
        mixed = [word for word, part in zip(words, vectors[:, 0], strict=True) if abs(part) > 1e-4]
        raise ValueError(f"{', '.join(mixed)}: are combinations of each other; leave one out.")


def likelihood_at(data: CoxData | OrderedCox, coefficients: Floats) -> Likelihood:
    """Return the partial likelihood at `coefficients` (p,)."""
    if isinstance(data, OrderedCox):
        return ordered_likelihood(data, coefficients)
    return likelihood(data, coefficients)


def movement(data: CoxData | OrderedCox, step: Floats, *, little: float) -> float:
    """Return how far a step of the coefficients parts two linear predictors at most.

    Where a bound of it is less than `little` the bound will do, and no row is looked at.
    """
    if isinstance(data, OrderedCox):
        bound = float(np.abs(step) @ (data.high - data.low))
        if bound < little:
            return bound
        low, high = reach(data, step)
        return high - low if low <= high else np.nan  # a step that is no number reaches nowhere
    return float(np.ptp(data.x @ step))


def newton(
    data: CoxData | OrderedCox, null: Likelihood, words: Sequence[str]
) -> tuple[Likelihood, Floats, int]:
    """Climb to the largest likelihood; return it, the coefficients and the number of steps."""
    here, beta = null, np.zeros(null.score.size)
    far = FAR if isinstance(data, OrderedCox) or data.sets.late is None else FAR_LATE
    for iteration in range(1, MOST_ITERATIONS + 1):
        step = np.asarray(np.linalg.solve(here.information, here.score), np.float64)
        gain, moved = float(here.score @ step), movement(data, step, little=0.1)
        if gain < FLAT and moved > 0.1:  # the summit is flat, and no nearer than before
            raise infinite(step, words)
        if moved < IDLE:
            return here, beta + step, iteration
        there = likelihood_at(data, beta + step)
        slack = 1e-9 * (1 + abs(here.value))
        while not here.value - slack < there.value < np.inf and moved > STILL:
            step, moved = step / 2, moved / 2
            there = likelihood_at(data, beta + step)
        here, beta = there, beta + step
        if moved < STILL:
            return here, beta, iteration
        if movement(data, beta, little=far) > far or np.linalg.eigvalsh(here.information)[0] <= 0:
            raise infinite(step, words)
    raise ValueError(f"Cox's model did not converge in {MOST_ITERATIONS} steps.")


def infinite(step: NDArray[np.floating[Any]], words: Sequence[str]) -> ValueError:
    """Say whose coefficient runs away: those that still move."""
    running = np.abs(step) > 0.01 * np.abs(step).max()
    told = ", ".join(word for word, runs in zip(words, running, strict=True) if runs)
    return ValueError(
        f"{told}: the events separate the rows by it (at each event the subject has the most or "
        "the least of those at risk), so its coefficient is infinite; leave it out, merge levels, "
        "or give firth_cox, which has an answer."
    )


def wald_statistic(beta: Floats, covariance: Floats) -> float:
    """Return the coefficients squared over their covariance, as far as that has an inverse.

    A robust one may have none: few clusters vary in fewer directions than there are coefficients.
    """
    error = np.sqrt(np.diag(covariance))
    varies = error > 0
    z = beta[varies] / error[varies]
    correlation = covariance[np.ix_(varies, varies)] / np.outer(error[varies], error[varies])
    return float(z @ np.linalg.pinv(correlation, rcond=ALIASED, hermitian=True) @ z)


def symmetric_inverse(matrix: Floats) -> Floats:
    """Invert a covariance or information, (p, p)."""
    inverse = np.linalg.inv(matrix)
    return np.asarray((inverse + inverse.T) / 2, np.float64)


def robust(data: CoxData, scaled: Floats, inverse: Floats, cluster: Ints) -> Floats:
    """Return the variance of Lin and Wei: the clusters' influences on the coefficients, squared."""
    if data.ties == "exact":
        raise ValueError("cluster: has no robust variance with ties='exact'; give 'efron'.")
    influence = score_residuals(data, scaled) @ inverse
    summed = np.stack([np.bincount(cluster, weights=one) for one in influence.T], axis=1)
    return np.asarray(summed.T @ summed, np.float64)


def chi_square_test(statistic: float, degrees_of_freedom: int) -> ChiSquareTest:
    """Refer a statistic to chi-square; rounding below 0 counts as 0."""
    positive = max(statistic, 0.0)
    return ChiSquareTest(
        positive, degrees_of_freedom, float(special.chdtrc(degrees_of_freedom, positive))
    )

# SPDX-License-Identifier: Apache-2.0
"""Intervals by profile likelihood, for coefficients whose likelihood is no parabola."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.cox import fit, symmetric_inverse
from radioligand.statistics.observations import Bools, Floats, check_level, deviate
from radioligand.statistics.partial_likelihood import Likelihood, Ties, likelihood
from radioligand.statistics.records import Record
from radioligand.statistics.root_finding import root

MOST_STEPS = 500
STILL = 1e-11  # a step smaller than this is not halved further
NO_GAIN = 1e-16  # a step that promises no more than this share of the log likelihood is the last


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInterval(Record, rows="names"):
    """Hazard ratios with limits by profile likelihood; arrays follow the covariates, (p,)."""

    names: tuple[str, ...]
    log_hazard_ratio: Floats
    hazard_ratio: Floats
    lower: Floats  # of the hazard ratio; 0 where the likelihood falls too slowly
    upper: Floats  # inf where it does
    p_value: Floats  # two-sided, by likelihood ratio
    log_likelihood: float
    level: float


def profile_interval(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    ties: Ties = "efron",
    level: float = 0.95,
    names: Sequence[str] | None = None,
) -> ProfileInterval:
    r"""Fit Cox's model and return the interval of each hazard ratio by profile likelihood.

    Arguments are those of `cox`. Raises ValueError as `cox` does.

    Notes
    -----
    The limits of :math:`\beta_j` are where the log likelihood, largest over the other
    coefficients, lies :math:`\tfrac12\chi^2_{1}(\mathrm{level})` below its summit; the p value
    compares summit and :math:`\beta_j=0` in the same way. Venzon and Moolgavkar, Appl Stat
    1988;37:87. Oracle: R ``survival::coxph`` with ``offset`` for the coefficient held, and
    ``uniroot``.

    """
    check_level(level)
    found = fit(time, event, covariates, strata, entry, weights, ties, names)

    def surface(coefficients: Floats, free: Bools) -> Likelihood:
        return likelihood(found.data, coefficients)

    limits, p_value = profile(surface, found.fitted, found.scaled, level)
    beta = found.scaled / found.scale
    with np.errstate(over="ignore"):
        lower, upper = np.exp(limits / found.scale)
        ratio = np.exp(beta)
    return ProfileInterval(
        names=found.words,
        log_hazard_ratio=beta,
        hazard_ratio=ratio,
        lower=lower,
        upper=upper,
        p_value=p_value,
        log_likelihood=found.fitted.value,
        level=level,
    )


Surface = Callable[[Floats, Bools], Likelihood]  # at coefficients (p,), those free to move (p,)


def profile(
    surface: Surface, summit: Likelihood, beta: Floats, level: float
) -> tuple[Floats, Floats]:
    """Return the limits (2, p) and likelihood-ratio p values (p,) of the coefficients `beta`."""
    z = deviate(level)
    covariance = symmetric_inverse(summit.information)
    limits, p_value = np.empty((2, beta.size)), np.empty(beta.size)
    for code in range(beta.size):
        ridge = covariance[code] / covariance[code, code]
        below = partial(shortfall, surface, summit, beta, ridge, code)
        width = z * float(np.sqrt(covariance[code, code]))
        for side, sign in enumerate((-1, 1)):
            limits[side, code] = edge(partial(below, z**2 / 2), float(beta[code]), sign * width)
        p_value[code] = special.chdtrc(1, max(2 * below(0.0, 0.0), 0.0))
    return limits, p_value


def edge(deep: Callable[[float], float], begin: float, width: float) -> float:
    """Return where `deep` rises to 0 on the way from `begin`, by steps of `width` and more.

    An infinity if it does not rise before numbers overflow, at a relative hazard of about 1e300.
    """
    end = begin + width
    while (depth := deep(end)) > -np.inf:
        if depth >= 0:
            return root(deep, begin, end)
        begin, end = end, end + 2 * (end - begin)
    return width * np.inf


def shortfall(
    surface: Surface,
    summit: Likelihood,
    beta: Floats,
    ridge: Floats,
    code: int,
    drop: float,
    value: float,
) -> float:
    """Return how far below the summit, less `drop`, the profile is where `code` has `value`.

    Along `ridge` (p,) the other coefficients lie where they are likeliest, were the likelihood
    that of a normal variable: near enough to begin with.
    """
    start = beta + ridge * (value - beta[code])
    start[code] = value
    free = np.arange(beta.size) != code
    return summit.value - climb(surface, start, free=free)[0].value - drop


def climb(surface: Surface, start: Floats, *, free: Bools) -> tuple[Likelihood, Floats, int]:
    """Climb from `start` to the summit over the `free` coefficients; return it and the steps.

    Raises ValueError if it is not reached.
    """
    here, beta = surface(start, free), start
    if not free.any() or not np.isfinite(here.value):
        return here, beta, 0
    for steps in range(1, MOST_STEPS + 1):
        step = np.zeros(beta.size)
        try:
            step[free] = np.linalg.solve(here.information[np.ix_(free, free)], here.score[free])
        except np.linalg.LinAlgError:  # the events say nothing more of some coefficient
            break
        gain = float(here.score @ step)
        least = here.value - 1e-9 * (1 + abs(here.value))
        there = surface(beta + step, free)
        while not least < there.value < np.inf and np.abs(step).max() > STILL:
            step = step / 2
            there = surface(beta + step, free)
        here, beta = there, beta + step
        if not gain > NO_GAIN * (1 + abs(here.value)):
            return here, beta, steps
    raise ValueError(
        "The largest likelihood was not found: too many covariates for these events; leave one out."
    )

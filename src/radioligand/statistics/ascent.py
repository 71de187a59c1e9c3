# SPDX-License-Identifier: Apache-2.0
"""The top of a log likelihood, climbed by Newton's method with steps that never descend."""

from collections.abc import Callable, Sequence

import numpy as np

from radioligand.statistics.observations import Bools, Floats
from radioligand.statistics.partial_likelihood import Likelihood

MOST_STEPS = 80
HALVINGS = 40
STILL = 1e-11  # a step that gains no more than the square of this is the last
FLAT, LONG = 1e-5, 0.1  # who gains less than the square of the one, by the other, goes on for ever
FAR = 40.0  # and so does who has come so many spreads of a covariate from 0


def climb(
    likelihood: Callable[[Floats], Likelihood], start: Floats, words: Sequence[str]
) -> tuple[Floats, Likelihood, int]:
    """Return the coefficients (p,) at the top, the likelihood there and the number of steps.

    `words` name the coefficients, which should be of covariates scaled to unit spread.

    Raises ValueError if a coefficient runs to infinity or the top is not found.
    """
    beta, here = start, likelihood(start)
    for iteration in range(1, MOST_STEPS + 1):
        step = uphill(here)
        if not np.all(np.isfinite(step)):
            break
        length = max(float(here.score @ step), 0.0) ** 0.5
        there = likelihood(beta + step)
        slack = 1e-12 * (1 + abs(here.value))  # rounding of a sum is no descent
        for _ in range(HALVINGS):
            if there.value >= here.value - slack:
                break
            step = step / 2
            there = likelihood(beta + step)
        beta, here = beta + step, there
        size = np.abs(step)
        runs = np.abs(beta) > FAR
        if length < FLAT and size.max() > LONG:
            runs |= size > size.max() / 100
        if told := named_first(words, runs):
            raise ValueError(
                f"{told}: its coefficient is infinite, since it separates the rows with the event "
                "from those without; leave it out or merge levels."
            )
        if length < STILL:
            return beta, here, iteration
    raise ValueError(
        f"The likelihood of {', '.join(words)} rises without end: there are too few events for so "
        "many coefficients, or they fit perfectly; leave some out."
    )


def named_first(words: Sequence[str], runs: Bools) -> str:
    """Name those who run away, the intercept only if it alone does."""
    told = [word for word, one in zip(words, runs, strict=True) if one]
    return ", ".join([word for word in told if word != "intercept"] or told)


def uphill(here: Likelihood) -> Floats:
    """Return Newton's step, or one that rises where the likelihood is not yet concave."""
    information = (here.information + here.information.T) / 2
    if not (np.all(np.isfinite(information)) and np.all(np.isfinite(here.score))):
        return np.full(here.score.size, np.nan)
    values, vectors = np.linalg.eigh(information)
    steep = np.maximum(np.abs(values), 1e-12 * np.abs(values).max())
    return np.asarray(vectors @ ((vectors.T @ here.score) / steep), np.float64)

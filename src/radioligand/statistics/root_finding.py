# SPDX-License-Identifier: Apache-2.0
"""Where a monotone function crosses nought, for functions that are dear to evaluate."""

from collections.abc import Callable

WIDENINGS = 60  # each doubles the bracket
STEPS = 200
CLOSE = 1e-14  # of roots, which here are z, drifts and logarithms: all about 1


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a monotone `function` changes its sign, from a bracket that may be too narrow.

    The bracket is widened until it holds the change of sign, then closed to the last digits by
    inverse quadratic interpolation or, where that cannot be trusted, by halving it: Chandrupatla,
    Adv Eng Softw 1997;28:145.

    Raises ValueError if the sign does not change.
    """
    at_low, at_high = function(low), function(high)
    for _ in range(WIDENINGS):
        if at_low == 0 or (at_low > 0) != (at_high > 0):
            break
        width = high - low
        if abs(at_low) < abs(at_high):
            low, at_low = low - width, function(low - width)
        else:
            high, at_high = high + width, function(high + width)
    else:
        raise ValueError(
            f"No root: the values are {at_low:g} at {low:g} and {at_high:g} at {high:g}."
        )

    best, at_best, other, at_other = low, at_low, high, at_high
    share = 0.5  # of the way from `best`, the newest point, to `other` beyond the root
    for _ in range(STEPS):
        trial = best + share * (other - best)
        at_trial = function(trial)
        if (at_trial > 0) == (at_best > 0):
            left, at_left = best, at_best
        else:
            left, at_left = other, at_other
            other, at_other = best, at_best
        best, at_best = trial, at_trial
        nearer = best if abs(at_best) < abs(at_other) else other
        tolerance = CLOSE * max(abs(nearer), 1)
        if at_best == 0 or abs(other - best) <= 2 * tolerance:
            return nearer
        share = 0.5
        place = (best - other) / (left - other)
        height = (at_best - at_other) / (at_left - at_other)
        if 1 - (1 - place) ** 0.5 < height < place**0.5:
            share = at_best / (at_other - at_best) * at_left / (at_other - at_left)
            share += (
                (left - best)
                / (other - best)
                * at_best
                / (at_left - at_best)
                * (at_other / (at_left - at_other))
            )
        smallest = tolerance / abs(other - best)
        share = min(max(share, smallest), 1 - smallest)
    return nearer

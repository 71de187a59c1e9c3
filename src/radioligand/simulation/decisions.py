# SPDX-License-Identifier: Apache-2.0
"""What a look decides by, compiled: spent boundaries, conditional power, the largest of four tests.

Each does in some microseconds what `statistics` does for any data; tests hold the two equal.
"""

import math

import numpy as np

from radioligand.simulation.counters import Whole
from radioligand.statistics.kernels import compiled
from radioligand.statistics.observations import Floats

OBRIEN_FLEMING, POCOCK = 1, 2  # spending functions
FARTHEST = 8.0  # a standard normal number beyond which nothing is left
LOWEST = -6.5  # z of an earlier look from which is summed
PANELS = 96  # in which it is; even, for Simpson's rule
HALVINGS = 36
SAME = 1e-9  # information that two looks do not differ by
LEAST_VARIANCE = 1e-12
ROOT_2, ROOT_2_PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


@compiled
def above(z: float) -> float:
    """Return the probability that a standard normal number exceeds z."""
    return 0.5 * math.erfc(z / ROOT_2)


@compiled
def bound_of(p: float) -> float:
    """Return the z that a standard normal number exceeds with probability p, by halving."""
    if not p > 0.0:
        return math.inf
    low, high = -FARTHEST, 38.0
    for _ in range(60):
        middle = (low + high) / 2
        if above(middle) > p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@compiled
def spent(time: float, alpha: float, spending: int) -> float:
    """Return the one-sided level spent by a share of the information (Lan and DeMets, 1983)."""
    if time >= 1.0:
        return alpha
    if not time > 0.0:
        return 0.0
    if spending == POCOCK:
        return alpha * math.log1p((math.e - 1.0) * time)
    return 2.0 * above(bound_of(alpha / 2.0) / math.sqrt(time))


@compiled
def spending_bound(seen: Whole, bounds: Floats, look: int, level: float) -> float:
    """Return the bound of z at a look that spends `level`, given the events and bounds before it.

    Crossing is upward. Without an event more than before, or anything to spend, it is infinite.
    The z of the look before is summed over by Simpson's rule, and so on back to the first.
    """
    if look == 0:
        return bound_of(level)
    if not level > 0.0 or seen[look] <= seen[look - 1]:
        return math.inf
    z, density = np.empty(PANELS + 1), np.empty(PANELS + 1)
    following, f = np.empty(PANELS + 1), np.empty(PANELS + 1)
    last = -1  # the look that `density` is of
    for k in range(look):
        if math.isinf(bounds[k]):
            continue  # nothing was stopped there
        width = (min(bounds[k], FARTHEST) - LOWEST) / PANELS
        for i in range(PANELS + 1):
            following[i] = LOWEST + i * width
        if last < 0:
            for i in range(PANELS + 1):
                f[i] = math.exp(-following[i] * following[i] / 2.0) / ROOT_2_PI
        else:
            own, before = math.sqrt(seen[k]), math.sqrt(seen[last])
            step = math.sqrt(seen[k] - seen[last])
            for i in range(PANELS + 1):
                total = 0.0
                for j in range(PANELS + 1):
                    away = (following[i] * own - z[j] * before) / step
                    total += density[j] * math.exp(-away * away / 2.0)
                f[i] = total * own / step / ROOT_2_PI
        for i in range(PANELS + 1):
            simpson = 1.0 if i in (0, PANELS) else (4.0 if i % 2 else 2.0)
            z[i], density[i] = following[i], f[i] * simpson * width / 3.0
        last = k
    if last < 0:
        return bound_of(level)
    own, before = math.sqrt(seen[look]), math.sqrt(seen[last])
    step = math.sqrt(seen[look] - seen[last])
    low, high = -FARTHEST, 38.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        total = 0.0
        for j in range(PANELS + 1):
            total += density[j] * above((middle * own - z[j] * before) / step)
        if total > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@compiled
def conditional_power(z: float, events: float, final: float, bound: float) -> float:
    """Return the chance to end beyond `bound` at `final` events if the trend so far goes on.

    z points upward where the effect is as hoped.
    """
    time = events / final
    return above((bound - z / math.sqrt(time)) / math.sqrt(1.0 - time))


@compiled
def events_for_power(z: float, events: float, final: float, bound: float, power_z: float) -> float:
    """Return the final events at which conditional power under the trend is as asked.

    The bound is that of a test which weighs both stages as planned, by `events` and the rest
    (Mehta and Pocock, Stat Med 2011;30:3267).
    """
    need = (bound * math.sqrt(final) - z * math.sqrt(events)) / math.sqrt(final - events)
    return events + events * ((need + power_z) / z) ** 2


@compiled
def max_combo_z(risk: Floats, tied: Whole, survival: Floats) -> float:
    """Return z whose one-sided p is that of the largest of four weighted log-rank tests.

    The weights are 1, S, 1 - S and S (1 - S), of Fleming and Harrington; z is negative where the
    experimental arm does better, as of one test. nan if no event compares the arms.
    """
    survival[:] = 1.0
    excess, covariance = np.zeros(4), np.zeros((4, 4))
    weight = np.empty(4)
    for k in range(tied.shape[1]):
        d, n, s = tied[0, k], risk[0, k] + risk[1, k], survival[tied[2, k]]
        share = risk[1, k] / n
        weight[0], weight[1], weight[2], weight[3] = 1.0, s, 1.0 - s, s * (1.0 - s)
        away = tied[1, k] - d * share
        spread = d * share * (1.0 - share) * (n - d) / max(n - 1.0, 1.0)
        for i in range(4):
            excess[i] += weight[i] * away
            for j in range(i + 1):
                covariance[i, j] += weight[i] * weight[j] * spread
        survival[tied[2, k]] = s * (n - d) / n
    if not covariance[0, 0] > 0.0:
        return math.nan
    best = -excess[0] / math.sqrt(covariance[0, 0])
    if not min(covariance[2, 2], covariance[3, 3]) > 0.0:
        return -float(best)  # all events compared at once: there is nothing early or late
    for i in range(1, 4):
        best = max(best, -excess[i] / math.sqrt(covariance[i, i]))
    return -bound_of(largest_above(best, covariance))


@compiled
def largest_above(bound: float, covariance: Floats) -> float:
    """Return the probability that the largest of the four z exceeds a bound.

    The log-rank test is the sum of the early and the late one, so three z are left: two are summed
    over, and the third is normal given these. `covariance` has its lower half filled.
    """
    root = np.sqrt(np.diag(covariance))
    rho = covariance[2, 1] / (root[1] * root[2])
    with_early, with_late = (
        covariance[3, 1] / (root[1] * root[3]),
        covariance[3, 2] / (root[2] * root[3]),
    )
    own = math.sqrt(max(1.0 - rho * rho, LEAST_VARIANCE))
    late = (with_late - rho * with_early) / own  # of the third on what the late one has of its own
    left = math.sqrt(max(1.0 - with_early**2 - late**2, LEAST_VARIANCE))
    top = min(bound, FARTHEST)
    # where the log-rank test becomes the narrower limit of the late one
    turn = min(max(bound * (root[0] - root[2]) / root[1], -FARTHEST), top)
    below = 0.0
    for part in range(2):
        begin, end = (-FARTHEST, turn) if part == 0 else (turn, top)
        for i in range(NODES.size):
            x = (begin + end) / 2 + NODES[i] * (end - begin) / 2
            limit = min(bound, (bound * root[0] - root[1] * x) / root[2])
            high = min((limit - rho * x) / own, FARTHEST)
            if high <= -FARTHEST:
                continue
            total, half = 0.0, (high + FARTHEST) / 2
            for j in range(NODES.size):
                y = -FARTHEST + half * (1.0 + NODES[j])
                third = (bound - with_early * x - late * y) / left
                total += WEIGHTS[j] * math.exp(-y * y / 2.0) * above(-third)
            weight = WEIGHTS[i] * (end - begin) / 2 * math.exp(-x * x / 2.0)
            below += weight * total * half / (ROOT_2_PI * ROOT_2_PI)
    return 1.0 - below

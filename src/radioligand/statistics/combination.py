# SPDX-License-Identifier: Apache-2.0
"""The largest of several weighted log-rank tests: for arms that differ early, late or midway."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.normal_maximum import exceedance, independent
from radioligand.statistics.observations import Floats
from radioligand.statistics.ranks import logrank
from radioligand.statistics.records import Record

MOST_INDEPENDENT = 4  # each more multiplies the time by a hundred: five take ten seconds
EARLY_LATE_MIDWAY = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxCombo(Record, rows="weights", apart=("groups",)):
    """What the largest of k weighted log-rank tests found; arrays follow `weights`, (k,)."""

    groups: tuple[Any, ...]  # two
    weights: tuple[tuple[float, float], ...]  # rho and gamma of each test
    z: Floats  # of each test; positive: the second group does worse
    correlation: Floats  # (k, k) of the tests, had the groups one hazard
    statistic: float  # the largest absolute z
    p_value: float  # two-sided, of the largest

    @property
    def strongest(self) -> tuple[float, float]:
        """The weights of the test with the largest absolute z."""
        return self.weights[int(np.argmax(np.abs(self.z)))]

    def one_sided(self, *, fewer_events_in: Hashable) -> float:
        """Return the p value of the one-sided claim that this of the two groups has fewer events.

        Raises ValueError if the group is unknown.
        """
        if fewer_events_in not in self.groups:
            raise ValueError(
                f"A one-sided test is of one of two groups; {fewer_events_in!r} of {self.groups}."
            )
        toward = self.z if fewer_events_in == self.groups[0] else -self.z
        return exceedance(self.correlation, float(toward.max()), two_sided=False)


def max_combo(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    weights: Sequence[tuple[float, float]] = EARLY_LATE_MIDWAY,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    groups: Sequence[Hashable] | None = None,
) -> MaxCombo:
    r"""Test whether two groups share one hazard by the largest of several weighted log-rank tests.

    Parameters
    ----------
    time, event, group, strata, entry, groups : as in `logrank`.
    weights : rho and gamma of each Fleming–Harrington test, whose weight of an event is
        :math:`S^\rho(1-S)^\gamma`: (0, 0) the log-rank test, (1, 0) early, (0, 1) late,
        (1, 1) midway.

    Raises ValueError that names each fault of the input; if there are not two groups; if a
    weight leaves no event to compare; or if more than four of the tests are independent.

    Notes
    -----
    With the sums O - E and V of `logrank` in two groups, tests i and j have the covariance
    :math:`\sum w_iw_jV`, and :math:`w_iw_j` is the square of the weight with the mean rho and
    gamma: the covariance is the variance of that test. The p value is the probability that the
    largest of normal variables of these correlations exceeds the one seen, to 1e-9 or nearer.
    Fleming and Harrington, Counting Processes and Survival Analysis, 1991, 7.5; Karrison, Stata
    J 2016;16:678; Lin and others, Stat Biopharm Res 2020;12:187. Oracle: sums by hand in R,
    ``mvtnorm::pmvnorm`` and nested ``integrate``.

    """
    pairs = tuple((float(rho), float(gamma)) for rho, gamma in weights)
    if not pairs or len(set(pairs)) < len(pairs) or not all(min(pair) >= 0 for pair in pairs):
        raise ValueError(
            f"weights: {weights!r}; give pairs (rho, gamma) of 0 or more, at least one, each once."
        )
    plain = logrank(time, event, group, strata=strata, entry=entry, groups=groups)
    if len(plain.groups) != 2:
        raise ValueError(f"group: has {len(plain.groups)} arms, {plain.groups}; give two.")

    covariance, z = np.empty((len(pairs), len(pairs))), np.empty(len(pairs))
    own_first = sorted(
        combinations_with_replacement(range(len(pairs)), 2), key=lambda both: both[0] != both[1]
    )
    for i, j in own_first:
        rho, gamma = np.mean([pairs[i], pairs[j]], axis=0).tolist()
        try:
            test = logrank(
                time, event, group, strata=strata, entry=entry, groups=groups,
                weights=("fleming-harrington", rho, gamma),
            )  # fmt: skip
        except ValueError:
            raise ValueError(
                f"weights: ({rho:g}, {gamma:g}) gives no weight to any event that compares the "
                "groups; leave it out."
            ) from None
        covariance[i, j] = covariance[j, i] = test.variance[1, 1]
        if i == j:
            z[i] = test.z
    root = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(root, root)
    if (rank := independent(correlation)) > MOST_INDEPENDENT:
        raise ValueError(
            f"weights: {rank} of the {len(pairs)} tests are independent; give at most "
            f"{MOST_INDEPENDENT} such."
        )
    statistic = float(np.abs(z).max())
    return MaxCombo(
        groups=plain.groups,
        weights=pairs,
        z=z,
        correlation=correlation,
        statistic=statistic,
        p_value=exceedance(correlation, statistic, two_sided=True),
    )

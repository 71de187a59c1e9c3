# SPDX-License-Identifier: Apache-2.0
"""Does more dose go with more effect: a rank correlation, which asks no shape of the relation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata, t


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Spearman's coefficient over subjects and its two-sided p-value."""

    subjects: int
    rho: float
    p_value: float


def rank_correlation(dose_gy: ArrayLike, effect: ArrayLike) -> RankCorrelation:
    r"""Correlate the ranks of dose and effect, (n,) each; ties have their mean rank.

    Raises ValueError for fewer than four subjects, or if all have one dose or one effect.

    Notes
    -----
    The p-value is of :math:`\rho\sqrt{(n-2)/(1-\rho^2)}` against Student's t with n - 2 degrees of
    freedom. Oracle: R ``cor.test(method = "spearman", exact = FALSE)``.

    """
    x, y = rankdata(np.asarray(dose_gy, float)), rankdata(np.asarray(effect, float))
    if x.size < 4:
        raise ValueError(f"{x.size} subjects: a correlation of ranks takes four or more.")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ValueError(
            f"all {x.size} subjects have one {'dose' if np.ptp(x) == 0 else 'effect'}."
        )
    rho = float(np.corrcoef(x, y)[0, 1])
    if abs(rho) > 1 - 1e-15:
        return RankCorrelation(subjects=x.size, rho=float(np.sign(rho)), p_value=0.0)
    statistic = rho * np.sqrt((x.size - 2) / (1 - rho**2))
    return RankCorrelation(
        subjects=x.size, rho=rho, p_value=float(2 * t.sf(abs(statistic), x.size - 2))
    )

# SPDX-License-Identifier: Apache-2.0
"""What part of the spread of doses is method: between sites, of the measurement, of patients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of ln(Gy/GBq) in three parts that add to 1; `log_sd` is the root of the whole.

    `site` is what sites differ by beyond chance, `measurement` what the stated uncertainty explains
    within sites, `patients` the rest.
    """

    subjects: int
    sites: int
    log_sd: float
    site: float
    measurement: float
    patients: float


def spread_of(gy_per_gbq: ArrayLike, site: ArrayLike, uncertainty: ArrayLike) -> Spread:
    r"""Part the spread of one region's dose per activity over subjects, (n,) each.

    `uncertainty` is relative and of each subject alone; what a site shares, such as calibration,
    is left out, for it is part of the difference between sites.

    Raises ValueError for fewer than two sites, or no site with two subjects.

    Notes
    -----
    One-way analysis of variance with random sites, unbalanced:
    :math:`\sigma_S^2 = (MS_B - MS_W)/n_0`, not below 0, with
    :math:`n_0 = (N - \sum n_i^2/N)/(k-1)`. Searle, Casella, McCulloch, Variance Components.

    """
    value, place = np.log(np.asarray(gy_per_gbq, float)), np.unique(site, return_inverse=True)[1]
    u = np.asarray(uncertainty, float)
    count = np.bincount(place)
    n, k = value.size, count.size
    if k < 2 or n <= k:
        raise ValueError(
            f"{n} subjects of {k} site(s): what sites differ by takes two sites, and one with two "
            "subjects or more."
        )
    means = np.bincount(place, value) / count
    between = float(np.sum(count * (means - value.mean()) ** 2)) / (k - 1)
    within = float(np.sum((value - means[place]) ** 2)) / (n - k)
    of_site = max((between - within) / ((n - np.sum(count**2) / n) / (k - 1)), 0.0)
    whole = of_site + within
    if not whole > 0:
        raise ValueError(f"{n} subjects all have one dose per activity: there is no spread.")
    measured = min(float(np.mean(u**2)), within)
    return Spread(
        subjects=n,
        sites=k,
        log_sd=float(np.sqrt(whole)),
        site=of_site / whole,
        measurement=measured / whole,
        patients=(within - measured) / whole,
    )

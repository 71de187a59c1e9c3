# SPDX-License-Identifier: Apache-2.0
"""Numbers and categories described: quartiles, mean and spread, counts and percentages."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from radioligand.analysis.results import Origin, Row

QUARTILES = "quartiles as in SAS (QNTLDEF 5): where the rank is whole, the mean of two neighbours"


def quartiles(values: pl.Series) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile; nan if there is no value."""
    known = values.drop_nulls().to_numpy()
    if not known.size:
        return np.nan, np.nan, np.nan
    found = np.quantile(known, [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
    return float(found[0]), float(found[1]), float(found[2])


def percent(count: int, n: int) -> float:
    """Return a share of subjects in percent; nan of nobody."""
    return 100 * count / n if n else np.nan


def number_rows(
    origin: Origin,
    values: pl.Series,
    *,
    arm: str,
    variable: str,
    level: str | None = None,
    unit: str | None = None,
) -> Iterator[Row]:
    """Describe a number: median, q1, q3, mean, sd, min, max, and how many are missing."""
    known = np.sort(values.drop_nulls().to_numpy())  # a sum in this order has no other value
    q1, median, q3 = quartiles(values)
    statistics = {
        "median": median,
        "q1": q1,
        "q3": q3,
        "mean": float(known.mean()) if known.size else np.nan,
        "sd": float(known.std(ddof=1)) if known.size > 1 else np.nan,
        "min": float(known[0]) if known.size else np.nan,
        "max": float(known[-1]) if known.size else np.nan,
    }
    for name, value in statistics.items():
        method = QUARTILES if name in ("median", "q1", "q3") else None
        yield origin.row(
            name, value, arm=arm, variable=variable, level=level, unit=unit, method=method
        )
    yield origin.row("missing", values.null_count(), arm=arm, variable=variable, level=level)


def count_rows(
    origin: Origin,
    count: int,
    n: int,
    *,
    arm: str,
    variable: str,
    level: str | None = None,
) -> Iterator[Row]:
    """Return a count of subjects and its percentage of the n in the arm."""
    yield origin.row("count", count, arm=arm, variable=variable, level=level)
    share = percent(count, n)
    yield origin.row("percent", share, arm=arm, variable=variable, level=level, unit="%")

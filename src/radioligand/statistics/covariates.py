# SPDX-License-Identifier: Apache-2.0
"""Covariates of a regression: read as numbers, described, and refused where they tell nothing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.statistics.observations import Faults, Floats, Observations, numbers
from radioligand.statistics.ordering import is_large, loopable, on_all_cores, pieces_of


class Frame(NamedTuple):
    """What each covariate is centred and scaled by, and its least and greatest value, (p,)."""

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats


class Extremes(NamedTuple):
    """How many rows, and how many of them with events, each covariate has at its ends, (p,)."""

    lows: Floats
    low_events: Floats
    highs: Floats
    high_events: Floats


def covariate_columns(columns: NDArray[Any], faults: Faults) -> Floats:
    """Return the covariates as floats, (n, p), and note which are not finite."""
    if columns.dtype.kind in "biuf":
        plain = loopable(columns.astype(np.float64, copy=False))
        with np.errstate(all="ignore"):
            if np.isfinite(plain.sum()):  # then so is every one of them
                return plain
    x = [numbers(f"covariate {code}", one, faults) for code, one in enumerate(columns.T)]
    for code, one in enumerate(x):
        mend = "leave the row out of every array"
        faults.among(f"covariate {code}", one, ~np.isfinite(one), "are missing or infinite", mend)
    return np.stack(x, axis=1)


def check_covariates(rows: Observations, x: Floats, words: Sequence[str]) -> Frame:
    """Describe covariates, (n, p); refuse constants, and those with events at one value alone."""
    frame, ends = describe_many(rows, x) if is_large(len(x)) else describe(rows, x)
    faults = Faults()
    for word, scale, low, high, lows, low_events, highs, high_events in zip(
        words, frame.scale, frame.low, frame.high, *ends, strict=True
    ):
        if low == high:
            faults.append(f"{word}: is {low:g} in every row; leave it out.")
        elif not 0 < scale < np.inf:
            faults.append(
                f"{word}: runs from {low:g} to {high:g}, whose squares no number holds; "
                "give it in another unit."
            )
        elif lows + highs == len(x):
            for value, size, events in ((low, lows, low_events), (high, highs, high_events)):
                if not events:
                    faults.append(
                        f"{word}: none of the {size:.0f} rows where it is {value:g} has "
                        "an event, so its hazard ratio is 0 or infinite; describe the arms instead."
                    )
    faults.refuse()
    return frame


def describe(rows: Observations, x: Floats) -> tuple[Frame, Extremes]:
    """Describe covariates, (n, p)."""
    low, high = x.min(0), x.max(0)
    at_low, at_high = x == low, x == high
    of_events = at_low[rows.event], at_high[rows.event]
    lows, highs, low_events, high_events = (
        one.sum(0, dtype=np.float64) for one in (at_low, at_high, *of_events)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        frame = Frame(x.mean(0), x.std(0), low, high)
    return frame, Extremes(lows, low_events, highs, high_events)


def describe_many(rows: Observations, x: Floats) -> tuple[Frame, Extremes]:
    """Describe as `describe` does, in two passes on all cores."""
    from radioligand.statistics import cox_kernels

    n, p = x.shape
    pieces, event = pieces_of(n), loopable(rows.event).view(np.uint8)
    sums, counts = np.empty((len(pieces), 3, p)), np.empty((len(pieces), 5, p))
    on_all_cores(
        cox_kernels.column_sums, [(x, own, *one) for own, one in zip(sums, pieces, strict=True)]
    )
    mean, low, high = sums[:, 0].sum(0) / n, sums[:, 1].min(0), sums[:, 2].max(0)
    on_all_cores(
        cox_kernels.column_spread,
        [(x, event, mean, low, high, own, *one) for own, one in zip(counts, pieces, strict=True)],
    )
    squares, *ends = counts.sum(0)
    return Frame(mean, np.sqrt(squares / n), low, high), Extremes(*ends)

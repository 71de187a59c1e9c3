# SPDX-License-Identifier: Apache-2.0
"""Minimisation with a biased coin: the arm that keeps the arms alike, most of the time.

Pocock SJ, Simon R. Biometrics 1975;31:103-115. Each factor counts alike, imbalance of a level is
the range of its counts divided by the ratio, and the uniform number comes in as an argument, so
that whoever knows the patients so far and the numbers can recompute every allocation.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from radioligand.allocation.generator import words
from radioligand.allocation.lists import SEED_LENGTH, WHOLE_TRIAL, ListError, plan_of
from radioligand.protocol import Protocol


def minimise(
    patients: pl.DataFrame,
    values: Mapping[str, str],
    *,
    protocol: Protocol,
    uniform: float,
    probability: float = 0.8,
) -> str:
    """Return the ARMCD of the next patient, whose levels by factor are `values`.

    `patients` are those randomised so far: one column a factor, and ARMCD. For each arm the
    imbalance is what the patient's levels would have with this one more: the sum over factors of
    the range over arms of count / ratio; a trial without factors balances the whole. An arm of
    least imbalance is chosen with `probability`; the rest is shared among the other arms in
    proportion to the ratio, as are ties among the least. `uniform` in [0, 1) decides: the arms in
    the protocol's order each take a stretch of it.

    Raises ListError for a probability that does not favour balance, or a uniform outside [0, 1).
    """
    factors = [factor.id for factor in plan_of(protocol).strata]
    ratio = np.array([arm.ratio for arm in protocol.arms], float)
    fair = float(ratio.max() / ratio.sum())
    if not fair < probability <= 1:
        raise ListError(
            f"the coin's probability is {probability}; it lies above {fair:.3g}, up to 1"
        )
    if not 0 <= uniform < 1:
        raise ListError(f"the uniform number is {uniform}; it lies in 0 ≤ u < 1")
    counts = _counts(
        patients, {name: values[name] for name in factors}, protocol
    )  # (factors, arms)
    with_one = counts[None] + np.eye(len(ratio))[:, None, :]  # (arm given, factor, arm)
    imbalance = np.ptp(with_one / ratio, axis=2).sum(axis=1)
    is_least = imbalance <= imbalance.min() + 1e-9
    chances = ratio / ratio.sum()
    if not is_least.all():
        least, rest = np.where(is_least, ratio, 0), np.where(is_least, 0, ratio)
        chances = probability * least / least.sum() + (1 - probability) * rest / rest.sum()
    place = int(np.searchsorted(np.cumsum(chances), uniform, side="right"))
    return protocol.arms[min(place, len(ratio) - 1)].id


def _counts(
    patients: pl.DataFrame, values: Mapping[str, str], protocol: Protocol
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Patients of each arm who share a level, one row a factor; (1, arms) without factors."""
    arms = [arm.id for arm in protocol.arms]
    alike = [patients.filter(pl.col(name) == level) for name, level in values.items()]
    rows = [[(group["ARMCD"] == arm).sum() for arm in arms] for group in alike or [patients]]
    return np.array(rows, float)


def make_draws(protocol: Protocol, *, seed: str, entries: int) -> pl.DataFrame:
    """Make the list of a minimised trial: a uniform number for each patient to come.

    Columns: STRATUM ("all"), SEQUENCE from 1, DRAW, in [0, 1) to 53 bits. It is sealed, committed
    to and used up in order as a list of arms is. Raises ListError for a short seed.
    """
    if len(seed) < SEED_LENGTH:
        raise ListError(f"the seed has {len(seed)} letters; use {SEED_LENGTH} or more")
    source = words(seed, purpose=f"draws of {protocol.trial.id}")
    draws = [(next(source) >> 11) / (1 << 53) for _ in range(entries)]
    return pl.DataFrame(
        {"STRATUM": [WHOLE_TRIAL] * entries, "SEQUENCE": range(1, entries + 1), "DRAW": draws},
        schema={"STRATUM": pl.String, "SEQUENCE": pl.Int64, "DRAW": pl.Float64},
    )

# SPDX-License-Identifier: Apache-2.0
"""Random numbers by purpose and subject, and the few distributions made of them.

Each purpose has a stream of its own, and in it each subject a row of its own. So neither a new
domain nor a further subject moves the numbers of the others. Only uniform numbers are drawn
(PCG64), and every distribution is the inverse of one, so the streams do not depend on how a
release of numpy samples a normal or a gamma.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.str_]


def uniforms(
    seed: int, purpose: str, subjects: int, *shape: int, draws: Whole | None = None
) -> Floats:
    """Uniform numbers in (0, 1), one row of `shape` for each of `subjects`.

    draws : (subjects,) which draw each row is; 0, as without it, is the seed's own.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(crc32(purpose.encode()),))
    numbers = np.random.Generator(np.random.PCG64(sequence)).random((subjects, *shape))
    for draw in () if draws is None else np.unique(draws[draws > 0]):
        again = uniforms(seed, f"{purpose} {draw}", subjects, *shape)
        numbers[draws == draw] = again[draws == draw]
    return np.clip(numbers, 1e-12, 1 - 1e-12)


def normals(
    seed: int, purpose: str, subjects: int, *shape: int, draws: Whole | None = None
) -> Floats:
    """Standard normal numbers, one row of `shape` for each of `subjects`."""
    return np.asarray(
        ndtri(uniforms(seed, purpose, subjects, *shape, draws=draws)), dtype=np.float64
    )


def waiting_times(
    seed: int, purpose: str, subjects: int, *shape: int, draws: Whole | None = None
) -> Floats:
    """Exponential numbers of mean 1: hazard that accumulates until the event."""
    return np.asarray(
        -np.log(uniforms(seed, purpose, subjects, *shape, draws=draws)), dtype=np.float64
    )


def from_quantiles(uniform: Floats, quantiles: Sequence[tuple[float, float]]) -> Floats:
    """Values of a distribution given by some (probability, value) pairs, linear in between."""
    probability, value = np.array(quantiles, dtype=np.float64).T
    return np.asarray(np.interp(uniform, probability, value), dtype=np.float64)


def between(uniform: Floats, limits: ArrayLike) -> Floats:
    """Whole days evenly between two limits, both included; one pair, or (n, 2) of them."""
    low, high = np.moveaxis(np.asarray(limits, dtype=np.float64), -1, 0)
    return np.asarray(low + np.floor((high + 1 - low) * uniform), dtype=np.float64)


def chosen(uniform: Floats, weights: ArrayLike) -> Whole:
    """Index of the category each uniform number falls in; weights need not sum to one."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.minimum(
        np.searchsorted(edges / edges[-1], uniform, side="right"), edges.size - 1
    ).astype(np.int64)


def quota(order: Floats, weights: ArrayLike, *, offset: float) -> Whole:
    """Deal categories so that each comes up its expected number of times, rounded up or down.

    order : (n,) who is served first; the lowest get the first category. Random numbers give a
        random deal, numbers that depend on a covariate a correlated one.
    weights : (k,) shares of the categories, need not sum to one.
    offset : in (0, 1), decides which expected numbers are rounded up; systematic sampling.
    """
    positions = np.empty(order.size, dtype=np.float64)
    positions[np.argsort(order, kind="stable")] = (np.arange(order.size) + offset) / max(
        order.size, 1
    )
    return chosen(positions, weights)

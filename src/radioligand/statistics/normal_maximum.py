# SPDX-License-Identifier: Apache-2.0
r"""How likely the largest of several correlated normal variables exceeds a bound.

The variables are projections :math:`a_i'x` of independent ones, and exceed the bound where x lies
outside the polytope :math:`Ax\le b`. When the polytope swells from its own size to everything,
its probability grows through its faces, by the density on each face times the probability of the
face, which is again a polytope, of one dimension less: so each dimension costs one integral, and
the last two, in the plane, are Owen's T. Correlations may be singular: the dimension is the rank.
"""

import numpy as np

from radioligand.statistics import special
from radioligand.statistics.observations import Floats

RANK = 1e-11  # an eigenvalue of a correlation smaller than this is nought but for rounding
PARALLEL = 1e-13  # one less the correlation of two variables that are one but for rounding
FAR = 80.0  # beyond where the density has fallen by exp(-40), nothing is left
LEAST = 1e-12  # distance below which the density is flat
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def independent(correlation: Floats) -> int:
    """Count the variables that are no combination of others: the rank of their correlation."""
    return int(np.sum(np.linalg.eigvalsh(correlation) > RANK))


def exceedance(correlation: Floats, bound: float, *, two_sided: bool) -> float:
    """Return the probability that the largest of k standard normal variables exceeds `bound`.

    With `two_sided` it is the largest in absolute value. `correlation` is (k, k), of any rank.
    """
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK
    normals = vectors[:, kept] * np.sqrt(values[kept])  # (k, rank)
    normals /= np.sqrt(np.sum(normals**2, axis=1))[:, None]
    if two_sided:
        normals = np.concatenate([normals, -normals])
    if bound <= 0 and two_sided:
        return 1.0
    limits = np.full(normals.shape[0], bound)
    once = np.ones(1)
    if bound > 0:  # the polytope holds the origin; summing the outside keeps small tails exact
        return float(outflow(normals, limits, once)[0])
    return 1 - float(inside(normals, limits, once)[0])


def inside(normals: Floats, limits: Floats, scale: Floats) -> Floats:
    """Return the probability of the polytope `normals` x <= s `limits` at each s of `scale`, (m,).

    `normals` (k, r) are of length 1.
    """
    limits = np.where(limits == 0, 1e-300, limits)
    whole = float(np.all(limits > 0))  # of the polytope swollen without end
    return np.asarray(np.clip(whole - outflow(normals, limits, scale), 0.0, 1.0), np.float64)


def outflow(normals: Floats, limits: Floats, scale: Floats) -> Floats:
    """Return what the polytope gains while it swells from each scale, (m,), to everything."""
    normals, limits = distinct(normals, limits)
    gained = np.zeros(scale.size)
    for code in range(limits.size):
        height, sign = abs(limits[code]) * scale, np.sign(limits[code])
        face = face_of(normals, limits / abs(limits[code]), code)
        if face is not None:
            gained += sign * through(*face, height)
    return gained


def through(normals: Floats, limits: Floats, height: Floats) -> Floats:
    """Integrate density times probability of a face at each distance beyond `height`, (m,).

    The face, (k, r), is given for the distance 1 and grows in proportion.
    """
    dimension = normals.shape[1]
    if dimension == 0:
        return np.asarray(special.ndtr(-height), np.float64)
    if dimension == 1:
        upper = np.min(limits[normals[:, 0] > 0], initial=np.inf)
        lower = np.max(-limits[normals[:, 0] < 0], initial=-np.inf)
        if upper <= lower:
            return np.zeros(height.size)
        return np.asarray(
            special.owens_t(height, upper) - special.owens_t(height, lower), np.float64
        )
    gained = np.zeros(height.size)
    last = np.sqrt(height**2 + FAR)
    begin = height
    while np.any(begin < last):
        end = np.minimum(np.maximum(2 * begin, LEAST), last)
        half = (end - begin) / 2
        u = (begin + end) / 2 + half * NODES[:, None]  # (nodes, m)
        density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
        probability = inside(normals, limits, u.ravel()).reshape(u.shape)
        gained += half * (WEIGHTS @ (density * probability))
        begin = end
    return gained


def face_of(normals: Floats, limits: Floats, code: int) -> tuple[Floats, Floats] | None:
    """Return the face of a plane at its distance 1 (or -1), as a polytope in the plane.

    None if the face is empty.
    """
    own, others = normals[code], np.arange(limits.size) != code
    cosine = normals[others] @ own
    left = limits[others] - cosine * limits[code]
    across = normals[others] - cosine[:, None] * own
    sine = np.sqrt(np.sum(across**2, axis=1))
    cut = sine > np.sqrt(2 * PARALLEL)
    if np.any(left[~cut] < 0):
        return None
    basis = np.linalg.svd(own[None, :])[2][1:]  # (r - 1, r) of the plane
    return across[cut] @ basis.T / sine[cut, None], left[cut] / sine[cut]


def distinct(normals: Floats, limits: Floats) -> tuple[Floats, Floats]:
    """Keep one of several planes with one normal, the nearest."""
    order = np.argsort(limits, kind="stable")
    normals, limits = normals[order], limits[order]
    same = np.triu(normals @ normals.T > 1 - PARALLEL, 1).any(0)
    return normals[~same], limits[~same]

# SPDX-License-Identifier: Apache-2.0
r"""The restricted likelihood of repeated measures, with its first and second derivatives.

Subjects are independent, a subject's rows normal about :math:`X\beta` with a covariance V that is
the part of :math:`\Sigma(\theta)` at the visits they made. Subjects who made the same visits have
the same V, so it is inverted once for each pattern of visits made.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from radioligand.statistics.ascent import HALVINGS, STILL, uphill
from radioligand.statistics.cox import symmetric_inverse
from radioligand.statistics.observations import Bools, Floats, Ints
from radioligand.statistics.partial_likelihood import Likelihood

Structure = Literal[
    "unstructured", "heterogeneous-autoregressive", "autoregressive", "compound-symmetry"
]

MOST_STEPS = 100
NEARBY = 0.5  # steps gaining more than the square of this are by the expected information
SINGULAR = 1e-9  # least eigenvalue of a correlation that is told from 0
FLAT = 1e-9  # least eigenvalue of the information, scaled to unit diagonal


class Pattern(NamedTuple):
    """A covariance of visits and its first two derivatives by its q parameters."""

    covariance: Floats  # (v, v)
    slope: Floats  # (q, v, v)
    bend: Floats  # (q, q, v, v)


class Rows(NamedTuple):
    """Rows of n subjects, those of one pattern of visits after those of another; k patterns."""

    seen: Bools  # (k, v) visits made
    member: Ints  # (n,) pattern of each subject, rising
    values: Floats  # (n, v, p + 1) fixed effects and the outcome last; 0 at a visit not made

    def by_pattern(self, values: Floats) -> Floats:
        """Sum over the subjects of each pattern: (n, ...) to (k, ...)."""
        first = np.flatnonzero(np.diff(self.member, prepend=-1))
        return np.asarray(np.add.reduceat(values, first, axis=0), np.float64)


class Restricted(NamedTuple):
    """The restricted likelihood at one place; its top over the fixed effects is taken."""

    likelihood: Likelihood  # with the observed information of the parameters
    expected: Floats  # (q, q) information
    effects: Floats  # (p,)
    covariance: Floats  # (p, p) of the effects
    slope: Floats  # (q, p, p) derivative of their covariance by the parameters
    between: Floats  # (v, v) covariance of visits


def structure(name: Structure, visits: int) -> tuple[Callable[[Floats], Pattern], Floats]:
    """Return a structure as a function of its parameters, and the parameters of unit variance.

    Parameters are variances and covariances ("unstructured", "compound-symmetry"), or logarithms
    of standard deviations and a correlation (the two others).
    """
    identity = np.eye(visits)
    if name in ("unstructured", "compound-symmetry"):
        if name == "unstructured":
            row, column = np.triu_indices(visits)
            basis = np.zeros((row.size, visits, visits))
            basis[np.arange(row.size), row, column] = 1
            basis[np.arange(row.size), column, row] = 1
            start = (row == column).astype(np.float64)
        else:
            basis = np.stack([identity, 1 - identity])[: 1 if visits == 1 else 2]
            start = np.array([1.0, 0.0])[: len(basis)]
        straight = np.zeros((len(basis), len(basis), visits, visits))
        return lambda theta: Pattern(np.tensordot(theta, basis, 1), basis, straight), start

    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits))).astype(np.float64)
    owns = identity if name == "heterogeneous-autoregressive" else np.ones((1, visits))
    doubled = owns[:, :, None] + owns[:, None, :]  # (s, v, v) how often each deviation is a factor

    def decaying(theta: Floats) -> Pattern:
        correlation, deviation = float(theta[-1]), np.exp(theta[:-1] @ owns)
        scale = np.outer(deviation, deviation)
        once = scale * lag * correlation ** np.maximum(lag - 1, 0)
        twice = scale * lag * (lag - 1) * correlation ** np.maximum(lag - 2, 0)
        covariance = scale * correlation**lag
        slope = np.concatenate([doubled * covariance, once[None]])
        bend = np.zeros((len(slope), *slope.shape))
        bend[:-1, :-1] = doubled[:, None] * doubled[None] * covariance
        bend[:-1, -1] = bend[-1, :-1] = doubled * once
        bend[-1, -1] = twice
        return Pattern(covariance, slope, bend)

    if visits == 1:
        return structure("compound-symmetry", 1)
    return decaying, np.append(np.zeros(len(owns)), 0.0)


def rows_of_patterns(design: Floats, outcome: Floats, seen: Bools) -> Rows:
    """Gather subjects; `design` is (n, v, p), `outcome` and `seen` (n, v), all 0 where unseen."""
    patterns, member = np.unique(seen, axis=0, return_inverse=True)
    order = np.argsort(member, kind="stable")
    values = np.concatenate([design, outcome[:, :, None]], axis=2)
    return Rows(seen=patterns, member=member[order], values=values[order])


def restricted(data: Rows, pattern: Pattern) -> Restricted | None:
    r"""Return the restricted likelihood, or None where the covariance is not one.

    Notes
    -----
    With :math:`A=V^{-1}`, :math:`C=(X'AX)^{-1}` and r the residuals, twice the negative logarithm
    is :math:`(N-p)\log 2\pi+\log|V|+\log|X'AX|+r'Ar`; its derivatives follow from
    :math:`dA=-A\,dV\,A`, and that of the effects from :math:`dC=C(X'A\,dV\,AX)C`.

    """
    between, slope, bend = pattern
    if flattest(between)[0] < SINGULAR / 100:  # none, or so near to none that rounding decides
        return None
    n, visits, width = data.values.shape
    p = width - 1
    both = data.seen[:, :, None] & data.seen[:, None, :]
    made = np.where(both, between, np.eye(visits))  # a visit not made has variance 1, apart
    inverse = np.where(both, np.linalg.inv(made), 0.0)
    subjects = np.bincount(data.member).astype(np.float64)
    volume = float(subjects @ np.linalg.slogdet(made)[1])

    solved = inverse[data.member] @ data.values  # (n, v, p + 1), A times the rows
    crossed = data.values.reshape(-1, width).T @ solved.reshape(-1, width)
    covariance: Floats = symmetric_inverse(crossed[:p, :p])
    effects: Floats = covariance @ crossed[:p, p]
    remainder = np.append(-effects, 1.0)
    residual = data.values @ remainder
    squares = data.by_pattern(residual[:, :, None] * residual[:, None, :])  # (k, v, v) sums of rr'
    leaning = data.values[:, :, :p] @ np.linalg.cholesky(covariance)
    fitted = data.by_pattern(leaning @ leaning.transpose(0, 2, 1))  # (k, v, v) sums of XCX'
    value = -0.5 * (
        (int(data.seen.sum(1) @ subjects) - p) * np.log(2 * np.pi)
        + volume
        + float(np.linalg.slogdet(crossed[:p, :p])[1])
        + float(np.sum(inverse * squares))
    )
    pull = inverse @ (squares + fitted) @ inverse - subjects[:, None, None] * inverse
    steep = 0.5 * pull.sum(0)
    score = np.tensordot(slope, steep, 2)

    moved = inverse[:, None] @ slope @ inverse[:, None]  # (k, q, v, v), -dA
    flat = solved.reshape(n, -1)
    pairs = (flat.T @ flat).reshape(visits, width, visits, width).transpose(0, 2, 1, 3)
    turned = np.tensordot(slope, pairs, 2)  # (q, p + 1, p + 1)
    inner, cross = turned[:, :p, :p], turned[:, :p] @ remainder
    plain = np.tensordot(np.tensordot(subjects, moved, 1), slope, ((1, 2), (1, 2)))

    def twice_moved(sums: Floats) -> Floats:
        product = slope @ (inverse @ sums)[:, None]
        found = np.einsum("kjab,klba->jl", moved, product, optimize=True)
        return np.asarray((found + found.T) / 2, np.float64)

    projected = covariance @ inner
    spread = np.einsum("jab,lba->jl", projected, projected)
    expected = 0.5 * (plain - 2 * twice_moved(fitted) + spread)
    explained = cross @ covariance @ cross.T
    curvature = twice_moved(squares) - explained - np.tensordot(bend, steep, 2)
    return Restricted(
        likelihood=Likelihood(value, score, curvature - expected),
        expected=expected,
        effects=effects,
        covariance=covariance,
        slope=projected @ covariance,
        between=between,
    )


class Top(NamedTuple):
    """Where the restricted likelihood is greatest, and the signs that it is."""

    found: Restricted
    iterations: int
    decrement: float  # what one more step would gain
    least_eigenvalue: float  # of the observed information, scaled to unit diagonal


def most_likely(
    data: Rows,
    shape: Callable[[Floats], Pattern],
    start: Floats,
    singular: Callable[[Floats], str],
) -> Top:
    """Climb to the top by Fisher's scoring and, near it, by Newton's method.

    `singular` says, of the visits that hold a covariance without inverse, what to do.

    Raises ValueError if the climb ends in such a covariance, or where the likelihood is flat, or
    not at all.
    """
    theta, here = start, restricted(data, shape(start))
    if here is None:
        raise ValueError("The covariance that the climb begins with has no inverse.")
    for iteration in range(1, MOST_STEPS + 1):
        score = here.likelihood.score
        step = uphill(here.likelihood._replace(information=here.expected))
        if score @ step < NEARBY**2:
            step = uphill(here.likelihood)
        length = max(float(score @ step), 0.0) ** 0.5
        slack = 1e-12 * (1 + abs(here.likelihood.value))
        for _ in range(HALVINGS):
            there = restricted(data, shape(theta + step))
            if there is not None and there.likelihood.value >= here.likelihood.value - slack:
                theta, here = theta + step, there
                break
            step = step / 2
        refuse_singular(here.between, singular)
        if length < STILL * data.values[:, :, 0].size ** 0.5:
            return Top(here, iteration, length**2 / 2, least_eigenvalue(here))
    raise ValueError(
        f"The restricted likelihood has no top that {MOST_STEPS} steps would reach; give a simpler "
        "covariance."
    )


def refuse_singular(between: Floats, singular: Callable[[Floats], str]) -> None:
    """Raise ValueError if a covariance has no inverse but for rounding."""
    least, direction = flattest(between)
    if least < SINGULAR:
        raise ValueError(singular(np.abs(direction)))


def flattest(matrix: Floats) -> tuple[float, Floats]:
    """Return the least eigenvalue of a symmetric matrix scaled to unit diagonal, and its vector."""
    diagonal = np.diag(matrix)
    if not (np.all(np.isfinite(matrix)) and np.all(diagonal > 0)):
        return -np.inf, np.zeros(diagonal.size)
    root = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
    return float(values[0]), np.asarray(vectors[:, 0], np.float64)


def least_eigenvalue(here: Restricted) -> float:
    """Return how curved the top is where it is flattest; raise ValueError if it is flat."""
    least, _ = flattest(here.likelihood.information)
    if least < FLAT:
        raise ValueError(
            "The restricted likelihood is flat at its top: the rows do not tell the parameters of "
            "this covariance apart; give a simpler covariance."
        )
    return least

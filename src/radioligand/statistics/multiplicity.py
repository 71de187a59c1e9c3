# SPDX-License-Identifier: Apache-2.0
"""Several hypotheses in one trial: p values adjusted so that the family keeps its error rate.

An adjusted p value is the least alpha of the whole family at which that hypothesis is rejected.
Arrays follow the hypotheses in the order given, (m,).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics.boundaries import boundaries, check_rate
from radioligand.statistics.exit_probabilities import check_fractions
from radioligand.statistics.monitoring import repeated_p_values
from radioligand.statistics.observations import Bools, Faults, Floats, Ints, numbers
from radioligand.statistics.records import Record
from radioligand.statistics.spending import Spending, check_spending, is_classical

__all__ = [
    "GraphicalSequentialTest",
    "GraphicalTest",
    "bonferroni",
    "fixed_sequence",
    "graphical",
    "graphical_sequential",
    "hochberg",
    "holm",
    "hommel",
]

ROUNDING = 1e-9  # weights such as thirds may sum to a little over 1


def fixed_sequence(p_values: ArrayLike) -> Floats:
    """Return p values adjusted for testing in the order given, up to the first that fails.

    Each is as great as the greatest before it. Maurer, Hothorn and Lehmacher 1995.

    Raises ValueError for p values that are missing or not from 0 to 1.
    """
    return np.maximum.accumulate(checked(p_values))


def bonferroni(p_values: ArrayLike) -> Floats:
    """Return each p value times their number, 1 at most. Errors are those of `fixed_sequence`."""
    p = checked(p_values)
    return np.minimum(p * p.size, 1)


def holm(p_values: ArrayLike) -> Floats:
    """Return p values adjusted by Holm's step-down test; it asks nothing of their dependence.

    Holm, Scand J Stat 1979;6:65. Oracle: R ``p.adjust``. Errors are those of `fixed_sequence`.
    """
    p = checked(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return back(np.minimum(stepped, 1), order)


def hochberg(p_values: ArrayLike) -> Floats:
    """Return p values adjusted by Hochberg's step-up test.

    It keeps its level where p values are independent or positively dependent. Hochberg,
    Biometrika 1988;75:800. Oracle: R ``p.adjust``. Errors are those of `fixed_sequence`.
    """
    p = checked(p_values)
    order = np.argsort(-p, kind="stable")  # the greatest first
    return back(np.minimum.accumulate(p[order] * np.arange(1, p.size + 1)), order)


def hommel(p_values: ArrayLike) -> Floats:
    """Return p values adjusted by Hommel's test: all that Simes' test of each subset allows.

    It keeps its level where Hochberg's does, and rejects at least as much. Hommel, Biometrika
    1988;75:383. Oracle: R ``p.adjust``. Errors are those of `fixed_sequence`.
    """
    p = checked(p_values)
    order = np.argsort(p, kind="stable")
    rising = p[order]
    adjusted = rising.copy()
    for size in range(2, p.size + 1):
        # of subsets of this size, the one with the greatest others is the hardest to reject
        others = size * rising[p.size - size + 1 :] / np.arange(2, size + 1)
        whole = min(size * rising[p.size - size], others.min())
        inside = np.arange(p.size) >= p.size - size
        with_others = np.where(inside, whole, np.minimum(size * rising, others.min()))
        adjusted = np.maximum(adjusted, with_others)
    return back(adjusted, order)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphicalTest(Record, rows="adjusted", apart=("order",)):
    """What a graph of weighted hypotheses rejects."""

    adjusted: Floats  # (m,) reject where at most alpha
    order: Ints  # (m,) hypotheses in the order in which they would be rejected
    weights: Floats  # (m,) share of alpha each was tested with when its turn came

    def rejected(self, alpha: float) -> Bools:
        """Tell which hypotheses are rejected at `alpha` of the whole family, (m,)."""
        return self.adjusted <= alpha


def graphical(p_values: ArrayLike, *, weights: ArrayLike, transitions: ArrayLike) -> GraphicalTest:
    r"""Test hypotheses by a graph that passes alpha on from each that is rejected.

    Parameters
    ----------
    p_values : (m,).
    weights : (m,) share of alpha each hypothesis has at the start; together at most 1.
    transitions : (m, m) row j tells what share of its alpha hypothesis j leaves to each other, if
        rejected; a row sums to at most 1 and leaves nothing to itself.

    A fixed sequence has weights 1, 0, 0 and transitions from each to the next; Holm's test has
    equal ones throughout.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    When j is rejected, for the others
    :math:`w_l \leftarrow w_l+w_jg_{jl},\quad
    g_{lk}\leftarrow(g_{lk}+g_{lj}g_{jk})/(1-g_{lj}g_{jl})`.
    Bretz, Maurer, Brannath and Posch, Stat Med 2009;28:586.

    """
    faults = Faults()
    p = check_p_values(p_values, faults)
    share, passed = check_graph(weights, transitions, faults)
    if p.size != share.size and not faults:
        faults.append(f"Lengths differ: p_values {p.size}, weights {share.size}.")
    faults.refuse()
    return walk(p, share, passed)


def walk(p: Floats, weights: Floats, transitions: Floats) -> GraphicalTest:
    """Reject one hypothesis after the other, always the one that needs the least alpha."""
    adjusted, tested_with = np.ones(p.size), np.zeros(p.size)
    left, order, reached = list(range(p.size)), [], 0.0
    while left:
        needed = [p[one] / weights[one] if weights[one] > 0 else np.inf for one in left]
        following = left.pop(int(np.argmin(needed)))
        reached = max(reached, float(min(*needed, 1.0)))
        adjusted[following], tested_with[following] = reached, weights[following]
        order.append(following)
        weights, transitions = without(weights, transitions, following)
    return GraphicalTest(adjusted=adjusted, order=np.array(order, np.intp), weights=tested_with)


def without(weights: Floats, transitions: Floats, rejected: int) -> tuple[Floats, Floats]:
    """Return the graph after one hypothesis is rejected and has passed on its alpha."""
    out, into = transitions[rejected], transitions[:, rejected]
    new_weights = weights + weights[rejected] * out
    returned = 1 - into * out  # (m,) what does not come back to l through the rejected one
    passed = transitions + np.outer(into, out)
    new = np.divide(
        passed, returned[:, None], out=np.zeros_like(passed), where=returned[:, None] > ROUNDING
    )
    np.fill_diagonal(new, 0.0)
    new[rejected], new[:, rejected], new_weights[rejected] = 0.0, 0.0, 0.0
    return new_weights, new


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphicalSequentialTest(Record, rows="rejected", wide=("z_needed", "repeated_p")):
    """What a graph of hypotheses rejects when each is tested at several looks."""

    rejected: Bools  # (m,)
    look: Ints  # (m,) at which it was rejected, counted from 1; 0 if it was not
    weights: Floats  # (m,) share of alpha it was rejected with, or has at the end
    z_needed: Floats  # (m, k) boundaries with that share; nan where not tested
    repeated_p: Floats  # (m, k) least alpha of each hypothesis by itself; nan where not tested
    alpha: float


def graphical_sequential(
    z: ArrayLike,
    fractions: ArrayLike,
    *,
    weights: ArrayLike,
    transitions: ArrayLike,
    alpha: float = 0.025,
    spending: str | Sequence[Spending] = "obrien-fleming",
    look_back: bool = False,
) -> GraphicalSequentialTest:
    """Test hypotheses by a graph at each look of a group-sequential trial, one-sided.

    Parameters
    ----------
    z : (m, k) statistic of each hypothesis at each look of the trial; nan where it is not tested,
        or not yet.
    fractions : (m, k) information of each hypothesis at each look, as a share of its own at its
        end; nan where it is not tested.
    weights, transitions : as in `graphical`.
    alpha : type I error of the whole family.
    spending : one spending function by its name, or one for each hypothesis. Each spends its own
        share of alpha over its own looks.
    look_back : True if a hypothesis that gains alpha may be rejected by an earlier look, too.

    A hypothesis is rejected where z crosses the boundary its share of alpha has at that look. Its
    share then passes on, at the same look and for good.

    Raises ValueError that names each fault of the input. Maurer and Bretz, Stat Biopharm Res
    2013;5:311.

    """
    faults = Faults()
    share, passed = check_graph(weights, transitions, faults)
    count = share.size
    statistics = check_table("z", z, count, faults)
    information = check_table("fractions", fractions, count, faults)
    check_rate("alpha", alpha, faults)
    each: list[Spending] = [spending] * count if isinstance(spending, str) else list(spending)
    if len(each) != count:
        faults.append(f"spending: has {len(each)} entries for {count} hypotheses; give one each.")
    if not faults:
        check_hypotheses(statistics, information, each, faults)
    faults.refuse()

    repeated = np.full(statistics.shape, np.nan)
    for one, row in enumerate(information):
        held = ~np.isnan(row)
        design = boundaries(row[held], alpha=alpha, spending=each[one])
        repeated[one, held] = repeated_p_values(statistics[one, held], design)
    counted = np.fmin.accumulate(repeated, axis=1) if look_back else repeated

    look = np.zeros(count, np.intp)
    tested_with = share
    for at in range(statistics.shape[1]):
        while True:
            crossed = (look == 0) & (share > 0) & (counted[:, at] <= share * alpha)
            if not crossed.any():
                break
            one = int(np.flatnonzero(crossed)[0])
            look[one] = at + 1
            tested_with = np.where(np.arange(count) == one, share, tested_with)
            share, passed = without(share, passed, one)
    tested_with = np.where(look > 0, tested_with, share)

    needed = np.full(statistics.shape, np.nan)
    for one, row in enumerate(information):
        held = ~np.isnan(row)
        needed[one, held] = np.inf
        if tested_with[one] > 0:
            own = boundaries(row[held], alpha=alpha * tested_with[one], spending=each[one])
            needed[one, held] = own.z
    return GraphicalSequentialTest(
        rejected=look > 0,
        look=look,
        weights=tested_with,
        z_needed=needed,
        repeated_p=repeated,
        alpha=alpha,
    )


def back(values: Floats, order: Ints) -> Floats:
    """Return values that follow `order` in the order of the hypotheses."""
    placed = np.empty_like(values)
    placed[order] = values
    return placed


def checked(p_values: ArrayLike) -> Floats:
    """Return p values as floats, (m,), or refuse them."""
    faults = Faults()
    p = check_p_values(p_values, faults)
    faults.refuse()
    return p


def check_p_values(p_values: ArrayLike, faults: Faults) -> Floats:
    """Return p values as floats, (m,), and note what is wrong with them."""
    p = numbers("p_values", p_values, faults)
    if not p.size and not faults:
        faults.append("p_values: is empty; give one for each hypothesis.")
    faults.among("p_values", p, ~((p >= 0) & (p <= 1)), "are no probabilities", "give 0 to 1")
    return p


def check_graph(
    weights: ArrayLike, transitions: ArrayLike, faults: Faults
) -> tuple[Floats, Floats]:
    """Return weights, (m,), and transitions, (m, m), and note what is wrong with them."""
    share = numbers("weights", weights, faults)
    if not share.size and not faults:
        faults.append("weights: is empty; give one for each hypothesis.")
    passed = check_table("transitions", transitions, share.size, faults)
    if passed.ndim == 2 and passed.shape != (share.size, share.size):
        faults.append(
            f"transitions: has shape {passed.shape} for {share.size} hypotheses; give a row and a "
            "column for each."
        )
    bad = ~((share >= 0) & (share <= 1))
    faults.among("weights", share, bad, "are no shares of alpha", "give 0 to 1")
    if not bad.any() and share.sum() > 1 + ROUNDING:
        faults.append(f"weights: sum to {share.sum():g}; alpha can be shared out only once.")
    if not np.all((passed >= 0) & (passed <= 1)):
        faults.append("transitions: some are missing or not from 0 to 1.")
    elif passed.ndim == 2 and passed.shape[0] == passed.shape[1]:
        if np.any(np.diag(passed) != 0):
            faults.append("transitions: a hypothesis leaves alpha to itself; its diagonal is 0.")
        over = passed.sum(1) > 1 + ROUNDING
        mend = "a hypothesis can leave its alpha only once"
        faults.among("transitions", passed.sum(1), over, "rows sum to more than 1", mend)
    return share, passed


def check_table(name: str, values: ArrayLike, rows: int, faults: Faults) -> Floats:
    """Return a table of one row a hypothesis as floats, and note if it is none."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        faults.append(f"{name}: is no table of numbers; give one row a hypothesis.")
        return np.empty((0, 0))
    if table.ndim != 2 or table.shape[0] != rows:
        faults.append(f"{name}: has shape {table.shape}; give {rows} rows, one a hypothesis.")
        return np.empty((0, 0))
    return table


def check_hypotheses(
    z: Floats, fractions: Floats, spending: list[Spending], faults: Faults
) -> None:
    """Note what is wrong with the looks of each hypothesis."""
    if z.shape != fractions.shape:
        faults.append(f"z has shape {z.shape}, fractions {fractions.shape}; give equal ones.")
        return
    if bad := int(np.sum(np.isinf(z))):
        faults.append(f"z: {bad} of {z.size} are infinite; give finite statistics, nan for none.")
    if bad := int(np.sum(np.isnan(fractions) & ~np.isnan(z))):
        faults.append(f"fractions: {bad} are missing where z is known; give its information.")
    for one, row in enumerate(fractions):
        name = f"hypothesis {one + 1}"
        times = check_fractions(f"fractions of {name}", row[~np.isnan(row)], faults)
        check_spending(f"spending of {name}", spending[one], times, faults)
        if is_classical(spending[one]):
            faults.append(
                f"spending of {name}: {spending[one]!r} is a classical shape; a share of alpha "
                "that may grow needs a spending function."
            )

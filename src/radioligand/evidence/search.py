# SPDX-License-Identifier: Apache-2.0
"""One cohort among many: the seed by who is randomised, then each subject's draw by the targets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.annealing import aimed, in_kernel_order, tables, walk_from
from radioligand.evidence.annealing_kernels import Asking, changes_of, restart, wander
from radioligand.evidence.annealing_kernels import Draws as Tables
from radioligand.evidence.cohorts import Cohort, chosen, design_for
from radioligand.evidence.measures import MEASURES, Asked, measured
from radioligand.evidence.strata_counts import counts_that_print, is_odds_ratio, stratum_cells
from radioligand.evidence.targets import WEIGHT, Target, Targets
from radioligand.protocol import Protocol
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import EPOCH_ORDINAL, simulate_subjects
from radioligand.statistics.ordering import on_all_cores

Draws = NDArray[np.int64]
Pool = Mapping[str, NDArray[Any]]
HOT, COLD = (0.3, 0.1, 0.1), 0.01  # distances that a search gives up readily as it cools
HEAVIER, HEAVIEST = 2.0, 8.0  # what is missed when it is cold weighs so many times more, at most
LEAST = 0.25  # what a number counts in the search that prints otherwise, however near it is
PARTS = 33  # of each cooling, after each of which its progress is told
SEARCHES = 1000  # seeds between those of two calibrations
ROUNDING = 1e-9  # of a distance, which is no step nearer


class Rivals(NamedTuple):
    """What stands against a target that is not met.

    Of `tried`, all changes of one subject's draw, `nearer` bring it nearer; `spoiled` counts in how
    many of these each other target, met until then, is lost, the most frequent first. `alone` tells
    whether draws that meet it were found when nothing else was asked for.
    """

    target: str
    tried: int
    nearer: int
    spoiled: tuple[tuple[str, int], ...]
    alone: bool


def seeds_of_size(
    population: Population,
    targets: Targets,
    *,
    protocol: Protocol,
    first: int,
    wanted: int,
    limit: int,
) -> tuple[int, ...]:
    """Return the seeds from `first` on whose arms are as large as published, `wanted` at most.

    Of the `limit` seeds looked at, the nearest are returned if none is right.
    """
    design = design_for(population, protocol)
    published = {one.arm: one.values[0] for one in targets.targets if one.measure == "subjects"}
    last_day = targets.cutoff.toordinal() - EPOCH_ORDINAL
    away: dict[int, float] = {}
    for seed in range(first, first + limit):
        everyone = simulate_subjects(population, design=design, seed=seed)
        arms = everyone.arm[everyone.randomised & (everyone.randomised_day <= last_day)]
        sizes = dict(zip(design.arms, np.bincount(arms, minlength=2).tolist(), strict=True))
        away[seed] = sum(abs(sizes[arm] - size) for arm, size in published.items())
        if sum(distance == 0 for distance in away.values()) == wanted:
            break
    nearest = min(away.values())
    return tuple(seed for seed, distance in away.items() if distance == nearest)[:wanted]


def distance(cohort: Cohort, targets: Iterable[Target], *, asked: Asked) -> float:
    """The weighted distance of a cohort from all the targets; 0: each prints as published."""
    return sum(
        WEIGHT[one.role] * one.distance(measured(cohort, one, asked=asked)) for one in targets
    )


def steered(targets: Targets) -> tuple[Target, ...]:
    """The targets that the choice of draws can move and that count."""
    return tuple(
        one for one in targets.targets if WEIGHT[one.role] and not MEASURES[one.measure].at_baseline
    )


def choose_draws(
    pool: Pool,
    targets: Sequence[Target],
    *,
    asked: Asked,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None],
    walks: int = 1,
) -> Draws:
    """Choose each subject's draw so that the cohort meets the targets, by simulated annealing.

    pool : (draws, n) arrays by name. Of `walks` searches of so many steps, each of which aims at
    counts of its own where an odds ratio is asked for, that one is taken which misses the fewest
    primary targets, and of these the nearest. A search cools several times; what it misses then
    weighs more the next time. All end early when one has met all targets. The same `seed` gives
    the same draws, (n,).
    """
    order = in_kernel_order(targets)
    read, asking = tables(pool, order, asked=asked)
    sharper = asking._replace(least=np.full(len(order), LEAST))
    primary = np.array([one.role == "primary" for one in order])
    start = np.zeros(pool["arm"].shape[1], dtype=np.int64)
    searches = [
        (*aim, walk_from(start, *aim, seed=seed * SEARCHES + number))
        for number, aim in enumerate(_aims(pool, order, read, sharper, asked=asked, walks=walks))
    ]
    kept: list[tuple[int, float, Draws]] = []
    for hot, (begin, end) in zip(HOT, pairwise(_edges(0, steps, len(HOT))), strict=False):
        for first, last in pairwise(_edges(begin, end, PARTS)):
            progress(first, steps)
            among = (first - begin, last - begin, end - begin)
            on_all_cores(wander, [(*one, hot, COLD, *among) for one in searches])
            if any(walk.lowest[0] == 0 for *_, walk in searches):
                break
        for own_read, own, walk in searches:
            away = walk_from(walk.best, read, asking, seed=seed).away
            kept.append((int((away[primary] > 0).sum()), float(away.sum()), walk.best.copy()))
            missed = walk_from(walk.best, own_read, own, seed=seed).away > 0
            own.weight[missed] = np.minimum(own.weight[missed] * HEAVIER, HEAVIEST)
            restart(own_read, own, walk)
        if any(total == 0 for _, total, _ in kept):
            break
    return min(kept, key=lambda one: one[:2])[2]


def _edges(begin: int, end: int, parts: int) -> list[int]:
    """Where parts of the steps [begin, end) begin and end."""
    return sorted({begin + (end - begin) * part // parts for part in range(parts + 1)})


def _aims(
    pool: Pool,
    targets: Sequence[Target],
    read: Tables,
    asking: Asking,
    *,
    asked: Asked,
    walks: int,
) -> list[tuple[Tables, Asking]]:
    """The tables of each search: with the counts of strata that print the odds ratio, if any do."""
    ratio = next((one for one in targets if is_odds_ratio(one)), None)
    if ratio is None:
        return [(read, _own(asking)) for _ in range(walks)]
    counts = counts_that_print(pool, targets, ratio, asked=asked, asking=asking)
    if counts is None or not len(counts):
        return [(read, _own(asking)) for _ in range(walks)]
    _, flags = stratum_cells(pool, ratio, asked=asked)
    place = targets.index(ratio)
    return [
        aimed(read, asking, flags, counts[one % len(counts)], instead_of=place)
        for one in range(walks)
    ]


def _own(asking: Asking) -> Asking:
    """The same targets with weights that may be changed."""
    return asking._replace(weight=asking.weight.copy())


def rivals(
    pool: Pool, draws: Draws, targets: Sequence[Target], *, asked: Asked, steps: int, seed: int
) -> tuple[Rivals, ...]:
    """Return for each target not met what every change of one subject towards it would cost.

    steps : of a search for draws that meet the target with no regard to the others.
    """
    order = in_kernel_order(targets)
    read, asking = tables(pool, order, asked=asked)
    walk = walk_from(draws, read, asking, seed=seed)
    at = walk.away.copy()
    missed, met = np.flatnonzero(at > 0), at == 0
    if not missed.size:
        return ()
    several, n = pool["arm"].shape
    nearer, lost = np.zeros(at.size, np.int64), np.zeros((at.size, at.size), np.int64)
    for subject in range(n):
        now = changes_of(subject, read, asking, walk)  # (k, t)
        closer = now < at - ROUNDING
        nearer += closer.sum(axis=0)
        lost += closer.T.astype(np.int64) @ ((now > 0) & met).astype(np.int64)
    return tuple(
        Rivals(
            target=order[one].id,
            tried=n * (several - 1),
            nearer=int(nearer[one]),
            spoiled=tuple(sorted(
                ((order[other].id, int(times)) for other, times in enumerate(lost[one]) if times),
                key=lambda row: (-row[1], row[0]),
            )),
            alone=_met_alone(pool, order[one], order, asked=asked, steps=steps, seed=seed),
        )
        for one in missed
    )  # fmt: skip


def _met_alone(
    pool: Pool,
    target: Target,
    targets: Sequence[Target],
    *,
    asked: Asked,
    steps: int,
    seed: int,
) -> bool:
    """Whether a search that asks for this target alone meets it.

    For an odds ratio the printed responders of the arms are kept, and all tables looked at.
    """
    if is_odds_ratio(target):
        _, asking = tables(pool, targets, asked=asked)
        counts = counts_that_print(pool, targets, target, asked=asked, asking=asking)
        if counts is not None:
            return bool(len(counts))
    draws = choose_draws(
        pool, [target], asked=asked, steps=steps, seed=seed, progress=lambda done, total: None
    )
    return not target.distance(measured(chosen(pool, draws), target, asked=asked))

# SPDX-License-Identifier: Apache-2.0
"""One cohort among many: the seed by who is randomised, then each subject's draw by the targets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.annealing import aimed, in_kernel_order, tables, walk_from
from radioligand.evidence.annealing_kernels import Asking, changes_of, wander
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
HOT, COLD = 0.3, 0.002  # units of distance that the search gives up readily, first and last
PARTS = 100  # of a search, after each of which its progress is told
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
    counts of its own where an odds ratio is asked for, the nearest is taken; all end early when
    one has met all targets. Returned are the best draws seen, (n,); the same for the same `seed`.
    """
    order = in_kernel_order(targets)
    read, asking = tables(pool, order, asked=asked)
    aims = _aims(pool, order, read, asking, asked=asked, walks=walks)
    start = np.zeros(pool["arm"].shape[1], dtype=np.int64)
    searches = [
        (*aim, walk_from(start, *aim, seed=seed * SEARCHES + number))
        for number, aim in enumerate(aims)
    ]
    edges = sorted({steps * part // PARTS for part in range(PARTS + 1)})
    for first, last in pairwise(edges):
        progress(first, steps)
        on_all_cores(wander, [(*one, HOT, COLD, first, last, steps) for one in searches])
        if any(walk.lowest[0] == 0 for *_, walk in searches):
            break
    found = [walk_from(walk.best, read, asking, seed=seed) for *_, walk in searches]
    return min(found, key=lambda walk: float(walk.away.sum())).draws


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
        return [(read, asking)] * walks
    counts = counts_that_print(pool, targets, ratio, asked=asked, asking=asking)
    if counts is None or not len(counts):
        return [(read, asking)] * walks
    _, flags = stratum_cells(pool, ratio, asked=asked)
    place = targets.index(ratio)
    return [
        aimed(read, asking, flags, counts[one % len(counts)], instead_of=place)
        for one in range(walks)
    ]


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

# SPDX-License-Identifier: Apache-2.0
"""One cohort among many: the seed by who is randomised, then each subject's draw by the targets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.cohorts import Cohort, chosen, design_for
from radioligand.evidence.measures import MEASURES, Asked, measured
from radioligand.evidence.targets import WEIGHT, Target, Targets
from radioligand.protocol import Protocol
from radioligand.simulation.parameters import Population
from radioligand.simulation.population import EPOCH_ORDINAL, simulate_subjects

Draws = NDArray[np.int64]
Pool = Mapping[str, NDArray[Any]]
HOT, COLD = 0.3, 0.003  # units of distance that the search gives up readily, first and last
SWAPS = 1500  # changes of one subject that are tried to see what stands against a target


class Rivals(NamedTuple):
    """What stands against a target that is not met.

    Of `tried` changes of one subject, `nearer` bring it nearer; `spoiled` counts in how many of
    these each other target, met until then, is lost, the most frequent first.
    """

    target: str
    tried: int
    nearer: int
    spoiled: tuple[tuple[str, int], ...]


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
        one
        for one in targets.targets
        if WEIGHT[one.role] and not MEASURES[one.measure].at_baseline
    )


def choose_draws(
    pool: Pool,
    targets: Sequence[Target],
    *,
    asked: Asked,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Draws:
    """Choose each subject's draw so that the cohort meets the targets, by simulated annealing.

    pool : (draws, n) arrays by name. One subject at a time is given another draw; a change for
    the worse is kept the less readily, the longer the search has gone on. It ends early when all
    targets are met. Returned are the best draws seen, (n,); the same for the same `seed`.
    """
    several, n = pool["arm"].shape
    random = np.random.default_rng(seed)
    draws = np.zeros(n, dtype=np.int64)
    best, lowest = draws.copy(), np.inf
    at = {one.id: _weighted(chosen(pool, draws), one, asked) for one in targets}
    for step in range(steps):
        progress(step, steps)
        total = sum(at.values())
        if total < lowest:
            best, lowest = draws.copy(), total
        if total == 0:
            break
        subject, draw = int(random.integers(n)), int(random.integers(several))
        heat = HOT * (COLD / HOT) ** (step / steps)
        readiness = random.random()
        if _same(pool, subject, int(draws[subject]), draw):
            continue
        before, draws[subject] = int(draws[subject]), draw
        moved = _moved(pool, draws, targets, str(pool["arm"][0, subject]), asked)
        if readiness >= np.exp(min(0.0, (total - sum((at | moved).values())) / heat)):
            draws[subject] = before
        else:
            at |= moved
    return best


def _weighted(cohort: Cohort, target: Target, asked: Asked) -> float:
    return WEIGHT[target.role] * target.distance(measured(cohort, target, asked=asked))


def _moved(
    pool: Pool, draws: Draws, targets: Iterable[Target], arm: str, asked: Asked
) -> dict[str, float]:
    """Distances of the targets that a subject of the arm can move."""
    cohort = chosen(pool, draws)
    return {one.id: _weighted(cohort, one, asked) for one in targets if one.arm in ("", arm)}


def _same(pool: Pool, subject: int, one: int, other: int) -> bool:
    """Whether two draws of a subject have the same outcome."""
    return all(
        values[one, subject] == values[other, subject]
        or (values[one, subject] != values[one, subject]  # both nan
            and values[other, subject] != values[other, subject])
        for values in pool.values()
    )  # fmt: skip


def rivals(
    pool: Pool, draws: Draws, targets: Sequence[Target], *, asked: Asked, seed: int
) -> tuple[Rivals, ...]:
    """Return for each target not met what changes of one subject towards it would cost."""
    at = {one.id: one.distance(measured(chosen(pool, draws), one, asked=asked)) for one in targets}
    missed = [name for name, away in at.items() if away]
    nearer = dict.fromkeys(missed, 0)
    spoiled: dict[str, dict[str, int]] = {name: {} for name in missed}
    random = np.random.default_rng(seed)
    several, n = pool["arm"].shape
    tried = SWAPS if missed else 0
    for _ in range(tried):
        swapped = draws.copy()
        swapped[random.integers(n)] = random.integers(several)
        cohort = chosen(pool, swapped)
        now = {one.id: one.distance(measured(cohort, one, asked=asked)) for one in targets}
        lost = [name for name, away in now.items() if away and not at[name]]
        for name in missed:
            if now[name] < at[name]:
                nearer[name] += 1
                for other in lost:
                    spoiled[name][other] = spoiled[name].get(other, 0) + 1
    return tuple(
        Rivals(name, tried, nearer[name], tuple(sorted(
            spoiled[name].items(), key=lambda row: (-row[1], row[0])
        )))
        for name in missed
    )  # fmt: skip

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
HOT, COLD = 0.3, 0.002  # units of distance that the search gives up readily, first and last
ALONE = 0.7  # of the changes are of one subject, the others of two


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
) -> Draws:
    """Choose each subject's draw so that the cohort meets the targets, by simulated annealing.

    pool : (draws, n) arrays by name. One subject or two at a time are given other draws; a change
    for the worse is kept the less readily, the longer the search has gone on. It ends early when
    all targets are met. Returned are the best draws seen, (n,); the same for the same `seed`.
    """
    several, n = pool["arm"].shape
    random = np.random.default_rng(seed)
    draws = np.zeros(n, dtype=np.int64)
    best, lowest = draws, np.inf
    order, arms = sorted(targets, key=_cost), pool["arm"][0]
    at = {one.id: _weighted(chosen(pool, draws), one, asked) for one in order}
    for step in range(steps):
        progress(step, steps)
        total = sum(at.values())
        if total < lowest:
            best, lowest = draws, total
        if total == 0:
            break
        heat = HOT * (COLD / HOT) ** (step / steps)
        affordable = total - heat * np.log(random.random())
        who = random.integers(n, size=1 if random.random() < ALONE else 2)
        tried = draws.copy()
        tried[who] = random.integers(several, size=who.size)
        moved = _moved(pool, tried, order, set(arms[who].tolist()), at, affordable, asked)
        if moved is not None:
            draws, at = tried, at | moved
    return draws if sum(at.values()) < lowest else best


def _weighted(cohort: Cohort, target: Target, asked: Asked) -> float:
    return WEIGHT[target.role] * target.distance(measured(cohort, target, asked=asked))


def _cost(target: Target) -> int:
    return list(MEASURES).index(target.measure)


def _moved(
    pool: Pool,
    draws: Draws,
    targets: Iterable[Target],
    arms: set[str],
    at: Mapping[str, float],
    affordable: float,
    asked: Asked,
) -> dict[str, float] | None:
    """Distances of the targets that subjects of these arms can move, the cheap ones first.

    None as soon as all together are more than what is affordable.
    """
    movable = [one for one in targets if not one.arm or one.arm in arms]
    total = sum(at.values()) - sum(at[one.id] for one in movable)
    cohort, moved = chosen(pool, draws), dict[str, float]()
    for one in movable:
        moved[one.id] = _weighted(cohort, one, asked)
        total += moved[one.id]
        if total > affordable:
            return None
    return moved


def rivals(
    pool: Pool, draws: Draws, targets: Sequence[Target], *, asked: Asked, changes: int, seed: int
) -> tuple[Rivals, ...]:
    """Return for each target not met what changes of one subject towards it would cost.

    changes : how many are tried, each of a subject to another of its draws, at random.
    """
    at = {one.id: one.distance(measured(chosen(pool, draws), one, asked=asked)) for one in targets}
    missed = [name for name, away in at.items() if away]
    nearer = dict.fromkeys(missed, 0)
    spoiled: dict[str, dict[str, int]] = {name: {} for name in missed}
    random = np.random.default_rng(seed)
    several, n = pool["arm"].shape
    tried = changes if missed else 0
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

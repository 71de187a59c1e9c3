# SPDX-License-Identifier: Apache-2.0
"""Parameters of a population that may be turned, and the turning of them towards the targets.

The means over some virtual cohorts, always of the same seeds, are brought nearer to what is
printed by Gauss and Newton's method. A mean differs from the printed number by chance as well,
so differences count in spreads between cohorts, and each lever is held back towards where it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.evidence.measures import MEASURES
from radioligand.evidence.targets import TOKEN, WEIGHT, Target, TargetsError
from radioligand.simulation.parameters import Population

Floats = NDArray[np.float64]
Measures = Mapping[str, tuple[float, ...]]  # numbers of a cohort by target
PROBE = 0.12  # by which a lever is moved to see what it does, on its own scale
FARTHEST = 0.35  # a lever moves in one step
HELD = 0.15  # a lever moves so far as readily as a mean by one spread


class Turned(NamedTuple):
    """The population after turning, what its cohorts measured, and the steps that were kept."""

    population: Population
    cohorts: tuple[Measures, ...]
    steps: int


def lever(population: Population, path: str) -> float:
    """Return the value at a path such as "arms.LU.growth_per_week".

    An arm's correlation that is left out is that of [growth]. Raises TargetsError if there is no
    number at the path.
    """
    value: Any = population
    try:
        for name in path.split("."):
            value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    except (AttributeError, KeyError):
        raise TargetsError(f"{path}: the population has no such parameter.") from None
    if value is None and path.endswith(".correlation"):
        value = population.growth.correlation
    if not isinstance(value, float):
        raise TargetsError(f"{path}: {value!r} is no number that can be turned.")
    return value


def with_levers(population: Population, values: Mapping[str, float]) -> Population:
    """Return the population with these values at their paths."""
    changed: Any = population
    for path, value in values.items():
        changed = _replaced(changed, path.split("."), value)
    return changed  # type: ignore[no-any-return]


def _replaced(record: Any, path: Sequence[str], value: float) -> Any:
    name, *rest = path
    is_table = isinstance(record, Mapping)
    inner = record[name] if is_table else getattr(record, name)
    new = _replaced(inner, rest, value) if rest else float(f"{value:.5g}")
    return {**record, name: new} if is_table else replace(record, **{name: new})


def _scaled(path: str, value: float) -> float:
    """A lever on the scale on which it is turned: all numbers are possible there."""
    return float(np.arctanh(value) if path.endswith(".correlation") else np.log(value))


def _unscaled(path: str, value: float) -> float:
    return float(np.tanh(value) if path.endswith(".correlation") else np.exp(value))


def turned(
    population: Population,
    paths: Sequence[str],
    targets: Sequence[Target],
    *,
    cohorts_of: Callable[[Population], tuple[Measures, ...]],
    rounds: int,
) -> Turned:
    """Turn the levers so that cohorts come nearer to the targets on average.

    cohorts_of : what each of some cohorts of a population measures, of the same seeds each time.
    A step that does not bring the means nearer is halved once and then given up.
    """
    steered = [one for one in targets if WEIGHT[one.role] and not MEASURES[one.measure].at_baseline]
    found = cohorts_of(population)
    spread = _spreads(found, steered)
    start = place = np.array([_scaled(path, lever(population, path)) for path in paths])
    penalty, kept = np.eye(len(paths)) / HELD**2, 0

    def at(where: Floats) -> Population:
        unscaled = map(_unscaled, paths, where.tolist())
        return with_levers(population, dict(zip(paths, unscaled, strict=True)))

    def cost(off: Floats, where: Floats) -> float:
        return float(off @ off + (where - start) @ penalty @ (where - start))

    for _ in range(rounds):
        off = _residuals(found, steered, spread)
        slopes = np.empty((off.size, len(paths)))
        for column in range(len(paths)):
            probe = place.copy()
            probe[column] += PROBE
            slopes[:, column] = (_residuals(cohorts_of(at(probe)), steered, spread) - off) / PROBE
        back = penalty @ (place - start)
        step = np.linalg.solve(slopes.T @ slopes + penalty, -slopes.T @ off - back)
        step *= min(1.0, FARTHEST / float(np.abs(step).max(initial=1e-9)))
        for length in (1.0, 0.5):
            there = place + length * step
            tried = cohorts_of(at(there))
            if cost(_residuals(tried, steered, spread), there) < cost(off, place):
                place, found, kept = there, tried, kept + 1
                break
        else:
            break
    return Turned(at(place) if kept else population, found, kept)


def _numbers(found: Iterable[Measures], target: Target) -> Floats:
    """The numbers of a target, (cohorts, numbers)."""
    return np.array([measures[target.id] for measures in found], dtype=np.float64)


def means(found: Sequence[Measures], target: Target) -> tuple[tuple[float, float], ...]:
    """Return mean and standard deviation over the cohorts of each number; nan if none has it."""
    several = _numbers(found, target).T
    known = [column[np.isfinite(column)] for column in several]
    return tuple(
        (float(one.mean()), float(one.std(ddof=1))) if one.size > 1 else (np.nan, np.nan)
        for one in known
    )


def _spreads(found: Sequence[Measures], targets: Iterable[Target]) -> dict[str, Floats]:
    """Spread between cohorts of each number, at least the target's unit of distance."""
    return {
        one.id: np.array([max(sd, one.scale) if isfinite(sd) else one.scale
                          for _, sd in means(found, one)])
        for one in targets
    }  # fmt: skip


def _residuals(
    found: Sequence[Measures], targets: Iterable[Target], spread: Mapping[str, Floats]
) -> Floats:
    """Means less what is printed, in spreads, weighted by the role; 0 where either is not there."""
    parts = []
    for target in targets:
        average = np.array([mean for mean, _ in means(found, target)])
        away = (average - np.array(target.values)) / spread[target.id]
        away[[bool(bound) for bound, _ in TOKEN.findall(target.published)]] = 0.0
        parts.append(np.sqrt(WEIGHT[target.role]) * np.nan_to_num(away))
    return np.concatenate(parts)


def compared(before: Population, after: Population, paths: Iterable[str]) -> dict[str, Any]:
    """Return (before, after) of every lever by its path."""
    return {path: (lever(before, path), lever(after, path)) for path in paths}

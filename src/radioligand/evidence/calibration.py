# SPDX-License-Identifier: Apache-2.0
"""Virtual patients made to look like one published trial: parameters first, then one cohort.

The levers of the population are turned until cohorts come near the targets on average. Then a
seed is looked for whose randomised subjects are those published, and from many draws of each
subject's disease one is chosen, so that the cohort prints what the paper prints. Every number is
measured as in any study: simulated as SDTM, cut, derived, analysed.

What comes out looks like the trial because it was chosen to. It is no evidence of anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import isfinite
from typing import Any

from radioligand.evidence.cohorts import (
    baseline_cohort,
    by_consent,
    calibrated,
    chosen,
    left_out,
    pooled,
    virtual_cohort,
)
from radioligand.evidence.contradictions import Shown, contradictions
from radioligand.evidence.levers import Measures, compared, means, turned
from radioligand.evidence.measures import MEASURES, asked_of, measured
from radioligand.evidence.search import (
    Rivals,
    choose_draws,
    distance,
    rivals,
    seeds_of_size,
    steered,
)
from radioligand.evidence.targets import Target, Targets
from radioligand.protocol import Protocol
from radioligand.simulation.parameters import Population

SHARE_TO_TURN = 0.2  # of the effort, below which means say too little to turn levers by
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to look: each number of cohorts costs about half a second a piece."""

    rounds: int = 2  # of turning the levers
    cohorts: int = 6  # whose means are turned
    sizes: int = 2000  # seeds looked at for the sizes of the arms, without simulating a course
    seeds: int = 60  # with the right sizes, measured at baseline
    draws: int = 100  # of each subject
    steps: int = 2_000_000  # of each search among them
    walks: int = 4  # such searches, of which the best is taken
    alone: int = 200_000  # steps of a search that asks for one target not met alone

    def scaled(self, share: float) -> "Effort":
        """Return a part of the effort, or a multiple; the levers stay where they are below 0.2."""
        return Effort(
            rounds=self.rounds if share >= SHARE_TO_TURN else 0,
            cohorts=max(2, round(self.cohorts * share)),
            sizes=self.sizes,
            seeds=max(1, round(self.seeds * share)),
            draws=max(2, round(self.draws * share)),
            steps=max(1, round(self.steps * share)),
            walks=self.walks,
            alone=max(1, round(self.alone * min(share, 1))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A target with what the cohort has: equal texts, and so `met`, are equal numbers.

    `misses` say how far each number lies from the printed one, 0 if it prints the same and inf if
    only one of the two is estimated. `average` is mean and standard deviation over cohorts
    of the same population that were not chosen; nan where too few of them have the number.
    """

    target: Target
    values: tuple[float, ...]
    reached: str
    misses: tuple[float, ...]
    average: tuple[tuple[float, float], ...]

    @property
    def met(self) -> bool:
        """Whether the cohort prints what the paper prints."""
        return self.reached == self.target.published

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object; null for what is not estimated."""
        one = self.target
        return {
            "id": one.id,
            "says": one.says,
            "role": one.role,
            "place": one.place,
            "published": one.published,
            "reached": self.reached,
            "met": self.met,
            "values": [_finite(value) for value in self.values],
            "misses": [_finite(miss) for miss in self.misses],
            "average": [_finite(mean) for mean, _ in self.average],
            "spread": [_finite(sd) for _, sd in self.average],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was found: the population with its chosen study, each target, and what stands apart."""

    targets: Targets
    population: Population
    levers: Mapping[str, tuple[float, float]]  # before and after, by path
    rows: tuple[Reached, ...]
    contradictions: tuple[Shown, ...]
    rivals: tuple[Rivals, ...]

    def counted(self, role: str) -> tuple[int, int]:
        """How many targets of a role are met, and how many there are."""
        own = [row for row in self.rows if row.target.role == role]
        return sum(row.met for row in own), len(own)

    def as_json(self) -> dict[str, Any]:
        """Everything as a JSON object, the cohort's draws aside."""
        chosen_study = self.population.calibration
        return {
            "study": self.targets.id,
            "paper": self.targets.paper,
            "cutoff": self.targets.cutoff.isoformat(),
            "reviewer": self.targets.reviewer,
            "seed": chosen_study.seed if chosen_study else None,
            "met": {role: self.counted(role)[0] for role in ("primary", "secondary")},
            "of": {role: self.counted(role)[1] for role in ("primary", "secondary")},
            "levers": {
                path: {"before": before, "after": after}
                for path, (before, after) in self.levers.items()
            },
            "targets": [row.as_json() for row in self.rows],
            "contradictions": [
                {**one._asdict(), "shape": _finite(one.shape)} for one in self.contradictions
            ],
            "rivals": [{**one._asdict(), "spoiled": dict(one.spoiled)} for one in self.rivals],
        }


def calibrate(
    population: Population,
    targets: Targets,
    *,
    protocol: Protocol,
    seed: int,
    effort: Effort | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Calibrated:
    """Find parameters, and one cohort of them, that meet the targets as far as can be.

    seed : the first of the seeds looked at, and the seed of every choice; the same gives the same.
    Raises TargetsError if a lever is no parameter of the population.
    """
    effort = effort or Effort()
    asked = asked_of(protocol)
    simulated = partial(virtual_cohort, targets=targets, protocol=protocol)
    done, most = count(), effort.cohorts * (1 + effort.rounds * (len(targets.levers) + 2))

    def cohorts_of(tried: Population) -> tuple[Measures, ...]:
        found = []
        for one in range(seed, seed + effort.cohorts):
            progress("parameters", next(done), most)
            cohort = simulated(tried, seed=one)
            found.append({t.id: measured(cohort, t, asked=asked) for t in targets.targets})
        return tuple(found)

    fitted = turned(
        population, targets.levers, targets.targets, cohorts_of=cohorts_of, rounds=effort.rounds
    )
    first = _nearest_seed(
        fitted.population, targets, protocol=protocol, seed=seed, effort=effort, progress=progress
    )
    members, without = [], left_out(protocol, targets)
    for draw in range(effort.draws):
        progress("draws", draw, effort.draws)
        members.append(simulated(fitted.population, seed=first, draw=draw, without=without))
    pool = pooled(members)
    draws = choose_draws(
        pool,
        steered(targets),
        asked=asked,
        steps=effort.steps,
        walks=effort.walks,
        seed=seed,
        progress=partial(progress, "choice"),
    )
    progress("rivals", 0, 1)
    cohort = chosen(pool, draws)
    in_order = by_consent(draws, cohort, fitted.population, protocol=protocol, seed=first)
    return Calibrated(
        targets=targets,
        population=calibrated(fitted.population, targets, seed=first, draws=in_order),
        levers=compared(population, fitted.population, targets.levers),
        rows=tuple(
            _reached(one, measured(cohort, one, asked=asked), means(fitted.cohorts, one))
            for one in targets.targets
        ),
        contradictions=contradictions(targets),
        rivals=rivals(pool, draws, steered(targets), asked=asked, steps=effort.alone, seed=seed),
    )


def _nearest_seed(
    population: Population,
    targets: Targets,
    *,
    protocol: Protocol,
    seed: int,
    effort: Effort,
    progress: Progress,
) -> int:
    """Of the seeds with arms of the published size, the one nearest at baseline."""
    sized = seeds_of_size(
        population,
        targets,
        protocol=protocol,
        first=seed,
        wanted=effort.seeds,
        limit=effort.sizes,
    )
    baseline = [one for one in targets.targets if MEASURES[one.measure].at_baseline]
    asked = asked_of(protocol)
    away: dict[int, float] = {}
    for place, one in enumerate(sized):
        progress("seeds", place, len(sized))
        cohort = baseline_cohort(population, targets, protocol=protocol, seed=one)
        away[one] = distance(cohort, baseline, asked=asked)
    return min(away, key=away.__getitem__)


def _reached(
    target: Target, values: tuple[float, ...], average: tuple[tuple[float, float], ...]
) -> Reached:
    return Reached(
        target=target,
        values=values,
        reached=target.printed(values),
        misses=target.misses(values),
        average=average,
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None

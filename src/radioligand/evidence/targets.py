# SPDX-License-Identifier: Apache-2.0
"""What a calibrated cohort has to meet: printed numbers of one paper, one cutoff, one reviewer.

These are the numbers that follow from no other printed ones: medians, hazard ratios, rates at a
month. The published text is the form; a reached number meets it if it prints the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite, isnan, log
from typing import Literal

from radioligand.evidence.printing import HOLDS, decimals_of, rounded, value_of

Role = Literal["primary", "secondary", "shown"]
WEIGHT: Mapping[Role, float] = {"primary": 1.0, "secondary": 0.2, "shown": 0.0}
NOT_ESTIMATED = "NE"
TOKEN = re.compile(r"([<>≤≥]?)(−?\d+(?:\.\d+)?|NE)")
FAR = 4.0  # units of distance to a number that should be there and is not, or the reverse


class TargetsError(ValueError):
    """A document of targets, or the name of one, is wrong. The message tells every fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One printed result and how a study is asked for it.

    `scale` is what counts as one unit of distance, in the unit of the number. Of the other fields
    a measure reads those it needs: `endpoint` (PARAMCD of ADTTE), `arm`, `months`, `day` (a
    landmark, 0 for none), `percent` (of shrinkage), `column` (of ADSL), `levels` (of response).
    A target that is "shown" stands beside what was reached and steers nothing.
    """

    id: str
    says: str
    measure: str
    published: str
    place: str
    role: Role
    scale: float
    endpoint: str = ""
    arm: str = ""
    months: float = 0.0
    day: int = 0
    percent: float = 0.0
    column: str = ""
    levels: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """The printed numbers; nan is not estimated."""
        return tuple(
            float("nan") if number == NOT_ESTIMATED else value_of(number)
            for _, number in TOKEN.findall(self.published)
        )

    def printed(self, values: Sequence[float]) -> str:
        """The values in the form of the published text: equal texts are equal numbers."""
        left = iter(values)

        def fill(found: re.Match[str]) -> str:
            bound, number, value = found[1], found[2], next(left)
            if not isfinite(value):
                return NOT_ESTIMATED
            if bound:
                kept = HOLDS[bound](value, value_of(number))
                return found[0] if kept else rounded(value, decimals_of(number) + 1)
            return rounded(value, 1 if number == NOT_ESTIMATED else decimals_of(number))

        return TOKEN.sub(fill, self.published)

    def misses(self, values: Sequence[float]) -> tuple[float, ...]:
        """How far each value lies from the printed one; 0: it prints the same, inf: one is NE."""
        return tuple(
            _miss(bound, number, value)
            for (bound, number), value in zip(TOKEN.findall(self.published), values, strict=True)
        )

    def distance(self, values: Sequence[float]) -> float:
        """The sum of the misses in units of `scale`; 0: all print the same.

        Beyond one unit it grows as the logarithm, so that one far number does not outweigh all.
        """
        return sum(_damped(miss / self.scale) for miss in self.misses(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Targets that no pair of arms of a simple shape can meet together: kind and target ids."""

    kind: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """One paper, one cutoff, one reviewer: what is to be met, and what may be turned for it.

    `levers` are paths of the population's document, such as "arms.LU.growth_per_week".
    """

    id: str
    title: str
    protocol: str
    paper: str
    cutoff: date
    reviewer: str
    levers: tuple[str, ...]
    targets: tuple[Target, ...]
    contradictions: tuple[Contradiction, ...]

    def target(self, target_id: str) -> Target:
        """Return the target of that id."""
        return next(target for target in self.targets if target.id == target_id)


def _damped(units: float) -> float:
    return units if units <= 1 else min(FAR, 1 + log(units))


def _miss(bound: str, number: str, value: float) -> float:
    if number == NOT_ESTIMATED or isnan(value):
        return 0.0 if number == NOT_ESTIMATED and isnan(value) else float("inf")
    if bound:
        return 0.0 if HOLDS[bound](value, value_of(number)) else abs(value - value_of(number))
    decimals = decimals_of(number)
    if rounded(value, decimals) == rounded(value_of(number), decimals):
        return 0.0
    return abs(value - value_of(number))

# SPDX-License-Identifier: Apache-2.0
"""What a calibrated cohort has to meet: printed numbers of one paper, one cutoff, one reviewer.

These are the numbers that follow from no other printed ones: medians, hazard ratios, rates at a
month. The published text is the form; a reached number meets it if it prints the same.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from math import isfinite, isnan, log
from typing import Any, Literal, get_args

from radioligand.evidence.printing import HOLDS, decimals_of, rounded, value_of

Role = Literal["primary", "secondary", "shown"]
WEIGHT: Mapping[Role, float] = {"primary": 1.0, "secondary": 0.2, "shown": 0.0}
NOT_ESTIMATED = "NE"
TOKEN = re.compile(r"([<>≤≥]?)(−?\d+(?:\.\d+)?|NE)")
FAR = 4.0  # units of distance to a number that should be there and is not, or the reverse
CONFLICTS = ("exponential medians", "exponential rate", "proportional rates")


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


# -- documents ---------------------------------------------------------------------------------


def shipped_targets() -> tuple[str, ...]:
    """Names of the documents of targets that come with the package, sorted."""
    folder = files("radioligand.evidence") / "targets"
    return tuple(sorted(path.name.removesuffix(".toml") for path in folder.iterdir()))


def read_targets(name: str) -> Targets:
    """Read a shipped document of targets. Raises TargetsError if there is none of that name."""
    if name not in shipped_targets():
        raise TargetsError(f"{name!r}: no such targets. There are {', '.join(shipped_targets())}.")
    path = files("radioligand.evidence") / "targets" / f"{name}.toml"
    return parse_targets(tomllib.loads(path.read_text("utf-8")), name=path.name)


def parse_targets(document: Mapping[str, Any], *, name: str) -> Targets:
    """Turn the tables of a document into Targets.

    Raises TargetsError that names every unknown or missing key, unknown measure, and target named
    that is not there.
    """
    rows = document.get("targets", ())
    head = {key: value for key, value in document.items() if key in ("study",)}.get("study", {})
    faults = [*_faults(head, "study", _HEAD, _HEAD)]
    faults += [f"{key}: unknown table" for key in document if key not in _TABLES]
    for place, row in enumerate(rows):
        faults += _faults(row, row.get("id", f"targets[{place}]"), _KNOWN, _NEEDED)
        faults += _wrong(row)
    for row in document.get("contradictions", ()):
        faults += _faults(row, "contradictions", ("kind", "targets"), ("kind", "targets"))
        known = {one.get("id") for one in rows}
        faults += [f"contradictions: no target {one!r}" for one in row.get("targets", ())
                   if one not in known]  # fmt: skip
        if row.get("kind") not in CONFLICTS:
            faults.append(f"contradictions: kind {row.get('kind')!r}; there are {CONFLICTS}")
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise TargetsError(f"{name}: {len(faults)} to mend.\n{listed}")
    return Targets(
        **{**head, "levers": tuple(head["levers"])},
        targets=tuple(Target(**_tuples(row)) for row in rows),
        contradictions=tuple(
            Contradiction(**_tuples(row)) for row in document.get("contradictions", ())
        ),
    )


_TABLES = ("study", "targets", "contradictions")
_HEAD = ("id", "title", "protocol", "paper", "cutoff", "reviewer", "levers")
_KNOWN = tuple(Target.__dataclass_fields__)
_NEEDED = ("id", "says", "measure", "published", "place", "role", "scale")


def _faults(
    row: Mapping[str, Any], where: str, known: Sequence[str], needed: Sequence[str]
) -> Iterator[str]:
    yield from (f"{where}: unknown key {key!r}" for key in row if key not in known)
    yield from (f"{where}: {key} is missing" for key in needed if key not in row)


def _wrong(row: Mapping[str, Any]) -> Iterator[str]:
    from radioligand.evidence.measures import MEASURES

    if row.get("measure") not in MEASURES:
        yield f"{row.get('id')}: measure {row.get('measure')!r}; there are {', '.join(MEASURES)}"
    elif len(TOKEN.findall(str(row.get("published")))) != MEASURES[row["measure"]].numbers:
        count = MEASURES[row["measure"]].numbers
        yield f"{row.get('id')}: {row['measure']} has {count} numbers, not {row['published']!r}"
    if row.get("role") not in get_args(Role):
        yield f"{row.get('id')}: role {row.get('role')!r}; there are {', '.join(get_args(Role))}"


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in row.items()}

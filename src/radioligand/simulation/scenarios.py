# SPDX-License-Identifier: Apache-2.0
"""What is assumed of virtual trials beyond the protocol: documents of scenarios, and their grids.

A key of `[assume]` that is left out is as the protocol plans it. A list of values stands for one
scenario each; several lists for every combination.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from itertools import product
from math import inf, isfinite
from typing import Any, NamedTuple

from radioligand import protocol as p
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.model import STEPS

MOST_SCENARIOS = 1000
SPENDING = ("obrien-fleming", "pocock")
RULES = ("bonferroni", "holm", "all")


class Limits(NamedTuple):
    """Numbers from `low` to `high`; without the ends if `open`."""

    low: float
    high: float
    open: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies within."""
        if self.open:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """Tell the limits in words."""
        if self.high == inf:
            return f"above {self.low:g}" if self.open else f"{self.low:g} or more"
        if self.open:
            return f"between {self.low:g} and {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"


ABOVE_0, FROM_0, SHARE, BELOW_1 = (
    Limits(0, inf, True),
    Limits(0, inf),
    Limits(0, 1),
    Limits(0, 0.999),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumAssumption:
    """One stratum: how many of the subjects, and how much worse or better they do."""

    id: str  # the ids of the levels of each factor, such as "2/PANCREAS"
    share: float
    hazard_ratio: float = 1.0  # against the planned curve of the arm


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAssumption:
    """Interim looks other than the protocol's; the last one is the final analysis."""

    events: tuple[int, ...] = ()
    months: tuple[float, ...] = ()  # of the trial, instead of events: what is seen is spent by
    spending: str = "obrien-fleming"
    futility_z: tuple[float, ...] = ()  # before the last look: stop if the effect is below


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryAssumption:
    """Several primary endpoints: which, how the level is shared, and what makes a success.

    By "bonferroni" each has its share of the level, and one is enough; "holm" passes the share of
    what holds on to the others; of "all" each has to hold, at the full level.
    """

    endpoints: tuple[str, ...]  # of STEPS
    shares: tuple[float, ...]  # of the level; they sum to 1
    rule: str = "bonferroni"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is assumed; None is as the protocol plans it."""

    name: str = "as planned"
    hazard_ratio: float | None = None  # of each experimental arm
    hazard_ratios: tuple[tuple[str, float], ...] = ()  # of single arms: arm, ratio
    cohorts: tuple[tuple[str, float], ...] = ()  # of single cohorts: cohort, hazard ratio
    median_control_months: float | None = None
    shape: float | None = None
    cured_fraction: float | None = None
    delay_months: float | None = None
    accrual_per_month: float | None = None
    dropout_per_month: float | None = None
    subjects: int | None = None
    events: int | None = None
    stratified: bool | None = None
    rho: float = 0.0
    gamma: float = 0.0
    max_combo: bool = False
    visits: bool = False
    window_days: int = 0
    missed_fraction: float = 0.0
    deaths_among_events: float = 0.0
    progression_to_death_months_control: float | None = None
    progression_to_death_months_experimental: float | None = None
    progression_to_death_months_crossed: float | None = None
    crossover_fraction: float = 0.0
    crossover_per_month: float | None = None
    response_control: float | None = None
    response_experimental: float | None = None
    response_follows: float = 0.0
    strata: tuple[StratumAssumption, ...] = ()
    looks: LookAssumption | None = None
    chain: tuple[str, ...] | None = None
    primaries: PrimaryAssumption | None = None
    adaptation: p.Adaptation | None = None
    hazard_steps: tuple[p.HazardStep, ...] = ()  # of control subjects
    hazard_ratio_steps: tuple[p.HazardRatioStep, ...] = ()

    @property
    def has_course(self) -> bool:
        """Whether more than the one event of each subject is simulated."""
        return self.visits or self.deaths_among_events > 0 or self.has_survival or self.has_response

    @property
    def has_survival(self) -> bool:
        """Whether death after progression is simulated."""
        return self.progression_to_death_months_control is not None

    @property
    def has_response(self) -> bool:
        """Whether response is simulated."""
        return self.response_control is not None


LIMITS = {
    "hazard_ratio": ABOVE_0,
    "median_control_months": ABOVE_0,
    "shape": ABOVE_0,
    "cured_fraction": BELOW_1,
    "delay_months": FROM_0,
    "accrual_per_month": ABOVE_0,
    "dropout_per_month": FROM_0,
    "subjects": Limits(10, 100_000),
    "events": Limits(1, 100_000),
    "rho": Limits(0, 10),
    "gamma": Limits(0, 10),
    "window_days": Limits(0, 60),
    "missed_fraction": BELOW_1,
    "deaths_among_events": SHARE,
    "progression_to_death_months_control": ABOVE_0,
    "progression_to_death_months_experimental": ABOVE_0,
    "progression_to_death_months_crossed": ABOVE_0,
    "crossover_fraction": SHARE,
    "crossover_per_month": FROM_0,
    "response_control": Limits(0, 1, True),
    "response_experimental": Limits(0, 1, True),
    "response_follows": SHARE,
}
SWITCHES = ("stratified", "max_combo", "visits")
WHOLE = ("subjects", "events", "window_days")
ASSUMED = (*LIMITS, *SWITCHES)
HAZARDS = ("hazard_steps", "hazard_ratio_steps")
TABLES = (
    *("document", "title", "assume", "hazard_ratios", "cohorts", "strata", "looks", "chain"),
    *("primaries", "adaptation", *HAZARDS),
)


def parse_scenarios(document: Mapping[str, Any], *, name: str = "scenario") -> tuple[Scenario, ...]:
    """Turn the tables of a scenario document into its scenarios, in the order of their lists.

    Raises SimulationError that names every unknown key and wrong value by its path.
    """
    faults = list(_unknown(document, TABLES, ""))
    if document.get("document") != 1:
        faults.append("document: this has to be 1. Write document = 1 at the top.")
    common: dict[str, Any] = {}
    if "strata" in document:
        common["strata"] = _strata(document["strata"], faults)
    if "looks" in document:
        common["looks"] = _looks(document["looks"], faults)
    if "chain" in document:
        common["chain"] = _chain(document["chain"], faults)
    if "hazard_ratios" in document:
        common["hazard_ratios"] = _hazard_ratios(document, "hazard_ratios", faults)
    if "cohorts" in document:
        common["cohorts"] = _hazard_ratios(document, "cohorts", faults)
    if "primaries" in document:
        common["primaries"] = _primaries(document["primaries"], faults)
    if "adaptation" in document:
        common["adaptation"] = _adaptation(document["adaptation"], faults)
    common |= _hazards({key: document[key] for key in HAZARDS if key in document}, faults)
    grid = _grid(document.get("assume", {}), faults)
    found = []
    if not faults:
        for values in product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            varied = [key for key in grid if len(grid[key]) > 1]
            told = ", ".join(f"{key} {_plain(chosen[key])}" for key in varied)
            title = str(document.get("title", "")) or "as assumed"
            found.append(Scenario(name=told or title, **chosen, **common))
        faults += dict.fromkeys(fault for one in found for fault in scenario_faults(one))
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise SimulationError(f"{name}: {len(faults)} to mend.\n{listed}")
    return tuple(found)


def scenario_faults(scenario: Scenario) -> Iterator[str]:
    """Tell which assumptions do not go together."""
    if scenario.hazard_steps and (scenario.shape or 1) != 1:
        yield "assume.shape: hazard_steps tell the hazards as well. Leave one of them out."
    if scenario.hazard_ratio_steps and scenario.delay_months:
        yield "assume.delay_months: hazard_ratio_steps tell the effect. Leave one of them out."
    survival = [
        scenario.progression_to_death_months_control,
        scenario.progression_to_death_months_experimental,
    ]
    if survival.count(None) == 1:
        yield (
            "assume: progression_to_death_months is given for one arm. Give it for control and "
            "experimental arm, or for neither."
        )
    if (scenario.response_control is None) != (scenario.response_experimental is None):
        yield (
            "assume: a response rate is given for one arm. Give response_control and "
            "response_experimental, or neither."
        )
    if scenario.crossover_fraction and scenario.progression_to_death_months_crossed is None:
        yield (
            "assume.crossover_fraction: what it does to survival is missing. Add "
            "progression_to_death_months_crossed."
        )
    if scenario.progression_to_death_months_crossed and not scenario.has_survival:
        yield (
            "assume.progression_to_death_months_crossed: survival of the arms is missing. Add "
            "progression_to_death_months_control and _experimental."
        )
    if (scenario.window_days or scenario.missed_fraction) and not scenario.visits:
        yield "assume: scans are late or missed, and progression is seen at once. Add visits."
    if scenario.events is not None and scenario.looks is not None:
        yield "assume.events: the looks say how many events there are. Leave one of them out."
    if scenario.max_combo and (scenario.rho or scenario.gamma):
        yield "assume.max_combo: rho and gamma weigh a test of its own. Leave one of them out."
    if scenario.primaries and scenario.chain:
        yield "primaries: there is a chain as well. Leave one of them out."
    primaries = scenario.primaries.endpoints if scenario.primaries else ()
    if "response" in primaries and not scenario.has_response:
        yield "primaries: response is one, and no rates are assumed. Add response_control ..."
    if "survival" in primaries and not scenario.has_survival:
        yield "primaries: survival is one, and none is assumed. Add progression_to_death_months_*."
    if scenario.primaries and scenario.looks:
        yield "primaries: several are tested at one analysis. Leave [looks] out."
    chain = scenario.chain or ()
    if "response" in chain and not scenario.has_response:
        yield "chain: response is tested, and no rates are assumed. Add response_control and so on."
    if "survival" in chain and not scenario.has_survival:
        yield "chain: survival is tested, and none is assumed. Add progression_to_death_months_*."


def without_effect(scenario: Scenario, *, margin: float = 1.0) -> Scenario:
    """Return the same scenario if the experimental treatment were like the control.

    margin : of non-inferiority: the hazard ratio that is to be excluded is then the true one.
    """
    return replace(
        scenario,
        name=f"{scenario.name}, no effect",
        hazard_ratio=margin,
        hazard_ratios=(),
        cohorts=(),
        response_experimental=scenario.response_control,
        progression_to_death_months_experimental=scenario.progression_to_death_months_control,
    )


def _grid(given: Any, faults: list[str]) -> dict[str, Sequence[Any]]:
    """The values of each key, as lists; more than a thousand combinations are too many."""
    if not isinstance(given, Mapping):
        faults.append(f"assume: {given!r} is no table. Write [assume].")
        return {}
    faults += _unknown(given, ASSUMED, "assume.")
    grid: dict[str, Sequence[Any]] = {}
    combinations = 1
    for key, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not values:
            faults.append(f"assume.{key}: the list is empty. Give a value.")
        faults += [fault for one in values for fault in _value_faults(key, one)]
        grid[key] = [
            float(one) if key in LIMITS and key not in WHOLE else one
            for one in values
            if not _value_faults(key, one)
        ]
        combinations *= max(len(values), 1)
    if combinations > MOST_SCENARIOS:
        faults.append(
            f"assume: the lists make {combinations} scenarios, more than {MOST_SCENARIOS}. "
            "Shorten a list."
        )
    return grid


def _value_faults(key: str, value: Any) -> list[str]:
    path = f"assume.{key}"
    if key in SWITCHES and not isinstance(value, bool):
        return [f"{path}: {value!r}. Write true or false."]
    if key in LIMITS:
        return _number_faults(path, value, LIMITS[key], whole=key in WHOLE)
    return []


def _number_faults(path: str, value: Any, limits: Limits, *, whole: bool = False) -> list[str]:
    kinds = (int,) if whole else (int, float)
    if type(value) not in kinds or not isfinite(value) or not limits.hold(value):
        return [f"{path}: {value!r}. Give a {'whole number' if whole else 'number'}, {limits}."]
    return []


def _strata(given: Any, faults: list[str]) -> tuple[StratumAssumption, ...]:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        faults.append("strata: these are no tables. Write [[strata]] for each stratum.")
        return ()
    before = len(faults)
    for place, one in enumerate(given):
        path = f"strata[{place}]"
        faults += _unknown(one, ("id", "share", "hazard_ratio"), f"{path}.")
        if not isinstance(one.get("id"), str):
            faults.append(f"{path}.id: {one.get('id')!r}. Give the stratum's id, a text.")
        faults += _number_faults(f"{path}.share", one.get("share"), Limits(0, inf, True))
        faults += _number_faults(f"{path}.hazard_ratio", one.get("hazard_ratio", 1.0), ABOVE_0)
    if len(faults) > before:
        return ()
    return tuple(StratumAssumption(**one) for one in given)


def _looks(given: Any, faults: list[str]) -> LookAssumption | None:
    if not isinstance(given, Mapping):
        faults.append(f"looks: {given!r} is no table. Write [looks].")
        return None
    before = len(faults)
    faults += _unknown(given, [one.name for one in fields(LookAssumption)], "looks.")
    events, months = given.get("events", []), given.get("months", [])
    futility, spending = given.get("futility_z", []), given.get("spending", SPENDING[0])
    if bool(events) == bool(months):
        faults.append("looks: give either events or months.")
    elif events and (not _rise(events) or any(type(one) is not int for one in events)):
        faults.append(f"looks.events: {events!r}. Give whole numbers that rise.")
    elif months and not _rise(months):
        faults.append(f"looks.months: {months!r}. Give numbers that rise.")
    elif futility and (
        not isinstance(futility, list)
        or len(futility) != len(events or months) - 1
        or any(type(one) not in (int, float) for one in futility)
    ):
        faults.append(f"looks.futility_z: {futility!r}. Give a z for each look but the last.")
    if spending not in SPENDING:
        faults.append(f"looks.spending: {spending!r}. Use one of {', '.join(SPENDING)}.")
    if len(faults) > before:
        return None
    return LookAssumption(
        events=tuple(events),
        months=tuple(map(float, months)),
        spending=spending,
        futility_z=tuple(map(float, futility)),
    )


def _rise(values: Any) -> bool:
    """Whether these are numbers above 0 that rise."""
    plain = isinstance(values, list) and all(type(one) in (int, float) for one in values)
    return plain and min(values) > 0 and sorted(set(values)) == values


def _hazard_ratios(
    document: Mapping[str, Any], key: str, faults: list[str]
) -> tuple[tuple[str, float], ...]:
    given = document[key]
    if not isinstance(given, Mapping):
        faults.append(f"{key}: {given!r} is no table. Write [{key}].")
        return ()
    wrong = [
        fault
        for name, one in given.items()
        for fault in _number_faults(f"{key}.{name}", one, ABOVE_0)
    ]
    faults += wrong
    return () if wrong else tuple((name, float(one)) for name, one in given.items())


def _primaries(given: Any, faults: list[str]) -> PrimaryAssumption | None:
    if not isinstance(given, Mapping):
        faults.append(f"primaries: {given!r} is no table. Write [primaries].")
        return None
    before = len(faults)
    faults += _unknown(given, [one.name for one in fields(PrimaryAssumption)], "primaries.")
    endpoints, rule = given.get("endpoints"), given.get("rule", RULES[0])
    if (
        not isinstance(endpoints, list)
        or len(endpoints) < 2
        or set(endpoints) - set(STEPS)
        or len(set(endpoints)) < len(endpoints)
    ):
        faults.append(f"primaries.endpoints: {endpoints!r}. Give two or three of {STEPS}.")
        return None
    shares = given.get("shares", [1 / len(endpoints)] * len(endpoints))
    plain = isinstance(shares, list) and all(type(one) in (int, float) for one in shares)
    if (
        not plain
        or len(shares) != len(endpoints)
        or min(shares) <= 0
        or abs(sum(shares) - 1) > 1e-6
    ):
        faults.append(f"primaries.shares: {shares!r}. Give a share for each, 1 in all.")
    if rule not in RULES:
        faults.append(f"primaries.rule: {rule!r}. Use one of {', '.join(RULES)}.")
    if len(faults) > before:
        return None
    return PrimaryAssumption(
        endpoints=tuple(endpoints), shares=tuple(map(float, shares)), rule=rule
    )


def _adaptation(given: Any, faults: list[str]) -> p.Adaptation | None:
    """The rules as a protocol would have them."""
    found, wrong = p.parse_adaptation(given)
    faults += wrong
    return found


def _hazards(given: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    """The steps as a protocol would have them; those that are not there are as planned."""
    found, wrong = p.parse_hazards(given)
    faults += wrong
    return {key: getattr(found, key) for key in given} if found else {}


def _chain(given: Any, faults: list[str]) -> tuple[str, ...]:
    if not isinstance(given, list) or given[:1] != ["primary"] or set(given) - set(STEPS):
        faults.append(f"chain: {given!r}. Begin with 'primary' and go on with {STEPS[1:]}.")
        return ()
    return tuple(given)


def _unknown(given: Mapping[str, Any], known: Sequence[str], path: str) -> Iterator[str]:
    for key in given:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            mend = f"Did you mean {close[0]!r}? " if close else ""
            yield f"{path}{key}: unknown key. {mend}Known: {', '.join(known)}."


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"

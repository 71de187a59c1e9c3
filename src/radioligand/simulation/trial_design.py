# SPDX-License-Identifier: Apache-2.0
"""From a protocol and a scenario to the numbers a virtual trial is drawn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.special import ndtri

from radioligand import protocol as p
from radioligand.planning import (
    Accrual,
    Curve,
    Effect,
    PiecewiseExponential,
    Plan,
    look_boundaries,
    months_until,
    plan_endpoint,
    uniform_accrual,
)
from radioligand.planning.assumptions import control_curve, experimental_curve, hazard_pieces
from radioligand.protocol.records import RankTest, TimeToEvent
from radioligand.simulation.counters import Whole
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.model import CHANCES, MOST_STRATA, STEPS, Model
from radioligand.simulation.parameters import PopulationError, read_population
from radioligand.simulation.scenarios import Scenario, StratumAssumption
from radioligand.statistics.observations import Floats

LAST_DAY = 7305  # 20 years: until then a curve that is no line is followed day by day
NEVER = 1e18  # days that one more event takes where there is no hazard


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDesign:
    """A protocol under one scenario: the numbers of the kernel, and the words that go with them."""

    trial: str
    endpoint: str
    scenario: Scenario
    plan: Plan
    model: Model
    arms: tuple[str, str]  # control first
    factors: tuple[str, ...]
    strata: tuple[StratumAssumption, ...]
    month_days: float
    log_hazard_ratio: float  # assumed of the primary endpoint
    proportional: bool  # whether that holds at all times
    chain: tuple[str, ...]


def trial_design(protocol: p.Protocol, scenario: Scenario | None = None) -> TrialDesign:
    """Return what the virtual trials of a protocol of two arms are drawn from, under a scenario.

    Raises SimulationError or PlanningError if the protocol cannot be simulated.
    """
    scenario = scenario or Scenario()
    given, faults = simulated(protocol, scenario)
    controls, others = arms_by_role(protocol)
    if len(controls) != 1 or len(others) != 1:
        roles = ", ".join(f"{arm.id} {arm.role}" for arm in protocol.arms)
        faults.append(f"two arms are simulated, control and experimental; there are {roles}.")
    strata, factors = strata_of(protocol, scenario, faults)
    refuse(protocol, faults)
    plan = plan_endpoint(protocol, given)
    control, experimental = controls[0], others[0]
    ratios = hazard_ratios_of(given, scenario, (experimental,))
    looks, stop_z, futility_z = _looks(plan, scenario)
    by_month = plan.event_months is None and scenario.events is None and scenario.looks is None
    chain = chain_of(protocol, given, scenario)
    each = block_of(protocol) // (control.ratio + experimental.ratio)
    model = drawn(
        protocol,
        scenario,
        plan,
        strata=strata,
        accrual=plan.course.accrual,
        hazard_ratios=ratios,
        subjects=scenario.subjects or plan.subjects,
    )._replace(
        block_experimental=each * experimental.ratio,
        look_events=looks,
        follow_up_days=round((given.follow_up_months or 0) * protocol.data.month_days)
        if by_month
        else -1,
        stop_z=stop_z,
        futility_z=futility_z,
        chain=np.array([STEPS.index(step) for step in chain], np.int64),
    )
    return TrialDesign(
        trial=protocol.trial.id,
        endpoint=given.endpoint,
        scenario=scenario,
        plan=plan,
        model=model,
        arms=(control.id, experimental.id),
        factors=factors,
        strata=strata,
        month_days=protocol.data.month_days,
        log_hazard_ratio=float(np.log(ratios[0])),
        proportional=not (
            _assumed(given, scenario).delay_months
            or _assumed(given, scenario).hazard_ratio_steps
            or model.switch_days < NEVER
        ),
        chain=chain,
    )


def simulated(protocol: p.Protocol, scenario: Scenario) -> tuple[p.Planning, list[str]]:
    """Return the planning of a protocol, and what of it is not simulated.

    Raises SimulationError without a [planning].
    """
    given = protocol.planning
    if given is None:
        raise SimulationError(
            f"{protocol.trial.id}: the protocol has no [planning] to simulate. Add it."
        )
    faults = []
    if given.margin != 1 and (scenario.rho or scenario.gamma or scenario.max_combo):
        faults.append("planning.margin: a weighted test has none. Leave rho, gamma and max_combo.")
    switches = given.crossover_per_month
    if scenario.crossover_per_month is not None:
        switches = scenario.crossover_per_month
    if switches and len(arms_by_role(protocol)[1]) > 1:
        faults.append(
            "crossover_per_month: of several experimental arms nobody says to which control "
            "subjects switch; it is simulated with one. Leave it out."
        )
    if switches and scenario.has_survival and not scenario.progression_to_death_months_crossed:
        faults.append(
            "crossover_per_month: what it does to survival is missing. Assume "
            "progression_to_death_months_crossed."
        )
    test = primary_test(protocol, given)
    weighted = scenario.rho or scenario.gamma or scenario.max_combo
    if test and test.weights != "logrank" and not weighted:
        faults.append(
            f"analyses: {given.endpoint} is tested with the weights {test.weights!r}, which are "
            "not simulated. Assume rho, gamma or max_combo."
        )
    for key, steps, other in (
        ("shape", given.hazard_steps, (scenario.shape or 1) != 1),
        ("delay_months", given.hazard_ratio_steps, scenario.delay_months),
    ):
        if steps and other:
            faults.append(f"assume.{key}: the plan has steps. Leave it out, or assume other steps.")
    known = [arm.id for arm in arms_by_role(protocol)[1]]
    faults += [
        f"hazard_ratios.{arm}: no such experimental arm. There are {', '.join(known)}."
        for arm, _ in scenario.hazard_ratios
        if arm not in known
    ]
    return given, faults


def primary_test(protocol: p.Protocol, given: p.Planning) -> RankTest | None:
    """Return the test of the first analysis of the planned endpoint that has one."""
    tests = (
        one.test
        for one in protocol.analyses
        if isinstance(one, TimeToEvent) and one.endpoint == given.endpoint
    )
    return next((test for test in tests if test), None)


def stratified_of(protocol: p.Protocol, scenario: Scenario) -> bool:
    """Whether tests are stratified: as assumed, or as the planned endpoint is analysed.

    Without such an analysis they are.
    """
    if scenario.stratified is not None:
        return scenario.stratified
    test = primary_test(protocol, protocol.planning) if protocol.planning else None
    return test is None or test.stratified


def refuse(protocol: p.Protocol, faults: list[str]) -> None:
    """Raise SimulationError that names each fault, if there are any."""
    if faults:
        raise SimulationError("\n".join(f"{protocol.trial.id}: {fault}" for fault in faults))


def arms_by_role(protocol: p.Protocol) -> tuple[list[p.Arm], list[p.Arm]]:
    """Return the control arms and the others, each in the order of the protocol."""
    controls = [arm for arm in protocol.arms if arm.role == "control"]
    return controls, [arm for arm in protocol.arms if arm.role != "control"]


def block_of(protocol: p.Protocol) -> int:
    """Return the size of a block of all arms."""
    if protocol.randomisation:
        return protocol.randomisation.block_size
    return sum(arm.ratio for arm in protocol.arms)


def hazard_ratios_of(
    given: p.Planning, scenario: Scenario, arms: Sequence[p.Arm]
) -> tuple[float, ...]:
    """Return the hazard ratio assumed of each experimental arm."""
    own = dict(scenario.hazard_ratios)
    usual = _assumed(given, scenario).hazard_ratio
    return tuple(own.get(arm.id, usual) for arm in arms)


def drawn(
    protocol: p.Protocol,
    scenario: Scenario,
    plan: Plan,
    *,
    strata: tuple[StratumAssumption, ...],
    accrual: Accrual,
    hazard_ratios: tuple[float, ...],
    subjects: int,
) -> Model:
    """Return what subjects are drawn from; looks and the allocation of arms are left to the caller.

    accrual : of the whole trial, unless the scenario has another.
    """
    assumed = _assumed(plan.given, scenario)
    month = protocol.data.month_days
    if scenario.accrual_per_month is not None:
        accrual = uniform_accrual(scenario.accrual_per_month)
    dropout = plan.course.dropout_per_month
    if scenario.dropout_per_month is not None:
        dropout = scenario.dropout_per_month
    switches = plan.given.crossover_per_month
    if scenario.crossover_per_month is not None:
        switches = scenario.crossover_per_month
    visits = _visits(protocol, scenario)
    curves = [
        control_curve(assumed),
        *(experimental_curve(assumed, hazard_ratio=ratio) for ratio in hazard_ratios),
    ]
    many = len(hazard_ratios)
    later = (
        scenario.progression_to_death_months_control,
        *[scenario.progression_to_death_months_experimental] * many,
        scenario.progression_to_death_months_crossed,
    )
    response = [scenario.response_control, *[scenario.response_experimental] * many]
    return Model(
        subjects=subjects,
        recruitment=_recruitment(accrual, month),
        stratum_chance=_chances([one.share for one in strata]),
        block=block_of(protocol),
        block_experimental=0,
        curves=_curves(curves, month),
        stratum_factor=np.array([1 / one.hazard_ratio for one in strata]),
        dropout_days=np.full(1 + many, month / dropout if dropout else NEVER),
        switch_days=month / switches if switches else NEVER,
        has_course=scenario.has_course,
        death_chance=scenario.deaths_among_events,
        later_days=np.array([month * one if one else NEVER for one in later]),
        crossover_chance=scenario.crossover_fraction,
        visits=visits,
        visits_before=np.searchsorted(visits, np.arange(LAST_DAY)).astype(np.int64),
        window_days=scenario.window_days,
        missed_chance=scenario.missed_fraction,
        response_chance=np.array([one or 0.0 for one in response]),
        response_follows=scenario.response_follows,
        response_day=int(visits[0]) if visits.size else 1,
        has_survival=scenario.has_survival or scenario.deaths_among_events > 0,
        look_events=np.zeros(0, np.int64),
        follow_up_days=-1,
        stop_z=np.zeros(0),
        futility_z=np.zeros(0),
        stratified=stratified_of(protocol, scenario),
        log_margin=float(np.log(plan.given.margin)),
        rho=scenario.rho,
        gamma=scenario.gamma,
        chain=np.zeros(0, np.int64),
        chain_z=float(ndtri(1 - plan.comparison.alpha / plan.given.sided)),
    )


def _assumed(given: p.Planning, scenario: Scenario) -> p.Planning:
    """The assumptions of the protocol with those of the scenario in their place."""
    names = ("hazard_ratio", "median_control_months", "shape", "cured_fraction", "delay_months")
    changed: dict[str, Any] = {name: getattr(scenario, name) for name in names}
    update = {name: value for name, value in changed.items() if value is not None}
    if steps := scenario.hazard_steps:
        median = months_until(hazard_pieces(steps))
        update = {"median_control_months": median} | update | {"hazard_steps": steps, "shape": 1.0}
    if ratios := scenario.hazard_ratio_steps:
        strongest = min(one.hazard_ratio for one in ratios)
        update = {"hazard_ratio": strongest} | update
        update |= {"hazard_ratio_steps": ratios, "delay_months": 0.0}
    return given.model_copy(update=update)


def strata_of(
    protocol: p.Protocol, scenario: Scenario, faults: list[str]
) -> tuple[tuple[StratumAssumption, ...], tuple[str, ...]]:
    """The strata of the randomisation with their shares, and the variables that hold them."""
    randomisation = protocol.randomisation
    levels = (
        [[level.id for level in one.levels] for one in randomisation.strata]
        if (randomisation)
        else []
    )
    ids = ["/".join(one) for one in product(*levels)]
    factors = tuple(one.id for one in randomisation.strata) if randomisation else ()
    if len(ids) > MOST_STRATA:
        faults.append(f"randomisation: {len(ids)} strata, more than the {MOST_STRATA} simulated.")
    if scenario.strata:
        named = [one.id for one in scenario.strata]
        if levels and sorted(named) != sorted(ids):
            faults.append(f"strata: {', '.join(named)} are assumed; they are {', '.join(ids)}.")
        return scenario.strata, factors
    shares = _population_shares(protocol.trial.id)
    known = shares if set(ids) <= set(shares) else dict.fromkeys(ids, 1.0)
    return tuple(StratumAssumption(id=one, share=known[one]) for one in ids), factors


def _population_shares(trial: str) -> dict[str, float]:
    """How the strata of the virtual patients of a trial are shared out, if there are any."""
    try:
        return read_population(trial).baseline.strata
    except PopulationError:
        return {}


def _chances(shares: list[float]) -> Whole:
    summed = np.cumsum(shares)[:-1] / np.sum(shares)
    return np.asarray(np.round(summed * CHANCES), np.int64)


def _visits(protocol: p.Protocol, scenario: Scenario) -> Whole:
    """The planned days of scans, counted as days of a subject: day 1 is that of entry."""
    if not scenario.visits:
        return np.zeros(0, np.int64)
    imaging = [one for one in protocol.schedule if "TR" in one.domains]
    if len(imaging) != 1:
        raise SimulationError(
            f"{protocol.trial.id}: scans are assumed, and {len(imaging)} activities of the "
            "schedule fill TR. Give one, or leave visits out."
        )
    days = np.array(imaging[0].planned_days(LAST_DAY), np.int64) + 1
    gaps = np.diff(days)
    if (
        days.size == 0
        or days[0] <= scenario.window_days + 1
        or (gaps.size and gaps.min() <= 2 * scenario.window_days)
    ):
        raise SimulationError(
            f"{protocol.trial.id}: scans on days {days[:3].tolist()} ... with a window of "
            f"{scenario.window_days} days could change their order. Narrow window_days."
        )
    return days


def _looks(plan: Plan, scenario: Scenario) -> tuple[Whole, Floats, Floats]:
    """Events, efficacy and futility boundary of each look."""
    events, design = plan.look_events, plan.looks
    futility: tuple[float, ...] = ()
    level, sided = plan.comparison.alpha, plan.given.sided
    if scenario.events is not None:
        events = (scenario.events,)
        design = look_boundaries(events, alpha=level, sided=sided)
    if scenario.looks is not None:
        events, futility = scenario.looks.events, scenario.looks.futility_z
        spending = "pocock" if scenario.looks.spending == "pocock" else "obrien-fleming"
        design = look_boundaries(events, alpha=level, sided=sided, spending=spending)
    none = -np.inf
    return (
        np.array(events, np.int64),
        np.array(design.z, np.float64),
        np.array([*(futility or [none] * (len(events) - 1)), none]),
    )


def chain_of(protocol: p.Protocol, given: p.Planning, scenario: Scenario) -> tuple[str, ...]:
    """The steps of hierarchical testing, up to the first that is not simulated."""
    if scenario.chain is not None:
        return scenario.chain
    chain: list[str] = ["primary"]
    by_id = {one.id: one for one in protocol.analyses}
    hierarchy = next((one for one in protocol.analyses if isinstance(one, p.Hierarchy)), None)
    for step in hierarchy.steps if hierarchy else ():
        analysis = by_id[step.analysis]
        endpoint = getattr(analysis, "endpoint", None)
        if endpoint == given.endpoint:
            continue
        if analysis.kind == "response" and scenario.has_response:
            chain.append("response")
        elif endpoint == "OS" and scenario.has_survival:
            chain.append("survival")
        else:
            break
    return tuple(chain)


def _recruitment(accrual: Accrual, month_days: float) -> Floats:
    """Day, subjects expected by then and days for one more, at each knot."""
    starts = np.array(accrual.starts_months) * month_days
    if any(accrual.change_per_month):
        starts = np.unique(np.append(np.arange(0.0, starts[-1]), starts))
    return _knots(starts, lambda days: accrual.entered(days / month_days))


def _curves(curves: Sequence[Curve], month_days: float) -> Floats:
    """Knots of the hazard of each arm: where it changes, or every day where it always does.

    As days are whole, the sums at whole days say everything.
    """
    starts = [_starts(curve) for curve in curves]
    days: Floats = np.arange(0.0, LAST_DAY)
    if all(one is not None for one in starts):
        days = np.unique([month_days * month for one in starts for month in one or ()])

    def knots(curve: Curve) -> Floats:
        return _knots(days, lambda at: curve.cumulative_hazard(at / month_days))

    return np.stack([knots(curve) for curve in curves])


def _starts(curve: Curve) -> tuple[float, ...] | None:
    """The months from which a hazard is constant until the next; None if it always changes."""
    if isinstance(curve, PiecewiseExponential):
        return curve.starts_months
    if isinstance(curve, Effect):
        inner = _starts(curve.control)
        return None if inner is None else (*inner, *curve.starts_months)
    return None


def _knots(days: Floats, summed: Callable[[Floats], Floats]) -> Floats:
    """Stack days, what is summed by then and the days for one more after each."""
    by_then = summed(days)
    after = np.append(np.diff(by_then), summed(days[-1:] + 1.0) - by_then[-1])
    wide = np.append(np.diff(days), 1.0)
    each = np.divide(wide, after, out=np.full(days.size, NEVER), where=after > 0)
    return np.stack([days, by_then, each])

# SPDX-License-Identifier: Apache-2.0
"""From a protocol of several arms, or with rules of change, to the numbers of its trials."""

from dataclasses import dataclass
from math import ceil, inf, log

import numpy as np
from scipy.special import ndtri

from radioligand import protocol as p
from radioligand.planning import (
    Plan,
    expected,
    look_boundaries,
    plan_endpoint,
    planned_cohorts,
)
from radioligand.simulation.adaptive_model import AdaptiveModel
from radioligand.simulation.cohort_design import CohortDesign, cohort_design
from radioligand.simulation.counters import Whole
from radioligand.simulation.decisions import OBRIEN_FLEMING, POCOCK
from radioligand.simulation.model import STEPS
from radioligand.simulation.scenarios import Scenario, StratumAssumption
from radioligand.simulation.trial_design import (
    TrialDesign,
    arms_by_role,
    block_of,
    chain_of,
    drawn,
    hazard_ratios_of,
    refuse,
    simulated,
    strata_of,
    trial_design,
)
from radioligand.statistics.observations import Floats

NO_DAY = -1
MANY = 1_000_000  # arms that go on: all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveDesign:
    """A protocol of several arms or with rules of change, under one scenario."""

    trial: str
    endpoint: str
    scenario: Scenario
    plan: Plan
    model: AdaptiveModel
    arms: tuple[str, ...]  # control first
    factors: tuple[str, ...]
    strata: tuple[StratumAssumption, ...]
    month_days: float
    log_hazard_ratios: tuple[float, ...]  # assumed, of each experimental arm
    selects: bool  # whether one arm is picked
    chain: tuple[str, ...]  # of tests of each arm, in order


def virtual_design(
    protocol: p.Protocol, scenario: Scenario | None = None
) -> TrialDesign | AdaptiveDesign | CohortDesign:
    """Return what the virtual trials of any protocol are drawn from, under a scenario if given.

    Raises SimulationError or PlanningError if the protocol cannot be simulated.
    """
    scenario = scenario or Scenario()
    if planned_cohorts(protocol):
        return cohort_design(protocol, scenario)
    if scenario.cohorts:
        refuse(protocol, ["cohorts: no cohort of the protocol has assumptions. Leave them out."])
    changes = scenario.adaptation or protocol.adaptation or scenario.max_combo
    by_month = scenario.looks is not None and scenario.looks.months
    if changes or by_month or len(arms_by_role(protocol)[1]) > 1:
        return adaptive_design(protocol, scenario)
    return trial_design(protocol, scenario)


def adaptive_design(protocol: p.Protocol, scenario: Scenario | None = None) -> AdaptiveDesign:
    """Return the same of a trial that may have several experimental arms, or change itself.

    Raises SimulationError or PlanningError if the protocol cannot be simulated.
    """
    scenario = scenario or Scenario()
    given, faults = simulated(protocol, scenario)
    controls, others = arms_by_role(protocol)
    if len(controls) != 1 or not others or any(arm.role != "experimental" for arm in others):
        roles = ", ".join(f"{arm.id} {arm.role}" for arm in protocol.arms)
        faults.append(f"experimental arms are simulated against one control; there are {roles}.")
    rules = scenario.adaptation or protocol.adaptation or p.Adaptation()
    if scenario.adaptation:
        faults += p.adaptation_faults(rules, protocol.arms)
    if rules.resizing and len(others) > 1:
        faults.append(
            "adaptation.resizing: with several experimental arms each would have a trend and a "
            "raised size of its own, and no rule joins their stages at the family's level; it is "
            "simulated with one. Leave it out."
        )
    strata, factors = strata_of(protocol, scenario, faults)
    plan = plan_endpoint(protocol, given)
    if plan.event_months is None and scenario.events is None and scenario.looks is None:
        faults.append("planning.follow_up_months: such trials wait for events. Give them as looks.")
    selection = plan.comparison.selection
    drops = rules.drops
    if selection is not None and not drops:
        limit = selection.at_most_hazard_ratio
        drops = (p.ArmDrop(events=selection.events, at_most_hazard_ratio=limit, keep=1),)
    refuse(protocol, faults)
    control = controls[0]
    arms = (control, *others)
    ratios = hazard_ratios_of(given, scenario, others)
    whole = plan.course.accrual.faster(1 / plan.comparison.share)
    if selection is not None:  # the last rate of two arms is that of all
        whole = plan.course.accrual.faster(1.0)
        whole = type(whole)(
            starts_months=(0.0,), per_month=whole.per_month[-1:], change_per_month=(0.0,)
        )
    subjects = scenario.subjects or plan.subjects
    each = block_of(protocol) // sum(arm.ratio for arm in arms)
    level = plan.comparison.alpha / given.sided
    counts = selection is None or selection.first_stage_counts
    spent_before = 0 if counts or selection is None else selection.events
    events, days, stop_z, futility_z, spending = _looks(plan, scenario, spent_before, level)
    resizing = rules.resizing
    most = subjects
    if resizing:
        most = resizing.most_subjects or ceil(subjects * resizing.most_events / int(events[-1]))
    chain = chain_of(protocol, given, scenario)
    opens = {one.arm: round(one.month * protocol.data.month_days) for one in rules.additions}
    model = AdaptiveModel(
        trial=drawn(
            protocol,
            scenario,
            plan,
            strata=strata,
            accrual=whole,
            hazard_ratios=ratios,
            subjects=max(most, subjects),
        )._replace(chain=np.array([STEPS.index(step) for step in chain], np.int64)),
        subjects=subjects,
        places=np.array([each * arm.ratio for arm in arms], np.int64),
        opens=np.array([opens.get(arm.id, 0) for arm in arms], np.int64),
        drop_events=np.array([one.events for one in drops], np.int64),
        drop_log_ratio=np.array([log(one.at_most_hazard_ratio or inf) for one in drops]),
        drop_keep=np.array([one.keep or MANY for one in drops], np.int64),
        first_stage_counts=counts,
        look_events=events,
        look_days=days,
        stop_z=stop_z,
        futility_z=futility_z,
        spending=spending,
        alpha=level,
        max_combo=scenario.max_combo,
        resize_events=resizing.events if resizing else 0,
        promising_from=resizing.promising_from if resizing else 1.0,
        promising_below=resizing.promising_below if resizing else 0.0,
        resize_power_z=float(ndtri(resizing.power)) if resizing else 0.0,
        most_events=resizing.most_events if resizing else 0,
        resize_weighted=resizing is not None and resizing.test == "weighted",
    )
    return AdaptiveDesign(
        trial=protocol.trial.id,
        endpoint=given.endpoint,
        scenario=scenario,
        plan=plan,
        model=model,
        arms=tuple(arm.id for arm in arms),
        factors=factors,
        strata=strata,
        month_days=protocol.data.month_days,
        log_hazard_ratios=tuple(log(ratio) for ratio in ratios),
        selects=any(one.keep == 1 for one in drops),
        chain=chain,
    )


def _looks(
    plan: Plan, scenario: Scenario, spent_before: int, level: float
) -> tuple[Whole, Whole, Floats, Floats, int]:
    """Events or days, boundaries and spending of the looks of each comparison."""
    looks, alpha, sided = scenario.looks, plan.comparison.alpha, plan.given.sided
    events, design = plan.look_events, plan.looks
    futility: tuple[float, ...] = ()
    days: tuple[int, ...] = ()
    spending = 0
    if scenario.events is not None:
        events = (scenario.events,)
        design = look_boundaries(events, alpha=alpha, sided=sided)
    elif looks is not None:
        futility = looks.futility_z
        events = looks.events
        name = "pocock" if looks.spending == "pocock" else "obrien-fleming"
        if looks.months:
            spending = POCOCK if name == "pocock" else OBRIEN_FLEMING
            days = tuple(round(month * 30.4375) for month in looks.months)
            seen = expected(plan.course, looks.months).events
            events = tuple(max(round(float(one)), 1) for one in seen)
            events = tuple(max(one, 1 + place) for place, one in enumerate(events))
        design = look_boundaries(events, alpha=alpha, sided=sided, spending=name)
    held = np.array(events, np.int64)
    held[-1] -= spent_before
    none = -inf
    return (
        held,
        np.array(days or [NO_DAY] * len(events), np.int64),
        np.array(design.z, np.float64),
        np.array([*(futility or [none] * (len(events) - 1)), none]),
        spending,
    )

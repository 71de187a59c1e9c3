# SPDX-License-Identifier: Apache-2.0
"""From a protocol with planned cohorts to the numbers of its trials: one design for each cohort.

Cohorts share no subject: each has its own entry, blocks, curves, looks and stopping, as a trial of
two arms of its own. Together they are what `[planning]` plans, tested once over all strata.
"""

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from radioligand import criteria
from radioligand import protocol as p
from radioligand.planning import Plan, cohort_plans, planned_cohorts
from radioligand.simulation.model import MOST_STRATA
from radioligand.simulation.scenarios import Scenario
from radioligand.simulation.trial_design import TrialDesign, refuse, trial_design

WORDS = ("equals", "one_of")  # operators that tell which words a field may have


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDesign:
    """A protocol with planned cohorts, under one scenario."""

    trial: str
    endpoint: str
    scenario: Scenario
    plan: Plan  # of all together
    names: tuple[str, ...]  # ids of the cohorts
    cohorts: tuple[TrialDesign, ...]
    together: TrialDesign  # its model holds the one look at all subjects
    month_days: float


def cohort_design(protocol: p.Protocol, scenario: Scenario | None = None) -> CohortDesign:
    """Return what the virtual trials of a protocol with planned cohorts are drawn from.

    Raises SimulationError or PlanningError if they cannot be simulated.
    """
    scenario = scenario or Scenario()
    chosen = planned_cohorts(protocol)
    own_ratio = dict(scenario.cohorts)
    known = [one.id for one in chosen]
    refuse(
        protocol,
        [
            *(
                f"cohorts.{one}: no such cohort. There are {', '.join(known)}."
                for one in own_ratio
                if one not in known
            ),
            *_not_of_cohorts(protocol, scenario),
        ],
    )
    plain = replace(scenario, cohorts=())
    plans = cohort_plans(protocol)
    designs = []
    for cohort, plan in zip(chosen, plans, strict=True):
        share = cohort.planning.accrual_share if cohort.planning else 1.0
        rate = scenario.accrual_per_month
        held = _strata_of(protocol, cohort)
        ids = _ids(held)
        assumed = replace(
            plain,
            hazard_ratio=own_ratio.get(cohort.id, scenario.hazard_ratio),
            accrual_per_month=None if rate is None else share * rate,
            strata=tuple(one for one in scenario.strata if one.id in ids),
        )
        own = protocol.model_copy(update={"planning": plan.given, "randomisation": held})
        design = trial_design(own, assumed)
        futility = cohort.planning.futility_z if cohort.planning else ()
        if futility:
            limits = np.array([*futility, -inf])
            design = replace(design, model=design.model._replace(futility_z=limits))
        designs.append(replace(design, plan=plan))
    return CohortDesign(
        trial=protocol.trial.id,
        endpoint=designs[0].endpoint,
        scenario=scenario,
        plan=(together := _together(protocol, plain, known, designs)).plan,
        names=tuple(known),
        cohorts=tuple(designs),
        together=together,
        month_days=protocol.data.month_days,
    )


def _not_of_cohorts(protocol: p.Protocol, scenario: Scenario) -> list[str]:
    """What is simulated of trials without cohorts alone."""
    faults = []
    if len([arm for arm in protocol.arms if arm.role == "experimental"]) != 1:
        faults.append("cohorts: they are simulated with one experimental arm.")
    if protocol.adaptation or scenario.adaptation:
        faults.append("adaptation: cohorts stop by their own looks. Leave it out.")
    for name, given in (
        ("looks", scenario.looks),
        ("subjects", scenario.subjects),
        ("events", scenario.events),
        ("primaries", scenario.primaries),
        ("max_combo", scenario.max_combo),
    ):
        if given:
            faults.append(f"{name}: cohorts have their own, from the protocol. Leave it out.")
    return faults


def _together(
    protocol: p.Protocol, scenario: Scenario, names: list[str], designs: list[TrialDesign]
) -> TrialDesign:
    """All cohorts as one trial: their strata side by side, and the one look of the plan."""
    whole = trial_design(protocol, scenario)
    strata = tuple(
        replace(stratum, id=f"{name}:{stratum.id}")
        for name, design in zip(names, designs, strict=True)
        for stratum in design.strata
    )
    if len(strata) > MOST_STRATA:
        told = f"{len(strata)} strata in all cohorts, more than the {MOST_STRATA} simulated."
        refuse(protocol, [f"cohorts: {told}"])
    events = np.array([design.plan.events for design in designs])
    ratios = np.array([design.log_hazard_ratio for design in designs])
    return replace(
        whole,
        strata=strata,
        # what is estimated of all is about the mean, weighed by events
        log_hazard_ratio=float(ratios @ events / events.sum()),
        model=whole.model._replace(
            subjects=sum(design.model.subjects for design in designs),
            stratum_factor=np.array([1 / one.hazard_ratio for one in strata]),
        ),
    )


def _strata_of(protocol: p.Protocol, cohort: p.Cohort) -> p.Randomisation | None:
    """The randomisation with those levels alone that somebody of the cohort can have."""
    given = protocol.randomisation
    if given is None:
        return None
    factors = tuple(
        factor.model_copy(
            update={
                "levels": tuple(
                    level for level in factor.levels if _possible(cohort.holds, level.holds)
                )
            }
        )
        for factor in given.strata
    )
    return given.model_copy(update={"strata": factors})


def _possible(cohort: criteria.Condition, level: criteria.Condition | None) -> bool:
    """Whether a patient can meet both: not if both name words of one field and share none."""
    if not isinstance(cohort, criteria.Comparison) or not isinstance(level, criteria.Comparison):
        return True
    if cohort.field != level.field or {cohort.operator, level.operator} - {*WORDS}:
        return True
    return bool(_words(cohort) & _words(level))


def _words(one: criteria.Comparison) -> set[str]:
    return {one.value} if one.operator == "equals" else set(one.value)


def _ids(randomisation: p.Randomisation | None) -> set[str]:
    """The ids of strata as the levels of each factor make them."""
    ids = [""]
    for factor in randomisation.strata if randomisation else ():
        ids = [f"{one}/{level.id}" if one else level.id for one in ids for level in factor.levels]
    return set(ids)

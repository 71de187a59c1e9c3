# SPDX-License-Identifier: Apache-2.0
"""The plan of each cohort: its share of those who come, its own effect, level, power and looks."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log, prod

from radioligand import protocol as p
from radioligand.planning.assumptions import accrual_of
from radioligand.planning.course import months_to_events
from radioligand.planning.faults import PlanningError
from radioligand.planning.sizing import Plan, plan_endpoint
from radioligand.statistics.sequential import exit_probabilities

OWN = ("hazard_ratio", "median_control_months", "alpha", "power")
LEAST_LOST = 0.02  # of the subjects, by cohorts that stop: below nothing is said


def planned_cohorts(protocol: p.Protocol) -> tuple[p.Cohort, ...]:
    """Return the cohorts that have assumptions of their own: all of them, or none."""
    return tuple(one for one in protocol.cohorts if one.planning is not None)


def cohort_planning(protocol: p.Protocol, cohort: p.Cohort) -> p.Planning:
    """Return the assumptions of a cohort: its own, and those of the trial where it has none.

    It takes its share of the subjects who come, until it has its number of subjects; without one,
    as long as the trial recruits. Each cohort waits for its own events.

    Raises PlanningError without a `[planning]`, or if cohorts cannot wait for events.
    """
    given, own = protocol.planning, cohort.planning
    if given is None or own is None:
        raise PlanningError(f"{protocol.trial.id}: cohort {cohort.id} has no planning; add it.")
    faults = []
    if given.follow_up_months is not None:
        faults.append("follow_up_months: cohorts wait for events; give accrual_months instead.")
    if given.accrual_per_month is None and not given.accrual_steps:
        faults.append("cohorts have shares of a rate; give accrual_per_month or accrual_steps.")
    if given.interim is not None:
        faults.append("interim: cohorts have looks of their own; move it to [cohorts.planning].")
    if faults:
        told = "\n".join(f"{protocol.trial.id}, planning: {one}" for one in faults)
        raise PlanningError(told)
    share = own.accrual_share
    changed = {name: getattr(own, name) for name in OWN if getattr(own, name) is not None}
    shared = given.model_copy(
        update={
            **changed,
            "median_experimental_months": None,
            "accrual_per_month": given.accrual_per_month and share * given.accrual_per_month,
            "accrual_steps": tuple(
                step.model_copy(update={"per_month": share * step.per_month})
                for step in given.accrual_steps
            ),
            "interim": own.interim,
            "events": None,
            "subjects": None,
            "rates": (),
            "also": (),
        }
    )
    if cohort.subjects is None:
        return shared
    months = accrual_of(shared).months_for(cohort.subjects)
    return shared.model_copy(update={"accrual_months": months})


def cohort_plans(protocol: p.Protocol) -> tuple[Plan, ...]:
    """Return the plan of each cohort that is planned, in the order of the protocol.

    Raises PlanningError if a cohort reaches no size.
    """
    plans = []
    for cohort in planned_cohorts(protocol):
        try:
            one = plan_endpoint(protocol, cohort_planning(protocol, cohort))
        except PlanningError as error:
            raise PlanningError(f"cohort {cohort.id}: {error}") from None
        plans.append(replace(one, label=f"{one.label}, {cohort.label}", cohort=cohort))
    return tuple(plans)


def any_cohort(plans: Sequence[Plan]) -> tuple[float, float]:
    """Return the chance that any cohort succeeds: if all are as assumed, and if nothing works.

    Cohorts share no subjects, so that their tests are independent: 1 - prod(1 - p).
    """
    power = 1 - prod(1 - one.power for one in plans)
    return power, 1 - prod(1 - one.given.alpha / one.given.sided for one in plans)


def cohort_stops(plans: Sequence[Plan], together: Plan) -> tuple[float, float]:
    """Return the subjects of all cohorts and the month of the plan's events, with early stops.

    A cohort that stops at a look, for efficacy or futility, takes nobody in any more: whoever would
    have entered after the month of that look is lost with its probability, under the assumptions.
    The month is that of so many subjects; inf if they do not have the events.
    """
    subjects = float(sum(_entering(one) for one in plans))
    course = replace(together.course, subjects=min(subjects, together.course.subjects))
    try:
        return subjects, months_to_events(course, together.events)
    except PlanningError:
        return subjects, inf


def _entering(plan: Plan) -> float:
    """The subjects of a cohort expected to enter before it stops."""
    own = plan.cohort.planning if plan.cohort else None
    futility = own.futility_z if own and own.futility_z else (-inf,) * (len(plan.look_events) - 1)
    drift = (
        abs(log(plan.given.hazard_ratio / plan.given.margin))
        * (plan.events * plan.comparison.ratio) ** 0.5
    )
    found = exit_probabilities(
        plan.looks.fractions,
        plan.looks.z,
        lower=(*futility, -inf),
        drift=drift / (1 + plan.comparison.ratio),
    )
    entering = float(plan.subjects)
    for look, events in enumerate(plan.look_events[:-1]):
        month = months_to_events(plan.course, events)
        left = plan.subjects - min(float(plan.course.entered(month)), plan.subjects)
        entering -= float(found.upper[look] + found.lower[look]) * left
    return entering


def cohort_wording(plans: Sequence[Plan], together: Plan) -> tuple[str, ...]:
    """Return the paragraph on the cohorts and what they do to the plan of all; none without."""
    if not plans:
        return ()
    power, error = any_cohort(plans)
    named = " and ".join(
        f"{one.cohort.label} ({one.subjects} subjects, {one.events} events)"
        for one in plans
        if one.cohort
    )
    return (
        f"Cohorts are enrolled and tested for themselves: {named}. If each is as assumed, one at "
        f"least is found with a probability of {100 * power:.3g} %, and if nothing works with "
        f"{100 * error:.3g} %, for their levels are not shared out. Nothing is borrowed between "
        f"them.{_stops(plans, together)}",
    )


def _stops(plans: Sequence[Plan], together: Plan) -> str:
    """What cohorts that stop leave to the test of all, unless it is next to nothing."""
    subjects, month = cohort_stops(plans, together)
    planned = sum(one.subjects for one in plans)
    if planned - subjects < LEAST_LOST * planned:
        return ""
    due = f"in month {month:.0f}" if month < inf else "never"
    return (
        f" A cohort that stops takes nobody in any more, which the plan of all does not count: "
        f"{subjects:.0f} subjects are then expected in place of {planned}, and event "
        f"{together.events} {due}, not {together.analysis_months:.0f}: plan fewer events, or "
        "simulate."
    )

# SPDX-License-Identifier: Apache-2.0
"""A subject's doses so far to the next activity, by the protocol's strategy, limits and target."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.random import Generator

from radioligand.cdisc.rules import DatasetError
from radioligand.dosimetry.course import Course, Expectation, Limit, Target, complete
from radioligand.dosimetry.next_activity import Plan, next_activity
from radioligand.patient_dosimetry.measurements import Measurements
from radioligand.patient_dosimetry.records import Floats, RegionDose
from radioligand.protocol.records import DoseExpectation, Dosimetry

SAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubjectPlan:
    """One subject's courses, by region, and the plan that follows from them."""

    subject: str
    next_cycle: int
    given_gbq: tuple[float, ...]
    courses: tuple[Course, ...]
    plan: Plan
    strategy: str


def plan_subjects(
    doses: tuple[RegionDose, ...],
    measured: Measurements,
    *,
    dosimetry: Dosimetry,
    rng: Callable[[str], Generator],
) -> tuple[SubjectPlan, ...]:
    """Return the next activity of every subject who has a cycle left, in the arms of dosimetry.

    A subject without arm in administrations.csv is taken for one of them; `uninformed` are those
    of other arms. `rng` gives each subject its stream of random numbers, so that one subject's
    probabilities do not depend on the others.

    Raises DatasetError with every reason why one cannot be planned, or why the dose of a course
    that is over is not known.
    """
    plans, faults = [], []
    others = uninformed(measured, dosimetry=dosimetry)
    for subject in measured.given["subject"].unique(maintain_order=True):
        if subject in others:
            continue  # sums of its course are unknown if a cycle has no dose
        own = [one for one in doses if one.subject == subject and one.dose_gy is not None]
        given = measured.given.filter(subject=subject).sort("cycle")["injected_gbq"].to_numpy()
        over = given.size >= dosimetry.cycles
        try:
            if over:
                _courses(own, given, dosimetry)  # nothing is left to plan, but its sums are told
            else:
                plans.append(_planned(subject, own, given, dosimetry, rng(subject)))
        except ValueError as error:
            when = "course over" if over else f"cycle {given.size + 1}"
            faults.append(f"{subject}, {when}: {error}")
    if faults:
        raise DatasetError(
            "No activity is recommended, and no course is summed.\n  " + "\n  ".join(faults)
        )
    return tuple(plans)


def uninformed(measured: Measurements, *, dosimetry: Dosimetry) -> dict[str, str]:
    """Return the arm of each subject whose arm is not one that measured doses inform."""
    arms = measured.given.select("subject", "arm").drop_nulls().unique(maintain_order=True)
    return {subject: arm for subject, arm in arms.iter_rows() if arm not in dosimetry.arms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What the doses before a cycle recommended for it, or why they could not."""

    subject: str
    cycle: int
    activity_gbq: float | None
    status: str | None
    binding: str | None
    why: str | None


def recommended(
    doses: tuple[RegionDose, ...],
    measured: Measurements,
    *,
    dosimetry: Dosimetry,
    subjects: Collection[str],
) -> tuple[Recommendation, ...]:
    """Return, for each cycle after the first that `subjects` were given, what was recommended.

    Only doses of earlier cycles count, so it is what stood there when the cycle was planned.
    """
    return tuple(
        _recommendation(subject, own, given[: cycle - 1], dosimetry)
        for subject, own, given in _by_subject(doses, measured)
        if subject in subjects
        for cycle in range(2, min(given.size, dosimetry.cycles) + 1)
    )


def next_recommended(
    doses: tuple[RegionDose, ...], measured: Measurements, *, dosimetry: Dosimetry
) -> tuple[Recommendation, ...]:
    """Return what is recommended for the cycle after the last that each subject was given."""
    return tuple(
        _recommendation(subject, own, given, dosimetry)
        for subject, own, given in _by_subject(doses, measured)
        if given.size < dosimetry.cycles
    )


def _by_subject(
    doses: tuple[RegionDose, ...], measured: Measurements
) -> Iterator[tuple[str, list[RegionDose], Floats]]:
    """Each subject's doses and the activities given, by cycle."""
    by_subject: dict[str, list[RegionDose]] = {}
    for one in doses:
        if one.dose_gy is not None:
            by_subject.setdefault(one.subject, []).append(one)
    parts = measured.given.partition_by(["subject"], as_dict=True, maintain_order=True)
    for (subject,), rows in parts.items():
        given = rows.sort("cycle")["injected_gbq"].to_numpy()
        yield subject, by_subject.get(subject, []), given


def _recommendation(
    subject: str, doses: list[RegionDose], given: Floats, dosimetry: Dosimetry
) -> Recommendation:
    """What follows from the cycles `given`; later doses are not looked at."""
    own = [one for one in doses if one.cycle <= given.size]
    activity, status, binding, why = None, None, None, None
    try:
        stream = np.random.default_rng(0)  # its probabilities are not looked at
        plan = _planned(subject, own, given, dosimetry, stream, samples=1).plan
        activity, status, binding = plan.activity_gbq, plan.status, plan.binding
    except ValueError as error:
        why = str(error)
    return Recommendation(
        subject=subject,
        cycle=given.size + 1,
        activity_gbq=activity,
        status=status,
        binding=binding,
        why=why,
    )


def _planned(
    subject: str,
    doses: list[RegionDose],
    given: Floats,
    dosimetry: Dosimetry,
    rng: Generator,
    *,
    samples: int = SAMPLES,
) -> SubjectPlan:
    left = dosimetry.cycles - given.size
    courses = _courses(doses, given, dosimetry)
    role = {one.region: one.role for one in doses}
    target = dosimetry.target
    plan = next_activity(
        [one for one in courses if role[one.region] != "lesion"],
        [one for one in courses if role[one.region] == "lesion"],
        limits=[
            Limit(
                region=one.region,
                quantity=one.quantity,
                limit_gy=one.limit_gy,
                alpha_beta_gy=one.alpha_beta_gy or np.nan,
            )
            for one in dosimetry.limits
        ],
        target=Target(**target.model_dump()) if target else None,
        strategy=dosimetry.strategy,
        organ_expectation=_expectation(dosimetry.organs),
        lesion_expectation=_expectation(dosimetry.lesions),
        cap_gbq=dosimetry.cap_gbq,
        step_ratio=dosimetry.step_ratio or np.inf,
        cycles_left=left if dosimetry.spread_over_cycles else min(left, 1),
        samples=samples,
        rng=rng,
    )
    return SubjectPlan(
        subject=subject,
        next_cycle=given.size + 1,
        given_gbq=tuple(given.tolist()),
        courses=tuple(courses),
        plan=plan,
        strategy=dosimetry.strategy,
    )


def _courses(doses: list[RegionDose], given: Floats, dosimetry: Dosimetry) -> list[Course]:
    """Each region's course with every cycle dosed, or ValueError that names all that are not."""
    courses, faults = [], []
    for region in dict.fromkeys(one.region for one in doses):
        try:
            courses.append(
                complete(
                    _course(region, doses, given),
                    missing=dosimetry.missing_cycle,
                    spread=dosimetry.carry_spread or 0.0,
                )
            )
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(" ".join(faults))
    return courses


def _expectation(told: DoseExpectation) -> Expectation:
    return Expectation(by=told.by, spread=told.spread, factor=told.factor)


def _course(region: str, doses: list[RegionDose], given: Floats) -> Course:
    """One region over all cycles that were given; nan where it was not measured."""
    by_cycle = {one.cycle: one for one in doses if one.region == region}
    dose, random, g = (np.full(given.size, np.nan) for _ in range(3))
    systematic = max(one.budget.systematic for one in by_cycle.values())
    for cycle, one in by_cycle.items():
        dose[cycle - 1], random[cycle - 1] = one.dose_gy, one.budget.fit
        g[cycle - 1] = one.protraction
    masses = [one.mass_g for _, one in sorted(by_cycle.items())]
    return Course(
        region=region,
        activity_gbq=given,
        dose_gy=dose,
        random=random,
        systematic=systematic,
        protraction=g,
        mass_g=masses[-1],
    )


def plans_frame(plans: tuple[SubjectPlan, ...]) -> pl.DataFrame:
    """A row a subject: what is recommended, what binds it, and how the target stands."""
    return pl.DataFrame(
        [
            {
                "subject": one.subject,
                "cycle": one.next_cycle,
                "recommended_gbq": one.plan.activity_gbq,
                "status": one.plan.status,
                "binding": one.plan.binding,
                "strategy": one.strategy,
                "steering_gy": one.plan.steering_gy,
                "expected_steering_gy": one.plan.expected_steering_gy,
                "cycles_left": one.plan.cycles_left,
            }
            for one in plans
        ]
    )

# SPDX-License-Identifier: Apache-2.0
"""Subjects and events of a log-rank test when hazards need not be proportional: Lakatos' method."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from radioligand.planning.course import Course, FollowUp, follow
from radioligand.planning.curves import Floats
from radioligand.planning.events import deviates
from radioligand.planning.faults import PlanningError, error_faults, outside, refuse

NEGLIGIBLE = 1e-12  # share of the events that a cell may leave out
TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class LogrankSize:
    """What a log-rank test needs, not rounded."""

    subjects: float
    events: float
    event_fraction: float  # of subjects, at the analysis
    power: float
    average_hazard_ratio: float  # weighted by events; the hazard ratio, if that is constant


def lakatos(
    course: Course,
    *,
    analysis_months: float,
    alpha: float = 0.025,
    sided: int = 1,
    power: float = 0.9,
) -> LogrankSize:
    r"""Return the subjects and events that a trial of that duration needs.

    Parameters
    ----------
    course : hazards, allocation, losses and changes of arm. Its accrual keeps its shape and its
        duration, which is that of `course.subjects`; the rate grows with the subjects needed.
    analysis_months : accrual and the follow-up after it.
    alpha, sided, power : as in `logrank_events`.

    Raises PlanningError that names each fault, or says that experimental subjects fare no better.

    Notes
    -----
    Follow-up is cut into cells. In cell i, :math:`D_i` events are expected, the hazard ratio is
    :math:`\theta_i`, experimental over control, and so is :math:`\varphi_i` for the numbers at
    risk. The statistic has the mean :math:`\sum D_i\gamma_i/\sqrt{\sum D_i\eta_i}` with
    :math:`\gamma_i=\frac{\varphi_i\theta_i}{1+\varphi_i\theta_i}-\frac{\varphi_i}{1+\varphi_i}` and
    :math:`\eta_i=\frac{\varphi_i}{(1+\varphi_i)^2}`; subjects are scaled until that mean is
    :math:`-(z_\alpha+z_\beta)`. Lakatos, Biometrics 1988;44:229.

    """
    refuse(error_faults(alpha, power, sided))
    cells = event_cells(course, analysis_months)
    mean = logrank_mean(cells)
    if mean >= 0:
        raise PlanningError(
            f"course: the mean of z is {mean:.3g}, so experimental subjects fare no better by "
            f"month {analysis_months:g}; assume an effect, or analyse later."
        )
    scale = ((deviates(alpha, sided) + float(ndtri(power))) / mean) ** 2
    events = float(cells.events.sum())
    return LogrankSize(
        subjects=course.subjects * scale,
        events=events * scale,
        event_fraction=events / course.subjects,
        power=power,
        average_hazard_ratio=average_hazard_ratio(cells),
    )


def expected_power(
    course: Course, *, analysis_months: float, alpha: float = 0.025, sided: int = 1
) -> float:
    """Return the power of the log-rank test at that month of `course`, by Lakatos' method."""
    refuse(error_faults(alpha, 0.9, sided))
    mean = logrank_mean(event_cells(course, analysis_months))
    return float(ndtr(-mean - deviates(alpha, sided)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCells:
    """What a log-rank test at one month adds up, by time since entry, (m,)."""

    events: Floats  # expected, of both arms
    at_risk_ratio: Floats  # experimental over control
    hazard_ratio: Floats


def event_cells(course: Course, analysis_months: float, path: FollowUp | None = None) -> EventCells:
    """Return the events expected by that month of the trial in each cell of follow-up."""
    refuse(outside({"analysis_months": analysis_months}, above=0, mend="give months above 0"))
    path = path or follow(course, until_months=analysis_months)
    entered_by = course.entered(analysis_months - path.middle_months)
    events = (course.shares[:, None] * path.events * entered_by).sum(0)
    kept = events > NEGLIGIBLE * events.sum()
    at_risk = path.at_risk[:, kept]
    hazard = path.events[:, kept] / at_risk  # per cell
    return EventCells(
        events=np.asarray(events[kept], np.float64),
        at_risk_ratio=np.asarray(course.ratio * at_risk[1] / at_risk[0], np.float64),
        hazard_ratio=np.asarray(hazard[1] / np.maximum(hazard[0], TINY), np.float64),
    )


def logrank_mean(cells: EventCells) -> float:
    """Return the mean of z; below 0 if experimental subjects fare better."""
    phi, theta = cells.at_risk_ratio, cells.hazard_ratio
    gamma = phi * theta / (1 + phi * theta) - phi / (1 + phi)
    eta = phi / (1 + phi) ** 2
    return float((cells.events * gamma).sum() / np.sqrt((cells.events * eta).sum()))


def average_hazard_ratio(cells: EventCells) -> float:
    """Return the hazard ratio whose logarithm is the mean over the expected events."""
    if (cells.hazard_ratio <= 0).any():
        return 0.0
    logs = np.log(cells.hazard_ratio)
    return float(np.exp((cells.events * logs).sum() / cells.events.sum()))


def scaled(course: Course, subjects: float) -> Course:
    """Return the course with so many subjects in the same accrual time."""
    accrual = course.accrual.faster(subjects / course.subjects)
    return replace(course, subjects=subjects, accrual=accrual)

# SPDX-License-Identifier: Apache-2.0
"""Interim looks of a planned trial: their boundaries, and the events that they cost."""

from collections.abc import Sequence

from radioligand.planning.faults import PlanningError
from radioligand.statistics.sequential import Boundaries, Spending, boundaries, required_drift


def look_boundaries(
    look_events: Sequence[float],
    *,
    alpha: float,
    sided: int,
    spending: Spending = "obrien-fleming",
    planned_events: Sequence[float] | None = None,
) -> Boundaries:
    """Return the boundaries of z and p at looks known by their events; the last look is the final.

    `planned_events` are the looks for which the constant of a classical shape is found, if those
    held differ. An O'Brien–Fleming boundary planned for 79 and 158 deaths and read at 40 is the
    constant of two looks over the square root of 40/158.

    Raises PlanningError as `statistics.sequential.boundaries` does.
    """
    final = look_events[-1] if len(look_events) else 0
    planned_final = planned_events[-1] if planned_events else 0
    if not final > 0 or (planned_events and not planned_final > 0):
        raise PlanningError(
            "looks: the last look has no events; give events that rise to the last."
        )
    try:
        return boundaries(
            [events / final for events in look_events],
            alpha=alpha,
            sided=sided,
            spending=spending,
            planned=[events / planned_final for events in planned_events]
            if planned_events
            else None,
        )
    except ValueError as error:
        raise PlanningError(str(error)) from None


def inflation(design: Boundaries, *, power: float) -> float:
    """Return by what factor looking early raises the events for the same power."""
    return required_drift(design, power=power).inflation

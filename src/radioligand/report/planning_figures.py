# SPDX-License-Identifier: Apache-2.0
"""Figures of a plan: assumed curves, power, boundaries, and the calendar of the trial."""

import math
from decimal import Decimal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radioligand.report import formatting
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    INK,
    QUIET,
    SMALL,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    month_step,
    text_width,
)
from radioligand.report.lookup import Number, Numbers, View
from radioligand.report.tables import value_of

LEFT, BOTTOM, HEIGHT = 46.0, 40.0, 190.0  # points: of the axes
TOP, RIGHT = 16.0, 14.0


def planned_curves(view: View) -> Drawing:
    """The assumed share of subjects without event in each arm, with its median."""
    arms, colours = view.arms(), arm_colours(view.report.arms)
    room = max(text_width(arm.short, SMALL, bold=True) for arm in arms) + 10
    figure, axes = _axes(right=room)
    told = []
    for arm in arms:
        rows = view.main.at_times("planned_survival", arm=arm.id)
        months = [(row.time_days or 0.0) / view.report.month_days for row in rows]
        shares = [row.value or 0.0 for row in rows]
        axes.plot(months, shares, color=colours[arm.id])
        _beside(axes, months[-1], shares[-1], arm.short, colours[arm.id])
        median = value_of(view.main.find("median", arm=arm.id))
        told.append(f"{arm.short}: median {formatting.rounded(median, 1)} months")
        if median is not None and median <= months[-1]:
            axes.plot([median, median], [0, 0.5], ":", color=colours[arm.id], linewidth=0.8)
    axes.axhline(0.5, color=FAINT, linewidth=0.7, zorder=0)
    _months(axes, months[-1])
    axes.set(ylim=(0, 1.02), xlabel="Months since randomisation")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
    axes.set_ylabel("Event-free subjects (%)")
    return Drawing(figure=figure, description=f"Assumed curves. {'; '.join(told)}.")


def power_curve(view: View) -> Drawing:
    """Power of the planned events against the true hazard ratio."""
    numbers = view.main
    rows = [row for row in numbers.rows if row.statistic == "power" and row.level]
    ratios = [float(row.level or "nan") for row in rows]
    powers = [row.value or 0.0 for row in rows]
    planned = value_of(numbers.find("planned_hazard_ratio")) or math.nan
    asked = value_of(numbers.find("planned_power")) or math.nan
    there = powers[min(range(len(ratios)), key=lambda place: abs(ratios[place] - planned))]
    figure, axes = _axes()
    axes.plot(ratios, powers, color=ARM_COLOURS[0])
    axes.axhline(asked, color=FAINT, linewidth=0.7, zorder=0)
    axes.plot([planned, planned], [0, there], ":", color=QUIET, linewidth=0.9)
    axes.plot([planned], [there], "o", color=ARM_COLOURS[0], markersize=4)
    shown = f"{100 * there:.1f} % at {planned:.3g}"
    axes.annotate(
        shown, (planned, there), xytext=(7, 3), textcoords="offset points", fontsize=SMALL
    )
    axes.set(xlim=(ratios[0], ratios[-1]), ylim=(0, 1.02), xlabel="True hazard ratio")
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100"])
    axes.set_ylabel("Power (%)")
    told = f"Power is {shown}, and {100 * powers[-1]:.1f} % at {ratios[-1]:.3g}."
    return Drawing(figure=figure, description=f"Power against the true hazard ratio. {told}")


def boundaries(view: View) -> Drawing:
    """The z at which the trial stops for efficacy, at each look."""
    numbers = view.main
    events = [value_of(each) or 0.0 for each in _each(numbers, "look_events")]
    z = [value_of(each) or 0.0 for each in _each(numbers, "boundary_z")]
    p = [value_of(each) or 0.0 for each in _each(numbers, "boundary_p")]
    figure, axes = _axes()
    axes.plot(events, z, color=ARM_COLOURS[0], marker="o", markersize=4)
    for x, y, level in zip(events, z, p, strict=True):
        at_end = x == events[-1] and len(events) > 1
        axes.annotate(
            f"p = {_small(level)}",
            (x, y),
            xytext=(-5, -13) if at_end else (6, 6),
            textcoords="offset points",
            ha="right" if at_end else "left",
            fontsize=SMALL,
        )
    axes.set(xlim=(0, events[-1] * 1.03), ylim=(0, max(z) * 1.15), xlabel="Events")
    axes.set_xticks(events, [formatting.count(each) for each in events])
    axes.set_ylabel("Boundary of z")
    looks = zip(events, z, p, strict=True)
    told = "; ".join(f"z {y:.3f} (p {_small(level)}) at {x:.0f} events" for x, y, level in looks)
    return Drawing(figure=figure, description=f"Boundaries for efficacy: {told}.")


def timeline(view: View) -> Drawing:
    """Subjects and events expected by each month, with the month of the analysis."""
    numbers = view.main
    series = {
        name: [
            ((row.time_days or 0.0) / view.report.month_days, row.value or 0.0)
            for row in numbers.at_times(name, arm="ALL")
        ]
        for name in (
            "expected_subjects",
            "expected_events",
            "expected_events_lower",
            "expected_events_upper",
        )
    }
    months = [month for month, _ in series["expected_events"]]
    values = {name: [value for _, value in points] for name, points in series.items()}
    analysis = value_of(numbers.find("analysis_month")) or math.nan
    events = value_of(numbers.find("planned_events")) or math.nan
    room = text_width("Subjects", SMALL, bold=True) + 10
    figure, axes = _axes(right=room)
    subjects_colour, events_colour = QUIET, ARM_COLOURS[0]
    axes.plot(months, values["expected_subjects"], color=subjects_colour)
    axes.plot(months, values["expected_events"], color=events_colour)
    lower, upper = values["expected_events_lower"], values["expected_events_upper"]
    axes.fill_between(months, lower, upper, color=events_colour, alpha=0.15, linewidth=0)
    _beside(axes, months[-1], values["expected_subjects"][-1], "Subjects", subjects_colour)
    _beside(axes, months[-1], values["expected_events"][-1], "Events", events_colour)
    axes.plot([analysis, analysis, 0], [0, events, events], ":", color=INK, linewidth=0.9)
    axes.plot([analysis], [events], "o", color=events_colour, markersize=4)
    shown = f"{events:.0f} events, month {analysis:.1f}"
    axes.annotate(
        shown,
        (analysis, events),
        xytext=(6, -11),
        textcoords="offset points",
        fontsize=SMALL,
    )
    _months(axes, months[-1])
    axes.set(ylim=(0, None), xlabel="Months since the first subject was randomised")
    axes.set_ylabel("Number")
    told = f"{values['expected_subjects'][-1]:.0f} subjects enter; {shown}."
    return Drawing(figure=figure, description=f"Expected accrual and events. {told}")


def _each(numbers: Numbers, statistic: str) -> list[Number | None]:
    return [
        numbers.find(statistic, variable="looks", level=level) for level in numbers.levels("looks")
    ]


def _small(p: float) -> str:
    """A level with two digits that count, without an exponent."""
    return format(Decimal(f"{p:.2g}"), "f")


def _axes(*, right: float = RIGHT) -> tuple[Figure, Axes]:
    figure = blank(BOTTOM + HEIGHT + TOP)
    return figure, axes_at(figure, LEFT, BOTTOM, WIDTH - LEFT - right, HEIGHT)


def _months(axes: Axes, last: float) -> None:
    step = month_step(last)
    axes.set_xlim(0, last)
    axes.set_xticks(range(0, math.floor(last) + 1, step))


def _beside(axes: Axes, x: float, y: float, words: str, colour: str) -> None:
    """Write a name at the end of its line."""
    made = axes.annotate(words, (x, y), xytext=(5, 0), textcoords="offset points", va="center")
    made.set(color=colour, fontweight="bold", fontsize=SMALL, annotation_clip=False)

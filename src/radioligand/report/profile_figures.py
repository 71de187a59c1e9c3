# SPDX-License-Identifier: Apache-2.0
"""Figures of small panels: laboratory grades over time, mean change of quality of life."""

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from radioligand.report.canvas import (
    INK,
    QUIET,
    SMALL,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    colour_key,
    month_step,
    one_path,
    rectangle,
    sheet,
    wrapped,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import View

# from pale to dark, so that the order is seen in grey too
GRADE_COLOURS = {
    "grade 1": "#F6DFC1",
    "grade 2": "#EFA95B",
    "grade 3": "#C8551B",
    "grade 4": "#5E1F0A",
}
LEFT, APART, FOOT = 42.0, 22.0, 40.0  # points: before the first panel, between panels, below
WEEK = 7.0


def grades_over_time(view: View) -> Drawing:
    """Shares of subjects by grade at each visit: a row of panels a test, a column an arm."""
    numbers = view.main
    tests = [each for each in numbers.variables if numbers.why(variable=each) is None]
    arms, height, step, head = view.arms(), 74.0, 104.0, 20.0
    figure = blank(FOOT + step * len(tests) + head)
    page = sheet(figure)
    top = FOOT + step * len(tests) + head
    entries = [(colour, name.capitalize()) for name, colour in GRADE_COLOURS.items()]
    colour_key(page, entries, left=LEFT, top=top - 8, width=WIDTH - LEFT)
    width = (WIDTH - LEFT - 6 - APART * (len(arms) - 1)) / len(arms)
    shares = numbers.frame.filter(
        pl.col("statistic") == "grade_share", pl.col("value").is_not_null()
    )
    latest = shares["time_days"].max()
    last = (float(latest) if isinstance(latest, float) else WEEK) / WEEK
    for column, arm in enumerate(arms):
        left = LEFT + column * (width + APART)
        name = "\n".join(wrapped(arm.short, width, SMALL)[:1])
        write(page, left, top - 25, name, bold=True)
        for row, test in enumerate(tests):
            bottom = FOOT + step * (len(tests) - 1 - row)
            axes = axes_at(figure, left, bottom, width, height)
            own = shares.filter(pl.col("arm") == arm.id, pl.col("variable") == test)
            _stack(axes, own, last)
            _percent(axes, first=column == 0)
            if column == 0:
                write(page, LEFT, bottom + height + 8, view.label(test), colour=QUIET)
            if row == len(tests) - 1:
                axes.set_xlabel("Weeks since first dose", labelpad=2, fontsize=SMALL)
            else:
                axes.set_xticklabels([])
    told = "; ".join(_told_grades(view, arm, tests) for arm in arms)
    description = f"Shares of subjects by worst laboratory grade at each visit. {told}"
    return Drawing(figure=figure, description=description)


def _stack(axes: Axes, own: pl.DataFrame, last: float) -> None:
    """Draw each visit's grades 1 to 4 upon one another; what is left above is grade 0."""
    bars: dict[str, list[list[tuple[float, float]]]] = {grade: [] for grade in GRADE_COLOURS}
    shares: dict[float, dict[str, float]] = {}
    for day, level, value in own.select("time_days", "level", "value").iter_rows():
        shares.setdefault(day, {})[level] = value
    for day, share in shares.items():
        week, base = day / WEEK, 0.0
        for grade in reversed(GRADE_COLOURS):
            value = share.get(grade) or 0.0
            if value:
                bars[grade].append(rectangle(week - 1.6, base, week + 1.6, base + value))
            base += value
    for grade, colour in GRADE_COLOURS.items():
        one_path(axes, bars[grade], facecolor=colour, edgecolor=INK, linewidth=0.2)
    axes.set_xlim(0, last + 3)
    axes.set_xticks(range(0, int(last) + 1, _week_step(last)))
    axes.tick_params(labelsize=SMALL)


def _week_step(weeks: float) -> int:
    return next((step for step in (4, 8, 12, 24, 48) if weeks / step <= 6), 96)


def _percent(axes: Axes, *, first: bool) -> None:
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100], ["0", "50", "100"] if first else ["", "", ""])
    if first:
        axes.set_ylabel("Subjects (%)", fontsize=SMALL, labelpad=2)


def _told_grades(view: View, arm: Arm, tests: Sequence[str]) -> str:
    """The highest share of grade 3 or 4 of each test, in words."""
    shares = view.main.frame.filter(
        pl.col("statistic") == "grade_share",
        pl.col("arm") == arm.id,
        pl.col("level").is_in(["grade 3", "grade 4"]),
    )
    parts = []
    for test in tests:
        each = shares.filter(pl.col("variable") == test).group_by("time_days")
        highest = each.agg(pl.col("value").sum())["value"].max()
        most = highest if isinstance(highest, float) else 0.0
        parts.append(f"{view.label(test)} at most {most:.0f}% of grade 3 or 4 at a visit")
    return f"{arm.label}: {', '.join(parts)}"


# -- mean profiles ---------------------------------------------------------------------------


def profile(view: View) -> Drawing:
    """Mean change from baseline of each scale by arm, with its intervals; a panel a scale."""
    numbers = view.main
    changes = numbers.frame.filter(
        pl.col("statistic").is_in(["mean_change", "mean_change_lower", "mean_change_upper"]),
        pl.col("time_days").is_not_null(),
        pl.col("value").is_not_null(),
    )
    scales = [each for each in numbers.variables if each in set(changes["variable"])]
    arms, colours = view.arms(), arm_colours(view.report.arms)
    columns, height, step = 2, 96.0, 146.0
    lines = math.ceil(len(scales) / columns)
    figure = blank(FOOT - 22 + step * lines)
    page = sheet(figure)
    top = FOOT - 22 + step * lines
    entries = [(colours[arm.id], arm.short) for arm in arms]
    colour_key(page, entries, left=LEFT, top=top - 8, width=WIDTH - LEFT)
    width = (WIDTH - LEFT - 6 - (APART + 18) * (columns - 1)) / columns
    latest = changes["time_days"].max()
    months = (float(latest) if isinstance(latest, float) else 1.0) / view.report.month_days
    reach = max((abs(value) for value in changes["value"].to_list()), default=10.0)
    limit = 5 * math.ceil(reach * 1.05 / 5)
    for place, scale in enumerate(scales):
        left = LEFT + (place % columns) * (width + APART + 18)
        bottom = FOOT - 8 + step * (lines - 1 - place // columns)
        axes = axes_at(figure, left, bottom, width, height)
        for place_of_arm, arm in enumerate(arms):
            own = changes.filter(pl.col("variable") == scale, pl.col("arm") == arm.id)
            if own.is_empty():
                continue  # nobody of this arm filled in enough forms
            shift = 0.35 * (place_of_arm - (len(arms) - 1) / 2)  # so that intervals do not overlap
            month = (pl.col("time_days") / view.report.month_days + shift).alias("month")
            _means(axes, own.with_columns(month), colours[arm.id])
        axes.axhline(0, color=QUIET, linewidth=0.6, linestyle=":")
        axes.set(xlim=(0, months * 1.06), ylim=(-limit, limit))
        axes.set_xticks(range(0, int(months) + 1, month_step(2 * months)))
        axes.tick_params(labelsize=SMALL)
        axes.set_xlabel("Months since first dose", labelpad=2, fontsize=SMALL)
        if place % columns == 0:
            axes.set_ylabel("Mean change", fontsize=SMALL, labelpad=2)
        _head(page, axes, view, scale, left, bottom + height + 9)
    told = "; ".join(view.label(scale) for scale in scales)
    description = f"Mean change from baseline with 95% confidence intervals, by arm: {told}"
    return Drawing(figure=figure, description=description)


def _means(axes: Axes, own: pl.DataFrame, colour: str) -> None:
    wide = own.pivot("statistic", index="month", values="value").sort("month")
    month = [0.0, *wide["month"].to_list()]
    mean = [0.0, *wide["mean_change"].to_list()]
    axes.plot(month, mean, color=colour, linewidth=1.2, marker="o", markersize=2.4)
    if {"mean_change_lower", "mean_change_upper"} <= set(wide.columns):
        bounds = zip(month[1:], wide["mean_change_lower"], wide["mean_change_upper"], strict=True)
        bars = [[(x, low), (x, high)] for x, low, high in bounds if low is not None]
        one_path(axes, bars, edgecolor=colour, linewidth=0.8, fill=False)


def _head(page: Axes, axes: Axes, view: View, scale: str, left: float, y: float) -> None:
    """Write the scale's name above its panel, and in the panel's corner which way is worse."""
    write(page, left, y, view.label(scale), bold=True)
    label = view.main.find("label", variable=scale)
    if label is not None and label.method:
        corner = axes.text(0.99, 0.99, label.method, transform=axes.transAxes, ha="right", va="top")
        corner.set(fontsize=SMALL, color=QUIET)

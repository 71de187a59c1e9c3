# SPDX-License-Identifier: Apache-2.0
"""Cumulative incidence of a late event, by arm, over the numbers still followed."""

import math

import polars as pl
from matplotlib.axes import Axes

from radioligand.report import formatting
from radioligand.report.canvas import (
    SMALL,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    sheet,
    text_width,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import Numbers, View
from radioligand.report.survival_figures import LEFT, ROW, Curve, ticks_of, write_at_risk
from radioligand.report.tables import value_of

STEPS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # percent that the axis may end at


def incidence(view: View) -> Drawing:
    """Steps of cumulative incidence with bands; the axis ends a little above what is reached."""
    numbers = view.main
    curves = [_curve(numbers, arm, view.report.month_days) for arm in view.arms()]
    curves = [curve for curve in curves if curve.time]
    grid = sorted({time for curve in curves for time in curve.at_risk})
    last = max(month for curve in curves for month in curve.time)
    ticks = ticks_of(grid, last)
    colours = arm_colours(view.report.arms)
    reached = max(
        value
        for curve in curves
        for value in (*curve.survival, *curve.upper)
        if not math.isnan(value)
    )
    ceiling = next((step for step in STEPS if step > reached), 100.0)
    margin = 12 + max(text_width(curve.arm.short, SMALL, bold=True) for curve in curves)
    bottom, top, height = 54 + ROW * (len(curves) + 1), 14 + ROW * len(curves), 150.0
    figure = blank(bottom + height + top)
    page = sheet(figure)
    axes = axes_at(figure, LEFT, bottom, WIDTH - LEFT - margin, height)
    axes.set(xlim=(0, max(last, ticks[-1])), ylim=(0, ceiling))
    axes.set_xticks(ticks, [formatting.rounded(month) for month in ticks])
    axes.set_ylabel("Cumulative incidence (%)")
    axes.set_xlabel(view.display.time_label, labelpad=3)
    for place, curve in enumerate(curves):
        colour = colours[curve.arm.id]
        _draw(axes, curve, colour)
        told = f"{curve.arm.short}: {_told(numbers, curve.arm)}"
        write(page, LEFT, bottom + height + top - 4 - ROW * place, told, va="top", colour=colour)
    write_at_risk(page, axes, curves, ticks, colours, top=bottom - 34)
    words = "; ".join(f"{curve.arm.label}: {_told(numbers, curve.arm)}" for curve in curves)
    description = f"Cumulative incidence with death as a competing event. {words}"
    return Drawing(figure=figure, description=description)


def _curve(numbers: Numbers, arm: Arm, month_days: float) -> Curve:
    rows = numbers.frame.filter(pl.col("arm") == arm.id, pl.col("time_days").is_not_null())
    rows = rows.sort("time_days", maintain_order=True)
    rows = rows.with_columns(month=pl.col("time_days") / month_days)

    def of(statistic: str) -> dict[float, float]:
        found = rows.filter(pl.col("statistic") == statistic, pl.col("value").is_not_null())
        return dict(found.select("month", "value").iter_rows())

    share, low, high = (of(f"incidence{end}") for end in ("", "_lower", "_upper"))
    lower, upper = ([bound.get(time, math.nan) for time in share] for bound in (low, high))
    return Curve(arm, list(share), list(share.values()), lower, upper, [], [], of("at_risk"))


def _draw(axes: Axes, curve: Curve, colour: str) -> None:
    axes.fill_between(
        curve.time, curve.lower, curve.upper, step="post", color=colour, alpha=0.13, linewidth=0
    )
    axes.step(curve.time, curve.survival, where="post", color=colour, clip_on=False)


def _told(numbers: Numbers, arm: Arm) -> str:
    events, n, others = (numbers.find(s, arm=arm.id) for s in ("events", "n", "competing"))
    return (
        f"{formatting.count(value_of(events))} of {formatting.count(value_of(n))} subjects, "
        f"{formatting.count(value_of(others))} competing events"
    )

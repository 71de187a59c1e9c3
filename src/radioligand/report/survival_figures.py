# SPDX-License-Identifier: Apache-2.0
"""Figures of times to event: Kaplan–Meier curves over their numbers at risk."""

import math
from typing import NamedTuple

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
    month_step,
    one_path,
    sheet,
    text_width,
    wrapped,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import Numbers, View
from radioligand.report.tables import value_of

ROW = 13.0  # points between lines of text
LEFT = 46.0  # of the axes


class Curve(NamedTuple):
    """One arm's curve in months: steps, bounds, where subjects were censored, numbers at risk."""

    arm: Arm
    time: list[float]
    survival: list[float]
    lower: list[float]
    upper: list[float]
    censor_time: list[float]
    censor_survival: list[float]
    at_risk: dict[float, float]


def kaplan_meier(view: View) -> Drawing:
    """Curves with bands and censor marks, named beside their ends, over the numbers at risk."""
    numbers = view.main
    curves = [_curve(numbers, arm, view.report.month_days) for arm in view.arms()]
    curves = [curve for curve in curves if curve.time]
    grid = sorted({time for curve in curves for time in curve.at_risk})
    last = max([time for curve in curves for time in (*curve.time, *curve.censor_time)] + grid)
    ticks = ticks_of(grid, last)
    colours = arm_colours(view.report.arms)
    ends = [text_width(line, bold=True) for curve in curves for line in _end_label(curve)]
    names = [text_width(curve.arm.short, SMALL, bold=True) for curve in curves]
    margin = 12 + max(*ends, *names)
    left, bottom = LEFT, 54 + ROW * (len(curves) + 1)
    top = 14 + ROW * (len(curves) + len(_compared_lines(view)))
    width, height = WIDTH - left - margin, 210.0
    figure = blank(bottom + height + top)
    page, axes = sheet(figure), axes_at(figure, left, bottom, width, height)
    axes.set(xlim=(0, max(last, ticks[-1])), ylim=(0, 1.02))
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100"])
    axes.set_xticks(ticks, [formatting.rounded(month) for month in ticks])
    axes.set_ylabel(view.display.axis_label or "Event-free subjects (%)")
    axes.set_xlabel(view.display.time_label, labelpad=3)
    for curve in curves:
        _draw_curve(axes, curve, colours[curve.arm.id])
    _label_ends(axes, curves, colours, height)
    _write_summary(page, view, curves, colours, top=bottom + height + top - 4)
    write_at_risk(page, axes, curves, ticks, colours, top=bottom - 34)
    told = "; ".join(_told_curve(numbers, curve) for curve in curves)
    compared = ". ".join(_compared(view))
    return Drawing(figure=figure, description=f"Kaplan–Meier curves. {told}. {compared}")


def _curve(numbers: Numbers, arm: Arm, month_days: float) -> Curve:
    rows = numbers.frame.filter(pl.col("arm") == arm.id, pl.col("time_days").is_not_null())
    rows = rows.sort("time_days", maintain_order=True)
    rows = rows.with_columns(month=pl.col("time_days") / month_days)

    def of(statistic: str) -> tuple[list[float], list[float]]:
        found = rows.filter(pl.col("statistic") == statistic, pl.col("value").is_not_null())
        return found["month"].to_list(), found["value"].to_list()

    time, survival = of("survival")
    bounds = [dict(zip(*of(name), strict=True)) for name in ("survival_lower", "survival_upper")]
    lower, upper = ([bound.get(each, math.nan) for each in time] for bound in bounds)
    censored = dict(zip(*of("censor"), strict=True))
    at_risk = dict(zip(*of("at_risk"), strict=True))
    return Curve(
        arm, time, survival, lower, upper, list(censored), list(censored.values()), at_risk
    )


def ticks_of(grid: list[float], last: float) -> list[float]:
    """Return the grid of the numbers at risk, thinned to a dozen; without one, whole months."""
    if len(grid) > 1:
        return grid[:: math.ceil(len(grid) / 13)]
    step = month_step(last)
    return [float(i * step) for i in range(int(last / step) + 2)]


def _draw_curve(axes: Axes, curve: Curve, colour: str) -> None:
    end = max([curve.time[-1], *curve.censor_time])
    held = [[*values, values[-1]] for values in (curve.survival, curve.lower, curve.upper)]
    axes.fill_between(
        [*curve.time, end], held[1], held[2], step="post", color=colour, alpha=0.13, linewidth=0
    )
    axes.step([*curve.time, end], held[0], where="post", color=colour, clip_on=False)
    marks = zip(curve.censor_time, curve.censor_survival, strict=True)
    tick = 0.016
    strokes = [[(month, share - tick), (month, share + tick)] for month, share in marks]
    one_path(axes, strokes, edgecolor=colour, linewidth=0.8, fill=False, clip_on=False)


def _end_label(curve: Curve) -> list[str]:
    return wrapped(curve.arm.short, 72)


def _label_ends(axes: Axes, curves: list[Curve], colours: dict[str, str], height: float) -> None:
    """Write each arm's name beside the axes, at the height of its curve's end, kept apart.

    A curve that ends earlier is led there by a dotted line, so that no name lies on a curve.
    """
    edge = axes.get_xlim()[1]
    room = {curve.arm.id: len(_end_label(curve)) * 12 / height * 1.02 for curve in curves}
    floor = -1.0
    for curve in sorted(curves, key=lambda curve: curve.survival[-1]):
        need = room[curve.arm.id] / 2
        y = max(curve.survival[-1], floor + need, need)
        floor = y + need
        end = max([curve.time[-1], *curve.censor_time])
        colour = colours[curve.arm.id]
        led = [curve.survival[-1], y]
        axes.plot([end, edge], led, ":", linewidth=0.8, color=colour, clip_on=False)
        axes.annotate(
            "\n".join(_end_label(curve)),
            (edge, y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontweight="bold",
            linespacing=1.15,
            annotation_clip=False,
        )


def _write_summary(
    page: Axes, view: View, curves: list[Curve], colours: dict[str, str], *, top: float
) -> None:
    """Write medians and comparisons above the axes, where no curve can run into them."""
    for place, curve in enumerate(curves):
        told = f"{curve.arm.short}: {_told_median(view.main, curve.arm)}"
        write(page, LEFT, top - ROW * place, told, va="top", colour=colours[curve.arm.id])
    for place, line in enumerate(_compared_lines(view), start=len(curves)):
        write(page, LEFT, top - ROW * place, line, va="top")


def _compared_lines(view: View) -> list[str]:
    """The comparisons in lines that fit over the axes."""
    return [line for told in _compared(view) for line in wrapped(told, WIDTH - LEFT, SMALL)]


def _told_median(numbers: Numbers, arm: Arm) -> str:
    found = [numbers.find(n, arm=arm.id) for n in ("median", "median_lower", "median_upper")]
    unit = (found[0].unit if found[0] else None) or "months"
    shown = formatting.with_interval(*map(value_of, found))
    return f"median {shown}" if shown == formatting.NOT_ESTIMATED else f"median {shown} {unit}"


def _told_curve(numbers: Numbers, curve: Curve) -> str:
    n, events = (numbers.find(name, arm=curve.arm.id) for name in ("n", "events"))
    told = (
        f"{formatting.count(value_of(events))} events in {formatting.count(value_of(n))} subjects"
    )
    return f"{curve.arm.label}: {told}, {_told_median(numbers, curve.arm)}"


def _compared(view: View) -> list[str]:
    """Return 'Hazard ratio 0.276 (95% CI 0.182–0.418); Log-rank p<0.0001', or why there is none.

    One of each comparison, which names its arms if there are several.
    """
    numbers, lines = view.main, []
    for comparison in numbers.comparisons or ("",):
        told = "; ".join(_told_comparison(numbers, comparison))
        which = numbers.told_apart(comparison, view.report.arms)
        if told:
            lines.append(f"{which}: {told}" if which else told)
    return lines


def _told_comparison(numbers: Numbers, comparison: str) -> list[str]:
    ratio, low, high, p = (
        numbers.find(name, arm=comparison)
        for name in ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper", "logrank_p")
    )
    told = []
    if ratio is not None and ratio.value is not None:
        shown = formatting.hazard_ratio(ratio.value, value_of(low), value_of(high))
        told.append(f"Hazard ratio {shown.replace('(', '(95% CI ')}")
    elif ratio is not None:
        told.append(f"Hazard ratio {ratio.text or formatting.NOT_ESTIMATED}")
    if p is not None and p.value is not None:
        told.append(f"Log-rank {formatting.p_equals(p.value)}")
    return told


def write_at_risk(
    page: Axes,
    axes: Axes,
    curves: list[Curve],
    ticks: list[float],
    colours: dict[str, str],
    *,
    top: float,
) -> None:
    """Write the numbers at risk below their ticks, each arm's under its name's colour."""
    box = axes.get_position()
    left, across = box.x0 * WIDTH, box.width * WIDTH / axes.get_xlim()[1]
    write(page, 4, top, "Number at risk", va="baseline", bold=True)
    for place, curve in enumerate(curves, start=1):
        y = top - ROW * place
        for month in ticks:
            if month in curve.at_risk:
                x = left + across * month
                shown = formatting.count(curve.at_risk[month])
                write(page, x, y, shown, ha="center", va="baseline", colour=colours[curve.arm.id])
        x = left + box.width * WIDTH + 8
        name, colour = curve.arm.short, colours[curve.arm.id]
        write(page, x, y, name, va="baseline", colour=colour, bold=True)

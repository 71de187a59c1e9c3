# SPDX-License-Identifier: Apache-2.0
"""Figures of tumour shrinkage: hazard ratios by landmark, median change, change against time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes

from radioligand.report import formatting
from radioligand.report.canvas import (
    INK,
    QUIET,
    SMALL,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    month_step,
    sheet,
    text_width,
    wrapped,
    write,
)
from radioligand.report.change_figures import CEILING, remark_of_cut
from radioligand.report.contents import Arm
from radioligand.report.forest_figure import RATIO_AXIS, Axis, Line, drawn_forest
from radioligand.report.lookup import View
from radioligand.report.shrinkage_tables import compared_groups, group_heading
from radioligand.report.survival_tables import HAZARD_RATIO
from radioligand.report.tables import value_of

NAIVE, NAIVE_GROUPS = "no limit", "naive"  # a landmark, a level
POINT_AXIS = Axis(
    marks=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2),
    held=(0.95, 1.05),
    reach=(0.8, 1.25),
    margin=1.01,
)
LEFT, ROW, APART = 46.0, 13.0, 18.0  # points


def shrinkage_forest(view: View) -> Drawing:
    """Hazard ratio per percentage point of shrinkage at each landmark, arms under each other."""
    lines = [line for arm in view.arms() for line in _lines(view, arm)]
    return drawn_forest(
        lines,
        heads=("Best shrinkage by", "Events/n"),
        favours=("← More shrinkage, fewer events", "More events →"),
        axis=POINT_AXIS,
    )


def _lines(view: View, arm: Arm) -> Iterator[Line]:
    yield Line((arm.short,), 0)
    colour = arm_colours(view.report.arms)[arm.id]
    for moment in view.main.variables:
        key = {"arm": arm.id, "variable": moment}
        ratio, lower, upper = (view.main.find(name, **key) for name in HAZARD_RATIO)
        events, n = (value_of(view.main.find(name, **key)) for name in ("events", "n"))
        values = (value_of(ratio), value_of(lower), value_of(upper))
        yield Line(
            label=tuple(wrapped(view.label(moment), 118, SMALL)),
            indent=1,
            events=(f"{formatting.count(events)}/{formatting.count(n)}",),
            weight=events or 0.0,
            ratio=values[0],
            lower=values[1],
            upper=values[2],
            told=formatting.hazard_ratio(*values),
            colour=QUIET if moment == NAIVE else colour,
        )


def contrast(view: View) -> Drawing:
    """For each response system the naive hazard ratio beside those free of immortal time."""
    lines = [
        line
        for system, pair in compared_groups(view.main)
        for line in _contrast_lines(view, system, pair)
    ]
    levels = dict.fromkeys(" ".join(line.label) for line in lines if line.indent)
    said = (view.label("", level) for level in levels)
    drawing = drawn_forest(
        lines,
        heads=("System", "Shrunk, events/n", "Less, events/n"),
        favours=("← Fewer events in those who shrank", "More →"),
        axis=RATIO_AXIS,
    )
    return replace(drawing, remarks=tuple(f"{words[:1].upper()}{words[1:]}." for words in said))


def _contrast_lines(view: View, system: str, pair: str) -> Iterator[Line]:
    yield Line((group_heading(view, system, pair),), 0)
    ratios = (row for row in view.main.rows if row.statistic == "hazard_ratio")
    for level in dict.fromkeys(row.level or "" for row in ratios):
        found = [
            view.main.find(name, arm=pair, variable=system, level=level) for name in HAZARD_RATIO
        ]
        ratio, lower, upper = map(value_of, found)
        counts = [
            [
                value_of(view.main.find(name, arm=part, variable=system, level=level))
                for name in ("events", "n")
            ]
            for part in pair.split(" v ")
        ]
        yield Line(
            label=(level,),
            indent=1,
            events=tuple(_of(events, n) for events, n in counts),
            weight=sum(events or 0.0 for events, _ in counts),
            ratio=ratio,
            lower=lower,
            upper=upper,
            told=formatting.hazard_ratio(ratio, lower, upper),
            colour=QUIET if level == NAIVE_GROUPS else "#0072B2",
        )


def _of(events: float | None, n: float | None) -> str:
    """Return '11/58', or '11' where subjects change group, so that there is no n of each."""
    return formatting.count(events) + ("" if n is None else f"/{formatting.count(n)}")


# -- median change by landmark ---------------------------------------------------------------


class Point(NamedTuple):
    """The change of one arm at one landmark."""

    place: float
    median: float
    low: float
    high: float
    n: float


def medians(view: View) -> Drawing:
    """Median best change with its range at each landmark, over the numbers analysed."""
    arms, moments = view.arms(), _measured(view)
    colours = arm_colours(view.report.arms)
    bottom, height, top = 54 + ROW * (len(arms) + 1), 190.0, 26.0
    names = [text_width(arm.short, SMALL, bold=True) for arm in arms]
    width = WIDTH - LEFT - 14 - max(names)
    figure = blank(bottom + height + top)
    page, axes = sheet(figure), axes_at(figure, LEFT, bottom, width, height)
    axes.set(xlim=(-0.5, len(moments) - 0.5))
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.axhline(-30, color=QUIET, linewidth=0.6, linestyle=(0, (3, 2)))
    axes.set_ylabel("Best change, median and range (%)", fontsize=SMALL)
    labels = ["\n".join(wrapped(view.label(moment), 46, SMALL)) for moment in moments]
    axes.set_xticks(range(len(moments)), labels, fontsize=SMALL)
    told = []
    for row, arm in enumerate(arms):
        points = _points(view, arm, moments, shift=0.16 * (row - (len(arms) - 1) / 2))
        colour = colours[arm.id]
        for point in points:
            axes.plot([point.place] * 2, [point.low, point.high], color=colour, linewidth=0.9)
        axes.plot(
            *([point.place for point in points], [point.median for point in points]),
            *("o-",),
            color=colour,
            markersize=4,
            linewidth=1.1,
        )
        write(page, LEFT + 150 * row, bottom + height + 14, arm.short, colour=colour, bold=True)
        _write_numbers(
            page, points, colour, y=bottom - 42 - ROW * (row + 1), width=width, view=view
        )
        name_x = LEFT + width + 8
        write(page, name_x, bottom - 42 - ROW * (row + 1), arm.short, colour=colour, bold=True)
        shown = ", ".join(formatting.rounded(point.median, 1) for point in points)
        told.append(f"{arm.label}: {shown}")
    write(page, 4, bottom - 42, "Number analysed", bold=True)
    description = f"Median best change by landmark, in percent. {'; '.join(told)}"
    return Drawing(figure=figure, description=description)


def _measured(view: View) -> list[str]:
    numbers = view.main
    known = {
        row.variable for row in numbers.rows if row.statistic == "median" and row.value is not None
    }
    return [moment for moment in numbers.variables if moment in known]


def _points(view: View, arm: Arm, moments: list[str], *, shift: float) -> list[Point]:
    points = []
    for place, moment in enumerate(moments):
        found = [
            value_of(view.main.find(name, arm=arm.id, variable=moment))
            for name in ("median", "min", "max", "n")
        ]
        known = [value for value in found if value is not None]
        if len(known) == len(found):
            points.append(Point(place + shift, *known))
    return points


def _write_numbers(
    page: Axes, points: list[Point], colour: str, *, y: float, width: float, view: View
) -> None:
    step = width / len(_measured(view))
    for point in points:
        x = LEFT + step * (round(point.place) + 0.5)
        write(page, x, y, formatting.count(point.n), ha="center", colour=colour)


# -- change against time to the event --------------------------------------------------------


def scatter(view: View) -> Drawing:
    """Each subject's best change against the time to the event; hollow where it was not seen."""
    rows = view.main.frame.filter(
        pl.col("statistic") == "change_by_time",
        pl.col("subject").is_not_null(),
        pl.col("time_days").is_not_null(),
    )
    arms = [arm for arm in view.arms() if rows.filter(pl.col("arm") == arm.id).height]
    colours = arm_colours(view.report.arms)
    bottom, height, top = 40.0, 190.0, 30.0
    width = (WIDTH - LEFT - 6 - APART * (len(arms) - 1)) / len(arms)
    figure = blank(bottom + height + top)
    page = sheet(figure)
    last = max(rows["time_days"].to_list()) / view.report.month_days
    told = []
    for place, arm in enumerate(arms):
        own = rows.filter(pl.col("arm") == arm.id)
        left = LEFT + place * (width + APART)
        axes = axes_at(figure, left, bottom, width, height)
        seen = own.filter(pl.col("text") == "event")
        open_ = own.filter(pl.col("text") != "event")
        for points, filled in ((seen, True), (open_, False)):
            axes.plot(
                points["value"].clip(upper_bound=CEILING).to_list(),
                (points["time_days"] / view.report.month_days).to_list(),
                "o",
                markersize=3.4,
                markeredgewidth=0.8,
                markeredgecolor=colours[arm.id],
                markerfacecolor=colours[arm.id] if filled else "none",
            )
        axes.axvline(-30, color=QUIET, linewidth=0.6, linestyle=(0, (3, 2)))
        axes.set(xlim=(-104, 104), ylim=(0, last * 1.04))
        axes.set_xticks([-100, -50, 0, 50, 100])
        axes.set_yticks(range(0, int(last) + 1, month_step(2 * last)))
        axes.tick_params(labelsize=SMALL)
        axes.set_xlabel("Best change (%)", fontsize=SMALL, labelpad=2)
        if place:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel("Months to event or censoring", fontsize=SMALL)
        words = f"{arm.short}: {seen.height} events, {open_.height} censored"
        for line, text in enumerate(wrapped(words, width, SMALL)):
            y = bottom + height + 16 - 11 * line
            write(page, left, y, text, colour=colours[arm.id])
        told.append(words)
    description = f"Best change against time to the event. {'; '.join(told)}"
    remarks = ("Filled: event; hollow: censored.", *remark_of_cut(rows))
    return Drawing(figure=figure, description=description, remarks=remarks)

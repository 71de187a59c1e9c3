# SPDX-License-Identifier: Apache-2.0
"""The forest plot: hazard ratios of subgroups on a log axis between the numbers behind them."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from radioligand.report import formatting
from radioligand.report.canvas import (
    FAINT,
    INK,
    QUIET,
    SMALL,
    WIDE,
    Drawing,
    axes_at,
    blank,
    one_path,
    rectangle,
    sheet,
    text_width,
    wrapped,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import View
from radioligand.report.tables import value_of

ROW, HEAD, FOOT = 13.0, 34.0, 58.0  # points: a line, the heads above, axis and words below
LABELS = 128.0  # points for a label before it is broken into lines
RATIOS = 100.0  # points for the column of ratios
SHADE = "#f4f6f8"


class Axis(NamedTuple):
    """The axis of ratios: where ticks may stand, what it always holds, how far bounds stretch it.

    A bound beyond `reach` ends in an arrow at the edge.
    """

    marks: tuple[float, ...]
    held: tuple[float, float]
    reach: tuple[float, float]
    margin: float  # a factor beyond what is held


RATIO_AXIS = Axis(
    marks=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10, 20, 50),
    held=(0.5, 2.0),
    reach=(0.06, 3.6),
    margin=1.15,
)


class Line(NamedTuple):
    """One line of a forest: label, events of n by arm, the ratio with its bounds as told."""

    label: tuple[str, ...]  # in lines that fit the column
    indent: int
    events: tuple[str, ...] = ()
    weight: float = 0.0  # events in all arms
    ratio: float | None = None
    lower: float | None = None
    upper: float | None = None
    told: str = ""
    colour: str = "#0072B2"  # of a line that is set in

    @property
    def is_heading(self) -> bool:
        return not self.told

    @property
    def height(self) -> float:
        return ROW + (len(self.label) - 1) * (ROW - 2)


class Grid(NamedTuple):
    """Where the columns stand, in points: counts after the labels, then the axis, then ratios."""

    labels: float
    counts: float  # width of each arm's column
    left: float
    width: float
    top: float


def forest(view: View) -> Drawing:
    """Hazard ratios of subgroups, boxes by number of events, events of n and ratio beside.

    Several comparisons stand one below the other, each under its arms.
    """
    comparisons = view.main.comparisons
    if len(comparisons) > 1:
        lines = [line for one in comparisons for line in _under_heading(view, one)]
        heads = ("Subgroup", "Experi-mental", "Control")
        sides = ("← Favours experimental", "Favours control →")
        return drawn_forest(lines, heads=heads, favours=sides, axis=RATIO_AXIS)
    arms = view.compared_arms()
    lines = list(_lines(view, arms, view.main.comparison))
    shorts = tuple(arm.short for arm in arms)
    favours = (f"← Favours {shorts[0]}", f"Favours {shorts[1]} →") if len(shorts) > 1 else None
    return drawn_forest(lines, heads=("Subgroup", *shorts), favours=favours, axis=RATIO_AXIS)


def drawn_forest(
    lines: list[Line], *, heads: tuple[str, ...], favours: tuple[str, str] | None, axis: Axis
) -> Drawing:
    """Draw lines under their heads: labels, a column of counts for each further head, ratios."""
    height = sum(line.height for line in lines)
    figure = blank(FOOT + height + HEAD, width=WIDE)
    page = sheet(figure)
    grid = _grid(heads[1:], lines, top=FOOT + height)
    axes = axes_at(figure, grid.left, FOOT, grid.width, height)
    limits = _limits(lines, axis)
    _prepare(axes, limits, height, axis)
    overall = next((line.ratio for line in lines if line.ratio and not line.indent), None)
    if overall:
        axes.axvline(overall, color=FAINT, linewidth=0.7, linestyle=(0, (3, 2)))
    heaviest = max((line.weight for line in lines), default=0) or 1
    y = height
    for place, line in enumerate(lines):
        if place % 2:
            band = rectangle(0, FOOT + y - line.height, WIDE, FOOT + y)
            one_path(page, [band], facecolor=SHADE, linewidth=0)
        y -= line.height
        middle = y + line.height / 2
        _write_line(page, line, grid, y=FOOT + middle)
        _draw_line(axes, line, middle, heaviest, limits)
    _write_heads(page, heads, grid)
    if favours:
        _write_favours(page, favours, grid, limits)
    told = "; ".join(f"{' '.join(line.label)} {line.told}" for line in lines if line.told)
    return Drawing(figure=figure, description=f"Forest plot of hazard ratios. {told}")


def _under_heading(view: View, comparison: str) -> Iterator[Line]:
    """Yield the arms of a comparison as a heading over its lines."""
    told = view.main.told_apart(comparison, view.report.arms)
    yield Line(tuple(wrapped(told, LABELS + 60, SMALL)), 0)
    yield from _lines(view, view.compared_arms(comparison), comparison)


def _lines(view: View, arms: tuple[Arm, ...], comparison: str) -> Iterator[Line]:
    """Yield the trial as a whole first, then each variable as a heading over its levels."""
    numbers = view.main
    for variable in ("", *view.ordered(numbers.variables)):
        levels = numbers.levels(variable) if variable else ()
        if levels:
            yield Line((view.label(variable),), 0)
        for level in levels or ("",):
            key = {"variable": variable, "level": level}
            ratio, *bounds = (
                numbers.find(name, arm=comparison, **key)
                for name in ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")
            )
            if ratio is None:
                continue
            events = [value_of(numbers.find("events", arm=arm.id, **key)) for arm in arms]
            sizes = [value_of(numbers.find("n", arm=arm.id, **key)) for arm in arms]
            lower, upper = map(value_of, bounds)
            label = view.label(variable, level) if variable else "All subjects"
            yield Line(
                label=tuple(wrapped(label, LABELS - 10, SMALL)),
                indent=1 if level else 0,
                events=tuple(
                    f"{formatting.count(happened)}/{formatting.count(size)}"
                    for happened, size in zip(events, sizes, strict=True)
                ),
                weight=sum(happened or 0 for happened in events),
                ratio=ratio.value,
                lower=lower,
                upper=upper,
                told=formatting.hazard_ratio(ratio.value, lower, upper),
            )


def _grid(heads: tuple[str, ...], lines: list[Line], *, top: float) -> Grid:
    told = [(text, line) for line in lines if line.events for text in line.label]
    widths = [text_width(text, SMALL) + 10 * line.indent for text, line in told]
    labels = min(max([60.0, *widths]), LABELS)
    words = [text_width(word, SMALL, bold=True) for head in heads for word in _head_lines(head)]
    counts = max([42.0, *words])
    left = labels + 6 + counts * len(heads)
    return Grid(labels, counts, left, WIDE - left - RATIOS - 6, top)


def _limits(lines: list[Line], axis: Axis) -> tuple[float, float]:
    """The axis holds every ratio; bounds beyond its reach may lie beyond its ends."""
    ratios = [line.ratio for line in lines if line.ratio]
    bounds = [b for line in lines for b in (line.lower, line.upper) if b and math.isfinite(b)]
    least, most = axis.held
    low = min([least, *ratios, max(axis.reach[0], min(bounds, default=least))])
    high = max([most, *ratios, min(axis.reach[1], max(bounds, default=most))])
    return low / axis.margin, high * axis.margin


def _prepare(axes: Axes, limits: tuple[float, float], height: float, axis: Axis) -> None:
    axes.patch.set_alpha(0)
    axes.set(xscale="log", xlim=limits, ylim=(0, height))
    axes.spines["left"].set_visible(False)
    axes.yaxis.set_visible(False)
    marks = [mark for mark in axis.marks if limits[0] <= mark <= limits[1]]
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks], fontsize=SMALL)
    axes.axvline(1, color=INK, linewidth=0.7)


def _write_line(page: Axes, line: Line, grid: Grid, *, y: float) -> None:
    bold = line.is_heading or not line.indent
    write(page, 2 + 8 * line.indent, y, "\n".join(line.label), bold=bold)
    for place, shown in enumerate(line.events):
        write(page, grid.labels + 6 + grid.counts * (place + 0.5), y, shown, ha="center")
    write(page, WIDE - 2, y, line.told, ha="right")


def _draw_line(
    axes: Axes, line: Line, y: float, heaviest: float, limits: tuple[float, float]
) -> None:
    """Draw interval and box; an arrow where the interval goes on beyond the axis."""
    if line.ratio is None:
        return
    low, high = limits
    colour = line.colour if line.indent else INK
    lower = low / 2 if line.lower is None else line.lower
    upper = high * 2 if line.upper is None else line.upper
    axes.plot([max(lower, low), min(upper, high)], [y, y], color=colour, linewidth=0.9)
    for is_beyond, edge, marker in ((lower < low, low, "<"), (upper > high, high, ">")):
        if is_beyond:
            axes.plot([edge], [y], marker=marker, color=colour, markersize=3.5, clip_on=False)
    side = 3 + 6 * math.sqrt(line.weight / heaviest)  # the area of a box goes by its events
    marker = "s" if line.indent else "D"
    axes.plot([line.ratio], [y], marker=marker, color=colour, markersize=side, markeredgewidth=0)


def _head_lines(head: str) -> list[str]:
    """A short label in lines for a narrow column, also broken after hyphens."""
    return wrapped(head.replace("-", "- "), 44, SMALL)


def _write_heads(page: Axes, heads: tuple[str, ...], grid: Grid) -> None:
    y = grid.top + 4
    write(page, 2, y, heads[0], va="bottom", bold=True)
    for place, head in enumerate(heads[1:]):
        x = grid.labels + 6 + grid.counts * (place + 0.5)
        write(page, x, y, "\n".join(_head_lines(head)), ha="center", va="bottom", bold=True)
    write(page, WIDE - 2, y, "Hazard ratio\n(95% CI)", ha="right", va="bottom", bold=True)
    page.plot([0, WIDE], [grid.top, grid.top], color=INK, linewidth=0.7)


def _write_favours(
    page: Axes, favours: tuple[str, str], grid: Grid, limits: tuple[float, float]
) -> None:
    """Say under the axis what a ratio on either side of 1 favours."""
    low, high = map(math.log, limits)
    one = grid.left + grid.width * (0 - low) / (high - low)
    y = FOOT - 26
    write(page, one - 6, y, favours[0], ha="right", va="top", colour=QUIET)
    write(page, one + 6, y, favours[1], va="top", colour=QUIET)

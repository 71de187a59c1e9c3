# SPDX-License-Identifier: Apache-2.0
"""Figures of virtual trials: scenarios as a map, accrual and events as a fan, power, boundaries."""

import math

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
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
    axes_at,
    blank,
    month_step,
    text_width,
)
from radioligand.report.lookup import Numbers, View
from radioligand.report.tables import value_of

LEFT, BOTTOM, HEIGHT = 46.0, 40.0, 190.0  # points: of the axes
TOP, RIGHT = 16.0, 14.0
CELL = 30.0  # points: height of a cell of the map
MAP = LinearSegmentedColormap.from_list("power", ["#f7fbff", "#9ecae1", "#0072B2"])
DARK = 0.62  # of the colours, from which words are white


def scenario_map(view: View) -> Drawing:
    """Power in each of the scenarios that vary two assumptions, as a map of cells."""
    numbers = view.main
    columns = numbers.variables
    rows = numbers.levels(columns[0])
    cells = {
        (column, row): value_of(numbers.find("power", variable=column, level=row)) or 0.0
        for column in columns
        for row in rows
    }
    low = min(value_of(numbers.find("lowest")) or 1.0, *cells.values())
    high = max(value_of(numbers.find("highest")) or 0.0, *cells.values())
    left = max(text_width(row, SMALL) for row in rows) + 14
    height = CELL * len(rows)
    figure = blank(BOTTOM + height + TOP)
    axes = axes_at(figure, left, BOTTOM, WIDTH - left - RIGHT, height)
    shares = [[cells[column, row] for column in columns] for row in rows]
    axes.pcolormesh(shares, cmap=MAP, vmin=low, vmax=max(high, low + 1e-9), edgecolors="white")
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            power = cells[column, row]
            dark = (power - low) / max(high - low, 1e-9) > DARK
            made = axes.text(j + 0.5, i + 0.5, f"{100 * power:.1f}", ha="center", va="center")
            made.set(fontsize=SMALL, color="white" if dark else INK)
    axes.invert_yaxis()
    axes.set_xticks([j + 0.5 for j in range(len(columns))], [_value(one) for one in columns])
    axes.set_yticks([i + 0.5 for i in range(len(rows))], [_value(one) for one in rows])
    axes.tick_params(length=0, labelsize=SMALL)
    axes.set_xlabel(_key(columns[0]))
    axes.set_ylabel(_key(rows[0]))
    for spine in axes.spines.values():
        spine.set_visible(False)
    told = "; ".join(f"{column}, {row}: {100 * cells[column, row]:.1f} %" for column, row in cells)
    return Drawing(figure=figure, description=f"Simulated power by scenario. {told}.")


def fan(view: View) -> Drawing:
    """Subjects and events by month: the middle of the trials and a band of nine in ten."""
    numbers, month_days = view.main, view.report.month_days
    room = text_width("Subjects", SMALL, bold=True) + 10
    figure, axes = _axes(right=room)
    last, ends = 1.0, []
    for name, colour in (("subjects", QUIET), ("events", ARM_COLOURS[0])):
        lower, middle, upper = (
            [row.value or 0.0 for row in numbers.at_times(f"{name}_{which}", arm="ALL")]
            for which in ("lower", "median", "upper")
        )
        times = numbers.at_times(f"{name}_median", arm="ALL")
        months = [(row.time_days or 0.0) / month_days for row in times]
        axes.fill_between(months, lower, upper, color=colour, alpha=0.18, linewidth=0)
        axes.plot(months, middle, color=colour)
        _beside(axes, months[-1], middle[-1], name.capitalize(), colour)
        last = months[-1]
        ends.append(f"{name}: {middle[-1]:.0f} ({lower[-1]:.0f} to {upper[-1]:.0f})")
    stops = [value_of(numbers.find(f"stop_{which}")) or 0.0 for which in ("lower", "upper")]
    axes.axvspan(*stops, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
    top = axes.get_ylim()[1]
    words = f"last look, month {stops[0]:.0f} to {stops[1]:.0f}"
    made = axes.text((stops[0] + stops[1]) / 2, top * 0.02, words, ha="center", va="bottom")
    made.set(fontsize=SMALL, color=QUIET)
    axes.set_xlim(0, last)
    axes.set_xticks(range(0, math.floor(last) + 1, month_step(last)))
    axes.set(ylim=(0, top), xlabel="Months since recruitment opened", ylabel="Number")
    told = f"By month {last:.0f}: {'; '.join(ends)}. In nine of ten trials the {words}."
    return Drawing(figure=figure, description=f"Accrual and events of virtual trials. {told}")


def simulated_power(view: View) -> Drawing:
    """Power against the true hazard ratio: by theory a line, simulated points with their error."""
    numbers = view.main
    theory = _by_level(numbers, "power")
    points = _by_level(numbers, "power_simulated")
    errors = _by_level(numbers, "power_error")
    figure, axes = _axes()
    axes.plot(list(theory), list(theory.values()), color=QUIET, label="theory")
    axes.errorbar(
        list(points),
        list(points.values()),
        yerr=[1.96 * errors[ratio] for ratio in points],
        fmt="o",
        color=ARM_COLOURS[0],
        markersize=4,
        linewidth=0.9,
        label="simulated, 95 % interval",
    )
    axes.axhline(value_of(numbers.find("level")) or 0.0, color=FAINT, linewidth=0.7, zorder=0)
    axes.legend(frameon=False, fontsize=SMALL, loc="lower left")
    ratios = [*theory, *points]
    axes.set(xlim=(min(ratios) - 0.02, max(ratios) + 0.02), ylim=(0, 1.04))
    axes.set(xlabel="True hazard ratio", ylabel="Power (%)")
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20", "40", "60", "80", "100"])
    told = "; ".join(f"{100 * power:.1f} % at {ratio:.3g}" for ratio, power in points.items())
    return Drawing(figure=figure, description=f"Power, simulated and by theory: {told}.")


def dose_heterogeneity(view: View) -> Drawing:
    """A share of patients over the spread between sites, a line a design; the fixed one across."""
    numbers = view.main
    figure, axes = _axes()
    told = []
    for place, line in enumerate(numbers.variables):
        levels = numbers.levels(line)
        shares, errors = (
            [value_of(numbers.find(name, variable=line, level=level)) or 0.0 for level in levels]
            for name in ("share_percent", "share_error_percent")
        )
        if levels[0] == "any":
            axes.axhline(shares[0], color=QUIET, linewidth=0.9, linestyle="--", label=line)
            told.append(f"{line} {shares[0]:.1f} %")
            continue
        shift = 0.35 * (place - len(numbers.variables) / 2)  # so that bars do not overlap
        axes.errorbar(
            [100 * float(level) + shift for level in levels],
            shares,
            yerr=[1.96 * error for error in errors],
            fmt="o-" if "several" in line else "s--",
            color=ARM_COLOURS[0 if "target" in line else 1],
            markersize=4,
            linewidth=0.9,
            label=line,
        )
        told.append(f"{line} from {shares[0]:.1f} % to {shares[-1]:.1f} %")
    axes.set(xlabel="Spread between sites (%)", ylabel="Patients (%)")
    axes.set_ylim(bottom=0)
    lower, upper = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= min(upper, 100)])
    axes.set_ylim(lower, 1.5 * upper)  # room for the key above the lines
    axes.legend(frameon=False, fontsize=SMALL, loc="upper right")
    return Drawing(figure=figure, description=f"Share of virtual patients: {'; '.join(told)}.")


def simulated_looks(view: View) -> Drawing:
    """Boundaries at each look, with z of nine in ten trials if all went on so far."""
    numbers = view.main
    events = _column(numbers, "look_events")
    figure, axes = _axes()
    lower, middle, upper = (
        _column(numbers, f"z_{which}") for which in ("lower", "median", "upper")
    )
    bars = [[m - a for m, a in zip(middle, lower, strict=True)]]
    bars.append([b - m for m, b in zip(middle, upper, strict=True)])
    axes.errorbar(
        events, middle, yerr=bars, fmt="s", color=QUIET, markersize=4, linewidth=0.9, capsize=3,
        label="z, nine in ten trials",
    )  # fmt: skip
    z = _column(numbers, "boundary_z")
    axes.plot(events, z, "o-", color=ARM_COLOURS[0], markersize=4, label="efficacy")
    futile = [
        (x, value_of(numbers.find("futility_z", variable="looks", level=level)))
        for x, level in zip(events, numbers.levels("looks"), strict=True)
    ]
    known = [(x, y) for x, y in futile if y is not None]
    if known:
        axes.plot(*zip(*known, strict=True), "v-", color=ARM_COLOURS[1], label="futility")
    axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0)
    axes.legend(frameon=False, fontsize=SMALL, loc="best")
    axes.set_xticks(events, [formatting.count(each) for each in events])
    axes.set(xlim=(min(events) * 0.8, events[-1] * 1.08), xlabel="Events", ylabel="z")
    looks = zip(events, z, middle, strict=True)
    told = "; ".join(f"bound {y:.3f} and median z {m:.2f} at {x:.0f} events" for x, y, m in looks)
    return Drawing(figure=figure, description=f"Boundaries and simulated z: {told}.")


def _column(numbers: Numbers, statistic: str) -> list[float]:
    return [
        value_of(numbers.find(statistic, variable="looks", level=level)) or 0.0
        for level in numbers.levels("looks")
    ]


def _by_level(numbers: Numbers, statistic: str) -> dict[float, float]:
    """Values of a statistic by the number that is their level."""
    return {
        float(row.level or "nan"): row.value or 0.0
        for row in numbers.rows
        if row.statistic == statistic and row.level
    }


def _key(words: str) -> str:
    """Return the assumption of 'accrual per month 7'."""
    return words.rsplit(" ", 1)[0].capitalize()


def _value(words: str) -> str:
    return words.rsplit(" ", 1)[1]


def _axes(*, right: float = RIGHT) -> tuple[Figure, Axes]:
    figure = blank(BOTTOM + HEIGHT + TOP)
    return figure, axes_at(figure, LEFT, BOTTOM, WIDTH - LEFT - right, HEIGHT)


def _beside(axes: Axes, x: float, y: float, words: str, colour: str) -> None:
    """Write a name at the end of its line."""
    made = axes.annotate(words, (x, y), xytext=(5, 0), textcoords="offset points", va="center")
    made.set(color=colour, fontweight="bold", fontsize=SMALL, annotation_clip=False)

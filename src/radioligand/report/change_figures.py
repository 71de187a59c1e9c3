# SPDX-License-Identifier: Apache-2.0
"""Figures of tumour size, one mark a subject: waterfall of the best change, spider over time."""

import math
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from string import ascii_lowercase
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radioligand.report import formatting
from radioligand.report.canvas import (
    INK,
    QUIET,
    RESPONSE_COLOURS,
    SMALL,
    WIDTH,
    Drawing,
    axes_at,
    blank,
    colour_key,
    month_step,
    one_path,
    rectangle,
    sheet,
    text_width,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import View
from radioligand.report.tables import value_of

MOST_SUBJECTS = 600  # marks that a panel can hold before they run into each other
CEILING = 100.0  # percent; growth beyond is cut there
LEFT, APART = 42.0, 16.0  # points: before the first panel, between panels
HEIGHT, HEAD, FOOT = 200.0, 34.0, 46.0
RESPONSE = pl.col("text").fill_null("NE")


class Panel(NamedTuple):
    """One arm's subjects and where they are drawn, in points."""

    arm: Arm
    rows: pl.DataFrame
    left: float
    width: float

    @property
    def subjects(self) -> int:
        return self.rows["subject"].n_unique()


def waterfall(view: View) -> Drawing:
    """Each subject's best change, arms apart, coloured by best confirmed response.

    A letter under a bar gives the reason why it is no response, where the results have one.
    """
    rows = _rows(view, "best_change").sort("value", "subject", descending=[True, False])
    panels, remarks = _panels(view, rows, by_size=True)
    reasons = dict(_rows(view, "not_response").select("subject", "text").iter_rows())
    letters = dict(zip(sorted(set(reasons.values())), ascii_lowercase, strict=False))
    figure, page = _paper(rows)
    for panel in panels:
        axes = axes_at(figure, panel.left, FOOT, panel.width, HEIGHT)
        values = panel.rows["value"].clip(upper_bound=CEILING).to_list()
        responses = panel.rows.select(RESPONSE).to_series().to_list()
        for response in dict.fromkeys(responses):
            bars = [
                rectangle(place - 0.42, 0, place + 0.42, value or 0.6)  # no change is still seen
                for place, (value, each) in enumerate(zip(values, responses, strict=True))
                if each == response
            ]
            one_path(axes, bars, facecolor=_colour(response), linewidth=0)
        marks = ((letters.get(reasons.get(each, "")) or "") for each in panel.rows["subject"])
        _write_letters(axes, values, list(marks))
        axes.set_xlim(-0.8, max(len(values), 1) - 0.2)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        _percent_axis(axes, panel, label="Best change in sum of diameters (%)")
        size = value_of(view.main.find("n", arm=panel.arm.id))
        of = f" of {formatting.count(size)}" if size else ""
        told = f"{panel.arm.short} ({panel.subjects}{of})"
        _write_name(page, panel, told, y=FOOT - 12)
    told = "; ".join(f"{panel.arm.label}: {_told_responses(panel)}" for panel in panels)
    description = f"Waterfall plot of the best change in the sum of diameters. {told}"
    said = tuple(f"{letter}: {reason}." for reason, letter in letters.items())
    return Drawing(figure=figure, description=description, remarks=(*remarks, *said))


def _write_letters(axes: Axes, values: Sequence[float], letters: Sequence[str]) -> None:
    """Write each bar's letter beyond its end; of neighbours every other one a line lower."""
    marked = [place for place, letter in enumerate(letters) if letter]
    for count, place in enumerate(marked):
        y = values[place] - 5 - 7 * (count % 2)
        axes.text(place, y, letters[place], ha="center", va="center", fontsize=SMALL)


def spider(view: View) -> Drawing:
    """Each subject's change over time, arms apart, coloured by best confirmed response."""
    rows = _rows(view, "change").filter(pl.col("time_days").is_not_null())
    rows = rows.sort("subject", "time_days").with_columns(
        month=pl.col("time_days") / view.report.month_days,
        change=pl.col("value").clip(upper_bound=CEILING),
    )
    panels, remarks = _panels(view, rows, by_size=False)
    figure, page = _paper(rows)
    last = max(rows["month"].to_list(), default=1.0)
    for panel in panels:
        axes = axes_at(figure, panel.left, FOOT, panel.width, HEIGHT - 14)
        for response in reversed(RESPONSE_COLOURS):
            own = panel.rows.filter(response == RESPONSE).select("subject", "month", "change")
            lines = [
                [(month, change) for _, month, change in line]
                for _, line in groupby(own.iter_rows(), key=itemgetter(0))
            ]
            colour = _colour(response, line=True)
            one_path(axes, lines, edgecolor=colour, linewidth=0.8, fill=False, alpha=0.85)
        axes.set_xlim(0, last * 1.02)
        axes.set_xticks(range(0, int(last) + 1, month_step(2 * last)))
        axes.set_xlabel(view.display.time_label, labelpad=2, fontsize=SMALL)
        _percent_axis(axes, panel, label="Change in sum of diameters (%)")
        told = f"{panel.arm.short} ({panel.subjects})"
        _write_name(page, panel, told, y=FOOT + HEIGHT - 4)
    told = "; ".join(f"{panel.arm.label}: {panel.subjects} subjects" for panel in panels)
    description = f"Change in the sum of diameters over time, a line for each subject. {told}"
    return Drawing(figure=figure, description=description, remarks=remarks)


def _rows(view: View, statistic: str) -> pl.DataFrame:
    """Return the rows of that statistic that belong to a subject and have a value."""
    return view.main.frame.filter(
        pl.col("statistic") == statistic,
        pl.col("subject").is_not_null(),
        pl.col("value").is_not_null(),
    )


def _panels(
    view: View, rows: pl.DataFrame, *, by_size: bool
) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """Part the arms, wide by their subjects or alike; of too many keep every so many-th."""
    parts: list[tuple[Arm, pl.DataFrame]] = []
    remarks = []
    for arm in view.arms():
        found = rows.filter(pl.col("arm") == arm.id)
        subjects = found["subject"].unique(maintain_order=True)
        step = math.ceil(len(subjects) / MOST_SUBJECTS)
        if step > 1:
            kept = subjects.gather_every(step).to_list()
            found = found.filter(pl.col("subject").is_in(kept))
            remarks.append(f"{arm.short}: 1 in {step} of {len(subjects)} subjects is drawn.")
        if found.height:
            parts.append((arm, found))
    remarks += remark_of_cut(rows)
    room = WIDTH - LEFT - 4 - APART * (len(parts) - 1)
    shares = [found.height if by_size else 1 for _, found in parts]
    panels, left = [], LEFT
    for (arm, found), share in zip(parts, shares, strict=True):
        width = room * share / sum(shares)
        panels.append(Panel(arm, found, left, width))
        left += width + APART
    return tuple(panels), tuple(remarks)


def remark_of_cut(rows: pl.DataFrame) -> tuple[str, ...]:
    """Return what a caption says of growth beyond the ceiling; nothing if there is none."""
    cut = rows.filter(pl.col("value") > CEILING)["subject"].n_unique()
    who = f"{cut} subject{'s' if cut > 1 else ''}"
    return (f"Growth beyond {CEILING:.0f}% is cut there ({who}).",) if cut else ()


def _paper(rows: pl.DataFrame) -> tuple[Figure, Axes]:
    """Return figure and sheet with the key of the responses that occur."""
    figure = blank(FOOT + HEIGHT + HEAD)
    page, y = sheet(figure), FOOT + HEIGHT + HEAD - 10
    found = set(rows.select(RESPONSE).to_series())
    key = [(_colour(each), _words(each)) for each in (*RESPONSE_COLOURS, *_unknown(found))]
    key = [entry for entry in key if entry[1] in {_words(each) for each in found}]
    write(page, LEFT, y, "Best confirmed response", bold=True)
    colour_key(page, key, left=LEFT + 132, top=y, width=WIDTH - LEFT - 132)
    return figure, page


def _write_name(page: Axes, panel: Panel, told: str, *, y: float) -> None:
    """Write a panel's name in its middle, or as near as the paper's edge allows."""
    middle = WIDTH - text_width(told, SMALL, bold=True) / 2
    write(page, min(panel.left + panel.width / 2, middle), y, told, ha="center", bold=True)


def _unknown(found: set[str]) -> Sequence[str]:
    return sorted(found - set(RESPONSE_COLOURS))


def _words(response: str) -> str:
    return "Not evaluable" if response == "NE" else response


def _colour(response: str, *, line: bool = False) -> str:
    if line and response not in RESPONSE_COLOURS | {"NE": ""}:
        return INK
    if line and response == "NE":
        return "#8c8c8c"  # the fill of a bar is too faint for a line
    return RESPONSE_COLOURS.get(response, INK)


def _percent_axis(axes: Axes, panel: Panel, *, label: str) -> None:
    """Percent from −100 to 100 with the lines of RECIST 1.1 at −30 and 20."""
    axes.set_ylim(-102, 104)
    axes.set_yticks([-100, -50, -30, 0, 20, 50, 100])
    axes.tick_params(labelsize=SMALL)
    for level in (-30, 20):
        axes.axhline(level, color=QUIET, linewidth=0.6, linestyle=(0, (3, 2)))
    axes.axhline(0, color=INK, linewidth=0.7)
    if panel.left == LEFT:
        axes.set_ylabel(label, fontsize=SMALL, labelpad=1)
    else:
        axes.set_yticklabels([])


def _told_responses(panel: Panel) -> str:
    counted = panel.rows.group_by(RESPONSE.alias("response")).len().sort("response")
    return ", ".join(f"{_words(name)} {n}" for name, n in counted.iter_rows())

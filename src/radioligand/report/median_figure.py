# SPDX-License-Identifier: Apache-2.0
"""Medians with their intervals, one line a treatment: like a forest, but nothing is compared."""

from collections.abc import Sequence
from typing import NamedTuple

from radioligand.report import formatting
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    INK,
    SMALL,
    WIDE,
    Drawing,
    axes_at,
    blank,
    house_style,
    sheet,
    svg,
    wrapped,
    write,
)

ROW, HEAD, FOOT = 15.0, 26.0, 36.0  # points: a line, the heads above, the axis below
LABELS, TOLD = 190.0, 96.0  # points for the label and for the numbers
ALARM = ARM_COLOURS[1]


class Median(NamedTuple):
    """One line: a median in months with its interval as printed; `remark` says what is wrong."""

    label: str
    value: float
    lower: float | None = None
    upper: float | None = None
    remark: str = ""

    @property
    def told(self) -> str:
        """The numbers to one decimal, as papers print months; an asterisk for a remark."""
        mark = "*" if self.remark else ""
        if self.lower is None and self.upper is None:
            return f"{self.value:.1f}{mark}"
        upper = formatting.NOT_ESTIMATED if self.upper is None else f"{self.upper:.1f}"
        return f"{self.value:.1f} ({self.lower:.1f}–{upper}){mark}"


def median_figure(rows: Sequence[Median], *, name: str, title: str, axis: str) -> str:
    """Draw the medians as SVG, in the order given; a line with a remark has a colour of its own.

    An interval without an upper limit ends in an arrow. A median outside its own interval is
    drawn where it is printed.
    """
    with house_style(salt=name):
        return svg(_drawn(rows, axis=axis), name=name, title=title, notice="")


def _drawn(rows: Sequence[Median], *, axis: str) -> Drawing:
    labels = [wrapped(row.label, LABELS - 6, SMALL) for row in rows]
    heights = [ROW + (len(lines) - 1) * (ROW - 3) for lines in labels]
    height = sum(heights)
    figure = blank(FOOT + height + HEAD, width=WIDE)
    page = sheet(figure)
    axes = axes_at(figure, LABELS, FOOT, WIDE - LABELS - TOLD, height)
    ends = [end for row in rows for end in (row.value, row.lower, row.upper) if end is not None]
    most = 1.08 * max(ends, default=1.0)
    axes.set(xlim=(0, most), ylim=(0, height))
    axes.patch.set_alpha(0)
    axes.spines["left"].set_visible(False)
    axes.yaxis.set_visible(False)
    axes.set_xlabel(axis, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    y = height
    for row, lines, high in zip(rows, labels, heights, strict=True):
        middle, y = y - high / 2, y - high
        colour = ALARM if row.remark else ARM_COLOURS[0]
        if row.lower is not None:
            upper = most if row.upper is None else row.upper
            axes.plot([row.lower, upper], [middle, middle], color=colour, linewidth=1.0)
            if row.upper is None:
                axes.plot([most], [middle], marker=">", color=colour, markersize=4, clip_on=False)
        axes.plot([row.value], [middle], marker="o", color=colour, markersize=4.5)
        write(page, 2, FOOT + middle, "\n".join(lines))
        write(page, WIDE - 2, FOOT + middle, row.told, ha="right")
    write(page, 2, FOOT + height + 8, "Treatment, population, study", bold=True)
    write(page, WIDE - 2, FOOT + height + 8, "Median (95% CI)", ha="right", bold=True)
    page.plot([0, WIDE], [FOOT + height] * 2, color=INK, linewidth=0.7)
    told = "; ".join(f"{row.label} {row.told}" for row in rows)
    return Drawing(figure=figure, description=f"{axis}, as printed. {told}")

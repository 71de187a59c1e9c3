# SPDX-License-Identifier: Apache-2.0
"""Sets and how often they meet: a bar for each combination over the dots of its members."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from radioligand.report import formatting
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    INK,
    QUIET,
    SMALL,
    WIDE,
    Drawing,
    axes_at,
    blank,
    house_style,
    sheet,
    svg,
    text_width,
    write,
)

ROW, BARS, HEAD = 14.0, 120.0, 22.0  # points: a set's line, the bars, the head above
SIZE = 30.0  # points for the size of a set
MOST = 24  # combinations that a figure holds; the rest are in the table


class Combination(NamedTuple):
    """How many are in exactly these sets; an empty combination is in none."""

    members: tuple[str, ...]
    size: int


def sets_figure(
    combinations: Sequence[Combination],
    *,
    sets: Mapping[str, int],
    name: str,
    title: str,
    axis: str,
) -> str:
    """Draw combinations as SVG, in the order given, over one line of dots for each of `sets`.

    `sets` holds the size of each set; they stand in the order given. No more than 24 combinations
    are drawn; the bar of those in no set is grey.
    """
    with house_style(salt=name):
        drawn = _drawn(combinations[:MOST], sets=sets, axis=axis)
        return svg(drawn, name=name, title=title, notice="")


def _drawn(combinations: Sequence[Combination], *, sets: Mapping[str, int], axis: str) -> Drawing:
    labels = 14 + SIZE + max((text_width(one, SMALL) for one in sets), default=60.0)
    dots = ROW * len(sets)
    figure = blank(dots + 10 + BARS + HEAD, width=WIDE)
    page = sheet(figure)
    width = WIDE - labels - 8
    bars = axes_at(figure, labels, dots + 10, width, BARS)
    below = axes_at(figure, labels, 0, width, dots)
    span = (-0.6, max(len(combinations), 8) - 0.4)
    most = max((one.size for one in combinations), default=1)
    bars.set(xlim=span, ylim=(0, 1.12 * most))
    bars.xaxis.set_visible(False)
    bars.spines["left"].set_visible(False)
    bars.yaxis.set_visible(False)
    below.set(xlim=span, ylim=(0, len(sets)))
    below.set_axis_off()
    places = {one: len(sets) - 0.5 - place for place, one in enumerate(sets)}
    for one, y in places.items():
        write(page, 2, ROW * y, one)
        write(page, labels - 8, ROW * y, formatting.count(sets[one]), ha="right")
    for x, each in enumerate(combinations):
        bars.bar([x], [each.size], width=0.62, color=ARM_COLOURS[0] if each.members else QUIET)
        label = bars.text(x, each.size + 0.02 * most, formatting.count(each.size), ha="center")
        label.set(fontsize=SMALL, color=INK)
        inside = [places[member] for member in each.members]
        outside = [y for y in places.values() if y not in inside]
        below.plot([x] * len(outside), outside, "o", color=FAINT, markersize=4)
        below.plot([x] * len(inside), inside, "o-", color=INK, markersize=5, linewidth=1.1)
    write(page, 2, dots + 10 + BARS + 10, axis, bold=True)
    told = "; ".join(f"{', '.join(each.members) or 'none'}: {each.size}" for each in combinations)
    sizes = "; ".join(f"{one} {size} in all" for one, size in sets.items())
    return Drawing(figure=figure, description=f"{axis}. {told}. {sizes}")

# SPDX-License-Identifier: Apache-2.0
"""The CONSORT flow diagram: screened, randomised, treated, followed, analysed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from radioligand.report import formatting
from radioligand.report.canvas import (
    INK,
    SMALL,
    WIDTH,
    Drawing,
    blank,
    one_path,
    rectangle,
    sheet,
    wrapped,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import ALL, View
from radioligand.report.tables import value_of

LINE, PAD, GAP = 11.5, 6.0, 18.0  # points: a line of text, a box's inside, between boxes

# The boxes of an arm from above: the nodes that each holds. A box without numbers is left out.
STAGES = (
    ("randomised", "treated", "not_treated"),
    ("treatment_ended", "treatment_ongoing"),
    ("crossed_over",),
    ("analysed",),
)


class Line(NamedTuple):
    """One line of a box: its words, how far set in, whether it heads the box."""

    text: str
    indent: float = 0.0
    bold: bool = False


def consort(view: View) -> Drawing:
    """Boxes from screening to analysis, one column an arm, reasons under what they explain."""
    arms = view.arms()
    apart = 14.0
    column = (WIDTH - apart * (len(arms) - 1) - 2) / max(len(arms), 1)
    inside = column - 2 * PAD
    screened = list(_node_lines(view, ("", ALL), "screened", inside, bold=True))
    excluded = list(_node_lines(view, ("", ALL), "not_randomised", 172 - 2 * PAD))
    randomised = list(_node_lines(view, ("", ALL), "randomised", inside, bold=True))
    stages = [[list(_stage_lines(view, arm, nodes, inside)) for arm in arms] for nodes in STAGES]
    stages = [boxes for boxes in stages if any(boxes)]
    height = sum(_height(max(boxes, key=len)) + GAP for boxes in stages)
    height += sum(_height(lines) for lines in (screened, randomised, excluded) if lines) + GAP
    figure = blank(height + 16)
    page = sheet(figure)
    centres = [1 + column * (i + 0.5) + apart * i for i in range(len(arms))]
    middle, y = WIDTH / 2, height + 15
    if screened:
        y = _box(page, screened, middle - 65, y, 130)
    if excluded:
        branch = y - GAP / 2 - _height(excluded) / 2
        _box(page, excluded, WIDTH - 173, y - GAP / 2, 172)
        _arrow(page, [(middle, branch), (WIDTH - 173, branch)])
        lower = y - GAP - _height(excluded)
    else:
        lower = y - GAP
    if screened and randomised:
        _arrow(page, [(middle, y), (middle, lower)])
    if randomised:
        y = _box(page, randomised, middle - 65, lower, 130)
    ends = {centre: (middle, y) for centre in centres}  # where the last box above each arm ends
    for boxes in stages:
        below, bend = y - GAP, y - GAP / 2
        tall = max(_height(lines) for lines in boxes)
        for centre, lines in zip(centres, boxes, strict=True):
            if lines:
                start = ends[centre]
                _arrow(page, [start, (start[0], bend), (centre, bend), (centre, below)])
                end = _box(page, lines, centre - column / 2, below, column, height=tall)
                ends[centre] = (centre, end)
        y = below - tall
    told = "; ".join(line.text for lines in (screened, excluded, randomised) for line in lines)
    by_arm = "; ".join(line.text for boxes in stages for lines in boxes for line in lines)
    return Drawing(
        figure=figure, description=f"Flow of subjects through the trial. {told}; {by_arm}"
    )


def _node_lines(
    view: View, arms: Sequence[str], node: str, width: float, *, bold: bool = False
) -> Iterator[Line]:
    """Yield '35 not randomised', then its reasons set in; nothing if the frame has no count."""
    numbers = view.main
    levels = tuple(view.ordered(numbers.levels(node)))
    whole, parts = (
        any(
            numbers.find("count", arm=arm, variable=node, level=level)
            for arm in arms
            for level in chosen
        )
        for chosen in (("",), levels)
    )
    if parts and not whole:
        yield Line(view.words(node), bold=True)
    for level in ("", *levels):
        found = (numbers.find("count", arm=arm, variable=node, level=level) for arm in arms)
        value = next((value_of(number) for number in found if number is not None), None)
        if value is None or (level and not value):
            continue
        words = view.label(node, level)
        indent = 8.0 if level else 0.0
        shown = f"{formatting.count(value)} {words if level else words[:1].lower() + words[1:]}"
        for place, text in enumerate(wrapped(shown, width - indent, SMALL)):
            yield Line(text, indent + (8.0 if place else 0.0), bold and not level)


def _stage_lines(view: View, arm: Arm, nodes: tuple[str, ...], width: float) -> Iterator[Line]:
    for node in nodes:
        if node != "randomised":
            yield from _node_lines(view, (arm.id,), node, width)
            continue
        size = view.main.find("count", arm=arm.id, variable=node)
        if size is not None:
            shown = f"{formatting.count(size.value)} assigned to {arm.label}"
            yield from (Line(text, bold=True) for text in wrapped(shown, width * 0.92, SMALL))


def _height(lines: Sequence[Line]) -> float:
    return LINE * len(lines) + 2 * PAD


def _box(
    page: Axes,
    lines: Sequence[Line],
    left: float,
    top: float,
    width: float,
    *,
    height: float | None = None,
) -> float:
    """Draw a box with its lines; return where it ends."""
    bottom = top - (height or _height(lines))
    outline = rectangle(left, bottom, left + width, top)
    one_path(page, [outline], facecolor="white", edgecolor=INK, linewidth=0.7)
    for place, line in enumerate(lines):
        y = top - PAD - LINE * (place + 0.5)
        write(page, left + PAD + line.indent, y, line.text, bold=line.bold)
    return bottom


def _arrow(page: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Draw a line through the points with a head at the last."""
    one_path(page, [points], edgecolor=INK, linewidth=0.7, fill=False)
    (x, y), (before_x, before_y) = points[-1], points[-2]
    across = (x > before_x) - (x < before_x)
    up = (y > before_y) - (y < before_y)
    head = [
        (x, y),
        (x - 5 * across - 2.5 * up, y - 5 * up - 2.5 * across),
        (x - 5 * across + 2.5 * up, y - 5 * up + 2.5 * across),
        (x, y),
    ]
    one_path(page, [head], facecolor=INK, linewidth=0)

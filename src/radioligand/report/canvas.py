# SPDX-License-Identifier: Apache-2.0
"""The paper of every figure: points as unit, one palette, and SVG that is the same each time.

Text stays text in the SVG (`svg.fonttype` none), so that it can be searched, read aloud and
copied, and stays a tenth of the size of outlines. Layout is measured with the widest font a
reader is likely to have (DejaVu Sans, which comes with matplotlib), so that text set in another
font only gains room. Nothing of the machine or the clock enters the file.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from radioligand.report.contents import Arm

# Okabe and Ito: told apart by readers of any colour vision.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
RESPONSE_COLOURS = {
    "CR": "#009E73",
    "PR": "#56B4E9",
    "SD": "#B3B3B3",
    "NON-CR/NON-PD": "#CC79A7",
    "PD": "#E69F00",
    "NE": "#E6E6E6",
}
INK, QUIET, FAINT = "#1a1a1a", "#595959", "#c8c8c8"
WIDTH = 410.0  # points: on a phone of 390 pixels the small text is still 8 pixels high
WIDE = 500.0  # of a figure with columns of numbers beside it; a phone scrolls it
TEXT, SMALL = 9.4, 8.8
CHARACTER, BOLD = 0.56, 0.66  # width of a mean character of DejaVu Sans, in font sizes

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.4,
    "text.parse_math": False,
}
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure ready to be written, with a description in words and remarks for its caption."""

    figure: Figure
    description: str
    remarks: tuple[str, ...] = ()


@contextmanager
def house_style(*, salt: str = "") -> Iterator[None]:
    """Let matplotlib draw as the report does, whatever its user has set; then set that again."""
    settings: Any = STYLE | {"svg.hashsalt": salt}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def blank(height: float, *, width: float = WIDTH) -> Figure:
    """Return an empty figure of that height and width, in points."""
    return Figure(figsize=(width / 72, height / 72), facecolor="none")


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes whose corners lie there, in points from the lower left."""
    across, up = figure.get_size_inches() * 72
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def sheet(figure: Figure) -> Axes:
    """Return invisible axes over the whole figure, their unit the point, to write and draw on."""
    across, up = figure.get_size_inches() * 72
    axes = axes_at(figure, 0, 0, across, up)
    axes.set(xlim=(0, across), ylim=(0, up))
    axes.set_axis_off()
    return axes


def arm_colours(arms: Sequence[Arm]) -> dict[str, str]:
    """Return each arm's colour, by its place in the report; the same in every figure."""
    return {arm.id: ARM_COLOURS[i % len(ARM_COLOURS)] for i, arm in enumerate(arms)}


def text_width(text: str, size: float = TEXT, *, bold: bool = False) -> float:
    """Return about how many points a text of one line is wide."""
    return len(text) * size * (BOLD if bold else CHARACTER)


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    ha: str = "left",
    va: str = "center_baseline",
    colour: str = INK,
    bold: bool = False,
) -> None:
    """Write small text on the sheet."""
    weight = "bold" if bold else "normal"
    made = axes.text(x, y, text, ha=ha, va=va, linespacing=1.15)
    made.set(fontsize=SMALL, color=colour, fontweight=weight)


def wrapped(text: str, width: float, size: float = TEXT) -> list[str]:
    """Return the text in lines no wider than that many points, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def one_path(axes: Axes, pieces: Sequence[Sequence[tuple[float, float]]], **style: Any) -> None:
    """Draw many open or closed pieces as one path: a page of subjects stays small."""
    if not pieces:
        return
    vertices = [point for piece in pieces for point in piece]
    codes = [
        Path.MOVETO if not place else Path.LINETO for piece in pieces for place in range(len(piece))
    ]
    axes.add_patch(PathPatch(Path(vertices, codes), **style))


def rectangle(left: float, bottom: float, right: float, top: float) -> list[tuple[float, float]]:
    """Return the closed outline of a rectangle."""
    return [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]


def colour_key(
    axes: Axes, entries: Sequence[tuple[str, str]], *, left: float, top: float, width: float
) -> float:
    """Write a key of small squares on the sheet, in lines; return where its last line stands."""
    x, y = left, top
    for colour, words in entries:
        needed = 11 + text_width(words, SMALL) + 10
        if x > left and x + needed > left + width:
            x, y = left, y - 13
        one_path(
            axes,
            [rectangle(x, y - 3.5, x + 7, y + 3.5)],
            facecolor=colour,
            edgecolor=INK,
            linewidth=0.3,
        )
        write(axes, x + 10, y, words)
        x += needed
    return y


def month_step(months: float) -> int:
    """Return the months between ticks: at most a dozen steps over the axis."""
    return next((step for step in (1, 3, 6, 12, 24) if months / step <= 12), 60)


def svg(drawing: Drawing, *, name: str, title: str, notice: str) -> str:
    """Return the figure as SVG with title and description, its ids all beginning with `name`.

    It is drawn in whatever style is set: call this within `house_style`.

    Width and height are left to the page; the viewBox keeps the proportions. Simulated data
    are marked inside the drawing, so that the file cannot be parted from the mark.
    """
    if notice:
        across, up = drawing.figure.get_size_inches() * 72
        mark = drawing.figure.text(1 - 2 / across, 2 / up, notice, ha="right", va="bottom")
        mark.set(fontsize=SMALL, color="#a3330a")
    file = io.StringIO()
    without = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    drawing.figure.savefig(file, format="svg", metadata=without)
    return _finished(file.getvalue(), name=name, title=title, description=drawing.description)


def _finished(raw: str, *, name: str, title: str, description: str) -> str:
    body = raw[raw.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: _kept_id(m[1], used, name), body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = body.replace("'DejaVu Sans'", FONTS)
    opening = re.match(r"<svg[^>]*>", body)
    assert opening is not None
    view_box = re.search(r'viewBox="[^"]*"', opening[0])
    assert view_box is not None
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view_box[0]} role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-desc">{escape(description)}</desc>\n'
    )
    return head + body[opening.end() :].lstrip()


def _kept_id(found: str, used: set[str], name: str) -> str:
    return f' id="{name}-{found}"' if found in used else ""

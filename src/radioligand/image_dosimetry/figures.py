# SPDX-License-Identifier: Apache-2.0
"""Figures of one cycle's doses: isodose lines on the CT, dose-volume histograms, curves."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from radioligand.dosimetry.grids import Grid
from radioligand.image_dosimetry.doses import ImageDosimetry, RegionDose
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    INK,
    QUIET,
    SMALL,
    TEXT,
    WIDE,
    Drawing,
    axes_at,
    blank,
    colour_key,
    house_style,
    one_path,
    sheet,
    svg,
    text_width,
    write,
)

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the highest dose in the region
ABOVE_LINES = 4  # in the order of drawing: a region is seen over the isodoses
LINES = ("#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00")
WINDOW_HU = (-160.0, 240.0)
TALLEST = 220.0  # points
AXES = ("slice", "row", "column")
STROKES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


def isodoses(found: ImageDosimetry, region: RegionDose, *, name: str, title: str) -> str:
    """Draw the slices through the region's highest dose, lines of equal dose over the CT.

    Three slices along the axes of the image, on one scale, with the region's outline; without a CT,
    the first image stands below.
    """
    with house_style(salt=name):
        return svg(_isodoses(found, region), name=name, title=title, notice="")


def dose_volumes(found: ImageDosimetry, *, name: str, title: str) -> str:
    """Draw the cumulative dose-volume histogram of every region."""
    with house_style(salt=name):
        return svg(_dose_volumes(found), name=name, title=title, notice="")


def curves(found: ImageDosimetry, *, name: str, title: str) -> str:
    """Draw each region's activity, measured and as the sum of its voxels' curves."""
    with house_style(salt=name):
        return svg(_curves(found), name=name, title=title, notice="")


def _stroke(place: int) -> dict[str, Any]:
    colour = ARM_COLOURS[place % len(ARM_COLOURS)]
    return {"color": colour, "linestyle": STROKES[place // len(ARM_COLOURS) % len(STROKES)]}


def upright_axes(grid: Grid, axis: int) -> tuple[int, int, tuple[bool, bool]]:
    """Return which axis of a slice points down, which across, and whether each has to be turned.

    Head up, else front up; the patient's left is on the right, or the back in side views.
    """
    leading = np.abs(grid.affine[:3, :3]).argmax(0)  # 0 left, 1 back, 2 head, of each axis
    across, down = sorted((other for other in range(3) if other != axis), key=leading.__getitem__)
    ahead = grid.affine[leading, range(3)] > 0
    headwards = leading[down] == 2
    return down, across, (bool(ahead[down] == headwards), not ahead[across])


def seen_slice(
    image: Any, axis: int, place: int, upright: tuple[int, int, tuple[bool, bool]]
) -> Any:
    """Return one slice as it is seen, rows downwards."""
    down, across, (turn_down, turn_across) = upright
    slice_ = np.asarray(image).take(place, axis)
    if down > across:
        slice_ = slice_.T
    return slice_[:: -1 if turn_down else 1, :: -1 if turn_across else 1]


def _isodoses(found: ImageDosimetry, region: RegionDose) -> Drawing:
    dose, mask = found.dose_gy[found.box], region.mask[found.box]
    hottest = np.unravel_index(int(np.where(mask, dose, -1.0).argmax()), dose.shape)
    ground = found.read.ct if found.read.ct is not None else found.read.moments[0].activity
    under = ground[found.box]
    low, high = WINDOW_HU if found.read.ct is not None else (0.0, float(under.max()) * 0.3)
    most = float(dose[hottest])
    levels = [share * most for share in LEVELS]
    slices = planes(found.read.grid, dose.shape)
    gap, foot = 12.0, 74.0
    scale = min(
        (WIDE - 8 - 2 * gap) / sum(one.wide_mm for one in slices),
        TALLEST / max(one.high_mm for one in slices),
    )  # points per mm, one for all three
    top = foot + scale * max(one.high_mm for one in slices)
    figure = blank(top + 18, width=WIDE)
    page = sheet(figure)
    left = 4.0
    for one in slices:
        width, height = scale * one.wide_mm, scale * one.high_mm
        axes = axes_at(figure, left, top - height, width, height)
        place = int(hottest[one.axis])
        extent = (0.0, one.wide_mm, 0.0, one.high_mm)
        _slice(axes, seen_slice(under, one.axis, place, one.upright), extent, low, high)
        _lines(axes, seen_slice(dose, one.axis, place, one.upright), levels, extent)
        _outline(axes, seen_slice(mask, one.axis, place, one.upright), extent)
        _sides(axes, one.letters)
        words = f"{one.name}, {AXES[one.axis]} {place + found.box[one.axis].start + 1}"
        write(page, left, top + 8, words)
        left += width + gap
    entries = [
        (colour, f"{100 * share:.0f} %, {level:.3g} Gy")
        for colour, share, level in zip(LINES, LEVELS, levels, strict=True)
    ]
    colour_key(page, entries, left=4, top=foot - 16, width=WIDE - 8)
    write(page, 4, 29, f"100 % is the highest dose in {region.name}, {most:.3g} Gy.", colour=QUIET)
    write(page, 4, 16, "Dashed white: the region. Right, left, front, back and", colour=QUIET)
    write(page, 4, 5, "head of the patient are R, L, A, P and H.", colour=QUIET)
    page.plot([WIDE - 4 - 50 * scale, WIDE - 4], [24, 24], color=INK, linewidth=1.6)
    write(page, WIDE - 4 - 25 * scale, 12, "50 mm", ha="center")
    told = ", ".join(f"{level:.3g}" for level in levels)
    seen = "the CT" if found.read.ct is not None else "the first activity image"
    return Drawing(
        figure=figure,
        description=f"Lines of {told} Gy over {seen}, through the highest dose in {region.name}.",
    )


class Plane(NamedTuple):
    """One of the three slices: through which axis, how it stands, how large it is."""

    axis: int
    upright: tuple[int, int, tuple[bool, bool]]
    wide_mm: float
    high_mm: float
    name: str
    letters: tuple[str, str, str]  # at the left, at the right, on top


def planes(grid: Grid, shape: tuple[int, ...]) -> list[Plane]:
    """Return axial, coronal and sagittal, whichever axes of the image they go through."""
    leading = np.abs(grid.affine[:3, :3]).argmax(0)
    names = {
        2: ("Axial", ("R", "L", "A")),
        1: ("Coronal", ("R", "L", "H")),
        0: ("Sagittal", ("A", "P", "H")),
    }
    found = []
    for axis in np.argsort(-leading, kind="stable").tolist():
        upright = upright_axes(grid, axis)
        down, across, _ = upright
        name, letters = names[int(leading[axis])]
        wide_mm, high_mm = (shape[one] * grid.spacing_mm[one] for one in (across, down))
        found.append(Plane(axis, upright, wide_mm, high_mm, name, letters))
    return found


def _sides(axes: Axes, letters: tuple[str, str, str]) -> None:
    for letter, x, y in zip(letters, (0.03, 0.97, 0.5), (0.5, 0.5, 0.95), strict=True):
        made = axes.text(x, y, letter, transform=axes.transAxes, ha="center", va="center")
        made.set(fontsize=SMALL, color="white", fontweight="bold")


def _outline(axes: Axes, mask: Any, extent: tuple[float, float, float, float]) -> None:
    """The region's contour in this slice, along the edges of its voxels."""
    inside = np.pad(np.asarray(mask), 1)
    wide, high = extent[1] / (inside.shape[1] - 2), extent[3] / (inside.shape[0] - 2)
    pieces = []
    for row, column in zip(*np.nonzero(inside[:, 1:] != inside[:, :-1]), strict=True):
        y = extent[3] - (row - 1) * high
        pieces.append([(column * wide, y), (column * wide, y - high)])
    for row, column in zip(*np.nonzero(inside[1:] != inside[:-1]), strict=True):
        y = extent[3] - row * high
        pieces.append([((column - 1) * wide, y), (column * wide, y)])
    style = {"facecolor": "none", "edgecolor": "white", "linewidth": 0.7, "linestyle": "--"}
    one_path(axes, pieces, **style, zorder=ABOVE_LINES)


def _slice(
    axes: Axes, image: Any, extent: tuple[float, float, float, float], low: float, high: float
) -> None:
    axes.imshow(
        np.asarray(image),
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=extent,
        interpolation="nearest",
        aspect="equal",
    )
    axes.set_axis_off()
    left, right, bottom, top = extent
    axes.add_patch(
        Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=FAINT)
    )


def _lines(
    axes: Axes, dose: Any, levels: list[float], extent: tuple[float, float, float, float]
) -> None:
    values = np.asarray(dose)
    rows, columns = values.shape
    x = (np.arange(columns) + 0.5) * extent[1] / columns
    y = extent[3] - (np.arange(rows) + 0.5) * extent[3] / rows
    kept = [level for level in levels if values.min() < level < values.max()]
    if kept:
        axes.contour(
            x,
            y,
            values,
            levels=kept,
            colors=[LINES[levels.index(level)] for level in kept],
            linewidths=1.1,
        )


def _dose_volumes(found: ImageDosimetry) -> Drawing:
    """Organs and lesions beside each other: their doses differ tenfold."""
    groups = [
        [region for region in found.regions if (region.role == "lesion") == lesions]
        for lesions in (False, True)
    ]
    shown = [group for group in groups if group]
    figure = blank(250, width=WIDE)
    room = (WIDE - 60 - 30 * (len(shown) - 1)) / len(shown)
    for number, group in enumerate(shown):
        axes = axes_at(figure, 46 + number * (room + 30), 62, room, 168)
        for region in group:
            volume = region.volume
            style = _stroke(found.regions.index(region))
            axes.plot(volume.dose_gy, 100 * volume.volume_fraction, **style)
        axes.set(xlim=(0, 1.2 * max(one.volume.d2_gy for one in group)), ylim=(0, 102))
        axes.set_title("Lesions" if group[0].role == "lesion" else "Organs", fontsize=TEXT)
        axes.set_xlabel("Absorbed dose, Gy")
        if not number:
            axes.set_ylabel("Volume with that dose or more, %")
        axes.grid(color=FAINT, linewidth=0.5)
    _key(figure, found)
    told = "; ".join(f"{one.name} {one.volume.d50_gy:.3g} Gy" for one in found.regions)
    return Drawing(
        figure=figure, description=f"Cumulative dose-volume histograms. Half of the volume: {told}."
    )


def _curves(found: ImageDosimetry) -> Drawing:
    figure = blank(340, width=WIDE)
    axes = axes_at(figure, 52, 150, WIDE - 66, 178)
    below = axes_at(figure, 52, 62, WIDE - 66, 70)
    times = found.read.time_hours
    after = np.linspace(0.0, times[-1] * 1.15, 60)
    errors = found.read.study.errors
    for place, region in enumerate(found.regions):
        style = _stroke(place)
        measured, fitted = np.array(region.activity_mbq), np.array(region.fitted_mbq)
        axes.plot(after, region.curve(after), **style)
        axes.plot(times, measured, "o", color=style["color"], markersize=4.5)
        below.plot(times, 100 * (measured / fitted - 1), "o-", color=style["color"],
                   linewidth=0.6, markersize=3.5)  # fmt: skip
    if errors is not None and errors.each_image:
        below.axhspan(-100 * errors.each_image, 100 * errors.each_image, color=FAINT, alpha=0.5)
    below.axhline(0, color=QUIET, linewidth=0.7)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylabel("Activity, MBq")
    axes.grid(color=FAINT, linewidth=0.5, which="major")
    axes.tick_params(which="minor", labelsize=SMALL)
    axes.set(xlim=(0, after[-1]), xticklabels=())
    below.set(xlim=(0, after[-1]))
    below.set_xlabel("Hours since the start of the infusion")
    below.set_ylabel("Residual, %")
    below.grid(color=FAINT, linewidth=0.5)
    _key(figure, found)
    told = "; ".join(f"{one.name} {one.half_life_hours:.3g} h" for one in found.regions)
    return Drawing(
        figure=figure,
        description="Activity of each region, points measured, lines fitted, and below how far "
        f"points lie from lines. Half-lives: {told}.",
    )


def _key(figure: Figure, found: ImageDosimetry) -> None:
    """Each region's line as it is drawn, dashes included, and its name."""
    page = sheet(figure)
    x, y = 4.0, 24.0
    for place, region in enumerate(found.regions):
        needed = 22 + text_width(region.name, SMALL) + 10
        if x > 4 and x + needed > WIDE - 4:
            x, y = 4.0, y - 13
        page.plot([x, x + 17], [y, y], **_stroke(place))
        write(page, x + 21, y, region.name)
        x += needed

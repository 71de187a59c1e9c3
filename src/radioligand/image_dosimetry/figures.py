# SPDX-License-Identifier: Apache-2.0
"""Figures of one cycle's doses: isodose lines on the CT, dose-volume histograms, curves."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from radioligand.dosimetry.grids import Grid
from radioligand.image_dosimetry.doses import ImageDosimetry, RegionDose
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    QUIET,
    SMALL,
    WIDE,
    Drawing,
    axes_at,
    blank,
    colour_key,
    house_style,
    sheet,
    svg,
    write,
)

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the highest dose in the slice's region
LINES = ("#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00")
WINDOW_HU = (-160.0, 240.0)
STROKES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))


def isodoses(found: ImageDosimetry, region: RegionDose, *, name: str, title: str) -> str:
    """Draw the slices through the region's highest dose, lines of equal dose over the CT.

    Three slices along the axes of the image; without a CT, the first image stands below.
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
    levels = [share * float(dose[hottest]) for share in LEVELS]
    sides = found.read.grid.spacing_mm
    side, foot, gap = 150.0, 46.0, 16.0
    figure = blank(side + foot + 22, width=WIDE)
    page = sheet(figure)
    for axis in range(3):
        upright = upright_axes(found.read.grid, axis)
        down, across, _ = upright
        axes = axes_at(figure, 4 + axis * (side + gap), foot, side, side)
        place = int(hottest[axis])
        extent = (0.0, dose.shape[across] * sides[across], 0.0, dose.shape[down] * sides[down])
        _slice(axes, seen_slice(under, axis, place, upright), extent, low, high)
        _lines(axes, seen_slice(dose, axis, place, upright), levels, extent)
        words = f"{('Slice', 'Row', 'Column')[axis]} {place + found.box[axis].start + 1}"
        write(page, 4 + axis * (side + gap), foot + side + 8, words)
    entries = [(colour, f"{level:.3g} Gy") for colour, level in zip(LINES, levels, strict=True)]
    colour_key(page, entries, left=4, top=30, width=WIDE - 8)
    write(page, 4, 10, "Head or front up; the patient's left, or back, on the right.", colour=QUIET)
    told = ", ".join(f"{level:.3g}" for level in levels)
    seen = "the CT" if found.read.ct is not None else "the first activity image"
    return Drawing(
        figure=figure,
        description=f"Lines of {told} Gy over {seen}, through the highest dose in {region.name}.",
    )


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
    figure = blank(250, width=WIDE)
    axes = axes_at(figure, 46, 62, WIDE - 60, 176)
    for place, region in enumerate(found.regions):
        volume = region.volume
        axes.plot(volume.dose_gy, 100 * volume.volume_fraction, **_stroke(place))
    most = max(region.volume.most_gy for region in found.regions)
    axes.set(xlim=(0, most * 1.02), ylim=(0, 102))
    axes.set_xlabel("Absorbed dose, Gy")
    axes.set_ylabel("Volume with that dose or more, %")
    axes.grid(color=FAINT, linewidth=0.5)
    _key(figure, found)
    told = "; ".join(f"{one.name} {one.volume.d50_gy:.3g} Gy" for one in found.regions)
    return Drawing(
        figure=figure, description=f"Cumulative dose-volume histograms. Half of the volume: {told}."
    )


def _curves(found: ImageDosimetry) -> Drawing:
    figure = blank(250, width=WIDE)
    axes = axes_at(figure, 52, 62, WIDE - 66, 176)
    times = found.read.time_hours
    after = np.linspace(0.0, times[-1] * 1.15, 60)
    for place, region in enumerate(found.regions):
        style = _stroke(place)
        axes.plot(after, region.curve(after), **style)
        axes.plot(times, region.activity_mbq, "o", color=style["color"], markersize=4.5)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_xlim(0, after[-1])
    axes.set_xlabel("Hours since the start of the infusion")
    axes.set_ylabel("Activity, MBq")
    axes.grid(color=FAINT, linewidth=0.5, which="major")
    axes.tick_params(which="minor", labelsize=SMALL)
    _key(figure, found)
    told = "; ".join(f"{one.name} {one.half_life_hours:.3g} h" for one in found.regions)
    return Drawing(
        figure=figure,
        description=f"Activity of each region, points measured, lines fitted. Half-lives: {told}.",
    )


def _key(figure: Figure, found: ImageDosimetry) -> None:
    page = sheet(figure)
    entries = [(str(_stroke(i)["color"]), one.name) for i, one in enumerate(found.regions)]
    colour_key(page, entries, left=4, top=24, width=WIDE - 8)

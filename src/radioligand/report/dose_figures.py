# SPDX-License-Identifier: Apache-2.0
"""Figures of a patient's doses: curves with residuals, and doses over cycles against a limit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    house_style,
    svg,
)

Floats = NDArray[np.float64]
MEASURED, ALARM = ARM_COLOURS[0], ARM_COLOURS[1]


class Activity(NamedTuple):
    """One region in one cycle: scans with their standard errors, and the curve through them."""

    time_hours: Floats
    activity_mbq: Floats
    error_mbq: Floats
    curve_hours: Floats  # empty: no curve, the scans are joined by lines
    curve_mbq: Floats
    residual: Floats  # in standard errors; empty without a fit


class Cumulative(NamedTuple):
    """One region over cycles: doses that add up, their upper bounds, and what they are held to."""

    label: str
    dose_gy: Floats
    upper_gy: Floats
    planned_gy: float  # of the next cycle; nan without a plan
    limit_gy: float
    target_gy: tuple[float, float] | None


def activity_figure(shown: Activity, *, name: str, title: str) -> str:
    """Draw scans and curve on a logarithmic axis, and the residuals beneath."""
    with house_style(salt=name):
        figure = blank(236.0)
        above = axes_at(figure, 52, 92, WIDTH - 64, 136)
        below = axes_at(figure, 52, 34, WIDTH - 64, 44)
        above.errorbar(
            shown.time_hours,
            shown.activity_mbq,
            yerr=1.959963984540054 * shown.error_mbq,
            fmt="o",
            color=MEASURED,
            markersize=4,
            linewidth=1,
        )
        if shown.curve_hours.size:
            above.plot(shown.curve_hours, shown.curve_mbq, color=INK, linewidth=1.1)
        else:
            above.plot(shown.time_hours, shown.activity_mbq, color=INK, linewidth=1.1)
        above.set(yscale="log", ylabel="MBq")
        above.tick_params(labelbottom=False)
        lowest, highest = (float(f(shown.activity_mbq)) for f in (np.min, np.max))
        above.set_ylim(lowest / 1.6, highest * 1.6)
        ticks = [mbq for mbq in _steps(lowest, highest) if lowest / 1.6 < mbq < highest * 1.6]
        above.set_yticks(ticks, [f"{mbq:g}" for mbq in ticks])
        above.minorticks_off()
        above.grid(axis="y", color=FAINT, linewidth=0.4)
        last = float(max(shown.time_hours.max() * 1.08, 24.0))
        below.axhline(0, color=INK, linewidth=0.6)
        for bound in (-2, 2):
            below.axhline(bound, color=FAINT, linewidth=0.6, linestyle="--")
        if shown.residual.size:
            below.plot(shown.time_hours, shown.residual, "o", color=MEASURED, markersize=3.5)
            reach = max(2.6, 1.15 * float(np.abs(shown.residual).max()))
            below.set_ylim(-reach, reach)
        else:
            below.text(0.5, 0.5, "no fit", transform=below.transAxes, color=QUIET, fontsize=SMALL)
        below.set(xlabel="Hours from the start of the infusion", ylabel="residual")
        for axes in (above, below):
            axes.set_xlim(0, last)
        scans = ", ".join(
            f"{mbq:.4g} MBq at {hours:.4g} h"
            for hours, mbq in zip(shown.time_hours, shown.activity_mbq, strict=True)
        )
        return svg(
            Drawing(figure=figure, description=f"Scans: {scans}."),
            name=name,
            title=title,
            notice="",
        )


def _steps(lowest: float, highest: float) -> list[float]:
    """1, 2, 5 of every power of ten about the numbers; powers alone where they are many."""
    powers = range(int(np.floor(np.log10(lowest))) - 1, int(np.ceil(np.log10(highest))) + 1)
    leading = (1, 2, 5) if len(powers) < 5 else (1,)
    return [one * 10.0**power for power in powers for one in leading]


def course_figure(regions: Sequence[Cumulative], *, name: str, title: str) -> str:
    """Draw one bar a region: cycles on top of each other, what is planned, limit or target."""
    row, foot = 26.0, 40.0
    with house_style(salt=name):
        figure = blank(row * len(regions) + foot + 8)
        axes = axes_at(figure, 108, foot, WIDTH - 122, row * len(regions))
        for place, one in enumerate(regions):
            y = len(regions) - 1 - place
            left = 0.0
            for cycle, dose in enumerate(one.dose_gy):
                shade = 0.95 if cycle % 2 else 0.7
                axes.barh(y, dose, left=left, height=0.52, color=MEASURED, alpha=shade)
                left += float(dose)
            if np.isfinite(one.planned_gy):
                axes.barh(
                    y, one.planned_gy, left=left, height=0.52, facecolor="none",
                    edgecolor=MEASURED, linewidth=1, hatch="////",
                )  # fmt: skip
            bound = float(one.upper_gy.sum())
            axes.plot([left, bound], [y, y], color=INK, linewidth=0.8)
            axes.plot([bound], [y], "|", color=INK, markersize=6)
            if np.isfinite(one.limit_gy):
                axes.plot([one.limit_gy] * 2, [y - 0.4, y + 0.4], color=ALARM, linewidth=1.6)
            if one.target_gy:
                axes.axvspan(
                    *one.target_gy, ymin=(y + 0.06) / len(regions), ymax=(y + 0.94) / len(regions),
                    facecolor=FAINT, alpha=0.5, zorder=0,
                )  # fmt: skip
        axes.set(ylim=(-0.5, len(regions) - 0.5), xlabel="Gy, cumulative")
        axes.set_yticks(range(len(regions) - 1, -1, -1), [one.label for one in regions])
        axes.set_xlim(left=0)
        told = "; ".join(f"{one.label} {one.dose_gy.sum():.3g} Gy" for one in regions)
        return svg(
            Drawing(figure=figure, description=told + "."), name=name, title=title, notice=""
        )


def effect_figure(
    dose_gy: Floats,
    effect: Floats,
    arms: Sequence[str],
    *,
    effect_label: str,
    name: str,
    title: str,
) -> str:
    """Draw one point a subject, coloured by arm: dose across, effect up."""
    known = sorted(set(arms))
    with house_style(salt=name):
        figure = blank(216.0)
        axes = axes_at(figure, 56, 40, WIDTH - 70, 160)
        for place, arm in enumerate(known):
            own = np.array([one == arm for one in arms])
            colour = ARM_COLOURS[place % len(ARM_COLOURS)]
            axes.plot(dose_gy[own], effect[own], "o", color=colour, markersize=4, label=arm or None)
        axes.set(xlabel="Gy, cumulative", ylabel=effect_label)
        axes.set_xlim(left=0)
        axes.grid(axis="y", color=FAINT, linewidth=0.4)
        if any(known):
            axes.legend(frameon=False, fontsize=SMALL, loc="best")
        told = f"{dose_gy.size} subjects, doses from {dose_gy.min():.3g} to {dose_gy.max():.3g} Gy."
        return svg(Drawing(figure=figure, description=told), name=name, title=title, notice="")

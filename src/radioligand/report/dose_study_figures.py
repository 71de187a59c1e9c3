# SPDX-License-Identifier: Apache-2.0
"""Figures of a study's doses: over cycles, plan against given, and dose beside effect."""

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from radioligand.report import formatting
from radioligand.report.canvas import (
    ARM_COLOURS,
    FAINT,
    INK,
    QUIET,
    SMALL,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    colour_key,
    one_path,
    sheet,
    write,
)
from radioligand.report.contents import Arm
from radioligand.report.lookup import View
from radioligand.report.tables import value_of

LEFT, APART, HEAD, FOOT = 50.0, 50.0, 46.0, 48.0
HEIGHT = 150.0
ALARM = ARM_COLOURS[3]
WORDS = {"TARGET LESIONS": "Target lesions", "KIDNEYS": "Kidneys"}


def dose_by_cycle(view: View) -> Drawing:
    """Each subject's cumulative dose by cycle, and the median of its arm; target and limit."""
    rows = view.main.frame.filter(pl.col("statistic") == "cumulative")
    regions = rows["variable"].unique(maintain_order=True).to_list()
    arms, colours = view.arms(), arm_colours(view.report.arms)
    lines = math.ceil(len(regions) / 2)
    figure = blank(HEAD + lines * (HEIGHT + FOOT + 12))
    page = sheet(figure)
    top = HEAD + lines * (HEIGHT + FOOT + 12)
    entries = [(colours[arm.id], f"{arm.short}: subjects, and their median") for arm in arms]
    colour_key(page, entries, left=LEFT, top=top - 8, width=WIDTH - LEFT)
    width = (WIDTH - LEFT - 8 - APART) / 2
    told, outside = [], 0
    for place, region in enumerate(regions):
        left = LEFT + (place % 2) * (width + APART)
        bottom = FOOT + (lines - 1 - place // 2) * (HEIGHT + FOOT + 12)
        axes = axes_at(figure, left, bottom, width, HEIGHT)
        write(page, left, bottom + HEIGHT + 9, _named(region), bold=True)
        own = rows.filter(pl.col("variable") == region)
        held = _held_to(axes, view, region)
        for arm in arms:
            told.append(_courses(axes, own, arm, colours[arm.id], region))
        most = 1.12 * max(_most(own), held, 1.0)
        axes.set_ylim(0, most)
        outside += own.filter(pl.col("value") > most)["subject"].n_unique()
        axes.set_xlabel("Cycle", labelpad=2)
        if place % 2 == 0:
            axes.set_ylabel("Cumulative dose, Gy", labelpad=2)
    description = f"Cumulative absorbed dose by cycle. {'; '.join(told)}."
    remarks = (
        "A median is of the subjects who were given that cycle.",
        *(
            [f"Courses of subjects that leave their panel at the top: {outside}."]
            if outside
            else []
        ),
    )
    return Drawing(figure=figure, description=description, remarks=remarks)


def _named(region: str) -> str:
    return WORDS.get(region, region.capitalize())


def _held_to(axes: Axes, view: View, region: str) -> float:
    """Draw the band of the target, or the line of the limit; return the highest of them."""
    numbers = view.main
    low, high = (
        value_of(numbers.find(f"target_{end}", variable=region)) for end in ("lower", "upper")
    )
    if low is not None and high is not None:
        axes.axhspan(low, high, facecolor=FAINT, alpha=0.45, linewidth=0, zorder=0)
        _told_at(axes, high, f"{low:g}–{high:g} Gy", QUIET)
    limit = value_of(numbers.find("limit", variable=region))
    if limit is not None:
        axes.axhline(limit, color=ALARM, linewidth=1.1)
        _told_at(axes, limit, f"limit {limit:g} Gy", ALARM)
    return max(high or 0.0, limit or 0.0)


def _told_at(axes: Axes, y: float, text: str, colour: str) -> None:
    made = axes.text(0.03, y, text, transform=axes.get_yaxis_transform(), ha="left", va="bottom")
    made.set(fontsize=SMALL, color=colour)


def _most(own: pl.DataFrame) -> float:
    """The 98th percentile; a few lines leave the panel."""
    return float(own["value"].drop_nulls().quantile(0.98) or 0.0)


def _courses(axes: Axes, own: pl.DataFrame, arm: Arm, colour: str, region: str) -> str:
    """Draw the subjects of one arm and their median; return the last median in words."""
    of_arm = own.filter(pl.col("arm") == arm.id).with_columns(
        cycle=pl.col("level").cast(pl.Float64)
    )
    pieces = [
        [(0.0, 0.0), *zip(each["cycle"], each["value"], strict=True)]
        for each in of_arm.sort("cycle").partition_by("subject", maintain_order=True)
    ]
    one_path(axes, pieces, edgecolor=colour, linewidth=0.5, alpha=0.28, fill=False)
    median = of_arm.group_by("cycle").agg(pl.col("value").median(), pl.len()).sort("cycle")
    cycles, values = [0.0, *median["cycle"]], [0.0, *median["value"]]
    axes.plot(cycles, values, color=colour, linewidth=2.0, marker="o", markersize=3.4, zorder=3)
    last = max(cycles)
    axes.set_xlim(0, max(last, 1.0) + 0.15)
    axes.set_xticks(range(int(last) + 1))
    shown = formatting.rounded(values[-1], 1)
    return f"{arm.short}, {_named(region).lower()}: median {shown} Gy after cycle {last:.0f}"


def plan_and_given(view: View) -> Drawing:
    """Activity given against activity planned, a panel an arm, one mark a cycle."""
    rows = view.main.frame.filter(pl.col("statistic").is_in(["planned", "given"]))
    wide = rows.pivot("statistic", index=["arm", "subject", "level"], values="value")
    wide = wide.drop_nulls(["planned", "given"])
    arms, colours = view.arms(), arm_colours(view.report.arms)
    figure = blank(HEAD + HEIGHT + FOOT - 8)
    page = sheet(figure)
    most = max(wide.select(pl.max_horizontal("planned", "given").max()).item() or 1.0, 1.0)
    reach = 1.06 * float(most)
    width = (WIDTH - LEFT - 8 - APART * (len(arms) - 1)) / max(len(arms), 1)
    told = []
    for place, arm in enumerate(arms):
        own = wide.filter(pl.col("arm") == arm.id)
        left = LEFT + place * (width + APART)
        axes = axes_at(figure, left, FOOT, width, HEIGHT)
        write(page, left, FOOT + HEIGHT + 9, f"{arm.short} ({own.height} cycles)", bold=True)
        axes.plot([0, reach], [0, reach], color=QUIET, linewidth=0.7, linestyle="--")
        first = pl.col("level") == "1"
        for chosen, fill in ((own.filter(first), "white"), (own.filter(~first), colours[arm.id])):
            axes.plot(
                chosen["planned"], chosen["given"], "o", markersize=3.4, markerfacecolor=fill,
                markeredgecolor=colours[arm.id], markeredgewidth=0.7, alpha=0.75,
            )  # fmt: skip
        axes.set(xlim=(0, reach), ylim=(0, reach))
        axes.set_xlabel("Planned, GBq", labelpad=2)
        if place == 0:
            axes.set_ylabel("Given, GBq", labelpad=2)
        planned = sorted(own["planned"].to_list()) or [0.0]
        ends = f"{planned[0]:.3g} to {planned[-1]:.3g} GBq planned"
        told.append(f"{arm.short}: {own.height} cycles, {ends}")
    write(page, LEFT, HEAD + HEIGHT + FOOT - 16, "Open marks: the first cycle", colour=QUIET)
    description = f"Activity given against activity planned. {'; '.join(told)}."
    return Drawing(figure=figure, description=description)


def dose_and_effect(view: View) -> Drawing:
    """One panel a pair, one mark a subject coloured by arm, with Spearman's correlation."""
    rows = view.main.frame.filter(pl.col("statistic").is_in(["dose", "effect"]))
    pairs = rows["variable"].unique(maintain_order=True).to_list()
    arms, colours = view.arms(), arm_colours(view.report.arms)
    lines = math.ceil(len(pairs) / 2)
    step = HEIGHT + FOOT + 18
    figure = blank(HEAD - 18 + lines * step)
    page = sheet(figure)
    entries = [(colours[arm.id], arm.short) for arm in arms]
    colour_key(page, entries, left=LEFT, top=HEAD - 26 + lines * step, width=WIDTH - LEFT)
    width = (WIDTH - LEFT - 8 - APART) / 2
    told, outside = [], 0
    for place, pair in enumerate(pairs):
        left = LEFT + (place % 2) * (width + APART)
        bottom = FOOT + (lines - 1 - place // 2) * step
        axes = axes_at(figure, left, bottom, width, HEIGHT)
        own = rows.filter(pl.col("variable") == pair)
        outside += _marks(axes, own, arms, colours)
        _labels(axes, own, pair)
        said = _said(view, pair)
        write(page, left, bottom + HEIGHT + 11, said, colour=QUIET)
        told.append(f"{view.label(pair)}: {said}")
    description = f"Dose beside effect, one mark a subject. {'; '.join(told)}."
    remarks = (f"Marks that lie right of their panel: {outside}.",) if outside else ()
    return Drawing(figure=figure, description=description, remarks=remarks)


def _marks(axes: Axes, own: pl.DataFrame, arms: Sequence[Arm], colours: dict[str, str]) -> int:
    """Draw the subjects up to the 99th percentile of dose; return how many lie outside."""
    wide = own.pivot("statistic", index=["arm", "subject"], values="value").sort("subject")
    is_few = set(wide["effect"]) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    for place, arm in enumerate(arms):
        each = wide.filter(pl.col("arm") == arm.id)
        # marks of few values lie on one another: arms stand a little apart
        shift = 0.12 * (place - (len(arms) - 1) / 2) if is_few else 0.0
        axes.plot(
            each["dose"], each["effect"] + shift, "o", color=colours[arm.id], markersize=3.4,
            alpha=0.7, markeredgewidth=0,
        )  # fmt: skip
    most = 1.05 * float(wide["dose"].quantile(0.99) or 1.0)
    axes.set_xlim(0, most)
    return int((wide["dose"] > most).sum())


def _labels(axes: Axes, own: pl.DataFrame, pair: str) -> None:
    region, _, effect = pair.partition(": ")
    unit = own.filter(pl.col("statistic") == "dose")["unit"].first()
    name = "Cumulative activity" if region == "activity" else f"Dose to {region}"
    axes.set_xlabel(f"{name}, {unit!s}", labelpad=2)
    kind = own.filter(pl.col("statistic") == "effect")["unit"].first()
    if kind == "1":
        axes.set_yticks([0, 1], ["no", "yes"])
        axes.set(ylim=(-0.5, 1.5), ylabel="Confirmed response")
    elif kind == "grade":
        axes.set_yticks(range(5))
        axes.set(ylim=(-0.4, 4.4), ylabel=_short(effect))
    else:
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set(ylabel="Best change, %")


def _short(effect: str) -> str:
    """'Grade, platelets low' of 'worst grade of platelets, low'."""
    words = effect.removeprefix("worst grade of ").replace(",", "")
    return f"Grade, {words}"


def _said(view: View, pair: str) -> str:
    rho, p = (value_of(view.main.find(one, variable=pair)) for one in ("spearman", "spearman_p"))
    if rho is None:
        return "no correlation can be told"
    return f"Spearman {formatting.rounded(rho, 2)}, {formatting.p_equals(p)}"

# SPDX-License-Identifier: Apache-2.0
"""The swimmer plot: each subject's time on study as a lane with doses, response and events."""

import polars as pl
from matplotlib.axes import Axes

from radioligand.report.canvas import (
    INK,
    QUIET,
    WIDTH,
    Drawing,
    arm_colours,
    axes_at,
    blank,
    month_step,
    one_path,
    rectangle,
    sheet,
    write,
)
from radioligand.report.lookup import View

LANE, HEAD, FOOT = 7.0, 24.0, 88.0  # points: a subject, an arm's name, axis and key
SIDE = 12.0
HALF = 0.3  # of a lane, from its middle to the edge of the bar
# statistic, words in the key, marker, its fill
MARKS = (
    ("progression", "Progression", "D", "white"),
    ("death", "Death", "X", INK),
    ("ongoing", "On study at cutoff", ">", INK),
)


def swimmer(view: View) -> Drawing:
    """Lanes by arm, the longest on study on top; with too many subjects the responders alone."""
    days = pl.coalesce("time_days", "value")
    events = view.main.frame.filter(pl.col("subject").is_not_null() & days.is_not_null())
    events = events.with_columns(month=days / view.report.month_days)
    lanes, remarks = _lanes(events, limit=view.display.limit)
    by_arm = [(arm, lanes.filter(pl.col("arm") == arm.id)) for arm in view.arms()]
    by_arm = [(arm, rows) for arm, rows in by_arm if rows.height]
    colours = arm_colours(view.report.arms)
    y = LANE * sum(rows.height for _, rows in by_arm) + HEAD * len(by_arm) + FOOT
    figure = blank(y)
    page, longest = sheet(figure), max(lanes["month"].to_list(), default=1.0)
    for place, (arm, rows) in enumerate(by_arm):
        y -= HEAD
        told = f"{arm.short} ({rows.height})"
        write(page, SIDE, y + 10, told, colour=colours[arm.id], bold=True)
        y -= LANE * rows.height
        axes = axes_at(figure, SIDE, y, WIDTH - 2 * SIDE, LANE * rows.height)
        label = view.display.time_label if place == len(by_arm) - 1 else ""
        _prepare(axes, longest, rows.height, time_label=label)
        _draw(axes, rows, events, colours[arm.id])
    _write_key(page)
    told = "; ".join(f"{arm.label}: {rows.height} subjects" for arm, rows in by_arm)
    description = f"Time on study, a bar for each subject, the longest on top. {told}"
    return Drawing(figure=figure, description=description, remarks=remarks)


def _lanes(events: pl.DataFrame, *, limit: int) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Keep all subjects if they fit; else the responders; of these the longest on study."""
    lanes = events.filter(pl.col("statistic") == "duration")
    lanes = lanes.sort("month", "subject", descending=[True, False])
    if lanes.height <= limit:
        return lanes, ()
    responders = events.filter(pl.col("statistic") == "response_start")["subject"].to_list()
    kept = lanes.filter(pl.col("subject").is_in(responders))
    if 0 < kept.height <= limit:
        remark = f"Of {lanes.height} subjects the {kept.height} with a response are drawn."
        return kept, (remark,)
    who = f"{kept.height} with a response the {limit}" if kept.height else f"the {limit}"
    remark = f"Of {lanes.height} subjects{', of ' if kept.height else ' '}{who} longest on study"
    return (kept if kept.height else lanes).head(limit), (f"{remark} are drawn.",)


def _prepare(axes: Axes, longest: float, lanes: int, *, time_label: str) -> None:
    """Set the lanes out; `time_label` is empty but in the last panel, which bears the axis."""
    axes.set(xlim=(0, longest * 1.04), ylim=(lanes, 0))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    if time_label:
        axes.set_xticks(range(0, int(longest) + 1, month_step(longest)))
        axes.set_xlabel(time_label, labelpad=2)
    else:
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)


def _draw(axes: Axes, rows: pl.DataFrame, events: pl.DataFrame, colour: str) -> None:
    lanes = {subject: place + 0.5 for place, subject in enumerate(rows["subject"])}
    ends: dict[str, float] = dict(rows.select("subject", "month").iter_rows())
    mine = events.filter(pl.col("subject").is_in(list(lanes)))

    def times(statistic: str) -> list[tuple[str, float]]:
        found = mine.filter(pl.col("statistic") == statistic)
        return list(found.select("subject", "month").iter_rows())

    bars = [rectangle(0, y - HALF, ends[who], y + HALF) for who, y in lanes.items()]
    one_path(axes, bars, facecolor=colour, alpha=0.22, linewidth=0)
    stops = dict(times("response_end"))
    spans = [
        rectangle(start, lanes[who] - HALF, stops.get(who, ends[who]), lanes[who] + HALF)
        for who, start in times("response_start")
    ]
    one_path(axes, spans, facecolor=colour, alpha=0.85, linewidth=0)
    doses = [[(at, lanes[who] - HALF), (at, lanes[who] + HALF)] for who, at in times("cycle")]
    one_path(axes, doses, edgecolor=INK, linewidth=0.9, fill=False)
    for statistic, _, marker, fill in MARKS:
        found = times(statistic)
        if statistic == "ongoing":
            found = [(who, ends[who]) for who, _ in found]
        _mark(axes, [at for _, at in found], [lanes[who] for who, _ in found], marker, fill)


def _mark(axes: Axes, x: list[float], y: list[float], marker: str, fill: str) -> None:
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=marker,
        markersize=4,
        markeredgewidth=0.8,
        color=INK,
        markerfacecolor=fill,
        clip_on=False,
    )


def _write_key(page: Axes) -> None:
    """Write what bars and marks mean, in two lines under the axis."""
    columns = [SIDE + 104 * place for place in range(3)]
    for x, (_, words, marker, fill) in zip(columns, MARKS, strict=True):
        _mark(page, [x + 4], [42], marker, fill)
        write(page, x + 14, 42, words)
    for x, alpha, words in zip(columns, (0.25, 0.95), ("On study", "In response"), strict=False):
        one_path(page, [rectangle(x, 25, x + 9, 31)], facecolor=QUIET, alpha=alpha, linewidth=0)
        write(page, x + 14, 28, words)
    page.plot([columns[2] + 4] * 2, [24.5, 31.5], color=INK, linewidth=0.9)
    write(page, columns[2] + 14, 28, "Cycle given")

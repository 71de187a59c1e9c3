# SPDX-License-Identifier: Apache-2.0
"""Every kind of figure: the statistic it cannot do without, and the function that draws it."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from radioligand.report.canvas import Drawing, house_style, svg
from radioligand.report.change_figures import spider, waterfall
from radioligand.report.dose_study_figures import (
    dose_and_effect,
    dose_by_cycle,
    plan_and_given,
)
from radioligand.report.flow_figure import consort
from radioligand.report.forest_figure import forest
from radioligand.report.incidence_figure import incidence
from radioligand.report.lookup import View
from radioligand.report.planning_figures import (
    boundaries,
    planned_curves,
    power_curve,
    timeline,
)
from radioligand.report.profile_figures import grades_over_time, profile
from radioligand.report.shrinkage_figures import contrast, medians, scatter, shrinkage_forest
from radioligand.report.simulation_figures import (
    dose_heterogeneity,
    fan,
    scenario_map,
    simulated_looks,
    simulated_power,
)
from radioligand.report.survival_figures import kaplan_meier
from radioligand.report.swimmer_figure import swimmer


class Kind(NamedTuple):
    """A kind of figure: `needs` is the statistic without which there is nothing to draw."""

    needs: str
    draw: Callable[[View], Drawing]
    by_arm: bool = True  # False: drawn though no arm has rows of its own


DRAWINGS = {
    "consort": Kind("count", consort),
    "kaplan-meier": Kind("survival", kaplan_meier),
    "forest": Kind("hazard_ratio", forest),
    "waterfall": Kind("best_change", waterfall),
    "spider": Kind("change", spider),
    "swimmer": Kind("duration", swimmer),
    "planned-curves": Kind("planned_survival", planned_curves),
    "power-curve": Kind("power", power_curve, by_arm=False),
    "boundaries": Kind("boundary_z", boundaries, by_arm=False),
    "timeline": Kind("expected_events", timeline, by_arm=False),
    "shrinkage-forest": Kind("hazard_ratio", shrinkage_forest),
    "shrinkage-contrast": Kind("hazard_ratio", contrast),
    "shrinkage-medians": Kind("median", medians),
    "shrinkage-scatter": Kind("change_by_time", scatter),
    "incidence": Kind("incidence", incidence),
    "grades-over-time": Kind("grade_share", grades_over_time),
    "profile": Kind("mean_change", profile),
    "dose-cycles": Kind("cumulative", dose_by_cycle),
    "dose-plan": Kind("given", plan_and_given),
    "dose-effect": Kind("dose", dose_and_effect),
    "scenario-map": Kind("power", scenario_map, by_arm=False),
    "simulated-power": Kind("power_simulated", simulated_power, by_arm=False),
    "fan": Kind("events_median", fan, by_arm=False),
    "dose-heterogeneity": Kind("share_percent", dose_heterogeneity, by_arm=False),
    "simulated-looks": Kind("z_median", simulated_looks, by_arm=False),
}


class Figure(NamedTuple):
    """A figure as it stands in the report: its SVG, and what the caption must say of it."""

    svg: str
    remarks: tuple[str, ...]
    description: str


def draw(view: View, *, title: str) -> Figure | None:
    """Return the display's figure, or None if the results hold nothing to draw.

    Raises KeyError for a kind that is not in DRAWINGS.
    """
    kind = DRAWINGS[view.display.kind]
    arms = [arm.id for arm in view.report.arms]
    compared = pl.col("arm").str.contains(" v ", literal=True)
    drawn = view.main.frame.filter(
        pl.col("statistic") == kind.needs,
        pl.col("value").is_not_null() | pl.col("time_days").is_not_null(),
        pl.col("arm").is_in(arms) | compared | pl.col("arm").is_null() | (pl.col("arm") == "ALL"),
    )
    if drawn.is_empty() or (kind.by_arm and not view.arms()):
        return None
    name, notice = view.display.name, view.report.notice
    with house_style(salt=name):
        drawing = kind.draw(view)
        drawn_svg = svg(drawing, name=name, title=title, notice=notice)
    return Figure(drawn_svg, drawing.remarks, drawing.description)

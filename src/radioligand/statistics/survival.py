# SPDX-License-Identifier: Apache-2.0
"""Survival statistics on plain arrays: the door to curves, tests, models and follow-up.

Each function takes times in days and events as booleans, and returns a frozen record. Times that
differ by rounding alone are one time. R's `survival` is the oracle throughout.
"""

from radioligand.statistics.combination import MaxCombo, max_combo
from radioligand.statistics.competing import CumulativeIncidence, cumulative_incidence
from radioligand.statistics.cox import CoxModel, cox
from radioligand.statistics.curves import (
    KaplanMeier,
    NelsonAalen,
    Quantile,
    SurvivalAt,
    kaplan_meier,
    nelson_aalen,
)
from radioligand.statistics.fine_gray import FineGrayModel, fine_gray
from radioligand.statistics.firth import FirthModel, firth_cox
from radioligand.statistics.follow_up import (
    FollowUp,
    Landmark,
    RestrictedMean,
    RestrictedMeanDifference,
    landmark,
    median_follow_up,
    restricted_mean,
    restricted_mean_difference,
)
from radioligand.statistics.gray import GrayTest, gray_test
from radioligand.statistics.interaction import InteractionTest, interaction_test
from radioligand.statistics.observations import OrderedTimes
from radioligand.statistics.ordering import in_order
from radioligand.statistics.parametric import (
    CurveEstimate,
    ParametricModel,
    PiecewiseExponential,
    parametric_survival,
    piecewise_exponential,
)
from radioligand.statistics.prediction import (
    BaselineHazard,
    PredictedSurvival,
    baseline_hazard,
    predicted_survival,
)
from radioligand.statistics.profile import ProfileInterval, profile_interval
from radioligand.statistics.proportional_hazards import (
    ProportionalHazardsTest,
    proportional_hazards_test,
)
from radioligand.statistics.ranks import LogrankTest, logrank
from radioligand.statistics.residuals import CoxResiduals, cox_residuals
from radioligand.statistics.trend import LogrankTrend, logrank_trend
from radioligand.statistics.turnbull import EventTime, SurvivalBounds, Turnbull, turnbull

__all__ = [
    "BaselineHazard",
    "CoxModel",
    "CoxResiduals",
    "CumulativeIncidence",
    "CurveEstimate",
    "EventTime",
    "FineGrayModel",
    "FirthModel",
    "FollowUp",
    "GrayTest",
    "InteractionTest",
    "KaplanMeier",
    "Landmark",
    "LogrankTest",
    "LogrankTrend",
    "MaxCombo",
    "NelsonAalen",
    "OrderedTimes",
    "ParametricModel",
    "PiecewiseExponential",
    "PredictedSurvival",
    "ProfileInterval",
    "ProportionalHazardsTest",
    "Quantile",
    "RestrictedMean",
    "RestrictedMeanDifference",
    "SurvivalAt",
    "SurvivalBounds",
    "Turnbull",
    "baseline_hazard",
    "cox",
    "cox_residuals",
    "cumulative_incidence",
    "fine_gray",
    "firth_cox",
    "gray_test",
    "in_order",
    "interaction_test",
    "kaplan_meier",
    "landmark",
    "logrank",
    "logrank_trend",
    "max_combo",
    "median_follow_up",
    "nelson_aalen",
    "parametric_survival",
    "piecewise_exponential",
    "predicted_survival",
    "profile_interval",
    "proportional_hazards_test",
    "restricted_mean",
    "restricted_mean_difference",
    "turnbull",
]

# SPDX-License-Identifier: Apache-2.0
"""Survival statistics on plain arrays: the door to curves, tests, models and follow-up.

Each function takes times in days and events as booleans, and returns a frozen record. Times that
differ by rounding alone are one time. R's `survival` is the oracle throughout.
"""

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
from radioligand.statistics.interaction import InteractionTest, interaction_test
from radioligand.statistics.proportional_hazards import (
    ProportionalHazardsTest,
    proportional_hazards_test,
)
from radioligand.statistics.ranks import LogrankTest, logrank

__all__ = [
    "CoxModel",
    "CumulativeIncidence",
    "FollowUp",
    "InteractionTest",
    "KaplanMeier",
    "Landmark",
    "LogrankTest",
    "NelsonAalen",
    "ProportionalHazardsTest",
    "Quantile",
    "RestrictedMean",
    "RestrictedMeanDifference",
    "SurvivalAt",
    "cox",
    "cumulative_incidence",
    "interaction_test",
    "kaplan_meier",
    "landmark",
    "logrank",
    "median_follow_up",
    "nelson_aalen",
    "proportional_hazards_test",
    "restricted_mean",
    "restricted_mean_difference",
]

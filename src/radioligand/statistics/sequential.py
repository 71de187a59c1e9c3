# SPDX-License-Identifier: Apache-2.0
"""Group-sequential trials on plain arrays: the door to boundaries, monitoring and final results.

Looks are known by their information fractions, effects by the drift: the mean of z when all
information is there. R's `rpact` is the oracle, and `mvtnorm` where more digits are asked for.
"""

from radioligand.statistics.boundaries import (
    Boundaries,
    FutilityBoundaries,
    RequiredDrift,
    boundaries,
    futility_boundaries,
    required_drift,
)
from radioligand.statistics.exit_probabilities import ExitProbabilities, exit_probabilities
from radioligand.statistics.monitoring import (
    RepeatedIntervals,
    StagewiseResult,
    conditional_power,
    predictive_power,
    repeated_intervals,
    repeated_p_values,
    stagewise_result,
)
from radioligand.statistics.spending import Spending

__all__ = [
    "Boundaries",
    "ExitProbabilities",
    "FutilityBoundaries",
    "RepeatedIntervals",
    "RequiredDrift",
    "Spending",
    "StagewiseResult",
    "boundaries",
    "conditional_power",
    "exit_probabilities",
    "futility_boundaries",
    "predictive_power",
    "repeated_intervals",
    "repeated_p_values",
    "required_drift",
    "stagewise_result",
]

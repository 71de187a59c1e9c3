# SPDX-License-Identifier: Apache-2.0
"""What each event faces: sums and means over the risk set at the moment it happens.

With Efron's rule the tied events of one time face, one after the other, a risk set from which a
growing share of the tied has been taken; with Breslow's rule all face the whole of it.
"""

from typing import NamedTuple

import numpy as np

from radioligand.statistics.observations import Floats
from radioligand.statistics.partial_likelihood import CoxData


class Faced(NamedTuple):
    """The hazard at each event, (E,), in the order of cells, and the covariates it was run by."""

    theta: Floats  # (n,) weight times relative hazard, that of the linear predictor `shift` being 1
    shift: float
    hazard: Floats  # (E,) that each event adds, at the linear predictor `shift`
    denominator: Floats  # (E,) sum of theta over the risk set
    mean: Floats  # (E, p) of the covariates over the risk set


def faced(data: CoxData, coefficients: Floats) -> Faced:
    """Return hazards and means at the events, at given coefficients."""
    linear = data.x @ coefficients
    shift = float(linear.max())  # against overflow
    theta = data.weight * np.exp(linear - shift)
    denominator = event_sums(data, theta)
    sums = [event_sums(data, theta * column) for column in data.x.T]
    return Faced(
        theta=theta,
        shift=shift,
        hazard=each_event(data, data.mean_weight) / denominator,
        denominator=denominator,
        mean=np.stack(sums, axis=1) / denominator[:, None],
    )


def event_sums(data: CoxData, values: Floats) -> Floats:
    """Sum `values` (n,) over the risk set that each event faces, (E,)."""
    at_risk = data.sets.at_risk(values)[data.happens]
    tied = data.sets.total(np.where(data.event > 0, values, 0.0))[data.happens]
    return each_event(data, at_risk) - data.share * each_event(data, tied)


def each_event(data: CoxData, values: Floats) -> Floats:
    """Repeat a value of each cell with events, (q,), for each of its events, (E,)."""
    return np.repeat(values, data.tied.astype(np.intp), axis=0)


def on_cells(data: CoxData, values: Floats) -> Floats:
    """Sum values of the events, (E,), in their cells; 0 in a cell without events, (m,)."""
    summed = np.zeros(data.sets.time.size)
    summed[data.happens] = np.add.reduceat(values, data.begin)
    return summed

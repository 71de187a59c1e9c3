# SPDX-License-Identifier: Apache-2.0
"""What many trials left, summed up: as much for a billion trials as for a thousand.

A tally is a set of named arrays of counts and sums. Those of two parts of the trials are added;
parts are added in the order of their trials, so that the last digits do not depend on who came
first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from radioligand.planning import Plan
from radioligand.simulation.model import (
    CHAIN_STEPS,
    DAY_OF_LOOK,
    LOG_HAZARD_RATIO,
    LOOK,
    REACHED,
    RESPONSE_Z,
    RESULTS,
    STANDARD_ERROR,
    STOPPED,
    SURVIVAL_Z,
    Z,
)
from radioligand.simulation.scenarios import PrimaryAssumption
from radioligand.simulation.trial_design import TrialDesign
from radioligand.statistics.observations import Bools, Floats

Tally = dict[str, NDArray[Any]]

LEVEL = 0.95
WEEKS = 2048  # of a trial, counted one by one; the last has no end
RATIO_STEP, RATIO_BINS = 0.01, 600  # of the log hazard ratio, around 0; the outer ones have no end
SHARES = (0.05, 0.5, 0.95)  # of the trials, at which quantiles are told


def tally(found: Floats, *, design: TrialDesign) -> Tally:
    """Sum up what trials left, (n, len(RESULTS))."""
    model = design.model
    looks = model.stop_z.size
    look, stopped = found[:, LOOK].astype(np.int64), found[:, STOPPED]
    several = design.scenario.primaries
    ratio, error = found[:, LOG_HAZARD_RATIO], found[:, STANDARD_ERROR]
    known = np.isfinite(ratio)
    away = np.abs(ratio[known] - design.log_hazard_ratio) / error[known]
    finite = np.where(np.isfinite(found), found, 0.0)
    weeks = np.minimum(found[:, DAY_OF_LOOK] // 7, WEEKS - 1).astype(np.int64)
    place = np.floor(ratio[known] / RATIO_STEP) + RATIO_BINS // 2
    place = np.clip(place, 0, RATIO_BINS - 1).astype(np.int64)
    further = {}
    if several:
        z = endpoint_z(found[:, Z], found[:, RESPONSE_Z], found[:, SURVIVAL_Z], several)
        held, success = primaries_held(z, several, alpha=level_of(design.plan))
        further = {"primaries": held.sum(axis=0), "success": np.array([success.sum()])}
    return further | {
        "trials": np.array([found.shape[0]]),
        "efficacy": np.bincount(look[stopped == 1], minlength=looks),
        "futility": np.bincount(look[stopped == -1], minlength=looks),
        "harm": np.array([np.sum(found[:, Z] >= model.stop_z[look])]),
        "unreached": np.array([np.sum(found[:, REACHED] == 0)]),
        "covered": np.array([np.sum(away <= ndtri((1 + LEVEL) / 2))]),
        "steps": np.bincount(
            found[:, CHAIN_STEPS].astype(np.int64), minlength=len(design.chain) + 1
        ),
        "known": np.isfinite(found).sum(axis=0),
        "sums": finite.sum(axis=0),
        "squares": (finite**2).sum(axis=0),
        "weeks": np.bincount(weeks, minlength=WEEKS),
        "ratios": np.bincount(place, minlength=RATIO_BINS),
    }


def added(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies, added in their order."""
    total: Tally = {}
    for one in tallies:
        total = {name: total[name] + part if total else part for name, part in one.items()}
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over trials with its Monte Carlo error; nan if no trial has a value."""

    mean: float
    error: float
    standard_deviation: float
    known: int  # trials that have a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristics:
    """The operating characteristics of a design, from so many trials."""

    trials: int
    power: float  # share of trials that stopped for efficacy, or met the rule of several endpoints
    power_error: float  # Monte Carlo standard error
    harm: float  # share in which the experimental arm was significantly worse
    unreached: float  # share in which the events never came
    efficacy: tuple[float, ...]  # share stopped at each look
    futility: tuple[float, ...]
    coverage: float  # of the interval of the hazard ratio on stopping
    chain: tuple[float, ...]  # share in which each step of the chain held, with all before
    primaries: tuple[float, ...]  # share in which each of several primary endpoints held
    means: Mapping[str, Mean]  # of each of RESULTS
    day_quantiles: tuple[float, ...]  # of the last look, to a week; at SHARES
    hazard_ratio_quantiles: tuple[float, ...]


def characteristics(total: Tally) -> Characteristics:
    """Return the operating characteristics that a tally holds."""
    n = int(total["trials"][0])
    power = float(total.get("success", total["efficacy"]).sum() / n)
    held = n - np.cumsum(total["steps"])[:-1]
    known = total["known"]
    days = 7.0 * quantiles_of(total["weeks"])
    ratios = np.exp(RATIO_STEP * (quantiles_of(total["ratios"]) - RATIO_BINS // 2))
    return Characteristics(
        trials=n,
        power=power,
        power_error=float(np.sqrt(power * (1 - power) / n)),
        harm=float(total["harm"][0] / n),
        unreached=float(total["unreached"][0] / n),
        efficacy=tuple((total["efficacy"] / n).tolist()),
        futility=tuple((total["futility"] / n).tolist()),
        coverage=float(total["covered"][0] / max(known[LOG_HAZARD_RATIO], 1)),
        chain=tuple((held / n).tolist()),
        primaries=tuple((total["primaries"] / n).tolist()) if "primaries" in total else (),
        means={
            name: mean_of(int(known[i]), float(total["sums"][i]), float(total["squares"][i]))
            for i, name in enumerate(RESULTS)
        },
        day_quantiles=tuple(days.tolist()),
        hazard_ratio_quantiles=tuple(ratios.tolist()),
    )


def level_of(plan: Plan) -> float:
    """Return the one-sided level of a comparison."""
    return plan.comparison.alpha / plan.given.sided


def endpoint_z(
    primary: Floats, response: Floats, survival: Floats, several: PrimaryAssumption
) -> Floats:
    """Return z of several primary endpoints, upward where the experimental arm does better.

    One axis is added, of the endpoints. What could not be compared is -inf.
    """
    upward = {"primary": -primary, "response": response, "survival": -survival}
    z = np.stack([upward[step] for step in several.endpoints], axis=-1)
    return np.where(np.isnan(z), -np.inf, z)


def primaries_held(z: Floats, several: PrimaryAssumption, *, alpha: float) -> tuple[Bools, Bools]:
    """Return which of several primary endpoints hold, (..., e), and which trials succeed, (...).

    By Holm's rule with weights a hypothesis is tested at its share of the level among those that
    are left, and what holds leaves (Scand J Stat 1979;6:65).
    """
    shares = np.array(several.shares)
    p = ndtr(-z)
    if several.rule == "all":
        each = p <= alpha
        success = each.all(axis=-1)
        return each, success
    held = p <= alpha * shares
    if several.rule == "holm":
        for _ in shares:
            left = np.where(held, 0.0, shares)
            total = left.sum(axis=-1, keepdims=True)
            level = alpha * left / np.where(total > 0, total, 1.0)
            held = held | (held.any(axis=-1, keepdims=True) & (p <= level))
    return held, held.any(axis=-1)


def mean_of(known: int, total: float, squares: float) -> Mean:
    """Return the mean of so many values from their sum and the sum of their squares."""
    if known == 0:
        return Mean(mean=np.nan, error=np.nan, standard_deviation=np.nan, known=0)
    mean = total / known
    spread = np.sqrt(max(squares / known - mean**2, 0.0) * known / max(known - 1, 1))
    return Mean(
        mean=mean,
        error=float(spread / np.sqrt(known)),
        standard_deviation=float(spread),
        known=known,
    )


def quantiles_of(counts: NDArray[Any]) -> Floats:
    """Where shares of the counts are reached, linear within a bin; nan without any."""
    if not counts.sum():
        return np.full(len(SHARES), np.nan)
    summed = np.append(0, np.cumsum(counts)) / counts.sum()
    used = np.append(True, np.diff(summed) > 0)
    return np.asarray(np.interp(SHARES, summed[used], np.flatnonzero(used)), np.float64)

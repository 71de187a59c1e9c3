# SPDX-License-Identifier: Apache-2.0
"""What many trials of several arms left, summed up as those of two arms are in `tallies`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_model import (
    C_FIRST_LOG_HAZARD_RATIO,
    C_LOG_HAZARD_RATIO,
    C_LOOK,
    C_REACHED,
    C_RESPONSE_Z,
    C_STANDARD_ERROR,
    C_STOPPED,
    C_SURVIVAL_Z,
    C_Z,
    COMPARED,
    T_CONDITIONAL_POWER,
    T_DAY,
    T_EVENTS_PLANNED,
    T_ON,
    WHOLE_TRIAL,
)
from radioligand.simulation.tallies import (
    LEVEL,
    WEEKS,
    Mean,
    Tally,
    endpoint_z,
    level_of,
    mean_of,
    primaries_held,
    quantiles_of,
)
from radioligand.statistics.observations import Bools, Floats


def adaptive_tally(whole: Floats, compared: Floats, *, design: AdaptiveDesign) -> Tally:
    """Sum up what trials left: (n, len(WHOLE_TRIAL)) and (n, arms - 1, len(COMPARED))."""
    stopped, looks = compared[:, :, C_STOPPED], design.model.stop_z.size
    found, dropped = stopped == 1, stopped == -2
    several = design.scenario.primaries
    further = {}
    if several:
        z = endpoint_z(
            compared[:, :, C_Z],
            compared[:, :, C_RESPONSE_Z],
            compared[:, :, C_SURVIVAL_Z],
            several,
        )
        held, found = primaries_held(z, several, alpha=level_of(design.plan))
        held, found = held & ~dropped[:, :, None], found & ~dropped
        further = {"primaries": held.sum(axis=0)}
    finite = np.where(np.isfinite(compared), compared, 0.0)
    of_trial = np.where(np.isfinite(whole), whole, 0.0)
    ratio, error = compared[:, :, C_LOG_HAZARD_RATIO], compared[:, :, C_STANDARD_ERROR]
    true = np.array(design.log_hazard_ratios)
    ended = ~dropped & np.isfinite(ratio) & np.isfinite(stopped)
    away = np.where(ended, np.abs(ratio - true) / np.where(ended, error, 1.0), np.inf)
    first = compared[:, :, C_FIRST_LOG_HAZARD_RATIO]
    on = ended & np.isfinite(first)  # arms that went on after a look that could drop them
    at_first, at_end = np.where(on, first - true, 0.0), np.where(ended, ratio - true, 0.0)
    look = np.where(np.isfinite(compared[:, :, C_LOOK]), compared[:, :, C_LOOK], -1).astype(int)
    weeks = np.minimum(whole[:, T_DAY] // 7, WEEKS - 1).astype(np.int64)
    each_look = np.arange(looks)
    return further | {
        "trials": np.array([whole.shape[0]]),
        "any": np.array([found.any(axis=1).sum()]),
        "every": np.array([found.all(axis=1).sum()]),
        "found": found.sum(axis=0),
        "dropped": dropped.sum(axis=0),
        "futile": (stopped == -1).sum(axis=0),
        "picked": (np.isfinite(stopped) & ~dropped).sum(axis=0),
        "none_on": np.array([(whole[:, T_ON] == 0).sum()]),
        "looked": ((look[:, :, None] == each_look) & (stopped == 1)[:, :, None]).sum(axis=0),
        "futile_at": ((look[:, :, None] == each_look) & (stopped == -1)[:, :, None]).sum(axis=0),
        "unreached": ((compared[:, :, C_REACHED] == 0) & ~dropped).sum(axis=0),
        "covered": (away <= ndtri((1 + LEVEL) / 2)).sum(axis=0),
        "ended": ended.sum(axis=0),
        "end_sums": at_end.sum(axis=0),
        "end_squares": (at_end**2).sum(axis=0),
        "on": on.sum(axis=0),
        "first_sums": at_first.sum(axis=0),
        "first_squares": (at_first**2).sum(axis=0),
        "raised": np.array([(whole[:, T_EVENTS_PLANNED] > design.model.look_events[-1]).sum()]),
        "resized_at": np.array([np.isfinite(whole[:, T_CONDITIONAL_POWER]).sum()]),
        "steps": np.cumprod(_steps(compared, design), axis=2).sum(axis=0),
        "known": np.isfinite(compared).sum(axis=0),
        "sums": finite.sum(axis=0),
        "squares": (finite**2).sum(axis=0),
        "trial_known": np.isfinite(whole).sum(axis=0),
        "trial_sums": of_trial.sum(axis=0),
        "trial_squares": (of_trial**2).sum(axis=0),
        "weeks": np.bincount(weeks, minlength=WEEKS),
    }


def _steps(compared: Floats, design: AdaptiveDesign) -> Bools:
    """Whether each test of the chain holds of each arm, (n, arms - 1, c), alone."""
    z = design.model.trial.chain_z
    holds = {
        "primary": compared[:, :, C_STOPPED] == 1,
        "response": compared[:, :, C_RESPONSE_Z] >= z,
        "survival": compared[:, :, C_SURVIVAL_Z] <= -z,
    }
    return np.stack([holds[step] for step in design.chain], axis=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCharacteristics:
    """What became of one experimental arm."""

    arm: str
    log_hazard_ratio: float  # assumed
    found: float  # share of trials in which it was found better
    dropped: float
    futile: float
    on: float  # share in which it was neither dropped nor never opened
    efficacy: tuple[float, ...]  # share found at each look
    futility: tuple[float, ...]
    unreached: float
    coverage: float  # of the interval of the hazard ratio, in trials in which it was not dropped
    bias_at_first: Mean  # of the log hazard ratio when it was kept, if arms can be dropped
    bias_at_end: Mean  # at its last look, if it was not dropped
    chain: tuple[float, ...]  # share in which each step of the chain held, with all before
    primaries: tuple[float, ...]  # share in which each of several primary endpoints held
    means: Mapping[str, Mean]  # of each of COMPARED


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveCharacteristics:
    """The operating characteristics of a design of several arms, from so many trials."""

    trials: int
    power: float  # share of trials in which any arm was found better
    power_error: float
    every: float  # share in which all were
    none_on: float  # share in which every arm was dropped
    raised: float  # share in which the events were raised
    arms: tuple[ArmCharacteristics, ...]
    bias_at_first: Mean  # of the arms that went on, together
    bias_at_end: Mean
    means: Mapping[str, Mean]  # of each of WHOLE_TRIAL
    day_quantiles: tuple[float, ...]


def adaptive_characteristics(total: Tally, *, design: AdaptiveDesign) -> AdaptiveCharacteristics:
    """Return the operating characteristics that a tally holds."""
    n = int(total["trials"][0])
    power = float(total["any"][0] / n)
    return AdaptiveCharacteristics(
        trials=n,
        power=power,
        power_error=float(np.sqrt(power * (1 - power) / n)),
        every=float(total["every"][0] / n),
        none_on=float(total["none_on"][0] / n),
        raised=float(total["raised"][0] / n),
        arms=tuple(
            _arm(total, n, place, arm, design.log_hazard_ratios[place])
            for place, arm in enumerate(design.arms[1:])
        ),
        bias_at_first=_mean(total, "on", "first"),
        bias_at_end=_mean(total, "ended", "end"),
        means={
            name: mean_of(
                int(total["trial_known"][i]),
                float(total["trial_sums"][i]),
                float(total["trial_squares"][i]),
            )
            for i, name in enumerate(WHOLE_TRIAL)
        },
        day_quantiles=tuple((7.0 * quantiles_of(total["weeks"])).tolist()),
    )


def _arm(total: Tally, n: int, place: int, arm: str, ratio: float) -> ArmCharacteristics:
    def share(name: str) -> float:
        return float(total[name][place] / n)

    def shares(name: str) -> tuple[float, ...]:
        return tuple((total[name][place] / n).tolist())

    return ArmCharacteristics(
        arm=arm,
        log_hazard_ratio=ratio,
        found=share("found"),
        dropped=share("dropped"),
        futile=share("futile"),
        on=share("picked"),
        efficacy=shares("looked"),
        futility=shares("futile_at"),
        unreached=share("unreached"),
        coverage=float(total["covered"][place] / max(total["ended"][place], 1)),
        bias_at_first=_mean(total, "on", "first", place),
        bias_at_end=_mean(total, "ended", "end", place),
        chain=shares("steps"),
        primaries=shares("primaries") if "primaries" in total else (),
        means={
            name: mean_of(
                int(total["known"][place, i]),
                float(total["sums"][place, i]),
                float(total["squares"][place, i]),
            )
            for i, name in enumerate(COMPARED)
        },
    )


def _mean(total: Tally, known: str, name: str, place: int | None = None) -> Mean:
    """Of one arm, or of all arms together."""
    parts = [total[key] for key in (known, f"{name}_sums", f"{name}_squares")]
    count, sums, squares = (one.sum() if place is None else one[place] for one in parts)
    return mean_of(int(count), float(sums), float(squares))

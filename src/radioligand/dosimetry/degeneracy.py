# SPDX-License-Identifier: Apache-2.0
"""Which fits are no fits: parameters that the scans do not determine, and rates that cannot be."""

import math
from collections.abc import Sequence

import numpy as np

from radioligand.dosimetry.curve_forms import FORMS
from radioligand.dosimetry.curves import Curve, Floats
from radioligand.dosimetry.nuclide import Nuclide

CORRELATED = 0.999  # two parameters that move together more than that are one
UNSEEN_RATE_PER_HOUR = 10.0  # nothing is left of such a phase
FIRST_SCAN_HOURS = 1.0  # when scans begin later than this
NO_BIOLOGY = 1e-4  # a biological rate below that part of physical decay is none
SAME_RATE = 1e-6  # per hour between two rates
UNKNOWN = 1e6  # standard error of a logarithm that says nothing
LONG_TAIL = 0.2


class DegenerateFitError(ValueError):
    """The data do not determine this form of curve; another form may do."""


def refuse_degenerate(
    time: Floats,
    activity: Floats,
    error: Floats,
    parameters: Floats,
    covariance: Floats,
    found: Curve,
    form: str,
    nuclide: Nuclide,
    has_prior: bool,
) -> bool:
    """Raise DegenerateFitError with every reason; return whether decay is the physical alone."""
    shape = FORMS[form]
    biological = np.exp(parameters[shape.terms :])
    at_decay = bool(biological[0] < NO_BIOLOGY * nuclide.decay_per_hour)
    reasons: list[str] = []
    if at_decay and form == "mono" and time.size > 1:
        reasons += _slower_than_physics(time, activity, error, nuclide)
    elif at_decay:
        reasons.append("its slowest rate is the physical decay itself, at the edge of what can be")
    if np.any(biological[1:] < SAME_RATE):
        reasons.append("two of its rates are one")
    fastest = float(found.rate_per_hour[-1])
    if fastest > UNSEEN_RATE_PER_HOUR and time[0] > FIRST_SCAN_HOURS:
        reasons.append(
            f"a rate of {fastest:.3g} per h cannot be seen with the first scan at {time[0]:.3g} h"
        )
    variance = np.diag(covariance)
    spread = np.sqrt(np.where(variance > 0, variance, np.inf))
    if not np.all(spread < UNKNOWN) and not at_decay:
        reasons.append("its parameters cannot be told apart")
    elif shape.parameters > 2 and not at_decay:
        correlation = np.abs(covariance / np.outer(spread, spread) - np.eye(spread.size))
        if correlation.max() > CORRELATED:
            reasons.append(f"two of its parameters are correlated by {correlation.max():.4f}")
    if np.any(parameters[: shape.terms] < parameters[: shape.terms].max() - 14):
        reasons.append("one of its terms is empty")
    if reasons:
        raise DegenerateFitError(
            f"the form {form!r} is not determined by {time.size} scans: {'; '.join(reasons)}. "
            "Use a form with fewer parameters, or a prior."
        )
    return at_decay


def _slower_than_physics(
    time: Floats, activity: Floats, error: Floats, nuclide: Nuclide
) -> Sequence[str]:
    """A reason to refuse if the free rate is below physical decay beyond twice its uncertainty."""
    weight = (activity / error) ** 2
    mean = np.average(time, weights=weight)
    spread = float(np.sum(weight * (time - mean) ** 2))
    rate = -float(np.sum(weight * (time - mean) * np.log(activity)) / spread)
    uncertainty = 1 / math.sqrt(spread)
    if rate + 2 * uncertainty >= nuclide.decay_per_hour:
        return ()
    return (
        f"the activity falls by {rate:.5f} (standard error {uncertainty:.5f}) per h, slower than "
        f"physical decay ({nuclide.decay_per_hour:.5f} per h) by more than twice its uncertainty: "
        "the scans are not on one scale, or were corrected for decay",
    )


def fit_warnings(found: Curve, time: Floats, tail: float, at_decay: bool, spare: int) -> list[str]:
    """What a reader should know of a curve that is kept; `spare` scans are more than parameters."""
    said = []
    if spare == 0 and time.size > 1:
        said.append(
            f"the curve passes through all {time.size} scans, so nothing tells whether its form is "
            "right"
        )
    if at_decay:
        said.append("the decay is the physical alone; no washout is seen")
    said += long_tail(tail)
    if time.size > 1 and found.terminal_half_life_hours > time[-1]:
        said.append(
            f"the effective half-life {found.terminal_half_life_hours:.0f} h is longer than the "
            f"scans went on ({time[-1]:.0f} h)"
        )
    return said


def long_tail(tail: float) -> list[str]:
    """A warning if more than a fifth of the integral lies behind the last scan."""
    if not tail > LONG_TAIL:
        return []
    return [f"{100 * tail:.0f} % of the time-integrated activity lie behind the last scan"]

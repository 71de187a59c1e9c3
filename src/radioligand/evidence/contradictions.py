# SPDX-License-Identifier: Apache-2.0
"""Printed numbers that arms of a simple shape cannot carry together, shown by numbers.

With proportional hazards S1(t) = S0(t)^HR, and with exponential times S(t) = 0.5^(t/median). Each
is an assumption, and each ties printed numbers to others. A Weibull shape k, S(t) =
0.5^((t/median)^k), unties them: the k that carries all is told. That a tie fails says nothing
against the paper; it says which virtual arms cannot stand for it.
"""

from collections.abc import Callable, Mapping
from math import log
from typing import NamedTuple

from radioligand.evidence.targets import Target, Targets


class Shown(NamedTuple):
    """A contradiction in numbers: what the others imply for `target`, and what would carry all.

    `inside` tells whether what is implied lies within the printed limits: then chance alone
    explains the difference. `shape` is Weibull's, nan where the contradiction has none.
    """

    kind: str
    says: str
    target: str
    published: float
    implied: float
    inside: bool
    shape: float


def exponential_hazard_ratio(median: float, control_median: float) -> float:
    """The hazard ratio of exponential arms with these medians."""
    return control_median / median


def shape_of_ratio(median: float, control_median: float, hazard_ratio: float) -> float:
    """The Weibull shape with which proportional arms have these medians and this ratio."""
    return log(hazard_ratio) / log(exponential_hazard_ratio(median, control_median))


def exponential_rate(median: float, months: float) -> float:
    """Percent free of the event at a month if times are exponential with this median."""
    return float(100 * 0.5 ** (months / median))


def shape_of_rate(median: float, months: float, percent: float) -> float:
    """The Weibull shape with which an arm has this median and this rate."""
    return log(log(percent / 100) / log(0.5)) / log(months / median)


def proportional_hazard_ratio(percent: float, control_percent: float) -> float:
    """The hazard ratio of proportional arms with these rates at one month."""
    return log(percent / 100) / log(control_percent / 100)


def contradictions(targets: Targets) -> tuple[Shown, ...]:
    """Return the contradictions that the document of targets names, with their numbers."""
    return tuple(
        KINDS[one.kind](*(targets.target(name) for name in one.targets))
        for one in targets.contradictions
    )


def _medians(median: Target, control: Target, ratio: Target) -> Shown:
    of_arm, of_control, published = median.values[0], control.values[0], ratio.values[0]
    implied = exponential_hazard_ratio(of_arm, of_control)
    shape = shape_of_ratio(of_arm, of_control, published)
    says = (
        f"Exponential arms with medians of {of_arm:g} and {of_control:g} months have a hazard "
        f"ratio of {implied:.3f}; {ratio.printed(ratio.values)} is printed. Proportional arms "
        f"carry all three with a Weibull shape of {shape:.2f}."
    )
    return _shown("exponential medians", says, ratio, implied, shape)


def _rate(median: Target, rate: Target) -> Shown:
    middle, published = median.values[0], rate.values[0]
    implied = exponential_rate(middle, rate.months)
    shape = shape_of_rate(middle, rate.months, published)
    says = (
        f"Exponential times with a median of {middle:g} months leave {implied:.1f} % at month "
        f"{rate.months:g}; {rate.printed(rate.values)} is printed. A Weibull shape of "
        f"{shape:.2f} carries both."
    )
    return _shown("exponential rate", says, rate, implied, shape)


def _rates(rate: Target, control: Target, ratio: Target) -> Shown:
    implied = proportional_hazard_ratio(rate.values[0], control.values[0])
    says = (
        f"Proportional arms with {rate.values[0]:g} and {control.values[0]:g} % at month "
        f"{rate.months:g} have a hazard ratio of {implied:.3f}; {ratio.printed(ratio.values)} is "
        "printed."
    )
    return _shown("proportional rates", says, ratio, implied, float("nan"))


def _shown(kind: str, says: str, target: Target, implied: float, shape: float) -> Shown:
    published, lower, upper = target.values
    inside = lower <= implied <= upper
    told = "within the printed limits" if inside else "outside the printed limits"
    return Shown(
        kind, f"{says} What is implied lies {told}.", target.id, published, implied, inside, shape
    )


KINDS: Mapping[str, Callable[..., Shown]] = {
    "exponential medians": _medians,
    "exponential rate": _rate,
    "proportional rates": _rates,
}

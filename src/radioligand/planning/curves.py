# SPDX-License-Identifier: Apache-2.0
"""How subjects have their event over the months: hazards of one arm, and of an effect on them.

Each curve tells its cumulative hazard; all else follows from that. Time is in months since
randomisation, hazards are per month.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from radioligand.planning.faults import outside, refuse

Floats = NDArray[np.float64]
FAR = 12_000.0  # months: a quantile beyond a thousand years is not reached
LOG_2 = float(np.log(2))


class Curve(Protocol):
    """Whatever tells a cumulative hazard."""

    def cumulative_hazard(self, months: Floats) -> Floats:
        """Return the hazard summed up to each of `months`, 0 or more, of any shape."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecewiseExponential:
    """A hazard constant between months; the last piece has no end."""

    starts_months: tuple[float, ...]  # the first is 0
    per_month: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse pieces that leave a gap, and hazards below 0."""
        refuse(piece_faults("starts_months", self.starts_months, "per_month", self.per_month))

    def cumulative_hazard(self, months: Floats) -> Floats:
        """Return the hazard summed up to each of `months`."""
        time_in = time_in_pieces(months, self.starts_months)
        return np.asarray((time_in * np.array(self.per_month)).sum(-1), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weibull:
    """A hazard that rises (shape above 1) or falls (below): S(t) = 2^-(t / median)^shape."""

    median_months: float
    shape: float

    def __post_init__(self) -> None:
        """Refuse a median or shape that is not above 0."""
        given = {"median_months": self.median_months, "shape": self.shape}
        refuse(outside(given, above=0, mend="give a number above 0"))

    def cumulative_hazard(self, months: Floats) -> Floats:
        """Return the hazard summed up to each of `months`."""
        return np.asarray(LOG_2 * (months / self.median_months) ** self.shape, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured:
    """A share of subjects that never has the event; the others follow `uncured`."""

    fraction: float
    uncured: Curve

    def __post_init__(self) -> None:
        """Refuse a fraction that is none."""
        if not 0 <= self.fraction < 1:
            refuse([f"fraction: {self.fraction!r} cured; give a number from 0 to below 1."])

    def cumulative_hazard(self, months: Floats) -> Floats:
        """Return the hazard summed up to each of `months`: -log(f + (1 - f) S(t))."""
        others = np.exp(-self.uncured.cumulative_hazard(months))
        return np.asarray(-np.log(self.fraction + (1 - self.fraction) * others), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Another curve whose hazard is multiplied by a ratio that may change with time.

    One ratio from month 0 is proportional hazards; (1, 0.5) from (0, 4) is an effect that begins
    after four months.
    """

    control: Curve
    starts_months: tuple[float, ...]
    hazard_ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse pieces that leave a gap, and ratios below 0."""
        starts, ratios = self.starts_months, self.hazard_ratios
        refuse(piece_faults("starts_months", starts, "hazard_ratios", ratios))

    def cumulative_hazard(self, months: Floats) -> Floats:
        """Return the hazard summed up to each of `months`."""
        starts = np.array(self.starts_months)
        ends = np.append(starts[1:], np.inf)
        reached = np.clip(months[..., None], starts, ends)
        summed = self.control.cumulative_hazard(reached) - self.control.cumulative_hazard(starts)
        return np.asarray((summed * np.array(self.hazard_ratios)).sum(-1), np.float64)


def exponential(median_months: float) -> PiecewiseExponential:
    """Return the curve of a constant hazard with that median."""
    refuse(outside({"median_months": median_months}, above=0, mend="give months above 0"))
    return PiecewiseExponential(starts_months=(0.0,), per_month=(LOG_2 / median_months,))


def survival(curve: Curve, months: ArrayLike) -> Floats:
    """Return the share without event at each of `months`, of any shape."""
    return np.asarray(np.exp(-curve.cumulative_hazard(np.asarray(months, np.float64))), np.float64)


def months_until(curve: Curve, *, survival_share: float = 0.5) -> float:
    """Return when so large a share is left without event, infinity if that never happens."""
    if not 0 < survival_share < 1:
        refuse([f"survival_share: {survival_share!r}; give a number between 0 and 1."])

    def excess(month: float) -> float:
        return float(survival(curve, month)) - survival_share

    return np.inf if excess(FAR) > 0 else float(brentq(excess, 0.0, FAR, xtol=1e-9))


def time_in_pieces(months: Floats, starts: tuple[float, ...]) -> Floats:
    """Return how long each of `months` has lain in each piece, (..., k)."""
    begins = np.array(starts)
    lengths = np.append(np.diff(begins), np.inf)
    return np.asarray(np.clip(months[..., None] - begins, 0, lengths), np.float64)


def piece_faults(
    starts_name: str, starts: tuple[float, ...], values_name: str, values: tuple[float, ...]
) -> list[str]:
    """Tell what is wrong with values that hold from a month on until the next."""
    faults = []
    if not starts or starts[0] != 0 or (np.diff(starts) <= 0).any():
        faults.append(f"{starts_name}: {starts}; give months that rise from 0.")
    if len(starts) != len(values):
        faults.append(
            f"{starts_name}, {values_name}: {len(starts)} and {len(values)}; give as many."
        )
    if bad := [one for one in values if not 0 <= one < np.inf]:
        faults.append(f"{values_name}: {bad[0]!r}; give numbers, 0 or more.")
    return faults

# SPDX-License-Identifier: Apache-2.0
"""Stopping boundaries of a group-sequential trial, for efficacy and for futility."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.exit_probabilities import (
    START,
    beyond,
    boundary,
    check_fractions,
    exits,
    goes_on,
    mirrored,
)
from radioligand.statistics.observations import Faults, Floats
from radioligand.statistics.records import Record
from radioligand.statistics.root_finding import root
from radioligand.statistics.spending import (
    Spending,
    check_spending,
    exponent,
    haybittle_peto_z,
    is_classical,
    spent,
)

FAR, NEAR = 1e6, 1e-6  # of z: boundaries that have nothing left to spend, and that meet


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries(Record, rows="fractions", apart=("planned",)):
    """When a trial stops for efficacy; arrays follow its looks, (k,)."""

    fractions: Floats  # information at each look
    z: Floats  # stop at or above; if two-sided also at or below its negative
    nominal_p: Floats  # the same as a p value, one- or two-sided as the test is
    cumulative_alpha: Floats  # probability of having stopped by each look without any effect
    alpha: float
    sided: int
    spending: Spending
    spending_time: Floats  # where the spending function was read
    planned: Floats | None  # looks for which a classical constant was found, if not these
    constant: float  # of a Wang–Tsiatis shape; nan without one

    @property
    def lower(self) -> Floats:
        """Stop at or below; -inf where a trial cannot."""
        return opposite(self.z, self.sided)

    @property
    def lower_counts(self) -> bool:
        """Whether stopping below is part of the claim on alpha."""
        return self.sided == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FutilityBoundaries(Boundaries):
    """When a trial stops for efficacy or for futility; arrays follow its looks, (k,)."""

    futility_z: Floats  # stop at or below; at the last look the boundaries meet
    cumulative_beta: Floats  # probability of having stopped below by each look, under the drift
    beta: float
    binding: bool
    drift: float  # mean of z at fraction 1 at which the power is 1 - beta

    @property
    def lower(self) -> Floats:
        """Stop at or below."""
        return self.futility_z

    @property
    def lower_counts(self) -> bool:
        """Whether stopping below is part of the claim on alpha."""
        return self.binding


def boundaries(
    fractions: ArrayLike,
    *,
    alpha: float = 0.025,
    spending: Spending = "obrien-fleming",
    sided: int = 1,
    spending_time: ArrayLike | None = None,
    planned: ArrayLike | None = None,
) -> Boundaries:
    r"""Return the boundaries of z at which a trial stops for efficacy.

    Parameters
    ----------
    fractions : (k,) information at each look, rising, as shares of the information at the end:
        events over all events, if survival is compared.
    alpha : type I error; of both sides together, if two-sided.
    spending : how alpha is spent. By a function of Lan and DeMets: "obrien-fleming", "pocock",
        ``("hwang-shih-decani", gamma)``, ``("kim-demets", rho)``, your own function from times
        (k,) to shares of alpha (k,), or those shares. In a classical shape:
        "classical-obrien-fleming", "classical-pocock", ``("wang-tsiatis", exponent)``, and
        "haybittle-peto" with z = 3 before the last look or ``("haybittle-peto", z)``.
    sided : 1, or 2 for boundaries on both sides, each with half of alpha.
    spending_time : (k,) where a spending function is read, if not at `fractions`: shares of the
        calendar, or of the information planned where the trial ended with more or less.
    planned : (j,) looks for which the constant of a classical shape is found, if other than
        `fractions`. A trial that looks elsewhere keeps its constant and no longer spends
        exactly alpha; `cumulative_alpha` says what it does spend.

    A spending function may be read before the last look is known, so fractions may end under 1.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    Without effect, :math:`P(\text{first beyond } z_k \text{ at look } k)` is what is spent between
    looks k-1 and k. Shapes are :math:`z_k=c\,t_k^{\Delta-1/2}`, with exponent :math:`\Delta` 0 for
    O'Brien and Fleming (Biometrics 1979;35:549), 1/2 for Pocock (Biometrika 1977;64:191), between
    for Wang and Tsiatis (Biometrics 1987;43:193). Haybittle and Peto: Br J Cancer 1976;34:585,
    here with a last boundary that keeps alpha. Oracle: R ``rpact::getDesignGroupSequential``.

    """
    faults = Faults()
    times = check_fractions("fractions", fractions, faults)
    spend_times = times if spending_time is None else check_times(spending_time, times, faults)
    looks = None if planned is None else check_fractions("planned", planned, faults)
    check_spending("spending", spending, spend_times, faults)
    check_rate("alpha", alpha, faults)
    if sided not in (1, 2):
        faults.append(f"sided: {sided!r} is no number of sides; give 1 or 2.")
    if not faults:
        check_looks(spending, times, looks, spending_time is not None, faults)
    faults.refuse()

    constant = np.nan
    if is_classical(spending):
        z, constant = classical(spending, times, times if looks is None else looks, alpha, sided)
        found = exits(times, z, opposite(z, sided), 0.0)
        cumulative = np.cumsum(found.upper + found.lower)
    else:
        side = spent(spending, spend_times, alpha / sided)
        z, cumulative = spending_boundaries(times, side, two_sided=sided == 2), sided * side
    return Boundaries(
        fractions=times,
        z=z,
        nominal_p=np.asarray(sided * special.ndtr(-z), np.float64),
        cumulative_alpha=cumulative,
        alpha=alpha,
        sided=sided,
        spending=spending,
        spending_time=spend_times,
        planned=looks,
        constant=constant,
    )


def spending_boundaries(fractions: Floats, side: Floats, *, two_sided: bool) -> Floats:
    """Return the z at which a trial without effect has spent `side` above it by each look."""
    going, z = START, np.empty(fractions.size)
    for look, (fraction, spend) in enumerate(zip(fractions, increments(side), strict=True)):
        z[look] = boundary(going, fraction, spend, 0.0)
        lower = -z[look] if two_sided else -np.inf
        going = goes_on(
            going, fraction, z[look], lower, drift=0.0, following=after(fractions, look)
        )
    return z


def classical(
    spending: Spending, fractions: Floats, planned: Floats, alpha: float, sided: int
) -> tuple[Floats, float]:
    """Return the z at `fractions` of the shape that spends alpha at the planned looks."""
    steepness = exponent(spending)
    if steepness is None:
        return haybittle_peto(spending, fractions, planned, alpha, sided), np.nan
    shape = planned ** (steepness - 0.5)

    def excess(constant: float) -> float:
        z = constant * shape
        found = exits(planned, z, opposite(z, sided), 0.0)
        return found.power * sided - alpha

    # one look alone spends less than alpha, and Bonferroni's share at each look not more
    low, high = -special.ndtri(alpha / sided), -special.ndtri(alpha / sided / planned.size)
    constant = root(excess, 0.999 * low / shape.min(), 1.001 * high / shape.min())
    return constant * fractions ** (steepness - 0.5), float(constant)


def haybittle_peto(
    spending: Spending, fractions: Floats, planned: Floats, alpha: float, sided: int
) -> Floats:
    """Return one z for all looks but the last, and there what leaves alpha at the planned looks."""
    early = haybittle_peto_z(spending)
    going, left = START, alpha / sided
    for look, fraction in enumerate(planned[:-1]):
        left -= beyond(going, fraction, early, 0.0)
        lower = -early if sided == 2 else -np.inf
        going = goes_on(going, fraction, early, lower, drift=0.0, following=after(planned, look))
    if left <= 0:
        raise ValueError(
            f"spending: looks at z = {early:g} spend all of alpha {alpha:g} before the last one; "
            "give a greater z."
        )
    return np.where(fractions < 1, early, boundary(going, planned[-1], left, 0.0))


def futility_boundaries(
    fractions: ArrayLike,
    *,
    alpha: float = 0.025,
    beta: float = 0.1,
    spending: Spending = "obrien-fleming",
    futility_spending: Spending = "obrien-fleming",
    binding: bool = False,
    spending_time: ArrayLike | None = None,
) -> FutilityBoundaries:
    r"""Return one-sided boundaries for efficacy and for futility, and the drift they are made for.

    Parameters
    ----------
    fractions, alpha, spending, spending_time : as in `boundaries`; the last fraction is 1, and
        spending is by functions.
    beta : type II error: 1 less the power.
    futility_spending : how beta is spent.
    binding : True if a trial below its futility boundary must stop. That gives back some alpha,
        so the efficacy boundaries fall, and a trial that goes on regardless spends too much.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    Under the drift, :math:`P(\text{first below the futility boundary at look } k)` is the beta
    spent between looks k-1 and k. The drift is the one at which both boundaries meet at the last
    look; the full information is its square over that of the effect. Pampallona, Tsiatis and Kim,
    Drug Inf J 2001;35:1113. Oracle: R ``rpact::getDesignGroupSequential(typeBetaSpending=)``.

    """
    faults = Faults()
    times = check_fractions("fractions", fractions, faults)
    spend_times = times if spending_time is None else check_times(spending_time, times, faults)
    check_spending("spending", spending, spend_times, faults)
    check_spending("futility_spending", futility_spending, spend_times, faults)
    check_rate("alpha", alpha, faults)
    check_rate("beta", beta, faults)
    for option, one in (("spending", spending), ("futility_spending", futility_spending)):
        if is_classical(one):
            faults.append(f"{option}: {one!r} is a classical shape; give a spending function.")
    if times.size and times[-1] != 1:
        faults.append(f"fractions: end at {times[-1]:g}; futility is planned up to 1.")
    faults.refuse()

    alphas, betas = spent(spending, spend_times, alpha), spent(futility_spending, spend_times, beta)
    given = None if binding else spending_boundaries(times, alphas, two_sided=False)

    def boundaries_for(drift: float) -> tuple[Floats, Floats]:
        return spending_both(times, alphas, betas, drift, upper=given)

    def gap(drift: float) -> float:
        upper, lower = boundaries_for(drift)
        return float(np.clip(lower[-1] - upper[-1], -FAR, FAR))

    # what a trial without interim looks needs
    fixed = float(-special.ndtri(alpha) - special.ndtri(beta))
    drift = root(gap, fixed * 0.99, fixed * 1.5)
    z, futility_z = boundaries_for(drift)
    if abs(futility_z[-1] - z[-1]) > NEAR:
        raise ValueError(
            "spending, futility_spending: the boundaries meet before the last look at every drift; "
            "spend less of alpha or beta early."
        )
    futility_z[-1] = z[-1]
    return FutilityBoundaries(
        fractions=times,
        z=z,
        nominal_p=np.asarray(special.ndtr(-z), np.float64),
        cumulative_alpha=alphas,
        alpha=alpha,
        sided=1,
        spending=spending,
        spending_time=spend_times,
        planned=None,
        constant=np.nan,
        futility_z=futility_z,
        cumulative_beta=betas,
        beta=beta,
        binding=binding,
        drift=drift,
    )


def spending_both(
    fractions: Floats, alphas: Floats, betas: Floats, drift: float, *, upper: Floats | None
) -> tuple[Floats, Floats]:
    """Return efficacy and futility boundaries that spend `alphas`, and `betas` under `drift`.

    If efficacy boundaries are given, they are kept; else futility makes room for them. A futility
    boundary that would pass the other is cut to it.
    """
    null, effective = START, START
    z, futility_z = np.empty(fractions.size), np.empty(fractions.size)
    last = fractions.size - 1
    spends = zip(fractions, increments(alphas), increments(betas), strict=True)
    for look, (fraction, spend_alpha, spend_beta) in enumerate(spends):
        z[look] = boundary(null, fraction, spend_alpha, 0.0) if upper is None else upper[look]
        below = -boundary(mirrored(effective), fraction, spend_beta, -drift)
        futility_z[look] = below if look == last else min(below, z[look])
        following = after(fractions, look)
        effective = goes_on(
            effective, fraction, z[look], futility_z[look], drift=drift, following=following
        )
        if upper is None:
            null = goes_on(
                null, fraction, z[look], futility_z[look], drift=0.0, following=following
            )
    return z, futility_z


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredDrift(Record):
    """The effect that boundaries find with the power asked for."""

    drift: float  # mean of z at fraction 1: effect times the square root of the information
    inflation: float  # information at the last look, over that of a trial with one look
    expected_fraction: float  # mean information at the end under the drift
    power: float


def required_drift(design: Boundaries, *, power: float) -> RequiredDrift:
    """Return the drift at which `design` crosses its upper boundary with probability `power`.

    An effect d needs the information (drift / d) squared; for a log hazard ratio that is events
    times the product of the shares of the arms. Futility boundaries are heeded.

    Raises ValueError for a power that is not between alpha and 1.
    """
    if not design.alpha < power < 1:
        raise ValueError(
            f"power: {power} is not between alpha {design.alpha:g} and 1; give one such as 0.9."
        )
    fixed = float(special.ndtri(power) - special.ndtri(design.alpha / design.sided))

    def excess(drift: float) -> float:
        return exits(design.fractions, design.z, design.lower, drift).power - power

    drift = root(excess, 0.9 * fixed, 1.2 * fixed)
    found = exits(design.fractions, design.z, design.lower, drift)
    return RequiredDrift(
        drift=drift,
        inflation=(drift / fixed) ** 2,
        expected_fraction=found.expected_fraction,
        power=power,
    )


def opposite(z: Floats, sided: int) -> Floats:
    """Return the lower boundaries of a test on one side, where there are none, or on two."""
    return -z if sided == 2 else np.full(z.size, -np.inf)


def increments(cumulative: Floats) -> Floats:
    """Return what is spent at each look, (k,)."""
    return np.diff(cumulative, prepend=0.0)


def after(fractions: Floats, look: int) -> float:
    """Return the information of the next look; inf after the last."""
    return float(fractions[look + 1]) if look + 1 < fractions.size else np.inf


def check_times(values: ArrayLike, fractions: Floats, faults: Faults) -> Floats:
    """Return where a spending function is read, (k,), and note what is wrong with it."""
    times = check_fractions("spending_time", values, faults)
    if times.size != fractions.size:
        faults.append(
            f"Lengths differ: fractions {fractions.size}, spending_time {times.size}; give one "
            "value a look in each."
        )
    return times


def check_rate(name: str, rate: Any, faults: Faults) -> None:
    """Note an error rate that is none."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < 0.5:
        faults.append(f"{name}: {rate!r} is no error rate; give a number between 0 and 0.5.")


def check_looks(
    spending: Spending, fractions: Floats, planned: Floats | None, has_times: bool, faults: Faults
) -> None:
    """Note options that do not go with a spending function, or with a classical shape."""
    if not is_classical(spending):
        if planned is not None:
            faults.append(
                "planned: only a classical shape has planned looks; a spending function is read "
                "elsewhere by spending_time."
            )
        return
    if has_times:
        faults.append("spending_time: a classical shape spends by its looks alone; leave it out.")
    end = fractions if planned is None else planned
    if end[-1] != 1:
        option = "fractions" if planned is None else "planned"
        faults.append(
            f"{option}: end at {end[-1]:g}; a classical shape needs all its looks up to 1. Give "
            "them as planned, and those that were held as fractions."
        )

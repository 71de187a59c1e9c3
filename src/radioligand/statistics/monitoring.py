# SPDX-License-Identifier: Apache-2.0
"""What the results of a group-sequential trial mean: during it, and once it has stopped.

Statistics count upward: z and estimates are positive where the treatment is better, so for a
hazard ratio under 1 give the negative of its logarithm. Looks are counted from 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.boundaries import FAR, Boundaries, opposite, spending_boundaries
from radioligand.statistics.exit_probabilities import exits
from radioligand.statistics.observations import Faults, Floats, check_level, numbers
from radioligand.statistics.records import Record
from radioligand.statistics.root_finding import root
from radioligand.statistics.spending import exponent, is_classical, spent

LEAST = -690.0  # logarithm of a p value, under which it is given as 0


def repeated_p_values(z: ArrayLike, design: Boundaries) -> Floats:
    """Return, for each look held, the least alpha at which its boundary would have been crossed.

    Parameters
    ----------
    z : (j,) statistics of the first j looks; nan where one is not known.
    design : its boundaries; alpha is varied, all else is kept. Futility boundaries are left out.

    Valid at every look, whether or not the trial stops. A result that no alpha under one half a
    side would accept has 1. A two-sided design gives two-sided values.

    Raises ValueError that names each fault of the input, or for a Haybittle–Peto design, whose
    early boundary does not depend on alpha.

    Jennison and Turnbull, Group Sequential Methods, 2000, chapter 9. The least of them so far is
    the sequential p value of Liu and Anderson, J Am Stat Assoc 2008;103:1621. Oracle: R
    ``rpact::getRepeatedPValues``.

    """
    faults = Faults()
    statistics = numbers("z", z, faults)
    check_looks_held({"z": statistics}, design, faults)
    faults.among("z", statistics, np.isinf(statistics), "are infinite", "give finite statistics")
    if is_classical(design.spending) and exponent(design.spending) is None:
        faults.append("design: Haybittle–Peto's early boundary is the same at every alpha.")
    faults.refuse()
    sizes = np.abs(statistics) if design.sided == 2 else statistics
    return np.array([repeated_p_value(one, at, design) for at, one in enumerate(sizes.tolist())])


def repeated_p_value(z: float, at: int, design: Boundaries) -> float:
    """Return the repeated p value at one look, in its place among the looks."""
    if np.isnan(z):
        return np.nan
    most = 0.499999 * design.sided
    steepness = exponent(design.spending)
    if steepness is not None:
        alpha = alpha_of_shape(z / design.fractions[at] ** (steepness - 0.5), steepness, design)
        return alpha if alpha <= most else 1.0

    def excess(log_alpha: float) -> float:
        side = spent(design.spending, design.spending_time, np.exp(log_alpha) / design.sided)
        needed = spending_boundaries(design.fractions, side, two_sided=design.sided == 2)[at]
        return float(np.clip(needed, -FAR, FAR)) - z

    # no look can cross with less than its own p value
    least = float(special.log_ndtr(-z)) + np.log(design.sided)
    if least >= np.log(most) or excess(np.log(most)) > 0:
        return 1.0
    if least < LEAST:
        return 0.0
    return float(np.exp(root(excess, least - 1e-6, np.log(most))))


def alpha_of_shape(constant: float, steepness: float, design: Boundaries) -> float:
    """Return the alpha that a classical shape with this constant spends at its planned looks."""
    looks = design.fractions if design.planned is None else design.planned
    z = constant * looks ** (steepness - 0.5)
    return design.sided * exits(looks, z, opposite(z, design.sided), 0.0).power


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedIntervals(Record, rows="estimate"):
    """Intervals that hold at all looks at once; arrays follow the looks held, (j,)."""

    estimate: Floats
    lower: Floats
    upper: Floats
    level: float


def repeated_intervals(
    estimate: ArrayLike, standard_error: ArrayLike, design: Boundaries
) -> RepeatedIntervals:
    """Return the estimates of the first looks with intervals as wide as the boundaries ask.

    Parameters
    ----------
    estimate : (j,) of the effect at the first j looks, on a scale on which it is normal.
    standard_error : (j,) of the estimate.
    design : its boundaries. Limits lie z of the look times the standard error away; each is
        wrong at any look with probability alpha, or alpha / 2 if the design is two-sided.

    Raises ValueError that names each fault of the input. Jennison and Turnbull, J R Stat Soc B
    1989;51:305. Oracle: R ``rpact::getRepeatedConfidenceIntervals``.

    """
    faults = Faults()
    found = numbers("estimate", estimate, faults)
    errors = numbers("standard_error", standard_error, faults)
    check_looks_held({"estimate": found, "standard_error": errors}, design, faults)
    check_estimates(found, errors, faults)
    faults.refuse()
    width = design.z[: found.size] * errors
    return RepeatedIntervals(
        estimate=found, lower=found - width, upper=found + width, level=usual_level(design)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagewiseResult(Record):
    """The result of a trial that stopped, with the looks before the last one allowed for."""

    estimate: float  # median-unbiased
    lower: float
    upper: float
    p_value: float  # one- or two-sided as the design is
    naive_estimate: float  # as it would be, had there been no other look
    look: int
    level: float


def stagewise_result(
    estimate: float,
    standard_error: float,
    design: Boundaries,
    *,
    look: int,
    level: float | None = None,
) -> StagewiseResult:
    r"""Return p value, interval and median-unbiased estimate of a trial that stopped.

    Parameters
    ----------
    estimate : of the effect at the look where the trial stopped, on a scale on which it is normal.
    standard_error : of the estimate.
    design : its boundaries. Of lower ones only those count on which alpha relies.
    look : where it stopped, from 1.
    level : coverage of the interval; 1 - 2 alpha if not given, 1 - alpha if two-sided.

    Raises ValueError that names each fault of the input, or if no boundary was crossed before
    the last look, so that the trial did not stop by its design.

    Notes
    -----
    Results are ordered by stage: crossing the upper boundary sooner is more extreme, crossing the
    lower one sooner less, and at one look the greater z is more. With
    :math:`P_\theta` the probability of what is as extreme or more, the p value is
    :math:`P_0`; the estimate solves :math:`P_\theta=1/2` and the limits leave half of
    1 - level. Tsiatis, Rosner and Mehta, Biometrics 1984;40:797. Oracle: R
    ``rpact::getFinalConfidenceInterval``.

    """
    faults = Faults()
    check_estimates(np.array([estimate], float), np.array([standard_error], float), faults)
    check_look(look, design.z.size, faults)
    faults.refuse()
    coverage = usual_level(design) if level is None else level
    check_level(coverage)
    at, z = look - 1, estimate / standard_error
    if look < design.z.size and design.lower[at] < z < design.z[at]:
        raise ValueError(
            f"look: at look {look} of {design.z.size} z {z:.4g} lies between the boundaries "
            f"{design.lower[at]:.4g} and {design.z[at]:.4g}, so the trial goes on; ask for "
            "repeated p values and intervals."
        )
    fractions, upper = design.fractions[:look], np.append(design.z[:at], z)
    lower = np.full(look, -np.inf)
    if design.lower_counts:
        lower[:at] = design.lower[:at]

    def as_extreme(drift: float) -> float:
        return exits(fractions, upper, lower, drift).power

    def drift_at(probability: float) -> float:
        middle, width = z / np.sqrt(fractions[-1]), 1 / np.sqrt(fractions[-1])
        return root(lambda one: as_extreme(one) - probability, middle - width, middle + width)

    tail = (1 - coverage) / 2
    unit = standard_error * np.sqrt(fractions[-1])  # effect of a drift of 1
    above = as_extreme(0.0)
    return StagewiseResult(
        estimate=float(unit * drift_at(0.5)),
        lower=float(unit * drift_at(tail)),
        upper=float(unit * drift_at(1 - tail)),
        p_value=min(2 * min(above, 1 - above), 1.0) if design.sided == 2 else above,
        naive_estimate=float(estimate),
        look=look,
        level=coverage,
    )


def conditional_power(
    z: float, design: Boundaries, *, look: int, drift: float | None = None
) -> float:
    r"""Return the probability of crossing the upper boundary at a later look, given z at this one.

    Parameters
    ----------
    z : statistic at `look`.
    design : its boundaries; a trial that crosses a lower one stops.
    look : the look that was held, from 1, and not the last.
    drift : mean of z at fraction 1 from here on: 0 for no effect, that of the plan, or, if not
        given, the trend so far.

    Raises ValueError that names each fault of the input. With one look to come at fraction 1 it is
    :math:`\Phi[\{z\sqrt t+\theta(1-t)-z_1\}/\sqrt{1-t}]`. Lan, Simon and Halperin, Commun Stat
    C 1982;1:207. Oracle: R ``rpact::getConditionalPower``.

    """
    check_interim(z, look, design, {} if drift is None else {"drift": drift})
    now, later = design.fractions[look - 1], design.fractions[look:]
    score, steps = z * np.sqrt(now), later - now
    trend = z / np.sqrt(now) if drift is None else drift
    upper, lower = (
        (bound[look:] * np.sqrt(later) - score) / np.sqrt(steps)
        for bound in (design.z, design.lower)
    )
    return exits(steps, upper, lower, float(trend)).power


def predictive_power(
    z: float, design: Boundaries, *, look: int, prior: tuple[float, float] | None = None
) -> float:
    r"""Return the conditional power averaged over what is believed of the drift.

    Parameters
    ----------
    z, design, look : as in `conditional_power`.
    prior : mean and standard deviation of a normal belief about the drift before the trial; if
        not given, one that is flat.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    A prior of mean m and standard deviation s is as good as information :math:`t_0=s^{-2}` with
    the score :math:`m t_0`. The posterior mean :math:`(b_k+mt_0)/(t_k+t_0)`, with the score
    :math:`b_k=z_k\sqrt{t_k}`, is itself a process of independent steps, of variance
    :math:`1/(t_j+t_0)-1/(t_k+t_0)` from look j to k, and crosses boundaries like any other.
    Spiegelhalter, Freedman and Blackburn, Control Clin Trials 1986;7:8.

    """
    mean, deviation = (0.0, np.inf) if prior is None else prior
    check_interim(z, look, design, {} if prior is None else {"prior": mean})
    if not deviation > 0:
        raise ValueError(f"prior: {deviation} is no standard deviation; give more than 0.")
    known = deviation**-2.0
    now, later = design.fractions[look - 1], design.fractions[look:]
    score, ahead = z * np.sqrt(now), later - now
    scale = np.sqrt(ahead * (now + known) * (later + known))
    upper, lower = (
        (bound * (now + known) - score * (later + known) - mean * known * ahead) / scale
        for bound in (design.z[look:] * np.sqrt(later), design.lower[look:] * np.sqrt(later))
    )
    steps = ahead * (now + known) / (later + known)  # their scale is free, as there is no drift
    return exits(steps, upper, lower, 0.0).power


def usual_level(design: Boundaries) -> float:
    """Return the coverage of an interval whose limits are wrong as often as the design allows."""
    return 1 - 2 * design.alpha / design.sided


def check_looks_held(given: dict[str, Floats], design: Boundaries, faults: Faults) -> None:
    """Note columns that have no look, or more than the design."""
    for name, values in given.items():
        if not 0 < values.size <= design.z.size and not faults:
            faults.append(
                f"{name}: has {values.size} looks and the design {design.z.size}; give one value "
                "for each look that was held."
            )
    if len({values.size for values in given.values()}) > 1:
        told = ", ".join(f"{name} {values.size}" for name, values in given.items())
        faults.append(f"Lengths differ: {told}; give one value a look in each.")


def check_estimates(estimates: Floats, errors: Floats, faults: Faults) -> None:
    """Note estimates that are not known, and standard errors that are none."""
    mend = "give one for each look that was held"
    faults.among("estimate", estimates, ~np.isfinite(estimates), "are missing or infinite", mend)
    bad = ~((errors > 0) & (errors < np.inf))
    faults.among("standard_error", errors, bad, "are not positive and finite", mend)


def check_look(look: int, last: int, faults: Faults) -> None:
    """Note a look that the design does not have, up to the last one allowed."""
    if isinstance(look, bool) or not isinstance(look, (int, np.integer)) or not 1 <= look <= last:
        faults.append(f"look: {look!r} is none of 1 to {last}; count looks from 1.")


def check_interim(z: float, look: int, design: Boundaries, others: dict[str, float]) -> None:
    """Refuse a look after which none is to come, or numbers that are none."""
    faults = Faults()
    if design.z.size < 2:
        faults.append("design: has one look, and none to come.")
    else:
        check_look(look, design.z.size - 1, faults)
    for name, value in {"z": z, **others}.items():
        if not np.isfinite(value):
            faults.append(f"{name}: {value} is no finite number.")
    faults.refuse()

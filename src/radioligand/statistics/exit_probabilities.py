# SPDX-License-Identifier: Apache-2.0
"""How likely a trial is to stop at each look: recursive integration of its Brownian motion.

The statistics of successive looks are z at information fractions t. Their scores z sqrt(t) grow by
independent normal steps of variance t_k - t_(k-1) and mean drift (t_k - t_(k-1)), where the drift
is the mean of z at fraction 1: the effect times the square root of the full information.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Faults, Floats, numbers
from radioligand.statistics.records import Record

CLOSEST = 1e-3  # looks nearer than this share of their information are one look
REACH = 10.0  # standard deviations beyond which nobody is looked for
PANEL = 5.0  # standard deviations of the narrowest step, on which 24 nodes are exact to rounding
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitProbabilities(Record, rows="fractions"):
    """How likely a trial is to stop first at each look, (k,)."""

    fractions: Floats
    upper: Floats  # above the upper boundary
    lower: Floats  # below the lower one
    continuing: float  # neither, at any look
    drift: float

    @property
    def power(self) -> float:
        """Probability of ever crossing the upper boundary."""
        return float(self.upper.sum())

    @property
    def expected_fraction(self) -> float:
        """Mean information at the end, counting a trial that never crosses to the last look."""
        stops = self.upper + self.lower
        return float(stops @ self.fractions + self.continuing * self.fractions[-1])


def exit_probabilities(
    fractions: ArrayLike,
    upper: ArrayLike,
    *,
    lower: ArrayLike | None = None,
    drift: float = 0.0,
) -> ExitProbabilities:
    r"""Return how likely a trial is to cross its boundaries first at each look.

    Parameters
    ----------
    fractions : (k,) information at each look, rising; as a share of that to which `drift` refers.
    upper : (k,) the trial stops with z at or above; inf where it cannot.
    lower : (k,) the trial stops with z at or below; never, if not given.
    drift : mean of z at fraction 1; 0 is no effect.

    Raises ValueError that names each fault of the input.

    Notes
    -----
    With density :math:`g_k` of the score of a trial that goes on after look k,
    :math:`g_k(b)=\int g_{k-1}(a)\,\phi\{(b-a-\theta\Delta_k)/\sqrt{\Delta_k}\}/\sqrt{\Delta_k}\,da`
    within the boundaries: Armitage, McPherson and Rowe, J R Stat Soc A 1969;132:235. Integrals
    are Gauss–Legendre sums on panels as narrow as the shortest step, hence good to about 1e-14.
    Oracles: R ``mvtnorm::pmvnorm`` and ``rpact::getGroupSequentialProbabilities``.

    """
    faults = Faults()
    times = check_fractions("fractions", fractions, faults, last=np.inf)
    high = numbers("upper", upper, faults)
    low = np.full(high.size, -np.inf) if lower is None else numbers("lower", lower, faults)
    if not times.size == high.size == low.size:
        faults.append(
            f"Lengths differ: fractions {times.size}, upper {high.size}, lower {low.size}; "
            "give one value a look in each."
        )
    elif bad := int(np.sum(~(low <= high))):
        faults.append(
            f"upper, lower: {bad} of {high.size} looks have a missing boundary, or a lower one "
            "above the upper; they may meet, not cross."
        )
    if not np.isfinite(drift):
        faults.append(f"drift: {drift} is no mean of z; give a finite number, 0 for no effect.")
    faults.refuse()
    return exits(times, high, low, float(drift))


def exits(fractions: Floats, upper: Floats, lower: Floats, drift: float) -> ExitProbabilities:
    """Return the exit probabilities of boundaries that are known to be sound."""
    going = START
    above, below = np.zeros(fractions.size), np.zeros(fractions.size)
    for look, (fraction, high, low) in enumerate(zip(fractions, upper, lower, strict=True)):
        above[look] = beyond(going, fraction, high, drift)
        below[look] = beyond(mirrored(going), fraction, -low, -drift)
        following = fractions[look + 1] if look + 1 < fractions.size else np.inf
        going = goes_on(going, fraction, high, low, drift=drift, following=following)
    return ExitProbabilities(
        fractions=fractions,
        upper=above,
        lower=below,
        continuing=float(going.mass.sum()),
        drift=drift,
    )


class Going(NamedTuple):
    """A trial that has not stopped after a look: where its score may be, (n,), how likely."""

    fraction: float
    score: Floats
    mass: Floats


START = Going(0.0, np.zeros(1), np.ones(1))


def mirrored(going: Going) -> Going:
    """Exchange up and down."""
    return Going(going.fraction, -going.score, going.mass)


def beyond(going: Going, fraction: float, z: float, drift: float) -> float:
    """Return the probability that the trial has gone on until `fraction`, and is above `z`."""
    return float(going.mass @ special.ndtr(-deviates(going, fraction, z, drift)))


def deviates(going: Going, fraction: float, z: float, drift: float) -> Floats:
    """Return the next step from each score to `z`, standardised, (n,)."""
    step = fraction - going.fraction
    return np.asarray(
        (z * np.sqrt(fraction) - going.score - drift * step) / np.sqrt(step), np.float64
    )


def goes_on(
    going: Going, fraction: float, upper: float, lower: float, *, drift: float, following: float
) -> Going:
    """Return the trial after one more look between `lower` and `upper`.

    The look after it, at fraction `following`, says how finely its density must be known.
    """
    root, step = np.sqrt(fraction), fraction - going.fraction
    nearest, farthest = drift * fraction - REACH * root, drift * fraction + REACH * root
    low, high = np.clip([lower * root, upper * root], nearest, farthest)
    width = PANEL * np.sqrt(min(step, following - fraction))
    panels = max(int(np.ceil((high - low) / width)), 0)
    edges = np.linspace(low, high, panels + 1)
    half = np.diff(edges)[:, None] / 2
    score = (edges[:-1, None] + half * (1 + NODES)).ravel()
    away = (score[:, None] - going.score - drift * step) / np.sqrt(step)
    density = np.exp(-(away**2) / 2) @ going.mass / np.sqrt(2 * np.pi * step)
    mass = (half * WEIGHTS).ravel() * density
    kept = mass > 0
    return Going(fraction, score[kept], mass[kept])


def boundary(going: Going, fraction: float, spend: float, drift: float) -> float:
    """Return the z above which a trial that has gone on until `fraction` lies with `spend`.

    It is inf if nothing is to be spent, and -inf if there is not as much.
    """
    if spend <= 0:
        return np.inf
    if spend >= going.mass.sum():
        return -np.inf
    # A tail of a log-concave density is log-concave, so Newton's steps on its logarithm cannot
    # pass the answer from this start, where nobody would have stopped before.
    z = drift * np.sqrt(fraction) - float(special.ndtri(spend))
    log_mass = np.log(going.mass)
    for _ in range(STEPS):
        away = deviates(going, fraction, z, drift)
        parts = log_mass + special.log_ndtr(-away)
        log_tail = parts.max() + np.log(np.sum(np.exp(parts - parts.max())))
        slope = np.sqrt(fraction / (2 * np.pi * (fraction - going.fraction)))
        slope *= np.sum(np.exp(log_mass - away**2 / 2 - log_tail))
        change = (log_tail - np.log(spend)) / slope
        z += change
        if abs(change) <= 1e-12 * max(abs(z), 1):  # the next step would be its square
            break
    return float(z)


def check_fractions(name: str, values: ArrayLike, faults: Faults, *, last: float = 1.0) -> Floats:
    """Return information fractions as floats, (k,), and note what is wrong with them."""
    fractions = numbers(name, values, faults)
    if fractions.size == 0 and not faults:
        faults.append(f"{name}: is empty; give the information at each look.")
    bad = ~((fractions > 0) & (fractions < np.inf))
    faults.among(name, fractions, bad, "are not above 0, missing or infinite", "count from 0 to 1")
    mend = "divide by the information of the last look, and give planned shares as spending_time"
    faults.among(name, fractions, fractions > last, "are above 1", mend)
    if fractions.size > 1 and not bad.any():
        gaps = np.concatenate([[np.inf], np.diff(fractions)])
        mend = "give looks in the order of their information"
        faults.among(name, fractions, gaps <= 0, "do not rise", mend)
        near = (gaps > 0) & (gaps < CLOSEST * fractions)
        says = f"are within {CLOSEST:.1%} of the look before"
        faults.among(name, fractions, near, says, "take the two for one look")
    return fractions

# SPDX-License-Identifier: Apache-2.0
"""How an error rate is spent over the looks of a trial: spending functions and classical shapes.

Both are asked for by name, with their parameter if they have one. A spending function says how
much has been spent by a share of the information (or of the calendar), whatever looks there are; a
classical shape says how boundaries at planned looks compare, and leaves one constant to be found.
"""

from collections.abc import Callable, Sequence
from math import e
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.observations import Faults, Floats, numbers

Spending = str | tuple[str, float] | Callable[[Floats], ArrayLike] | Sequence[float]

HAYBITTLE_PETO = 3.0  # z of every look but the last


def obrien_fleming(time: Floats, rate: float) -> Floats:
    r"""Spend :math:`2-2\Phi(z_{\alpha/2}/\sqrt t)`: Lan and DeMets, Biometrika 1983;70:659."""
    return np.asarray(2 * special.ndtr(special.ndtri(rate / 2) / np.sqrt(time)), np.float64)


def pocock(time: Floats, rate: float) -> Floats:
    r"""Spend :math:`\alpha\ln\{1+(e-1)t\}`: Lan and DeMets, Biometrika 1983;70:659."""
    return np.asarray(rate * np.log1p((e - 1) * time), np.float64)


def hwang_shih_decani(time: Floats, rate: float, gamma: float) -> Floats:
    r"""Spend :math:`\alpha(1-e^{-\gamma t})/(1-e^{-\gamma})`: Stat Med 1990;9:1439."""
    if abs(gamma) < 1e-12:  # the limit, and where the quotient would lose its digits
        return rate * time
    return np.asarray(rate * np.expm1(-gamma * time) / np.expm1(-gamma), np.float64)


def kim_demets(time: Floats, rate: float, rho: float) -> Floats:
    r"""Spend :math:`\alpha t^\rho`: Kim and DeMets, Biometrika 1987;74:149."""
    return np.asarray(rate * time**rho, np.float64)


FUNCTIONS: dict[str, Callable[[Floats, float], Floats]] = {
    "obrien-fleming": obrien_fleming,
    "pocock": pocock,
}
# with the least and the greatest parameter
FAMILIES: dict[str, tuple[Callable[[Floats, float, float], Floats], float, float]] = {
    "hwang-shih-decani": (hwang_shih_decani, -40.0, 40.0),
    "kim-demets": (kim_demets, 0.01, 100.0),
}
# the Wang–Tsiatis exponent of each classical shape: z at t is the constant times t ** (it - 1/2)
EXPONENTS = {"classical-obrien-fleming": 0.0, "classical-pocock": 0.5}
SHAPES: dict[str, tuple[float, float]] = {  # with the least and the greatest parameter
    "wang-tsiatis": (-0.5, 1.0),
    "haybittle-peto": (1.0, 10.0),
}


def is_classical(spending: Spending) -> bool:
    """Tell whether a shape of boundaries is meant, not a spending function."""
    name = named(spending)[0]
    return name in EXPONENTS or name in SHAPES


def exponent(spending: Spending) -> float | None:
    """Return the Wang–Tsiatis exponent of a classical shape; None for Haybittle–Peto."""
    name, parameter = named(spending)
    return parameter if name == "wang-tsiatis" else EXPONENTS.get(str(name))


def haybittle_peto_z(spending: Spending) -> float:
    """Return the z of every look but the last."""
    parameter = named(spending)[1]
    return HAYBITTLE_PETO if parameter is None else parameter


def spent(spending: Spending, time: Floats, rate: float) -> Floats:
    """Return how much of an error rate a spending function has spent by each time, (k,)."""
    name, parameter = named(spending)
    if name is None:
        return rate * shares(spending, time)
    if parameter is None:
        return FUNCTIONS[name](time, rate)
    return FAMILIES[name][0](time, rate, parameter)


def shares(spending: Any, time: Floats) -> Floats:
    """Return the shares of the error rate that a user's function or list gives, (k,)."""
    given = spending(time) if callable(spending) else spending
    return np.asarray(given, np.float64)


def named(spending: Any) -> tuple[str | None, float | None]:
    """Return name and parameter; None for the name of a user's own function or list."""
    if isinstance(spending, str):
        return spending, None
    if isinstance(spending, tuple) and spending and isinstance(spending[0], str):
        return spending[0], spending[1] if len(spending) == 2 else None
    return None, None


def check_spending(option: str, spending: Any, time: Floats, faults: Faults) -> None:
    """Note what is wrong with a way of spending, whose cumulative shares are due at `time`."""
    name, parameter = named(spending)
    if name is None:
        check_shares(option, spending, time, faults)
        return
    if name not in {*FUNCTIONS, *FAMILIES, *EXPONENTS, *SHAPES}:
        known = ", ".join([*FUNCTIONS, *EXPONENTS, "haybittle-peto"])
        families = ", ".join([*FAMILIES, *SHAPES])
        faults.append(
            f"{option}: {name!r} is unknown; give one of {known}, or a pair of {families} and its "
            "parameter, or a function of time, or shares spent by each look."
        )
        return
    if isinstance(spending, tuple) and (len(spending) != 2 or name in {*FUNCTIONS, *EXPONENTS}):
        faults.append(f"{option}: {spending!r} has parameters that {name} does not have.")
        return
    if parameter is None:
        if name in FAMILIES or name == "wang-tsiatis":
            faults.append(f"{option}: {name} needs its parameter; give ({name!r}, number).")
        return
    least, greatest = FAMILIES[name][1:] if name in FAMILIES else SHAPES[name]
    if not isinstance(parameter, (int, float)) or not least <= parameter <= greatest:
        faults.append(
            f"{option}: {name} has no parameter {parameter!r}; give a number from {least:g} "
            f"to {greatest:g}."
        )


def check_shares(option: str, spending: Any, time: Floats, faults: Faults) -> None:
    """Note what is wrong with a user's own function or list."""
    source = "function gives" if callable(spending) else "list has"
    found = numbers(option, spending(time) if callable(spending) else spending, Faults())
    if found.size != time.size:
        faults.append(
            f"{option}: the {source} {found.size} numbers for {time.size} looks; give the share "
            "of the error rate spent by each look."
        )
        return
    rising = np.diff(found, prepend=0.0) >= 0
    if not np.all(rising & (found <= 1 + 1e-12)):
        faults.append(
            f"{option}: the {source} {found.tolist()}; give cumulative shares of the error rate, "
            "from 0 to 1, that never fall."
        )
    elif time.size and time[-1] == 1 and abs(found[-1] - 1) > 1e-9:
        faults.append(
            f"{option}: the {source} {found[-1]:g} at the last look; all must be spent there, so "
            "give 1. Shares are of the error rate, whatever that is."
        )

# SPDX-License-Identifier: Apache-2.0
"""What planning refuses: every fault of the assumptions in one message."""

from collections.abc import Mapping
from math import ceil, inf, isfinite


class PlanningError(ValueError):
    """The assumptions cannot be planned with. The message is for whoever made them."""


def refuse(faults: list[str]) -> None:
    """Raise PlanningError with every fault, one a line, if there is any."""
    if faults:
        raise PlanningError("\n".join(faults))


def outside(
    values: Mapping[str, float], *, above: float = -inf, below: float = inf, mend: str
) -> list[str]:
    """Tell of each value that is no number strictly between two limits."""
    return [
        f"{name}: {value!r}; {mend}."
        for name, value in values.items()
        if not isfinite(value) or not above < value < below
    ]


def error_faults(alpha: float, power: float, sided: int) -> list[str]:
    """Tell what is wrong with the errors of a test."""
    mend = "give a number between 0 and 0.5"
    faults = outside({"alpha": alpha}, above=0, below=0.5, mend=mend)
    if isfinite(alpha) and not alpha < power < 1:
        faults.append(f"power: {power!r}; give a number between alpha and 1.")
    if sided not in (1, 2):
        faults.append(f"sided: {sided!r} is no number of sides; give 1 or 2.")
    return faults


def whole(number: float) -> int:
    """Round up, but for the last digits of a calculation that meant a whole number."""
    return ceil(number - 1e-9)

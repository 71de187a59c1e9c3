# SPDX-License-Identifier: Apache-2.0
"""Numbers as papers print them: the published text is the form, its decimals the precision."""

import operator
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Literal

Rounding = Literal["half up", "half to even", "cut off", "under one as <1"]

DECIMAL = {
    "half up": ROUND_HALF_UP,
    "half to even": ROUND_HALF_EVEN,
    "cut off": ROUND_DOWN,
    "under one as <1": ROUND_HALF_UP,
}
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "≤": operator.le,
    "≥": operator.ge,
}
NUMBER = re.compile(r"([<>≤≥]?)(−?\d+(?:\.\d+)?)")


def rounded(value: float, decimals: int, *, rounding: Rounding = "half up") -> str:
    """Return the value with that many decimals and a true minus sign.

    Twelve digits decide the rounding, so that what a ratio of two counts misses by in binary
    does not.
    """
    unit = Decimal(1).scaleb(-decimals)
    number = Decimal(f"{value:.12g}").quantize(unit, rounding=DECIMAL[rounding])
    return f"{'−' if number < 0 else ''}{abs(number):f}"


def decimals_of(number: str) -> int:
    """Return how many decimals a printed number has."""
    return len(number.partition(".")[2])


def half_unit(number: str) -> float:
    """Return half a unit of the last printed digit: how far the true number may lie away."""
    return 0.5 * 10.0 ** -decimals_of(number)


def value_of(number: str) -> float:
    """Return a printed number as a float."""
    return float(number.replace("−", "-"))


def numbers_in(published: str) -> tuple[tuple[str, str], ...]:
    """Return the numbers of a published text, each with the bound before it: ('<', '0.001')."""
    return tuple((found[1], found[2]) for found in NUMBER.finditer(published))


def in_form(values: Sequence[float], published: str, *, rounding: Rounding = "half up") -> str:
    """Print `values` in the form of `published`, so that equal texts are equal numbers.

    A bound ('<0.001', '≥97%') is kept where the value keeps it; otherwise the value is printed
    with one decimal more than the bound.
    """
    left = iter(values)

    def fill(found: re.Match[str]) -> str:
        bound, number, value = found[1], found[2], next(left)
        decimals = decimals_of(number)
        if bound:
            kept = HOLDS[bound](value, value_of(number))
            return found[0] if kept else rounded(value, decimals + 1)
        if rounding == "under one as <1" and 0 < value < 1 and not decimals:
            return "<1"
        return rounded(value, decimals, rounding=rounding)

    return NUMBER.sub(fill, published)


def overlaps(bound: str, number: str, low: float, high: float) -> bool:
    """Return whether a value from `low` to `high` can print as this number or keep this bound."""
    if bound:
        return HOLDS[bound](low, value_of(number)) or HOLDS[bound](high, value_of(number))
    middle, half = value_of(number), half_unit(number)
    return low <= middle + half and high >= middle - half

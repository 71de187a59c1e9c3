# SPDX-License-Identifier: Apache-2.0
"""Numbers to text, as NETTER-2 prints them: rounding, percent, intervals, p values, dates.

Rounding is half away from zero, as SAS rounds: 12.5 becomes 13, and 2.675 becomes 2.68 although
its binary form lies below. A value that cannot be estimated (None or NaN) is printed `NE`.
"""

import math
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

NOT_ESTIMATED = "NE"
NOT_APPLICABLE = "NA"
EN_DASH = "–"
MINUS = "−"
THIN_SPACE = "\u202f"  # does not break


def is_number(value: float | None) -> bool:
    """Return whether there is a number to print: neither missing nor infinite."""
    return value is not None and math.isfinite(value)


def rounded(value: float | None, decimals: int = 0) -> str:
    """Return the value with that many decimals, half away from zero; a true minus sign."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMATED
    # Twelve digits: what a ratio of two counts misses by in binary must not decide the rounding.
    exact = Decimal(f"{value:.12g}")
    number = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return f"{MINUS if number < 0 else ''}{abs(number):f}"


def count(value: float | None) -> str:
    """Return a whole number, none below zero; from 10 000 on in groups of three."""
    if value is None or not math.isfinite(value):
        return NOT_APPLICABLE
    text = rounded(value)
    return text if len(text) < 5 else f"{int(text):,}".replace(",", THIN_SPACE)


def percent(value: float | None) -> str:
    """Return a percentage (0 to 100) as a whole number; '<1%' below 1, '>99%' short of 100."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMATED
    if 0 < value < 1:
        return "<1%"
    text = rounded(value)
    return ">99%" if text == "100" and value < 100 else f"{text}%"


def rate(value: float | None) -> str:
    """Return a percentage (0 to 100) with one decimal: 43.0%."""
    text = rounded(value, 1)
    return text if text == NOT_ESTIMATED else f"{text}%"


def count_percent(number: float | None, percentage: float | None) -> str:
    """Return '81 (54%)'; a count of none is '0' alone."""
    if number == 0 or not is_number(percentage):
        return count(number)
    return f"{count(number)} ({percent(percentage)})"


def span(lower: float | None, upper: float | None, decimals: int = 1) -> str:
    """Return '19.4–NE'; with a negative bound '−3.1 to 12.4', since dashes would run together."""
    low, high = rounded(lower, decimals), rounded(upper, decimals)
    return f"{low} to {high}" if MINUS in low + high else f"{low}{EN_DASH}{high}"


def with_interval(
    value: float | None, lower: float | None, upper: float | None, *, decimals: int = 1
) -> str:
    """Return '22.8 (19.4–NE)'; 'NE' alone when neither the value nor a bound is known."""
    if not any(map(is_number, (value, lower, upper))):
        return NOT_ESTIMATED
    return f"{rounded(value, decimals)} ({span(lower, upper, decimals)})"


def hazard_ratio(value: float | None, lower: float | None, upper: float | None) -> str:
    """Return '0.276 (0.182–0.418)'."""
    return with_interval(value, lower, upper, decimals=3)


def p_value(value: float | None) -> str:
    """Return four decimals; '<0.0001' below and '>0.9999' above what four decimals can say."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMATED
    if value < 0.0001:
        return "<0.0001"
    if value > 0.9999:
        return ">0.9999"
    return rounded(value, 4)


def significant(value: float | None, digits: int = 2) -> str:
    """Return a small number to so many significant digits, never as a power: 0.000085."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMATED
    if value == 0:
        return "0"
    return rounded(value, max(digits - 1 - math.floor(math.log10(abs(value))), 0))


def p_equals(value: float | None) -> str:
    """Return the p value as it stands in a sentence: 'p<0.0001' or 'p=0.0312'."""
    text = p_value(value)
    return f"p{text}" if text[0] in "<>" else f"p={text}"


def full(value: float | None) -> str:
    """Return every digit of the number, as the results file has it."""
    return NOT_ESTIMATED if value is None else repr(float(value))


def long_date(value: str) -> str:
    """Return '20 July 2023' for '2023-07-20'; a partial or unknown date as it came."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    months = "January February March April May June July August September October November December"
    return f"{day.day} {months.split()[day.month - 1]} {day.year}"

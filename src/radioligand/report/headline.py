# SPDX-License-Identifier: Apache-2.0
"""The six lines that matter, for the top of the page and for a terminal."""

from collections.abc import Sequence

import polars as pl

from radioligand.report import formatting
from radioligand.report.contents import Arm, KeyLine
from radioligand.report.lookup import Number, Numbers
from radioligand.report.tables import as_percent, cell, value_of

VERSUS = " v "


def headline(
    results: pl.DataFrame, *, arms: Sequence[Arm], survival: str = "pfs", response: str = "orr"
) -> tuple[KeyLine, ...]:
    """Return subjects, events, medians, hazard ratio, response rates and p value, as text.

    `survival` and `response` are ids of analyses. Arms stand in the order of `arms`. What an
    analysis could not estimate is given with its reason.
    """
    times = Numbers(survival, results.filter(pl.col("analysis") == survival))
    rates = Numbers(response, results.filter(pl.col("analysis") == response))
    between = VERSUS.join(arm.short for arm in arms)
    subjects, events = ([times.find(name, arm=arm.id) for arm in arms] for name in ("n", "events"))
    compared = times.comparisons or ("",)
    percents = [rates.rate("percent", arm=arm.id, variable="ORR") for arm in arms]
    return (
        _line("Subjects", _joined(subjects), between, subjects),
        _line("Events", _joined(events), between, events),
        _medians(times, arms),
        *(_hazard_ratio(times, each, arms) for each in compared),
        _line(
            "Objective response",
            VERSUS.join(formatting.rate(as_percent(each)) for each in percents),
            between,
            percents,
        ),
        *(_p_value(times, each, arms) for each in compared),
    )


def _line(label: str, value: str, detail: str, numbers: Sequence[Number | None]) -> KeyLine:
    made = cell(value, *numbers)
    return KeyLine(label, value, detail, tuple(made.trace.items()) if made.numbers else ())


def _joined(numbers: Sequence[Number | None]) -> str:
    return VERSUS.join(formatting.count(value_of(number)) for number in numbers)


def _p_value(times: Numbers, comparison: str, arms: Sequence[Arm]) -> KeyLine:
    p = times.find("logrank_p", arm=comparison)
    which = times.told_apart(comparison, arms)
    return _line(_named("p value", which), formatting.p_value(value_of(p)), _how(p), [p])


def _named(label: str, which: str) -> str:
    return f"{label}, {which}" if which else label


def _hazard_ratio(times: Numbers, comparison: str, arms: Sequence[Arm]) -> KeyLine:
    ratio, low, high = (
        times.find(name, arm=comparison)
        for name in ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")
    )
    label = _named("Hazard ratio", times.told_apart(comparison, arms))
    if ratio is None or ratio.value is None:
        return _line(label, formatting.NOT_ESTIMATED, _how(ratio), [ratio])
    interval = formatting.span(value_of(low), value_of(high), 3)
    shown = formatting.rounded(ratio.value, 3)
    return _line(label, shown, f"95% CI {interval}", [ratio, low, high])


def _how(number: Number | None) -> str:
    """Return the method of a number without its formula, or the reason why there is none."""
    if number is None:
        return ""
    if number.value is None:
        return number.text or ""
    name, _, formula = (number.method or "").partition(":")
    sided = [word for word in ("one-sided", "two-sided") if word in formula and word not in name]
    return ", ".join([name, *sided])


def _medians(times: Numbers, arms: Sequence[Arm]) -> KeyLine:
    found = [
        [times.find(name, arm=arm.id) for name in ("median", "median_lower", "median_upper")]
        for arm in arms
    ]
    unit = next((each[0].unit for each in found if each[0] is not None and each[0].unit), "months")
    values = VERSUS.join(formatting.rounded(value_of(each[0]), 1) for each in found)
    bounds = VERSUS.join(formatting.span(value_of(each[1]), value_of(each[2])) for each in found)
    numbers = [number for each in found for number in each]
    return _line(f"Median, {unit}", values, f"95% CI {bounds}", numbers)

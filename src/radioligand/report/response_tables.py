# SPDX-License-Identifier: Apache-2.0
"""Tables of tumour response: best response with its rates, and one evaluation beside another."""

from collections.abc import Iterable, Iterator, Sequence

from radioligand.report import formatting
from radioligand.report.contents import Arm
from radioligand.report.lookup import ALL, BESIDE, Number, Numbers, View
from radioligand.report.tables import (
    Body,
    Cell,
    Column,
    Row,
    arm_column,
    as_percent,
    cell,
    count_cell,
    estimate_cell,
    p_cell,
    value_of,
)

RESPONSES = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "MISSING")


def response(view: View) -> Body:
    """Best overall response, then each rate with its interval and the comparison of the arms."""
    numbers, arms = view.main, view.arms()
    found = numbers.levels("BOR")
    levels = [level for level in RESPONSES if level in found]
    levels += [level for level in found if level not in RESPONSES]
    rows = [Row("Best overall response")] if levels else []
    for level in levels:
        counts = (
            (
                numbers.find("count", arm=arm.id, variable="BOR", level=level),
                numbers.find("percent", arm=arm.id, variable="BOR", level=level),
            )
            for arm in arms
        )
        rows.append(Row(view.label("BOR", level), tuple(count_cell(*each) for each in counts), 1))
    for rate in (variable for variable in numbers.variables if variable != "BOR"):
        cells = tuple(_rate_cell(numbers, arm, rate) for arm in arms)
        if any(each.numbers for each in cells):
            rows.append(Row(view.label(rate), cells))
        rows += _compared_rate(view, rate, arms)
    rows += _compared_rate(view, "", arms)
    columns = tuple(arm_column(arm, numbers) for arm in arms)
    return Body("", columns, tuple(rows), notes=("Data are n (%) unless otherwise indicated.",))


def _rate_cell(numbers: Numbers, arm: Arm, rate: str) -> Cell:
    """Return '65 (43.0%; 95% CI 35.0–51.3)'."""
    count, percent, lower, upper = (
        numbers.rate(statistic, arm=arm.id, variable=rate)
        for statistic in ("count", "percent", "lower", "upper")
    )
    if count is None or count.value is None:
        return count_cell(count, None)
    interval = formatting.span(as_percent(lower), as_percent(upper))
    shown = f"{formatting.count(count.value)} ({formatting.rate(as_percent(percent))}"
    shown += f"; 95% CI {interval})" if lower is not None else ")"
    return cell(shown, count, percent, lower, upper)


def _compared_rate(view: View, rate: str, arms: tuple[Arm, ...]) -> Iterator[Row]:
    for comparison in view.main.comparisons or ("",):
        yield from _of_comparison(view.main, comparison, rate, arms)


def _of_comparison(
    numbers: Numbers, comparison: str, rate: str, arms: tuple[Arm, ...]
) -> Iterator[Row]:
    columns, which = len(arms), numbers.told_apart(comparison, arms)
    of = f", {which}" if which else ""
    difference, low, high, ratio, ratio_low, ratio_high, p = (
        numbers.rate(statistic, arm=comparison, variable=rate)
        for statistic in (
            "difference",
            "difference_lower",
            "difference_upper",
            "odds_ratio",
            "odds_ratio_lower",
            "odds_ratio_upper",
            "p_value",
        )
    )
    if difference is not None:
        if difference.value is None:
            shown = difference.text or formatting.NOT_ESTIMATED
        else:
            values = (as_percent(each) for each in (difference, low, high))
            shown = formatting.with_interval(*values)
        made = cell(shown, difference, low, high, columns=columns)
        yield Row(f"Difference{of}, percentage points (95% CI)", (made,), 1)
    if ratio is not None:
        made = estimate_cell(ratio, ratio_low, ratio_high, decimals=2, columns=columns)
        yield Row(f"Odds ratio{of} (95% CI)", (made,), 1)
    if p is not None:
        yield Row(f"p value{of}", (p_cell(p, columns=columns),), 1)


def agreement(view: View) -> Body:
    """One evaluation against another: who said what of whom, then the measures of agreement.

    Counts have the level of the first evaluation as variable, of the second as level; of several
    arms the table shows all subjects. Measures stand in one cell, arm by arm.
    """
    numbers = view.main
    counts = [each for each in numbers.rows if each.statistic == "count" and each.level]
    arms = tuple(dict.fromkeys(each.arm or "" for each in counts))
    arm = ALL if ALL in arms else next(iter(arms), "")
    across, down = (
        _in_order(str(getattr(each, side)) for each in counts) for side in ("level", "variable")
    )
    rows: list[Row] = []
    for first in down:
        found = (numbers.find("count", arm=arm, variable=first, level=second) for second in across)
        cells = tuple(count_cell(each, None) if each else cell("–") for each in found)
        rows.append(Row(view.words(first), cells))
    rows += _measures(view, columns=max(len(across), 1))
    columns = tuple(Column(view.words(each)) for each in across) or (Column("Value"),)
    notes = (f"Counts are of {view.words(arm).lower()}.",) if counts and len(arms) > 1 else ()
    return Body("", columns, tuple(rows), notes)


def _in_order(levels: Iterable[str]) -> tuple[str, ...]:
    """Return each level once, in RECIST's order."""
    found = dict.fromkeys(levels)
    known = [level for level in RESPONSES if level in found]
    return (*known, *(level for level in found if level not in RESPONSES))


# statistics of agreement that have an interval, the endings of its bounds, decimals, heading
INTERVALS = {
    "kappa": ("_lower", "_upper", 3, " (95% CI)"),
    "gap_median": ("_q1", "_q3", 0, " (IQR)"),
}


def _measures(view: View, *, columns: int) -> Iterator[Row]:
    """Yield every other statistic, one row each, under the pair of endpoints it is about."""
    numbers = view.main
    bounds = {
        f"{name.removesuffix('_median')}{ending}"
        for name, told in INTERVALS.items()
        for ending in told[:2]
    }
    skipped = {"count", "title", *BESIDE, *bounds}
    measured = [each for each in numbers.rows if each.statistic not in skipped]
    for variable in dict.fromkeys(each.variable for each in measured):
        if variable:
            yield Row(" v ".join(view.words(each) for each in variable.split(" v ")))
        mine = [each for each in measured if each.variable == variable]
        for statistic in dict.fromkeys(each.statistic for each in mine):
            found = [each for each in mine if each.statistic == statistic]
            yield _measure(view, found, indent=1 if variable else 0, columns=columns)
    for reason in (each for each in numbers.rows if each.statistic == "not_available"):
        yield Row("Not compared", (cell(reason.text or "", reason, columns=columns),))


def _measure(view: View, found: Sequence[Number], *, indent: int, columns: int) -> Row:
    """Return one measure: 'Lu 0.73 (0.65–0.81); Control …', or bare if all subjects are all."""
    told: list[str] = []
    behind: list[Number] = []
    first = found[0]
    low, high, decimals, heading = INTERVALS.get(first.statistic, ("", "", 1, ""))
    for each in found:
        stem = each.statistic.removesuffix("_median")
        key = {"arm": each.arm or "", "variable": each.variable or ""}
        ends = [view.main.find(stem + end, **key) if end else None for end in (low, high)]
        if each.value is None:
            shown = each.text or formatting.NOT_ESTIMATED
        elif not any(ends):
            shown = formatting.rounded(each.value, 0 if each.value.is_integer() else 1)
        else:
            bounds = [value_of(end) for end in ends]
            shown = formatting.with_interval(each.value, *bounds, decimals=decimals)
        alone = len(found) == 1 and each.arm in (None, ALL)
        told.append(shown if alone else f"{view.arm_words(each.arm or '')} {shown}")
        behind += [each, *(end for end in ends if end is not None)]
    name = view.words(first.statistic).replace("_", " ")
    unit = f", {first.unit}" if first.unit else ""
    label = f"{name[:1].upper()}{name[1:]}{unit}{heading}"
    return Row(label, (cell("; ".join(told), *behind, columns=columns),), indent)

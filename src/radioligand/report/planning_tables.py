# SPDX-License-Identifier: Apache-2.0
"""Tables of a plan: quantities one below the other, and cases against numbers."""

from radioligand.report import formatting
from radioligand.report.lookup import Number, View
from radioligand.report.tables import Body, Column, Row, cell

# heads of a grid by statistic, and decimals of its numbers
COLUMNS = {
    "events_unrounded": ("Events, unrounded", 2),
    "events": ("Events", 0),
    "subjects_unrounded": ("Subjects, unrounded", 2),
    "subjects": ("Subjects", 0),
    "information": ("Information, %", 1),
    "month": ("Expected month", 1),
    "boundary_z": ("z", 3),
    "boundary_p": ("Nominal p", 6),
    "boundary_hazard_ratio": ("Hazard ratio", 3),
    "cumulative_alpha": ("Alpha spent", 6),
    "stopped": ("Stopped if as assumed, %", 1),
    "month_of_events": ("Month of the planned events", 1),
    "power_at_events": ("Power then, %", 1),
    "events_at_month": ("Events by the planned month", 1),
    "power_at_month": ("Power then, % ", 1),
    "rate_experimental": ("Experimental, %", 1),
    "rate_control": ("Control, %", 1),
    "power_held": ("Power of the trial, %", 1),
    "power_percent": ("Power, %", 2),
    "power_error_percent": ("Error, %", 2),
    "type_one_percent": ("Type I error, %", 2),
    "duration": ("Months", 1),
    "ratio_bias_kept": ("Kept / true", 3),
    "ratio_bias": ("End / true", 3),
    "coverage": ("Covers, %", 1),
    "assumed_ratio": ("Assumed", 3),
    "found_percent": ("Found, %", 1),
    "dropped_percent": ("Dropped, %", 1),
    "futile_percent": ("Futile, %", 1),
    "activity_mean": ("GBq, mean", 1),
    "steering_median": ("Lesions, Gy", 0),
    "steering_low": ("5 %", 0),
    "steering_high": ("95 %", 0),
    "in_target_percent": ("In target, %", 1),
    "over_limit_percent": ("Over limit, %", 1),
    "known": ("Known in", 1),
    "incidence_percent": ("Incidence, %", 2),
    "seen_percent": ("Seen, %", 1),
    "seen_error_percent": ("± ", 1),
    "excluded_percent": ("Excluded, %", 1),
    "excluded_error_percent": ("±", 1),
}


def quantities(view: View) -> Body:
    """One quantity a row: its value with its unit, and how it was found if that is told."""
    numbers, rows = view.main, []
    for variable in numbers.variables:
        found = numbers.find("value", variable=variable)
        if found is not None:
            row = (cell(_quantity(found), found), cell(found.method or ""))
            rows.append(Row(view.label(variable), row))
    has_method = any(row.cells[1].text for row in rows)
    if not has_method:
        rows = [row._replace(cells=row.cells[:1]) for row in rows]
    columns = (Column("Value"), Column("Method"))[: 1 + has_method]
    return Body("Quantity", columns, tuple(rows))


def grid(view: View) -> Body:
    """One case a row, one statistic a column, in the order of the frame."""
    numbers = view.main
    known = dict.fromkeys(row.statistic for row in numbers.rows if row.statistic in COLUMNS)
    rows = []
    for variable in numbers.variables:
        for level in numbers.levels(variable):
            found = [numbers.find(each, variable=variable, level=level) for each in known]
            cells = [
                cell(_shown(number, COLUMNS[statistic][1]), number)
                for statistic, number in zip(known, found, strict=True)
            ]
            rows.append(Row(level, tuple(cells)))
    stub = numbers.variables[0].capitalize().removesuffix("s") if numbers.variables else ""
    return Body(stub, tuple(Column(COLUMNS[each][0].strip()) for each in known), tuple(rows))


def _quantity(number: Number) -> str:
    if number.value is None:
        return number.text or formatting.NOT_ESTIMATED
    most = 1 if number.unit else 3
    whole = abs(number.value - round(number.value)) < 1e-6
    shown = formatting.rounded(number.value, 0 if whole else most)
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return f"{shown} {number.unit}" if number.unit else shown


def _shown(number: Number | None, decimals: int) -> str:
    if number is None:
        return formatting.NOT_APPLICABLE
    value = number.value
    return formatting.rounded(value, decimals) if value is not None else number.text or "NE"

# SPDX-License-Identifier: Apache-2.0
"""Tables that describe subjects: baseline, exposure, disposition, adverse events."""

from collections.abc import Iterator

from radioligand.report import formatting
from radioligand.report.contents import Arm
from radioligand.report.lookup import ALL, Numbers, View
from radioligand.report.tables import (
    Body,
    Cell,
    Column,
    Row,
    arm_column,
    cell,
    count_cell,
    indents,
    p_cell,
    value_of,
)

YES_NO = {"Y", "N"}
MEAN = "mean (SD)"
GRADES = ("all grades", "grade >= 3")
HEADS = {"all grades": "All grades", "grade >= 3": "Grade ≥3"}
VERDICTS = ("met", "not met", "unknown")


def characteristics(view: View) -> Body:
    """Baseline or exposure: median (IQR) of a measure, n (%) of each category, arms side by side.

    A variable whose only levels are Y and N takes one row, of those with Y. A measure whose label
    names "mean (SD)" as its method is printed so.
    """
    numbers = view.main
    arms = view.arms(everyone=True)
    rows = tuple(
        row
        for variable, indent in _grouped(view, numbers.variables)
        for row in (
            _characteristic(view, arms, variable, indent)
            if variable in numbers.variables
            else (Row(view.words(variable)),)
        )
    )
    return Body(
        "",
        tuple(arm_column(arm, numbers) for arm in arms),
        rows,
        notes=(f"Data are {_summary(numbers)} or n (%).",),
    )


def _summary(numbers: Numbers) -> str:
    """How the label rows want measures printed: 'median (IQR)' or 'mean (SD)'."""
    wanted = {row.method for row in numbers.rows if row.statistic == "label"}
    return MEAN if MEAN in wanted else "median (IQR)"


def _grouped(view: View, variables: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield variables and how far they are set in, each heading before the first it covers."""
    under = indents(view)
    headed: set[str] = set()
    for variable in view.ordered(variables):
        heading = under.get(variable)
        if heading is not None and heading not in headed and heading not in variables:
            headed.add(heading)
            yield heading, 0
        yield variable, 0 if heading is None else 1


def _characteristic(view: View, arms: tuple[Arm, ...], variable: str, indent: int) -> Iterator[Row]:
    numbers = view.main
    label = view.label(variable)
    counted = {
        row.level for row in numbers.rows if (row.variable, row.statistic) == (variable, "count")
    }
    levels = tuple(level for level in numbers.levels(variable) if level in counted)
    measured = any((row.variable, row.statistic) == (variable, "median") for row in numbers.rows)
    reason = numbers.why(variable=variable)
    if reason is not None:
        told = cell(reason.text or "", reason, columns=len(arms))
        yield Row(label, (told,), indent)
    if measured:
        summarised = _mean_cell if _summary(numbers) == MEAN else _median_cell
        cells = tuple(summarised(view, arm, variable) for arm in arms)
        yield Row(f"{label}{_unit(numbers, variable, label)}", cells, indent)
    if counted == {None} or (levels and set(levels) <= YES_NO):
        level = "Y" if levels else ""
        yield Row(label, tuple(_level_cell(numbers, arm, variable, level) for arm in arms), indent)
    elif levels:
        if not measured:
            yield Row(label, indent=indent)
        for level in view.ordered(levels):
            cells = tuple(_level_cell(numbers, arm, variable, level) for arm in arms)
            yield Row(view.label(variable, level), cells, indent + 1)
    missing = [numbers.find("missing", arm=arm.id, variable=variable) for arm in arms]
    if any(value_of(number) for number in missing):
        cells = tuple(cell(formatting.count(value_of(number)), number) for number in missing)
        yield Row("Missing", cells, indent + 1)


def _mean_cell(view: View, arm: Arm, variable: str) -> Cell:
    key = {"arm": arm.id, "variable": variable}
    mean, deviation = (view.main.find(name, **key) for name in ("mean", "sd"))
    if mean is None or mean.value is None:
        return cell((mean and mean.text) or formatting.NOT_APPLICABLE, mean)
    shown = f"{formatting.rounded(mean.value, 1)} ({formatting.rounded(value_of(deviation), 1)})"
    return cell(shown, mean, deviation)


def _level_cell(numbers: Numbers, arm: Arm, variable: str, level: str) -> Cell:
    key = {"arm": arm.id, "variable": variable, "level": level}
    return count_cell(numbers.find("count", **key), numbers.find("percent", **key))


def _median_cell(view: View, arm: Arm, variable: str) -> Cell:
    numbers = view.main
    median, lower, upper = (
        numbers.find(statistic, arm=arm.id, variable=variable)
        for statistic in ("median", "q1", "q3")
    )
    if median is None:
        return cell(formatting.NOT_APPLICABLE)
    if median.value is None and median.text:
        return cell(median.text, median)
    decimals = view.display.decimals.get(variable, _decimals(numbers, variable))
    values = (median.value, value_of(lower), value_of(upper))
    return cell(formatting.with_interval(*values, decimals=decimals), median, lower, upper)


def _decimals(numbers: Numbers, variable: str) -> int:
    """No decimals where the extremes are whole, as of age in years; two of Gy/GBq; else one."""
    if any(row.unit == "Gy/GBq" for row in numbers.rows if row.variable == variable):
        return 2
    extremes = [
        row.value
        for row in numbers.rows
        if row.variable == variable and row.statistic in ("min", "max") and row.value is not None
    ]
    return 0 if extremes and all(value.is_integer() for value in extremes) else 1


def _unit(numbers: Numbers, variable: str, label: str) -> str:
    units = (
        row.unit for row in numbers.rows if row.variable == variable and row.statistic == "median"
    )
    unit = next(filter(None, units), "")
    return f", {unit}" if unit and unit.lower() not in label.lower() else ""


def disposition(view: View) -> Body:
    """Where the subjects went: each step of the flow, and its reasons set in."""
    numbers = view.main
    arms = view.arms(everyone=True)
    rows: list[Row] = []
    for node in view.ordered(numbers.variables):
        for level in ("", *numbers.levels(node)):
            cells = tuple(_flow_cell(numbers, arm, node, level) for arm in arms)
            if any(each.numbers for each in cells):
                rows.append(Row(view.label(node, level), cells, indent=1 if level else 0))
            elif not level:
                reason = numbers.why(variable=node)
                told = (cell(reason.text or "", reason, columns=len(arms)),) if reason else ()
                rows.append(Row(view.label(node), told))
    return Body("", tuple(arm_column(arm, numbers) for arm in arms), tuple(rows))


def _flow_cell(numbers: Numbers, arm: Arm, node: str, level: str) -> Cell:
    """Subjects not yet in an arm stand with all subjects."""
    for name in (arm.id, "") if arm.id == ALL else (arm.id,):
        key = {"arm": name, "variable": node, "level": level}
        if found := numbers.find("count", **key):
            return count_cell(found, numbers.find("percent", **key))
    return cell("")


def eligibility(view: View) -> Body:
    """Verdicts on each criterion among the screened, and what the randomised should not have."""
    numbers = view.main
    asked = [(Arm(ALL, "Screened", "Screened"), level) for level in VERDICTS]
    asked += [(arm, level) for arm in view.arms() for level in VERDICTS[1:]]
    rows = tuple(
        Row(
            f"{variable}: {view.label(variable)}",
            tuple(_level_cell(numbers, arm, variable, level) for arm, level in asked),
        )
        for variable in view.ordered(numbers.variables)
    )
    columns = tuple(Column(f"{arm.short}: {level}") for arm, level in asked)
    return Body("Criterion", columns, rows)


def adverse_events(view: View) -> Body:
    """Subjects with an event, by arm and grade.

    A row is set in as its label row says (its value), or as the display groups it.
    """
    numbers, rows = view.main, []
    for variable, indent in _grouped(view, numbers.variables):
        if variable not in numbers.variables:
            rows.append(Row(view.words(variable)))
            continue
        label, reason = numbers.find("label", variable=variable), numbers.why(variable=variable)
        cells = (*_grade_cells(view, variable), *_test_cell(view, variable))
        if reason is not None:
            cells = (cell(reason.text or "", reason, columns=len(cells)),)
        own_indent = int(value_of(label) or 0)
        rows.append(Row(view.label(variable), cells, max(indent, own_indent)))
    return _event_body(view, tuple(rows), stub="")


def adverse_event_terms(view: View) -> Body:
    """Preferred terms, the most frequent in any arm first.

    If the frame calls some terms common, these alone are printed, and the note says what they are.
    """
    numbers = view.main
    common = {row.variable: row.text for row in numbers.rows if row.statistic == "common"}
    found_terms = [each for each in numbers.variables if each in common or not common]

    def often(term: str) -> float:
        found = (
            numbers.find("percent", arm=arm.id, variable=term, level=_grades(numbers)[0])
            for arm in view.arms()
        )
        return max((value_of(number) or 0.0 for number in found), default=0.0)

    terms = sorted(found_terms, key=lambda term: (-often(term), view.label(term)))
    rows = tuple(
        Row(view.label(term), (*_grade_cells(view, term), *_test_cell(view, term)))
        for term in view.ordered(terms)
    )
    told = dict.fromkeys(f"Terms {text}." for text in common.values() if text)
    return _event_body(view, rows, stub="Preferred term", notes=tuple(told))


def _grade_cells(view: View, variable: str) -> tuple[Cell, ...]:
    grades = _grades(view.main)
    return tuple(
        _level_cell(view.main, arm, variable, grade) for arm in view.arms() for grade in grades
    )


def _test_cell(view: View, variable: str) -> tuple[Cell, ...]:
    """The p value of a row, in a column that is there only if the analysis compares the arms."""
    if not _is_compared(view):
        return ()
    p = view.main.compared("fisher_p", variable=variable)
    return (p_cell(p),)


def _is_compared(view: View) -> bool:
    return any(row.statistic == "fisher_p" for row in view.main.rows)


def _grades(numbers: Numbers) -> tuple[str, ...]:
    """Return the columns of an arm: all grades and the severe, or the severe where they are all."""
    found = {row.level for row in numbers.rows if row.statistic == "count"}
    return tuple(grade for grade in GRADES if grade in found) or GRADES


def _event_body(
    view: View, rows: tuple[Row, ...], *, stub: str, notes: tuple[str, ...] = ()
) -> Body:
    columns = tuple(
        Column(label, group=arm_column(arm, view.main).label)
        for arm in view.arms()
        for label in (HEADS[grade] for grade in _grades(view.main))
    )
    if _is_compared(view):
        columns += (Column("p value, all grades"),)
        notes += ("Fisher's exact test, two-sided, not adjusted for multiplicity.",)
    return Body(stub, columns, rows, notes=("Data are n (%).", *notes))

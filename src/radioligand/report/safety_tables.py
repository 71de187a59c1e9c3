# SPDX-License-Identifier: Apache-2.0
"""Tables of safety: classes, rates, deaths, late events, laboratory grades, dose decisions."""

from collections.abc import Iterator

from radioligand.report import formatting
from radioligand.report.contents import Arm
from radioligand.report.lookup import Number, Numbers, View
from radioligand.report.tables import (
    Body,
    Cell,
    Column,
    Row,
    arm_column,
    cell,
    count_cell,
    estimate_cell,
    p_cell,
    value_of,
)

CLASS_GRADES = ("grade 1", "grade 2", "grade 3", "grade 4", "grade 5")
GRADES = ("grade 0", "grade 1", "grade 2", "grade 3", "grade 4")
SEVERE = "grade >= 3"
DEPARTED = "departed"


def event_classes(view: View) -> Body:
    """Organ classes and their terms: all subjects, then how many under each highest grade."""
    numbers, rows = view.main, []
    for variable in numbers.variables:
        cells: list[Cell] = []
        for arm in view.arms():
            key = {"arm": arm.id, "variable": variable}
            found = (numbers.find(name, level="all grades", **key) for name in ("count", "percent"))
            cells.append(count_cell(*found))
            graded = (numbers.find("count", level=grade, **key) for grade in CLASS_GRADES)
            cells += [_count(number) for number in graded]
        indent = int(value_of(numbers.find("label", variable=variable)) or 0)
        rows.append(Row(view.label(variable), tuple(cells), indent))
    heads = ("All", *(grade.removeprefix("grade ") for grade in CLASS_GRADES))
    notes = ("Data are n (%), by highest grade n.",)
    return Body("Organ class and preferred term", _by_arm(view, heads), tuple(rows), notes=notes)


def event_rates(view: View) -> Body:
    """Subjects with an event and all events, each over the time at risk."""
    numbers, rows = view.main, []
    for variable in numbers.variables:
        cells: list[Cell] = []
        for arm in view.arms():
            key = {"arm": arm.id, "variable": variable}
            cells.append(_count(numbers.find("count", **key)))
            cells.append(_rate(numbers, "incidence_rate", arm, variable))
            cells.append(_count(numbers.find("event_count", **key)))
            cells.append(_rate(numbers, "event_rate", arm, variable))
        rows.append(Row(view.label(variable), tuple(cells)))
    heads = ("Subjects", "Rate (95% CI)", "Events", "Rate (95% CI)")
    notes = ("Rates are per 100 person-years: subjects with an event until their first, all events "
             "over the whole treatment period.",)  # fmt: skip
    return Body("", _by_arm(view, heads), tuple(rows), notes=notes)


def _rate(numbers: Numbers, name: str, arm: Arm, variable: str) -> Cell:
    ends = ("", "_lower", "_upper")
    found = (numbers.find(f"{name}{end}", arm=arm.id, variable=variable) for end in ends)
    return estimate_cell(*found, decimals=1)


def deaths(view: View) -> Body:
    """Deaths in all, in the treatment period and after it, each with its causes."""
    numbers, rows = view.main, []
    for period in numbers.variables:
        for level in ("", *numbers.levels(period)):
            cells = []
            for arm in view.arms():
                key = {"arm": arm.id, "variable": period, "level": level}
                found = (numbers.find(name, **key) for name in ("count", "percent"))
                cells.append(count_cell(*found))
            rows.append(Row(view.label(period, level), tuple(cells), indent=1 if level else 0))
    columns = tuple(arm_column(arm, numbers) for arm in view.arms())
    return Body("", columns, tuple(rows), notes=("Data are n (%).",))


def competing_risks(view: View) -> Body:
    """A late event: how many had it, when, its cumulative incidence, and each case."""
    numbers, arms = view.main, view.arms()
    rows = [
        Row("Subjects with the event", tuple(_events(numbers, arm) for arm in arms)),
        *(
            Row(label, tuple(_count(numbers.find(name, arm=arm.id)) for arm in arms))
            for label, name in (
                ("Subjects with a competing event before it", "competing"),
                ("Subjects without either", "censored"),
            )
        ),
        Row("Months to the event, median (IQR)", tuple(_onset(numbers, arm) for arm in arms)),
    ]
    times = sorted(
        {row.time_days for row in numbers.rows if row.statistic == "incidence_at" and row.time_days}
    )
    if times:
        rows.append(Row("Cumulative incidence, % (95% CI)"))
    for time in times:
        label = f"At {formatting.rounded(time / view.report.month_days)} months"
        rows.append(Row(label, tuple(_incidence(numbers, arm, time) for arm in arms), 1))
    for comparison in numbers.comparisons or ("",):
        found = (numbers.find(each, arm=comparison) for each in ("gray_p", "not_estimable"))
        p = next((each for each in found if each is not None), None)
        which = numbers.told_apart(comparison, view.report.arms)
        if p is not None:
            label = f"Gray's test, {which}" if which else "Gray's test"
            rows.append(Row(label, (p_cell(p, columns=len(arms)),)))
    cases = view.main.frame.filter(statistic="onset")
    if cases.height:
        rows.append(Row("Months to the event of each subject"))
    for case in cases.select(Number._fields).iter_rows():
        number = Number(*case)
        shown = [
            cell(formatting.rounded(number.value, 1), number) if arm.id == number.arm else cell("")
            for arm in arms
        ]
        rows.append(Row(number.subject or "", tuple(shown), 1))
    return Body("", tuple(arm_column(arm, numbers) for arm in arms), tuple(rows))


def _events(numbers: Numbers, arm: Arm) -> Cell:
    return count_cell(*(numbers.find(n, arm=arm.id) for n in ("events", "events_percent")))


def _onset(numbers: Numbers, arm: Arm) -> Cell:
    found = [numbers.find(f"onset_{name}", arm=arm.id) for name in ("median", "q1", "q3")]
    if value_of(found[0]) is None:
        return cell(formatting.NOT_APPLICABLE, found[0])
    return estimate_cell(*found, decimals=1)


def _incidence(numbers: Numbers, arm: Arm, time: float) -> Cell:
    found = [
        next(
            (one for one in numbers.at_times(f"incidence_at{end}", arm=arm.id)
             if one.time_days == time), None
        )
        for end in ("", "_lower", "_upper")
    ]  # fmt: skip
    if value_of(found[0]) == 0:  # nobody had it so far: an estimate without an interval
        return cell("0", found[0])
    return estimate_cell(*found, decimals=1)


# -- laboratory ------------------------------------------------------------------------------


def laboratory_grades(view: View) -> Body:
    """The worst grade of each test under treatment, of those with a value."""
    numbers, rows = view.main, []
    for variable in numbers.variables:
        reason = numbers.why(variable=variable)
        cells = tuple(
            each
            for arm in view.arms()
            for each in (
                _count(numbers.find("evaluated", arm=arm.id, variable=variable)),
                *_graded(numbers, arm, variable, ""),
                _shares(numbers, arm, variable, SEVERE),
            )
        )
        if reason is not None:
            cells = (cell(reason.text or "", reason, columns=len(cells)),)
        rows.append(Row(_test(view, variable), cells))
    heads = ("n", *(grade.removeprefix("grade ") for grade in GRADES), "≥3")
    notes = ("Data are subjects by worst grade, of n with a value; grade ≥3 n (%).",)
    return Body("Test", _by_arm(view, heads), tuple(rows), notes=notes)


def laboratory_shift(view: View) -> Body:
    """Grade at baseline against the worst under treatment; empty rows are left out."""
    return _set_apart(view, head="Baseline", word="baseline", stub="Test and grade at baseline")


def laboratory_cycles(view: View) -> Body:
    """The worst grade of each test in each cycle, of those with a value in it."""
    return _set_apart(view, head="Cycle", word="cycle", stub="Test and cycle")


def _set_apart(view: View, *, head: str, word: str, stub: str) -> Body:
    numbers = view.main
    rows: list[Row] = []
    for variable in numbers.variables:
        rows.append(Row(_test(view, variable)))
        reason = numbers.why(variable=variable)
        if reason is not None:
            told = cell(reason.text or "", reason, columns=len(GRADES) * len(view.arms()))
            rows.append(Row(head, (told,), 1))
        parts = (level.split(":")[0] for level in numbers.levels(variable))
        for part in dict.fromkeys(each for each in parts if each.startswith(word)):
            cells = tuple(
                each for arm in view.arms() for each in _graded(numbers, arm, variable, part)
            )
            if any(value_of(number) for each in cells for number in each.numbers):
                label = part.removeprefix(word).strip()
                rows.append(Row(f"{head} {label}", cells, 1))
    heads = tuple(grade.removeprefix("grade ") for grade in GRADES)
    notes = ("Data are subjects, by worst grade.",)
    return Body(stub, _by_arm(view, heads), tuple(rows), notes=notes)


def _test(view: View, variable: str) -> str:
    return f"{view.label(variable)} ({variable.split()[0]})"


def _graded(numbers: Numbers, arm: Arm, variable: str, part: str) -> Iterator[Cell]:
    before = f"{part}: " if part else ""
    for grade in GRADES:
        level = f"{before}{grade}"
        yield _count(numbers.find("count", arm=arm.id, variable=variable, level=level))


def _shares(numbers: Numbers, arm: Arm, variable: str, level: str) -> Cell:
    key = {"arm": arm.id, "variable": variable, "level": level}
    return count_cell(*(numbers.find(name, **key) for name in ("count", "percent")))


# -- dose decisions --------------------------------------------------------------------------


def dose_decisions(view: View) -> Body:
    """Decisions by the dose rules, and how many of the doses departed from them."""
    numbers = view.main
    rows: list[Row] = []
    for variable in numbers.variables:
        is_rule = variable.startswith("rule ")
        if is_rule and not any(row.label == RULES for row in rows):
            rows.append(Row(RULES))
        for level in ("", *numbers.levels(variable)):
            cells = []
            for arm in view.arms():
                key = {"arm": arm.id, "variable": variable, "level": level}
                found = (numbers.find(name, **key) for name in ("count", "percent"))
                cells += [count_cell(*found), _count(numbers.find(DEPARTED, **key))]
            label = view.label(variable, level) if level else view.label(variable)
            rows.append(Row(label, tuple(cells), indent=1 if level or is_rule else 0))
    heads = ("Decisions", "Dose departs")
    notes = ("Data are decisions, n (%), not subjects.",)
    return Body("", _by_arm(view, heads), tuple(rows), notes=notes)


RULES = "Rule behind a decision"


# -- quality of life -------------------------------------------------------------------------


def quality_of_life(view: View) -> Body:
    """Baseline and mean change of each scale at each visit, of those who answered."""
    numbers, rows = view.main, []
    for scale in numbers.variables:
        label = numbers.find("label", variable=scale)
        worse = f" ({label.method})" if label is not None and label.method else ""
        rows.append(Row(f"{view.label(scale)}{worse}"))
        reason = numbers.why(variable=scale)
        if reason is not None:
            rows.append(Row("", (cell(reason.text or "", columns=2 * len(view.arms())),), 1))
            continue
        timed = {
            (row.statistic, row.arm, row.time_days): row
            for row in numbers.rows
            if row.variable == scale
        }
        visits = sorted({time for name, _, time in timed if name == "mean_change" and time})
        for name, time in (("baseline", 0.0), *(("change", visit) for visit in visits)):
            cells = []
            for arm in view.arms():
                cells.append(_count(timed.get((f"{name}_n", arm.id, time))))
                ends = ("", "_lower", "_upper")
                found = (timed.get((f"mean_{name}{end}", arm.id, time)) for end in ends)
                cells.append(estimate_cell(*found, decimals=1))
            week = formatting.rounded(time / 7)
            words = "Score at baseline" if name == "baseline" else f"Change at week {week}"
            rows.append(Row(words, tuple(cells), 1))
    return Body("", _by_arm(view, ("n", "Mean (95% CI)")), tuple(rows))


def repeated_measures(view: View) -> Body:
    """Least-squares means of each arm at each visit, and the arms compared."""
    numbers = view.main
    timed = {(row.statistic, row.arm, row.time_days): row for row in numbers.rows}
    visits = sorted({time for name, _, time in timed if name == "ls_mean" and time})
    rows, pairs = [], numbers.comparisons or ("",)
    for time in visits:
        cells = []
        for arm in view.arms():
            cells.append(_count(timed.get(("forms", arm.id, time))))
            found = (timed.get((f"ls_mean{end}", arm.id, time)) for end in ("", "_lower", "_upper"))
            cells.append(estimate_cell(*found, decimals=1))
        for pair in pairs:
            ends = ("", "_lower", "_upper")
            found = (timed.get((f"ls_difference{end}", pair, time)) for end in ends)
            cells += [
                estimate_cell(*found, decimals=1),
                p_cell(timed.get(("ls_difference_p", pair, time))),
            ]
        rows.append(Row(f"Week {formatting.rounded(time / 7)}", tuple(cells)))
    compared = (
        Column(head, group=numbers.told_apart(pair, view.report.arms) or "Comparison")
        for pair in pairs
        for head in ("Difference (95% CI)", "p")
    )
    columns = (*_by_arm(view, ("Forms", "Mean change (95% CI)")), *compared)
    return Body("Visit", columns, tuple(rows))


def _count(number: Number | None) -> Cell:
    return cell(formatting.count(value_of(number)), number)


def _by_arm(view: View, heads: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(
        Column(head, group=arm_column(arm, view.main).label)
        for arm in view.arms()
        for head in heads
    )

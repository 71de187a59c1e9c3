# SPDX-License-Identifier: Apache-2.0
"""Tables of tumour shrinkage: who is eligible when, hazard ratios, probabilities, thresholds."""

from collections.abc import Iterator

from radioligand.report import formatting
from radioligand.report.contents import Arm
from radioligand.report.lookup import Number, Numbers, View
from radioligand.report.survival_tables import HAZARD_RATIO
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

MEDIAN = ("median", "median_lower", "median_upper")
PROBABILITY = ("event_probability", "event_probability_lower", "event_probability_upper")


def hazards(view: View) -> Body:
    """One row a landmark: in each arm events of n, hazard ratio per percentage point, p value."""
    numbers, arms = view.main, view.arms()
    rows = []
    for moment in view.ordered(numbers.variables):
        cells: list[Cell] = []
        for arm in arms:
            key = {"arm": arm.id, "variable": moment}
            events, n, p = (numbers.find(name, **key) for name in ("events", "n", "cox_p"))
            shown = f"{formatting.count(value_of(events))}/{formatting.count(value_of(n))}"
            ratio = (numbers.find(name, **key) for name in HAZARD_RATIO)
            known = p is not None and p.value is not None
            cells += [
                cell(shown, events, n),
                estimate_cell(*ratio, decimals=3),
                p_cell(p) if known else cell("–", p),
            ]
        rows.append(Row(view.label(moment), tuple(cells)))
    columns = tuple(
        Column(label, group=arm.label)
        for arm in arms
        for label in ("Events/n", "Hazard ratio (95% CI)", "p value")
    )
    note = (
        "Hazard ratio per percentage point of shrinkage, below 1 where more shrinkage goes with a "
        "lower hazard. Without limit the best change is looked for until the event itself, which "
        "favours those who stay longest: that row is naive."
    )
    return Body("Best shrinkage by", columns, tuple(rows), notes=(note,))


def eligible(view: View) -> Body:
    """For each landmark who is at risk, why others are not analysed, and the best change."""
    numbers, arms = view.main, view.arms()
    rows: list[Row] = []
    for moment in view.ordered(numbers.variables):
        if all(numbers.find("eligible", arm=arm.id, variable=moment) is None for arm in arms):
            continue  # nobody is left out of a model that lets shrinkage change with time
        rows.append(Row(view.label(moment)))
        at_risk = (
            count_cell(
                numbers.find("eligible", arm=arm.id, variable=moment),
                numbers.find("eligible_percent", arm=arm.id, variable=moment),
            )
            for arm in arms
        )
        rows.append(Row("At risk", tuple(at_risk), 1))
        for reason in _reasons(numbers, moment):
            counts = (
                numbers.find("excluded", arm=arm.id, variable=moment, level=reason) for arm in arms
            )
            rows.append(Row(f"Not analysed: {reason}", tuple(_count(each) for each in counts), 1))
        analysed = (numbers.find("n", arm=arm.id, variable=moment) for arm in arms)
        rows.append(Row("Analysed", tuple(_count(each) for each in analysed), 1))
        changes = tuple(_change(numbers, arm, moment) for arm in arms)
        rows.append(Row("Best change, median (range), %", changes, 1))
    columns = tuple(arm_column(arm, numbers) for arm in arms)
    return Body("", columns, tuple(rows))


def _reasons(numbers: Numbers, moment: str) -> Iterator[str]:
    """Yield the reasons that leave somebody out, in the order in which they were asked."""
    found: dict[str, float] = {}
    for row in numbers.rows:
        if row.statistic == "excluded" and row.variable == moment and row.level:
            found[row.level] = found.get(row.level, 0) + (row.value or 0)
    return (reason for reason, count in found.items() if count)


def _count(number: Number | None) -> Cell:
    return count_cell(number, None)


def _change(numbers: Numbers, arm: Arm, moment: str) -> Cell:
    """Return '−12.3 (−60.0 to 11.4)'."""
    names = ("median", "min", "max")
    found = [numbers.find(name, arm=arm.id, variable=moment) for name in names]
    if found[0] is None or found[0].value is None:
        return cell("–", found[0])
    return estimate_cell(*found, decimals=1)


def probabilities(view: View) -> Body:
    """For each landmark and time after it, the probability of the event by shrinkage, in %."""
    numbers, arms = view.main, view.arms()
    found = {
        (row.arm, row.variable, row.level, row.time_days, row.statistic): row
        for row in numbers.rows
        if row.statistic in PROBABILITY
    }
    shrinkages = tuple(dict.fromkeys(level or "" for _, _, level, _, _ in found))
    rows: list[Row] = []
    for moment in view.ordered(numbers.variables):
        times = dict.fromkeys(day for _, variable, _, day, _ in found if variable == moment)
        rows += [Row(view.label(moment))] if times else []
        for day in times:
            cells = []
            for arm in arms:
                for level in shrinkages:
                    key = (arm.id, moment, level, day)
                    three = [found.get((*key, name)) for name in PROBABILITY]
                    values = (
                        None if one is None or one.value is None else 100 * one.value
                        for one in three
                    )
                    cells.append(cell(formatting.with_interval(*values, decimals=0), *three))
            months = formatting.rounded((day or 0) / view.report.month_days)
            rows.append(Row(f"{months} months", tuple(cells), 1))
    columns = tuple(
        Column(f"{level}% shrinkage", group=arm.label) for arm in arms for level in shrinkages
    )
    note = "Data are % (95% CI); months count from the landmark, without limit from day 0."
    return Body("Event within", columns, tuple(rows), notes=(note,))


def reasons(view: View) -> Body:
    """Who is not shown in the waterfall, who shrank, and why some who shrank did not respond."""
    numbers, arms = view.main, view.arms(everyone=True)
    left_out = dict.fromkeys(row.level for row in numbers.rows if row.statistic == "excluded")
    rows = []
    for reason in left_out:
        counts = (numbers.find("excluded", arm=arm.id, level=reason or "") for arm in arms)
        rows.append(Row(f"Not shown: {reason}", tuple(_count(each) for each in counts)))
    shown = (numbers.find("n", arm=arm.id, variable="shown") for arm in arms)
    rows.append(Row("Shown", tuple(_count(each) for each in shown)))
    for level, indent in (("any", 0), ("far", 0), ("response", 1)):
        rows.append(_counted(view, arms, "shrinkage", level, indent=indent))
    for level in numbers.levels("not_response"):
        rows.append(_counted(view, arms, "not_response", level, indent=1))
    rows.append(_counted(view, arms, "shrinkage", "after", indent=0))
    columns = tuple(arm_column(arm, numbers) for arm in arms)
    return Body("", columns, tuple(rows), notes=("Percentages are of the subjects shown.",))


def _counted(view: View, arms: tuple[Arm, ...], variable: str, level: str, *, indent: int) -> Row:
    key = {"variable": variable, "level": level}
    cells = []
    for arm in arms:
        count = view.main.find("count", arm=arm.id, **key)
        share = view.main.find("percent", arm=arm.id, **key)
        cells.append(count_cell(count, share) if count else cell("0"))
    label = view.label(variable, level)
    return Row(
        f"no response, {label}" if variable == "not_response" else label, tuple(cells), indent
    )


def thresholds(view: View) -> Body:
    """For each response system the two groups, and the hazard ratio of one against the other."""
    numbers, rows = view.main, []
    ratios = (row for row in numbers.rows if row.statistic == "hazard_ratio")
    levels = tuple(dict.fromkeys(row.level or "" for row in ratios))
    for system, pair in compared_groups(numbers):
        parts = pair.split(" v ")
        rows.append(Row(group_heading(view, system, pair)))
        for label, statistic in (("Subjects", "n"), ("Events", "events")):
            found = (numbers.find(statistic, arm=part, variable=system) for part in parts)
            rows.append(Row(label, tuple(_count(each) for each in found), 1))
        medians = tuple(
            estimate_cell(
                *(numbers.find(name, arm=part, variable=system) for name in MEDIAN), decimals=1
            )
            for part in parts
        )
        rows.append(Row("Median, months (95% CI)", medians, 1))
        for level in levels:
            key = {"arm": pair, "variable": system, "level": level}
            ratio = (numbers.find(name, **key) for name in HAZARD_RATIO)
            label = f"Hazard ratio (95% CI), {view.label('', level)}"
            rows.append(Row(label, (estimate_cell(*ratio, decimals=3, columns=2),), 1))
    columns = (Column("Shrinkage as far"), Column("Less"))
    note = (
        "To shrink takes time, and whoever shrank was free of the event until then. The naive "
        "ratio gives that time to the treatment's credit; the two below it do not."
    )
    return Body("Response system", columns, tuple(rows), notes=(note,))


def compared_groups(numbers: Numbers) -> tuple[tuple[str, str], ...]:
    """Return each response system and the id of its two groups' comparison, once."""
    found = ((row.variable, row.arm) for row in numbers.rows if row.variable and row.arm)
    return tuple(
        dict.fromkeys((str(system), str(pair)) for system, pair in found if " v " in str(pair))
    )


def group_heading(view: View, system: str, pair: str) -> str:
    """Return the words of a system; with its arm if several arms are parted."""
    arms = {each.split(" ")[0] for _, each in compared_groups(view.main)}
    arm = view.arm_words(pair.split(" ")[0])
    return f"{view.label(system)}, {arm}" if len(arms) > 1 else view.label(system)

# SPDX-License-Identifier: Apache-2.0
"""Tables of times to event: summaries, subgroups, censoring rules side by side, the hierarchy."""

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
    as_percent,
    cell,
    count_cell,
    estimate_cell,
    p_cell,
    value_of,
)

HAZARD_RATIO = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")


def time_to_event(view: View) -> Body:
    """For each analysis: events, median, rates at the landmarks, then the arms compared."""
    arms = view.arms()
    rows: list[Row] = []
    for numbers in view.analyses:
        found = (
            *_event_rows(numbers, arms),
            *_rates_at(numbers, arms, view.report.month_days),
            *_compared_times(numbers, arms),
            *_follow_up(numbers, arms),
        )
        if len(view.analyses) == 1:  # the title of the table is heading enough
            columns = tuple(arm_column(arm, numbers) for arm in arms)
            return Body("", columns, tuple(row._replace(indent=0) for row in found))
        rows += [Row(_title(view, numbers)), *found]
    return Body("", tuple(Column(arm.label) for arm in arms), tuple(rows))


def _title(view: View, numbers: Numbers) -> str:
    named = next((row.text for row in numbers.rows if row.statistic == "title"), None)
    parameter = next((row.parameter for row in numbers.rows if row.parameter), None)
    words = view.words(numbers.analysis)
    return named or (words if words != numbers.analysis else parameter or words)


def _event_rows(numbers: Numbers, arms: tuple[Arm, ...]) -> Iterator[Row]:
    if not numbers.rows or numbers.only_reasons:
        told = "; ".join(numbers.reasons) or f"The results hold no analysis '{numbers.analysis}'."
        yield Row("Not analysed", (cell(told, columns=len(arms)),), 1)
        return
    yield Row("Subjects with an event", tuple(_events_of_n(numbers, arm) for arm in arms), 1)
    yield Row(f"Median, {_unit(numbers)} (95% CI)", tuple(_median(numbers, arm) for arm in arms), 1)


def _events_of_n(numbers: Numbers, arm: Arm) -> Cell:
    events, n = numbers.find("events", arm=arm.id), numbers.find("n", arm=arm.id)
    percent = numbers.find("events_percent", arm=arm.id)
    if events is None or events.value is None:
        return count_cell(events, None)
    shown = f"{formatting.count(events.value)} of {formatting.count(value_of(n))}"
    shown += f" ({formatting.percent(as_percent(percent))})" if percent is not None else ""
    return cell(shown, events, n, percent)


def _median(numbers: Numbers, arm: Arm, variable: str = "") -> Cell:
    names = ("median", "median_lower", "median_upper")
    found = (numbers.find(name, arm=arm.id, variable=variable) for name in names)
    return estimate_cell(*found, decimals=1)


def _unit(numbers: Numbers) -> str:
    units = (row.unit for row in numbers.rows if row.statistic == "median" and row.unit)
    return next(units, "months")


def _rates_at(numbers: Numbers, arms: tuple[Arm, ...], month_days: float) -> Iterator[Row]:
    times = {row.time_days for arm in arms for row in numbers.at_times("survival_at", arm=arm.id)}
    for time in sorted(time for time in times if time is not None):
        cells = []
        for arm in arms:
            found = [
                next(
                    (row for row in numbers.at_times(name, arm=arm.id) if row.time_days == time),
                    None,
                )
                for name in ("survival_at", "survival_at_lower", "survival_at_upper")
            ]
            values = (as_percent(number, fraction=True) for number in found)
            told = found[0].text if found[0] is not None and found[0].value is None else None
            shown = formatting.with_interval(*values)
            cells.append(cell(told or shown, *found))
        months = formatting.rounded(time / month_days)
        yield Row(f"Event-free at {months} months, % (95% CI)", tuple(cells), 1)


def _compared_times(numbers: Numbers, arms: tuple[Arm, ...]) -> Iterator[Row]:
    columns = len(arms)
    for comparison in numbers.comparisons or ("",):
        ratio, low, high, p, interaction = (
            numbers.find(statistic, arm=comparison)
            for statistic in (*HAZARD_RATIO, "logrank_p", "proportional_hazards_p")
        )
        which = numbers.told_apart(comparison, arms)
        of = f", {which}" if which else ""
        if ratio is not None:
            made = estimate_cell(ratio, low, high, decimals=3, columns=columns)
            yield Row(f"Hazard ratio{of} (95% CI)", (made,), 1)
        if p is not None:
            yield Row(f"Log-rank p value{of}", (p_cell(p, columns=columns),), 1)
        if interaction is not None:
            made = p_cell(interaction, columns=columns)
            yield Row(f"Proportional hazards{of}, p value", (made,), 1)


def _follow_up(numbers: Numbers, arms: tuple[Arm, ...]) -> Iterator[Row]:
    for label, names in (
        ("Follow-up, median (IQR)", ("follow_up_median", "follow_up_q1", "follow_up_q3")),
        (
            "Follow-up by reverse Kaplan–Meier, median (95% CI)",
            ("reverse_km_median", "reverse_km_median_lower", "reverse_km_median_upper"),
        ),
    ):
        by_arm = [[numbers.find(name, arm=arm.id) for name in names] for arm in arms]
        overall = [numbers.find(name, arm=ALL) or numbers.find(name) for name in names]
        if any(found[0] for found in by_arm):
            yield Row(label, tuple(estimate_cell(*found, decimals=1) for found in by_arm), 1)
        elif overall[0]:
            yield Row(label, (estimate_cell(*overall, decimals=1, columns=len(arms)),), 1)


def subgroups(view: View) -> Body:
    """The numbers of the forest plot: events of n in each arm, hazard ratio, interaction.

    Several comparisons stand one below the other, each under its arms.
    """
    numbers = view.main
    if len(numbers.comparisons) > 1:
        rows = []
        for comparison in numbers.comparisons:
            rows.append(Row(numbers.told_apart(comparison, view.report.arms)))
            rows += _subgroup_rows(view, view.compared_arms(comparison), comparison)
        heads: tuple[str, ...] = ("Experimental, events/n", "Control, events/n")
    else:
        arms = view.compared_arms()
        rows = _subgroup_rows(view, arms, numbers.comparison)
        heads = tuple(f"{arm.label}, events/n" for arm in arms)
    columns = (*map(Column, heads), Column("Hazard ratio (95% CI)"), Column("Interaction p"))
    return Body("Subgroup", columns, tuple(rows))


def _subgroup_rows(view: View, arms: tuple[Arm, ...], comparison: str) -> list[Row]:
    """All subjects, then each variable as a heading over its levels, of one comparison."""
    numbers, rows = view.main, list[Row]()
    for variable in ("", *view.ordered(numbers.variables)):
        levels = numbers.levels(variable) or ("",)
        reason = numbers.why(variable=variable) if variable and levels == ("",) else None
        if reason is not None:
            told = cell(reason.text or "", reason, columns=len(arms) + 2)
            rows.append(Row(view.label(variable), (told,)))
        elif variable and levels != ("",):
            rows.append(Row(view.label(variable)))
        for place, level in enumerate(levels):
            key = {"variable": variable, "level": level}
            ratio = [numbers.find(name, arm=comparison, **key) for name in HAZARD_RATIO]
            if ratio[0] is None:
                continue
            interaction = None
            if not place:
                interaction = numbers.find(
                    "interaction_p", arm=comparison, variable=variable
                ) or numbers.compared("interaction_p", variable=variable)
            events = (_events_cell(numbers, arm, variable, level) for arm in arms)
            label = view.label(variable, level) if variable else "All subjects"
            last = p_cell(interaction) if interaction is not None else cell("")
            made = (*events, estimate_cell(*ratio, decimals=3), last)
            rows.append(Row(label, made, 1 if level else 0))
    return rows


def _events_cell(numbers: Numbers, arm: Arm, variable: str, level: str) -> Cell:
    key = {"arm": arm.id, "variable": variable, "level": level}
    events, n = numbers.find("events", **key), numbers.find("n", **key)
    if events is None and n is None:
        return cell(formatting.NOT_APPLICABLE)
    shown = f"{formatting.count(value_of(events))}/{formatting.count(value_of(n))}"
    return cell(shown, events, n)


def sensitivity(view: View) -> Body:
    """Endpoints that differ in their censoring side by side, with the counts of each reason.

    Each endpoint is a variable of the analysis.
    """
    numbers, arms = view.main, view.arms()
    rules = tuple(view.ordered(numbers.variables))
    columns = tuple(Column(arm.short, group=view.label(rule)) for rule in rules for arm in arms)
    rows = [Row("Subjects", _side_by_side(numbers, rules, arms, "n"))]
    for label, statistic in (("Events", "events"), ("Censored", "censored")):
        rows.append(Row(label, _side_by_side(numbers, rules, arms, statistic)))
        found = (row.level for row in numbers.rows if row.statistic == statistic and row.level)
        for level in view.ordered(dict.fromkeys(found)):
            cells = _side_by_side(numbers, rules, arms, statistic, level)
            rows.append(Row(view.label("", level), cells, 1))
    medians = tuple(_median(numbers, arm, rule) for rule in rules for arm in arms)
    rows.append(Row(f"Median, {_unit(numbers)} (95% CI)", medians))
    for comparison in numbers.comparisons or ("",):
        ratios, p_values = [], []
        for rule in rules:
            key = {"arm": comparison, "variable": rule}
            found_ratio = (numbers.find(name, **key) for name in HAZARD_RATIO)
            ratios.append(estimate_cell(*found_ratio, decimals=3, columns=len(arms)))
            p_values.append(p_cell(numbers.find("logrank_p", **key), columns=len(arms)))
        which = numbers.told_apart(comparison, view.report.arms)
        beside = f", {which}" if which else ""
        rows += [
            Row(f"Hazard ratio (95% CI){beside}", tuple(ratios)),
            Row(f"Log-rank p value{beside}", tuple(p_values)),
        ]
    told = (numbers.find("not_available", variable=rule) for rule in rules)
    notes = dict.fromkeys(f"{row.variable}: {row.text}." for row in told if row is not None)
    return Body("", columns, tuple(rows), notes=tuple(notes))


def _side_by_side(
    numbers: Numbers, rules: tuple[str, ...], arms: tuple[Arm, ...], statistic: str, level: str = ""
) -> tuple[Cell, ...]:
    """Return one cell a rule and arm; a dash where a rule has no such reason."""
    found = (
        numbers.find(statistic, arm=arm.id, variable=rule, level=level)
        for rule in rules
        for arm in arms
    )
    return tuple(count_cell(each, None) if each else cell("–" if level else "NA") for each in found)


def interim(view: View) -> Body:
    """The interim look: information, boundary, p value, and whether the boundary was crossed."""
    numbers = view.main
    events, final, share, z, boundary, spent, last = (
        numbers.find(name, arm=ALL)
        for name in (
            "events",
            "final_events",
            "information",
            "boundary_z",
            "boundary_p",
            "alpha_spent",
            "final_boundary_p",
        )
    )
    p, reason = numbers.compared("p_value"), numbers.why()
    seen = f"{formatting.count(value_of(events))} of {formatting.count(value_of(final))}"
    seen += f" ({formatting.rate(as_percent(share))})"
    rows = [Row("Events, of those of the final analysis", (cell(seen, events, final, share),))]
    if z is not None and z.value is not None:
        rows.append(Row("Boundary of z", (cell(formatting.rounded(z.value, 3), z),)))
        for label, number in (
            ("Boundary of the p value at this look", boundary),
            ("Type I error spent by this look", spent),
            ("Boundary of the p value at the final analysis", last),
        ):
            rows.append(Row(label, (cell(formatting.significant(value_of(number)), number),)))
    if p is not None and p.value is not None:
        rows.append(Row("p value", (cell(formatting.significant(p.value), p),)))
        rows.append(Row("Verdict", (cell(f"Boundary {p.text}", p),)))
    elif reason is not None:
        rows.append(Row("Not compared", (cell(reason.text or "", reason),)))
    return Body("", (Column("Value"),), tuple(rows))


def hierarchy(view: View) -> Body:
    """The chain of tests in order: level, p value, and how far it went."""
    numbers, rows = view.main, []
    for place, endpoint in enumerate(view.ordered(numbers.variables), start=1):
        p = numbers.compared("p_value", variable=endpoint)
        alpha = numbers.compared("alpha", variable=endpoint)
        verdict = (p.text if p is not None else None) or ""
        reason = numbers.why(variable=endpoint)
        shown = (reason.text if reason else None) or "–"
        if p is not None and p.value is not None:
            shown = formatting.p_value(p.value)
        cells = (
            cell(f"{alpha.value:g}" if alpha and alpha.value is not None else "–", alpha),
            cell(shown, p, reason),
            cell(verdict[:1].upper() + verdict[1:], p),
        )
        rows.append(Row(f"{place}. {view.label(endpoint)}", cells))
    columns = (Column("Level (α)"), Column("p value"), Column("Result"))
    stops = dict.fromkeys(
        f"Formal testing stopped at: {row.text}."
        for row in numbers.rows
        if row.statistic == "stopped_at"
    )
    return Body("Endpoint, in order of testing", columns, tuple(rows), notes=tuple(stops))

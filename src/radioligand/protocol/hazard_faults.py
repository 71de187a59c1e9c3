# SPDX-License-Identifier: Apache-2.0
"""What is wrong with medians, hazards and effects that are assumed, and do not go together."""

from collections.abc import Iterator, Mapping
from math import inf, log
from typing import Any

from radioligand.protocol.faults import Fault

Table = Mapping[str, Any]
CHANGING = ("delay_months", "cured_fraction", "hazard_steps", "hazard_ratio_steps")
LATER = ("delay_months", "crossover_per_month")  # they change the hazard ratio as time goes on
NEAR = 0.02  # by so much may two ways to say one number differ


def hazard_faults(path: str, table: Table) -> Iterator[Fault]:
    """Tell which steps leave the hazards open, and what is said twice and not alike."""
    yield from _medians(path, table)
    hazards, ratios = (
        [one for one in _listed(table.get(key)) if isinstance(one, Mapping)]
        for key in ("hazard_steps", "hazard_ratio_steps")
    )
    for key, steps in (("hazard_steps", hazards), ("hazard_ratio_steps", ratios)):
        months = _numbers(steps, "from_month")
        if len(months) < len(steps):
            return  # told as no number
        if steps and (months[0] != 0 or months != sorted(set(months))):
            says = f"they begin at {[one.get('from_month') for one in steps]}"
            yield Fault(f"{path}{key}", says, "Let them rise from 0.")
            return
    if hazards:
        yield from _control(path, table, hazards)
    if ratios:
        yield from _effect(path, table, ratios)
    for key in LATER:
        if table.get(key) and table.get("interim"):
            mend = "Leave out one of them, and simulate both by a scenario."
            yield Fault(f"{path}{key}", "by theory looks have one hazard ratio", mend)


def _medians(path: str, table: Table) -> Iterator[Fault]:
    """Medians that make another hazard ratio than the one given."""
    control, experimental, ratio = (
        table.get(key)
        for key in ("median_control_months", "median_experimental_months", "hazard_ratio")
    )
    numbers = [one for one in (control, experimental, ratio) if isinstance(one, int | float)]
    plain = not any(table.get(key) for key in CHANGING)
    shape = table.get("shape", 1.0)
    if len(numbers) == 3 and min(numbers) > 0 and plain and isinstance(shape, int | float):
        implied = (numbers[0] / numbers[1]) ** shape
        if abs(implied / numbers[2] - 1) > NEAR:
            says = f"medians {numbers[0]:g} and {numbers[1]:g} make a hazard ratio of {implied:.3f}"
            mend = "Correct one, or leave out median_experimental_months."
            yield Fault(f"{path}hazard_ratio", f"{says}, not {numbers[2]:g}", mend)


def control_median(steps: list[Table]) -> float:
    """Return the month by which half have had the event, of steps that rise from month 0."""
    summed, half = 0.0, log(2)
    for place, step in enumerate(steps):
        start = step["from_month"]
        end = steps[place + 1]["from_month"] if place + 1 < len(steps) else inf
        median = step.get("median_months")
        hazard = half / median if median else step.get("per_month") or 0.0
        if hazard and (half - summed) / hazard <= end - start:
            return float(start + (half - summed) / hazard)
        summed += hazard * (end - start) if end < inf else 0.0
    return inf


def _control(path: str, table: Table, steps: list[Table]) -> Iterator[Fault]:
    path_of = f"{path}hazard_steps"
    both = [one for one in steps if ("per_month" in one) == ("median_months" in one)]
    if both:
        says = f"{len(both)} of {len(steps)} steps have not one of per_month and median_months"
        yield Fault(path_of, says, "Give a hazard a month, or the median that it would make.")
        return
    if len(_numbers(steps, "per_month")) + len(_numbers(steps, "median_months")) < len(steps):
        return  # told as no number
    if table.get("shape", 1) != 1:
        yield Fault(path_of, "shape tells the hazards as well", "Leave one of them out.")
    found, said = control_median(steps), table.get("median_control_months")
    if found == inf:
        yield Fault(path_of, "half never have the event", "Let the last hazard be above 0.")
    elif isinstance(said, int | float) and abs(found - said) > NEAR * said:
        says = f"the steps make a median of {found:.4g} months"
        mend = "Correct one; the steps are scaled to the median."
        yield Fault(f"{path}median_control_months", f"{says}, not {said:g}", mend)


def _effect(path: str, table: Table, steps: list[Table]) -> Iterator[Fault]:
    path_of = f"{path}hazard_ratio_steps"
    ratios = _numbers(steps, "hazard_ratio")
    if len(ratios) < len(steps):
        return  # told as no number
    said = table.get("hazard_ratio")
    if min(ratios) == 1:
        yield Fault(path_of, "no step has an effect", "Let the smallest hazard ratio be below 1.")
    elif isinstance(said, int | float) and abs(said - min(ratios)) > 1e-9:
        says = f"{said:g} is not the smallest of the steps, {min(ratios):g}"
        yield Fault(f"{path}hazard_ratio", says, "Give the smallest; it stands for the effect.")
    if table.get("delay_months"):
        mend = "Leave it out; let the first step have a hazard ratio of 1."
        yield Fault(f"{path}delay_months", "hazard_ratio_steps tell the effect as well", mend)
    if "endpoint" in table and table.get("method") != "lakatos":
        mend = 'Write method = "lakatos"; the other formulas know one hazard ratio.'
        yield Fault(f"{path}method", "the hazard ratio has steps", mend)
    if table.get("margin", 1) != 1:
        yield Fault(f"{path}margin", "the hazard ratio has steps", "Plan it with one hazard ratio.")
    if table.get("interim"):
        mend = "Leave it out, and simulate the looks of a scenario."
        yield Fault(f"{path}interim", "by theory looks have one hazard ratio", mend)


def _listed(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _numbers(steps: list[Table], key: str) -> list[float]:
    """The values above or at 0 of a key, as far as they are numbers."""
    values = [one.get(key) for one in steps]
    return [one for one in values if isinstance(one, int | float) and one >= 0]

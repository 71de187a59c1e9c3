# SPDX-License-Identifier: Apache-2.0
"""What the dose rules decided before each dose, by which rule, and whether the doses follow."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows
from radioligand.analysis.results import Row
from radioligand.analysis.scope import Scope
from radioligand.protocol.records import DoseDecisions

DECISIONS = {
    "FULL DOSE": "Full dose",
    "REDUCE": "Reduced dose",
    "HOLD": "Hold",
    "STOP": "Stop",
    "UNDETERMINED": "Undetermined: a fact that a rule asks for is not known",
}
OCCASIONS = {
    "ADMINISTERED": "Decisions before a dose that was given",
    "DUE": "Decisions on the planned day of a dose that was put off",
}


def dose_decisions(scope: Scope, analysis: DoseDecisions) -> Iterator[Row]:
    """Count decisions (not subjects) of ADDOSE, those departed from, and the rules behind them."""
    records = scope.records("ADDOSE", "PARCAT1", "AVALC", "AUDIT", "RULE", "SAYS", "ORIGIN")
    arms = [arm for arm in scope.arms if not records.filter(arm=arm).is_empty()]
    for occasion, label in OCCASIONS.items():
        taken = records.filter(PARCAT1=occasion)
        origin = scope.origin("ADDOSE", where=f"PARCAT1 = '{occasion}'")
        yield origin.row("label", variable=occasion, text=label)
        for decision, words in DECISIONS.items():
            yield origin.row("label", variable=occasion, level=decision, text=words)
        for arm in arms:
            own = taken.filter(arm=arm)
            yield from count_rows(origin, own.height, own.height, arm=arm, variable=occasion)
            departed = own.filter(AUDIT="departs").height
            yield origin.row("departed", departed, arm=arm, variable=occasion)
            for decision in DECISIONS:
                made = own.filter(AVALC=decision)
                yield from count_rows(
                    origin, made.height, own.height, arm=arm, variable=occasion, level=decision
                )
                departed = made.filter(AUDIT="departs").height
                yield origin.row("departed", departed, arm=arm, variable=occasion, level=decision)
    origin = scope.origin("ADDOSE", where="RULE is not null")
    for rule in scope.protocol.dosing.rules if scope.protocol.dosing else ():
        if rule.action == "resume":
            continue
        yield origin.row("label", variable=f"rule {rule.id}", text=f"{rule.says} ({rule.origin})")
        for arm in arms:
            own = records.filter(arm=arm)
            met = own.filter(RULE=rule.id)
            yield from count_rows(
                origin, met.height, own.height, arm=arm, variable=f"rule {rule.id}"
            )
            departed = met.filter(pl.col("AUDIT") == "departs").height
            yield origin.row("departed", departed, arm=arm, variable=f"rule {rule.id}")

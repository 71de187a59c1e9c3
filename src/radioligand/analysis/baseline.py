# SPDX-License-Identifier: Apache-2.0
"""Baseline characteristics by arm and in total."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.descriptive import count_rows, number_rows
from radioligand.analysis.results import Origin, Row
from radioligand.analysis.scope import Scope, groups
from radioligand.cdisc.contracts import variable_of
from radioligand.protocol import Protocol
from radioligand.protocol.records import Baseline

UNITS = {"AGE": "years"}  # of variables that every study has, whatever the protocol adds


def baseline(scope: Scope, analysis: Baseline) -> Iterator[Row]:
    """Describe each variable: numbers by their quartiles, levels and flags by their counts."""
    origin = scope.origin()
    yield from scope.sizes(origin)
    for name in analysis.variables:
        label = label_of(scope.protocol, name)
        yield origin.row("label", variable=name, text=label, method=analysis.number)
        if name not in scope.subjects.columns:
            yield origin.row("not_available", variable=name, text=f"ADSL has no {name}")
            continue
        for arm, subjects in groups(scope.subjects, scope.arms):
            yield from _described(origin, scope.protocol, subjects, name=name, arm=arm)


def _described(
    origin: Origin, protocol: Protocol, subjects: pl.DataFrame, *, name: str, arm: str
) -> Iterator[Row]:
    values = subjects[name]
    declared = {each.name: each for each in protocol.variables}.get(name)
    if values.dtype.is_numeric():
        unit = declared.unit if declared else UNITS.get(name)
        known_unit = None if unit == "1" else unit
        yield from number_rows(origin, values, arm=arm, variable=name, unit=known_unit)
        return
    if declared and declared.type == "flag":
        counted = {"Y": int((values == "Y").sum())}
    else:
        text = values.cast(pl.String)
        counted = {level: int((text == level).sum()) for level in levels_of(protocol, values)}
    for level, count in counted.items():
        yield from count_rows(origin, count, len(values), arm=arm, variable=name, level=level)
    yield origin.row("missing", values.null_count(), arm=arm, variable=name)


def label_of(protocol: Protocol, name: str) -> str:
    """Return the protocol's label of an ADSL variable, else that of the data standard."""
    declared = {each.name: each.label for each in protocol.variables}
    known = variable_of("ADSL", name)
    return declared.get(name) or (known.label if known else name)


def levels_of(protocol: Protocol, values: pl.Series) -> tuple[str, ...]:
    """Return the levels a table prints: those declared, in order, then others that occur.

    A declared level is there even when no subject has it.
    """
    declared = {each.name: each for each in protocol.variables}.get(values.name)
    known: tuple[str, ...] = ()
    if declared:
        known = declared.order or tuple(band.label for band in declared.bands)
    found = values.cast(pl.String).drop_nulls().unique().sort().to_list()
    return (*known, *(level for level in found if level not in known))

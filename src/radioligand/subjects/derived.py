# SPDX-License-Identifier: Apache-2.0
"""Variables made of other variables: bands, recodes, intervals, and the first that is known."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import polars as pl

from radioligand.protocol.records import TIMES, Band, Data, Variable
from radioligand.protocol.references import SUBJECT_VARIABLES
from radioligand.subjects.sources import DTYPES


def needs(variable: Variable) -> tuple[str, ...]:
    """Return the names of the variables that one is made of."""
    single = (variable.bands_of, variable.recode_of)
    return (*(one for one in single if one), *(variable.interval or ()), *variable.first_of)


def in_order(wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """Sort names so that each comes after those it needs; needs that are not listed are given.

    Raises ValueError if some need each other.
    """
    listed = {name: sorted(set(needed) & wanted.keys()) for name, needed in wanted.items()}
    try:
        return list(TopologicalSorter(listed).static_order())
    except CycleError as error:
        circle = ", ".join(error.args[1])
        says = f"variables need each other in a circle: {circle}; give one of them a source"
        raise ValueError(says) from None


def made(
    frame: pl.DataFrame, variable: Variable, *, called: Mapping[str, str], data: Data
) -> pl.Expr:
    """Return a derived variable as an expression over `frame`; `called` maps names to columns.

    A value outside every band, and one that no row of a recode knows where there is no `other`,
    are unknown. A flag is recoded by its letters Y and N. An interval is in whole days divided by
    the days of its unit (`data` says how many a month has). Raises ValueError for any other unit.
    """
    if variable.bands_of:
        number = pl.col(called[variable.bands_of])
        value = pl.coalesce(
            pl.when(_inside(number, band)).then(pl.lit(band.label)) for band in variable.bands
        )
    elif variable.recode_of:
        text = _text(frame, called[variable.recode_of])
        old, new = list(variable.recode), list(variable.recode.values())
        known = text.replace_strict(old, new, default=variable.other, return_dtype=pl.String)
        value = pl.when(text.is_not_null()).then(known)
    elif variable.interval:
        if variable.unit not in TIMES:
            units = ", ".join(TIMES)
            raise ValueError(f"{variable.name}: an interval is in {units}, not {variable.unit!r}")
        start, end = (pl.col(called[name]) for name in variable.interval)
        value = (end - start).dt.total_days() / data.days_in(variable.unit)
    else:
        value = pl.coalesce(called[name] for name in variable.first_of)
    return value.cast(DTYPES[variable.type])


def _inside(number: pl.Expr, band: Band) -> pl.Expr:
    limits = (
        (band.at_least, number.ge),
        (band.above, number.gt),
        (band.at_most, number.le),
        (band.below, number.lt),
    )
    return pl.all_horizontal(
        number.is_not_null(), *(within(limit) for limit, within in limits if limit is not None)
    )


def _text(frame: pl.DataFrame, column: str) -> pl.Expr:
    value = pl.col(column)
    if frame.schema[column] == pl.Boolean():
        letter = pl.when(value).then(pl.lit("Y")).otherwise(pl.lit("N"))
        return pl.when(value.is_not_null()).then(letter)
    return value.cast(pl.String)


def complete(frame: pl.DataFrame, *, variables: Sequence[Variable], data: Data) -> pl.DataFrame:
    """Fill the derived fields of a form where their inputs are known; never overwrite a value.

    Columns bear the variables' field names; a field that is made of others and is not there is
    added. A field made of one dated field takes its date (``<field>_date``). Flags are Boolean.
    """
    known = {one.name: one for one in variables}
    types = SUBJECT_VARIABLES | {name: str(one.type) for name, one in known.items()}
    called = {name: known[name].field or name if name in known else name for name in types}
    kept = {*frame.columns, *(one.field for one in variables if one.field)}
    derived = {name: needs(one) for name, one in known.items() if needs(one)}
    for name in in_order(derived):
        column, inputs = called[name], derived[name]
        unknown = {
            called[each]: pl.lit(None, DTYPES[types[each]])
            for each in inputs
            if called[each] not in frame.columns
        }
        frame = frame.with_columns(**unknown)
        value = made(frame, known[name], called=called, data=data)
        given = [pl.col(column)] if column in frame.columns else []
        frame = frame.with_columns(pl.coalesce(*given, value).alias(column))
        dated, own = f"{called[inputs[0]]}_date", f"{column}_date"
        if len(inputs) == 1 and dated in frame.columns and own not in frame.columns:
            frame = frame.with_columns(pl.col(dated).alias(own))
            kept.add(own)
    return frame.select(column for column in frame.columns if column in kept)

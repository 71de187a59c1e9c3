# SPDX-License-Identifier: Apache-2.0
"""What criteria ask of a subject: fields, and the dates of those that are limited in time."""

import polars as pl

from radioligand import criteria
from radioligand.protocol import Protocol
from radioligand.protocol.records import Factor
from radioligand.subjects.derived import needs


def factors(protocol: Protocol) -> tuple[Factor, ...]:
    """Return the stratification factors; a protocol without randomisation has none."""
    return protocol.randomisation.strata if protocol.randomisation else ()


def date_columns(protocol: Protocol) -> dict[str, str]:
    """Map each found variable whose date a criterion asks for to the ADSL column of that date."""
    known = {one.name: one for one in protocol.variables}
    columns: dict[str, str] = {}
    for name in _timed(protocol).values():
        source = known[name].source
        if source and source.date and name not in columns:
            names = (f"{name[:6]}DT", *(f"{name[:5]}{number}DT" for number in range(1, 10)))
            taken = {*known, *columns.values()}
            columns[name] = next(each for each in names if each not in taken)
    return columns


def _timed(protocol: Protocol) -> dict[str, str]:
    """Map each field that a condition limits in time to the variable that is found in records."""
    conditions = [one.holds for one in protocol.eligibility]
    conditions += [level.holds for factor in factors(protocol) for level in factor.levels]
    fields = {
        one.field
        for condition in conditions
        if condition
        for one in criteria.comparisons(condition)
        if one.within_days is not None
    }
    known = {one.name: one for one in protocol.variables}
    found_in: dict[str, str] = {}
    for variable in protocol.variables:
        if variable.field in fields:
            origin = variable
            while len(needs(origin)) == 1 and needs(origin)[0] in known:
                origin = known[needs(origin)[0]]
            found_in[variable.field or ""] = origin.name
    return found_in


def fields(adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Return the subjects as eligibility criteria see them: one column a field.

    USUBJID, each variable under its field name (flags Boolean), and ``<field>_date`` for the
    fields that a criterion limits in time.
    """
    dates = date_columns(protocol)
    dated = {
        f"{field}_date": pl.col(dates[name])
        for field, name in _timed(protocol).items()
        if name in dates
    }
    return adsl.select(
        "USUBJID",
        *(
            (pl.col(one.name) == "Y" if one.type == "flag" else pl.col(one.name)).alias(one.field)
            for one in protocol.variables
            if one.field
        ),
        **dated,
    )

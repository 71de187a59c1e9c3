# SPDX-License-Identifier: Apache-2.0
"""Strata of a subject: as given at randomisation, as baseline data say, where they differ."""

from collections.abc import Iterator

import polars as pl

from radioligand import criteria
from radioligand.cdisc import found, refuse, together
from radioligand.protocol import Protocol
from radioligand.protocol.records import Factor
from radioligand.subjects.asked import factors, fields


def letter(flag: pl.Expr) -> pl.Expr:
    """Return true and false as Y and N; unknown stays null."""
    return pl.when(flag).then(pl.lit("Y")).when(~flag).then(pl.lit("N"))


def with_strata(adsl: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Add STRATUM and STRMISFL; write the level of each factor as its id.

    Raises DatasetError that tells of every level the protocol does not know.
    """
    plan = factors(protocol)
    if not plan:
        nothing = pl.lit(None, pl.String)
        return adsl.with_columns(STRATUM=nothing, STRMISFL=nothing)
    refuse(together(fault for factor in plan for fault in _unknown_levels(adsl, factor)))
    adsl = adsl.with_columns(_level(factor, factor.id).alias(factor.id) for factor in plan)
    labels = [
        pl.col(factor.id).replace_strict({level.id: level.label for level in factor.levels})
        for factor in plan
    ]
    baseline = baseline_levels(adsl, protocol=protocol)
    differs = [adsl[factor.id] != baseline[factor.id] for factor in plan]
    return adsl.with_columns(
        STRATUM=pl.concat_str(labels, separator=", "), STRMISFL=letter(pl.any_horizontal(differs))
    )


def _unknown_levels(adsl: pl.DataFrame, factor: Factor) -> Iterator[pl.DataFrame]:
    said = pl.col(factor.id).is_not_null()
    unknown = adsl.filter(said & _level(factor, factor.id).is_null())
    if unknown.height:
        levels = ", ".join(f"{level.id} ({level.label})" for level in factor.levels)
        yield found(
            "ADSL",
            f"the level of {factor.label} given at randomisation is known ({factor.id})",
            f"Write one of {levels}, or add the level to the protocol.",
            broken=unknown.height,
            rows=adsl.height,
            examples=unknown.select("USUBJID", factor.id).head(3).to_dicts(),
        )


def _level(factor: Factor, column: str) -> pl.Expr:
    """Return the id of the level that a column names by its id or its label."""
    ids = {level.label: level.id for level in factor.levels}
    ids |= {level.id: level.id for level in factor.levels}
    return pl.col(column).replace_strict(ids, default=None, return_dtype=pl.String)


def baseline_levels(adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Return the level of each stratification factor by baseline data: USUBJID, one column each.

    Taken from the factor's `baseline` variable, or else the first level whose condition is met.
    """
    asked = fields(adsl, protocol=protocol)
    levels = {}
    for factor in factors(protocol):
        if factor.baseline:
            levels[factor.id] = adsl.select(_level(factor, factor.baseline)).to_series()
            continue
        holding = [
            pl.when(criteria.met(level.holds)).then(pl.lit(level.id))
            for level in factor.levels
            if level.holds
        ]
        one = pl.coalesce(*holding, pl.lit(None, pl.String))
        levels[factor.id] = asked.with_columns(one.alias(factor.id))[factor.id]
    return adsl.select("USUBJID").with_columns(**levels)


def mismatches(adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Count the randomised whose level at randomisation is not that of baseline data.

    Columns FACTOR, GIVEN, BASELINE, COUNT; no rows, no mistakes.
    """
    baseline = baseline_levels(adsl, protocol=protocol)
    counts = [pl.DataFrame(schema={"FACTOR": pl.String, "GIVEN": pl.String, "BASELINE": pl.String})]
    for factor in factors(protocol):
        pairs = adsl.select("RANDDT", FACTOR=pl.lit(factor.id), GIVEN=factor.id).with_columns(
            BASELINE=baseline[factor.id]
        )
        wrong = pl.col("RANDDT").is_not_null() & (pl.col("GIVEN") != pl.col("BASELINE"))
        counts.append(pairs.filter(wrong).select("FACTOR", "GIVEN", "BASELINE"))
    columns = ("FACTOR", "GIVEN", "BASELINE")
    return pl.concat(counts).group_by(columns).agg(COUNT=pl.len()).sort(columns)

# SPDX-License-Identifier: Apache-2.0
"""Joins supplemental qualifiers, SUPP--, back to the rows they qualify."""

from collections.abc import Mapping

import polars as pl

from radioligand.cdisc.rules import found, together
from radioligand.cdisc.studies import Study

ROW = ["USUBJID", "IDVAR", "IDVARVAL"]
NEEDED = {*ROW, "QNAM", "QVAL"}


def join_supplemental(frames: Mapping[str, pl.DataFrame]) -> Study:
    """Turn each QNAM of SUPPxx into a text column of XX; the SUPPxx are not in the result.

    A blank IDVAR joins by subject (SUPPDM), any other by that variable's value. Findings tell of a
    SUPP-- without its domain or its columns, a QNAM that is a variable already, a qualifier given
    twice for one record (errors), and of qualifiers of no record (a warning).
    """
    joined = {name: frame for name, frame in frames.items() if not name.startswith("SUPP")}
    findings = []
    for name in sorted(frames.keys() - joined.keys()):
        parent, supplement = name.removeprefix("SUPP"), frames[name]
        if absent := NEEDED - set(supplement.columns):
            mend = "Supplemental qualifiers cannot be joined without it."
            findings.append(found(name, f"lacks {', '.join(sorted(absent))}", mend))
        elif parent not in joined:
            says = f"the dataset {parent}, which {name} qualifies, is in the study"
            findings.append(found(name, says, f"Add {parent}.", severity="warning"))
        else:
            joined[parent], told = _join(joined[parent], supplement, name=name)
            findings.append(told)
    return Study(joined, together(findings))


def _join(
    parent: pl.DataFrame, supplement: pl.DataFrame, *, name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    findings = []
    trimmed = pl.col("IDVARVAL").str.strip_chars()  # SAS writes numbers to the right
    qualifiers = supplement.select(*ROW, "QNAM", "QVAL").with_columns(trimmed)

    def say(bad: pl.DataFrame, says: str, mend: str, *, warn: bool = False) -> None:
        if bad.height:
            findings.append(
                found(
                    name,
                    says,
                    mend,
                    broken=bad.height,
                    rows=supplement.height,
                    examples=bad.head(3).to_dicts(),
                    severity="warning" if warn else "error",
                )
            )

    taken = pl.col("QNAM").is_in(parent.columns)
    mend = "Rename the qualifier (QNAM)."
    say(qualifiers.filter(taken), "no qualifier has the name of a variable (QNAM)", mend)
    twice = pl.struct(*ROW, "QNAM").is_duplicated()
    mend = "Keep one of the values."
    say(qualifiers.filter(twice), "a record has a qualifier once (QNAM)", mend)
    idvar = pl.col("IDVAR")
    strange = idvar.is_not_null() & ~idvar.is_in(parent.columns)
    mend = "IDVAR must name a variable of the domain."
    say(qualifiers.filter(strange), "the record is found by a variable that exists (IDVAR)", mend)

    usable = qualifiers.filter(~taken, ~strange).unique([*ROW, "QNAM"], maintain_order=True)
    orphans = []
    for (variable,), part in usable.group_by("IDVAR", maintain_order=True):
        keys = ["USUBJID"] if variable is None else ["USUBJID", "IDVARVAL"]
        value = _as_text(parent, variable) if variable else pl.lit(None, pl.String)
        parent = parent.with_columns(value.alias("IDVARVAL"))
        orphans.append(part.join(parent, on=keys, how="anti"))
        wide = part.select(*keys, "QNAM", "QVAL").pivot(on="QNAM", index=keys, values="QVAL")
        parent = parent.join(wide, on=keys, how="left", suffix=" again").drop("IDVARVAL")
        again = [column for column in parent.columns if column.endswith(" again")]
        parent = parent.with_columns(
            pl.coalesce(column.removesuffix(" again"), column).alias(column.removesuffix(" again"))
            for column in again
        ).drop(again)
    if orphans:
        mend = "Correct USUBJID or IDVARVAL; the value is not used."
        say(pl.concat(orphans), "a qualifier belongs to a record", mend, warn=True)
    return parent, together(findings)


def _as_text(frame: pl.DataFrame, variable: str) -> pl.Expr:
    """Return the values of `variable` as IDVARVAL holds them: 3, not 3.0."""
    column = pl.col(variable)
    if not frame.schema[variable].is_float():
        return column.cast(pl.String)
    whole = pl.when(column == column.round()).then(column).cast(pl.Int64)
    return pl.coalesce(whole.cast(pl.String), column.cast(pl.String))

# SPDX-License-Identifier: Apache-2.0
"""The strata given at randomisation, as one label a subject."""

import polars as pl

from radioligand.analysis.scope import Scope


def strata_of(scope: Scope, sample: pl.DataFrame) -> pl.Series:
    """Return the stratum of each row of a sample: the levels of all factors in one label."""
    levels = pl.col(scope.strata).cast(pl.String)
    labels = scope.subjects.select("USUBJID", stratum=pl.concat_str(levels, separator=" / "))
    joined = sample.select("USUBJID").join(labels, on="USUBJID", how="left", maintain_order="left")
    return joined["stratum"]


def why_no_strata(scope: Scope, sample: pl.DataFrame) -> str | None:
    """Return why a sample cannot be stratified, or None if it can."""
    if not scope.strata:
        return "the protocol names no strata"
    absent = [name for name in scope.strata if name not in scope.subjects.columns]
    if absent:
        return f"ADSL has no {', '.join(absent)}"
    lost = sample.filter(strata_of(scope, sample).is_null())["USUBJID"]
    if lost.is_empty():
        return None
    return (
        f"the stratum at randomisation ({', '.join(scope.strata)}) is missing for {len(lost)} of "
        f"{sample.height} subjects ({', '.join(lost.sort().head(3))})"
    )

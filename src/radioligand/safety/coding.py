# SPDX-License-Identifier: Apache-2.0
"""Codes adverse events that a study has not: preferred term and organ class by a dictionary."""

import polars as pl

from radioligand.cdisc.dictionaries import COLUMNS, Dictionary, key

COLLECTED, VERBATIM = "as collected", "verbatim"


def coded(ae: pl.DataFrame, *, dictionary: Dictionary | None) -> pl.DataFrame:
    """Complete AEDECOD and AEBODSYS by AETERM, and say in AEDICT where each coding came from.

    An event that has AEDECOD keeps it ("as collected"). Another gets term and class from the
    dictionary, whose name is then in AEDICT; one that it does not know, its verbatim term
    ("verbatim") and no class. `ae` has AETERM, AEDECOD and AEBODSYS, which may be null.
    """
    terms = (
        dictionary.terms if dictionary else pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    )
    found = ae.with_columns(TERM=key(pl.col("AETERM"))).join(
        terms, on="TERM", how="left", maintain_order="left"
    )
    blank, known = pl.col("AEDECOD").is_null(), pl.col("PREFERRED").is_not_null()
    source = (
        pl.when(~blank)
        .then(pl.lit(COLLECTED))
        .when(known)
        .then(pl.lit(dictionary.name if dictionary else None))
        .when(pl.col("AETERM").is_not_null())
        .then(pl.lit(VERBATIM))
    )
    return found.with_columns(
        AEDICT=source,
        AEBODSYS=pl.coalesce("AEBODSYS", pl.when(blank).then("CLASS")),
        AEDECOD=pl.coalesce("AEDECOD", "PREFERRED", "AETERM"),
    ).drop(COLUMNS)

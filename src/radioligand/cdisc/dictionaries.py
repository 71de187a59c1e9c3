# SPDX-License-Identifier: Apache-2.0
"""A medical dictionary: verbatim terms, preferred term and organ class of each, and its origin."""

from dataclasses import dataclass

import polars as pl

COLUMNS = ("TERM", "PREFERRED", "CLASS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """Terms as a frame of TERM (lower case, each once), PREFERRED and CLASS.

    `columns` are those of the file it came from; `sha256` is that of its bytes.
    """

    name: str
    terms: pl.DataFrame
    columns: tuple[str, ...]
    sha256: str


def key(term: pl.Expr) -> pl.Expr:
    """Return how terms are compared: lower case, single blanks, none around."""
    return term.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()

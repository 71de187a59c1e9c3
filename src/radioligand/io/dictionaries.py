# SPDX-License-Identifier: Apache-2.0
"""Reads a medical dictionary: the licence holder's own file, or the package's demonstration.

MedDRA is licensed; nothing of it is shipped or written, only the name and hash of the file read.
"""

import hashlib
from importlib.resources import files
from pathlib import Path

import polars as pl

from radioligand.cdisc.dictionaries import COLUMNS, Dictionary, key

# the columns of MedDRA's files of fields that end with "$", as its distribution describes them
HIERARCHY = (
    *("pt_code", "hlt_code", "hlgt_code", "soc_code", "pt_name", "hlt_name", "hlgt_name"),
    *("soc_name", "soc_abbrev", "null_field", "pt_soc_code", "primary_soc_fg"),
)
LOWEST = ("llt_code", "llt_name", "pt_code")
DEMONSTRATION = "demonstration_dictionary.csv"


class DictionaryError(ValueError):
    """A dictionary that cannot be used: the file, what is wrong with it, and the mend."""


def read_dictionary(path: str | Path) -> Dictionary:
    """Read a dictionary: MedDRA's mdhier.asc, or a table with TERM, PREFERRED and CLASS.

    Beside mdhier.asc its llt.asc, if it is there, adds the lowest level terms; the class is the
    primary one. A table is CSV or Parquet. Terms are compared in lower case.

    Raises DictionaryError for a file of another kind, without its columns, or with a term that
    has two meanings.
    """
    path = Path(path)
    content = path.read_bytes()
    columns: tuple[str, ...] = HIERARCHY
    if path.suffix.lower() == ".asc":
        terms = _meddra(path)
    elif path.suffix.lower() in (".csv", ".parquet"):
        is_csv = path.suffix.lower() == ".csv"
        table = pl.read_csv(path, infer_schema=False) if is_csv else pl.read_parquet(path)
        absent = [name for name in COLUMNS if name not in table.columns]
        if absent:
            raise DictionaryError(
                f"{path.name}: no column {', '.join(absent)}. A dictionary has TERM, PREFERRED "
                "and CLASS, or is MedDRA's mdhier.asc."
            )
        terms, columns = table.select(COLUMNS), tuple(table.columns)
    else:
        raise DictionaryError(
            f"{path.name}: not a dictionary. Give MedDRA's mdhier.asc, or a CSV or Parquet table "
            "with columns TERM, PREFERRED and CLASS."
        )
    digest = hashlib.sha256(content).hexdigest()
    return Dictionary(
        name=path.name, terms=_unique(terms, path.name), columns=columns, sha256=digest
    )


def demonstration_dictionary() -> Dictionary:
    """Return the small dictionary of the package: a few dozen plain terms of our own."""
    content = files("radioligand.io").joinpath(DEMONSTRATION).read_bytes()
    table = pl.read_csv(content, infer_schema=False)
    return Dictionary(
        name="demonstration dictionary",
        terms=_unique(table.select(COLUMNS), DEMONSTRATION),
        columns=COLUMNS,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _fields(path: Path, names: tuple[str, ...]) -> pl.DataFrame:
    """Return the first fields of a file whose fields end with "$"; no quotes, no heading."""
    table = pl.read_csv(
        path, separator="$", has_header=False, infer_schema=False, quote_char=None,
        truncate_ragged_lines=True, encoding="utf8-lossy",
    )  # fmt: skip
    if table.width < len(names):
        raise DictionaryError(
            f"{path.name}: {table.width} fields a line, MedDRA's file has {len(names)}. "
            "Give the file as it was distributed."
        )
    return table.select(
        pl.col(old).alias(new) for old, new in zip(table.columns, names, strict=False)
    )


def _meddra(path: Path) -> pl.DataFrame:
    primary = _fields(path, HIERARCHY).filter(primary_soc_fg="Y")
    terms = primary.select(TERM="pt_name", PREFERRED="pt_name", CLASS="soc_name")
    lowest = path.with_name("llt.asc")
    if not lowest.is_file():
        return terms
    below = _fields(lowest, LOWEST).join(primary, on="pt_code", how="inner")
    return pl.concat([terms, below.select(TERM="llt_name", PREFERRED="pt_name", CLASS="soc_name")])


def _unique(terms: pl.DataFrame, name: str) -> pl.DataFrame:
    known = terms.drop_nulls().with_columns(TERM=key(pl.col("TERM"))).unique(maintain_order=True)
    twice = known.filter(pl.col("TERM").is_duplicated())["TERM"].unique(maintain_order=True)
    if len(twice):
        raise DictionaryError(
            f"{name}: {len(twice)} terms have two meanings ({', '.join(twice.head(3))}). "
            "Keep one preferred term and class of each."
        )
    return known

# SPDX-License-Identifier: Apache-2.0
"""Randomisation lists as files: CSV or Parquet, and the folder in which a list is handed over."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from radioligand.io.outputs import OutputError

LIST, SALTS, SEED = "list.csv", "salts.csv", "seed.txt"
_KINDS = {"SEQUENCE": pl.Int64, "BLOCK": pl.Int64, "DRAW": pl.Float64}  # all else is text


def read_list(path: Path) -> pl.DataFrame:
    """Read a randomisation list, or its salts; levels of factors stay text, "2" too.

    Raises OutputError for a file that is none.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        frame = pl.read_csv(path, infer_schema=False)
        kinds = {name: kind for name, kind in _KINDS.items() if name in frame.columns}
        return frame.cast(kinds)  # type: ignore[arg-type]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OutputError(f"{path} is no randomisation list: {error}") from None


def salted(entries: pl.DataFrame, salts: pl.Series) -> pl.DataFrame:
    """Return the salts beside the places of their entries, as `write_list` takes them."""
    return entries.select("STRATUM", "SEQUENCE").with_columns(salts)


def read_salts(path: Path, entries: pl.DataFrame) -> pl.Series:
    """Read the salts of a list in the order of its entries.

    Raises OutputError for a file that is none, or is that of another list.
    """
    frame = read_list(path)
    places = ["STRATUM", "SEQUENCE"]
    if "SALT" not in frame.columns or not {*places} <= {*frame.columns}:
        raise OutputError(f"{path} holds no salts: columns STRATUM, SEQUENCE and SALT.")
    found = entries.select(places).join(frame, on=places, how="left", maintain_order="left")
    if found["SALT"].null_count() or frame.height != entries.height:
        raise OutputError(f"{path} holds the salts of another list: the entries differ.")
    return found["SALT"]


def write_list(folder: Path, frames: Mapping[str, pl.DataFrame], *, seed: str) -> None:
    """Write frames as CSV by name, and the seed, into a new folder; its owner alone can read them.

    Raises OutputError if there is such a folder: a list is never replaced.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
        for name, frame in frames.items():
            frame.write_csv(folder / name)
        (folder / SEED).write_text(seed + "\n", "utf-8")
        for name in (*frames, SEED):
            (folder / name).chmod(0o600)
    except FileExistsError:
        raise OutputError(f"{folder} exists; a list is never replaced, name a new one.") from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from None

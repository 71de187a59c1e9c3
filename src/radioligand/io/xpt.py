# SPDX-License-Identifier: Apache-2.0
"""SAS transport files (XPT): versions 5 and 8 read, version 5 written as regulators ask."""

import mmap
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from radioligand.cdisc import DatasetError

RECORD_BYTES = 80
LIBRARY = b"HEADER RECORD*******LIB"
MEMBER = re.compile(rb"HEADER RECORD\*{7}MEMB(?:ER  |V8  )HEADER RECORD!{7}")
STAMP = re.compile(rb"\d{2}[A-Z]{3}\d{2}(?::\d{2}){3}")
STAMPED_BYTES = 8 * RECORD_BYTES  # library and member headers, which carry the time of writing
NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
LABEL_CHARACTERS = 40
TEXT_BYTES = 200
FORMATS = {pl.Date: "DATE9.", pl.Datetime: "DATETIME20.", pl.Time: "TIME8."}


def read_xpt(path: Path) -> pl.DataFrame:
    """Return the one dataset of a transport file; columns with a format of dates are Date.

    Raises DatasetError for a file that is cut short, holds several datasets, or is none at all.
    """
    with path.open("rb") as file:
        if not file.read(RECORD_BYTES).startswith(LIBRARY):
            raise DatasetError("it does not begin with the header of a SAS transport file")
        if path.stat().st_size % RECORD_BYTES:
            raise DatasetError("the file is cut short: it ends within a record of 80 bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            members = len(MEMBER.findall(content))
    if members != 1:
        raise DatasetError(f"it holds {members} datasets; write one dataset a file")
    frame, about = _decoded(path)
    types = {"string": pl.String(), "double": pl.Float64()}
    untyped = [name for name, dtype in frame.schema.items() if dtype in (pl.Null(), pl.Object())]
    kinds = about.readstat_variable_types
    return pl.DataFrame(frame).with_columns(
        pl.lit(None, types[kinds[name]]).alias(name) for name in untyped
    )


def _decoded(path: Path) -> tuple[Any, Any]:
    """Return frame and metadata; the text is UTF-8, or else what SAS writes on Western Windows."""
    import pyreadstat

    try:
        try:
            return pyreadstat.read_xport(str(path), output_format="polars")
        except UnicodeDecodeError:
            western = "WINDOWS-1252"
            return pyreadstat.read_xport(str(path), output_format="polars", encoding=western)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError) as error:
        raise DatasetError(str(error)) from error


def find_xpt_faults(
    frame: pl.DataFrame, *, name: str, label: str, labels: Mapping[str, str]
) -> Iterator[str]:
    """Tell what of a dataset a version 5 transport file cannot hold."""
    for each in (name, *frame.columns):
        if not NAME.fullmatch(each):
            yield f"{each} is not a name of at most 8 upper-case letters, digits and _"
    for each, said in {name: label, **labels}.items():
        if len(said) > LABEL_CHARACTERS:
            yield f"the label of {each} has {len(said)} characters, at most 40 fit"
    for each, dtype in frame.schema.items():
        if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
            sizes = frame[each].cast(pl.String).str.len_bytes()
            if over := sizes.filter(sizes > TEXT_BYTES).to_list():
                yield f"{each} holds a text of {max(over)} bytes, at most 200 fit"
        elif not (dtype.is_numeric() or type(dtype) in FORMATS):
            yield f"{each} is {dtype}, and a transport file holds text, numbers and dates"


def write_xpt(
    frame: pl.DataFrame,
    path: Path,
    *,
    name: str,
    label: str,
    labels: Mapping[str, str],
    created: datetime,
) -> None:
    """Write a version 5 transport file; dates as days since 1960 with the format DATE9."""
    import pyreadstat

    formats = {
        each: FORMATS[type(dtype)] for each, dtype in frame.schema.items() if type(dtype) in FORMATS
    }
    pyreadstat.write_xport(
        frame.with_columns(cs.categorical().cast(pl.String), cs.enum().cast(pl.String)),
        str(path),
        file_label=label,
        column_labels=dict(labels),
        table_name=name,
        file_format_version=5,
        variable_format=formats,
    )
    with path.open("r+b") as file:  # the same data gives the same bytes
        head = file.read(STAMPED_BYTES)
        file.seek(0)
        file.write(STAMP.sub(created.strftime("%d%b%y:%H:%M:%S").upper().encode(), head))

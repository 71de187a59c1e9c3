# SPDX-License-Identifier: Apache-2.0
"""CDISC Dataset-JSON 1.1: as one document, as lines (NDJSON), and as lines compressed (DSJC)."""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from radioligand.cdisc import DatasetError

VERSION = "1.1.0"
REQUIRED = (
    *("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID"),
    *("records", "name", "label", "columns"),
)
EITHER = zlib.MAX_WBITS | 32  # zlib as specified, or gzip as in the standard's own examples

# Whole numbers too become Float64, the one number of XPT, until a contract asks for more;
# "decimal" has its digits in quotes.
NUMBERS = ("integer", "float", "double", "decimal")
CALENDAR = {  # the way to write, and the format that SAS would give
    "date": (pl.Date(), "%Y-%m-%d", "DATE9."),
    "datetime": (pl.Datetime("us"), "%Y-%m-%dT%H:%M:%S%.f", "DATETIME20."),
    "time": (pl.Time(), "%H:%M:%S%.f", "TIME8."),
}


def is_dataset_json(path: Path) -> bool:
    """Return false for JSON about something else, true for Dataset-JSON and for damaged files."""
    content = path.read_bytes()
    try:
        return b'"datasetJSONVersion"' in content or json.loads(content) is None
    except ValueError:
        return True


def read_dataset_json(path: Path) -> pl.DataFrame:
    """Return the dataset of a .json, .ndjson or .dsjc file.

    Dates that SAS holds as numbers (targetDataType integer) are Date, other dates stay text.
    Raises DatasetError for a file that is damaged, incomplete or of another version.
    """
    content, suffix = path.read_bytes(), path.suffix.lower()
    try:
        if suffix == ".json":
            about = json.loads(content)
            rows = about.pop("rows", []) if isinstance(about, dict) else []
        else:
            text = zlib.decompress(content, EITHER) if suffix == ".dsjc" else content
            first, *lines = [line for line in text.split(b"\n") if line.strip()] or [b"{}"]
            about, rows = json.loads(first), json.loads(b"[" + b",".join(lines) + b"]")
    except (ValueError, zlib.error) as error:
        raise DatasetError(f"the file is damaged: {error}") from error
    if not isinstance(about, dict) or (absent := [key for key in REQUIRED if key not in about]):
        says = ", ".join(absent) if isinstance(about, dict) else "everything"
        raise DatasetError(f"it is not Dataset-JSON 1.1, for it lacks {says}")
    if not str(about["datasetJSONVersion"]).startswith("1.1"):
        raise DatasetError(f"it is Dataset-JSON {about['datasetJSONVersion']}; version 1.1 is read")
    if len(rows) != about["records"]:
        raise DatasetError(f"it promises {about['records']} records and holds {len(rows)}")
    return _frame(about["columns"], rows)


def _frame(columns: list[dict[str, Any]], rows: list[list[Any]]) -> pl.DataFrame:
    """Return rows as a frame of the types their columns name."""
    if ragged := sum(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise DatasetError(f"{ragged} of {len(rows)} rows do not have {len(columns)} values")
    schema: dict[str, pl.DataType] = {}
    turned = []
    for column in columns:
        name, kind = str(column["name"]), column["dataType"]
        schema[name] = pl.Float64() if kind in NUMBERS else pl.String()
        if kind == "boolean":
            schema[name] = pl.Boolean()
        if kind == "decimal":
            schema[name] = pl.String()
            turned.append(pl.col(name).replace("", None).cast(pl.Float64))
        if kind in CALENDAR and column.get("targetDataType") == "integer":
            dtype, form, _ = CALENDAR[kind]
            turned.append(pl.col(name).replace("", None).str.strptime(dtype, form))
    try:
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(turned)
    except pl.exceptions.PolarsError as error:
        raise DatasetError(f"a value is not of the type its column names: {error}") from error


def find_json_faults(frame: pl.DataFrame) -> Iterator[str]:
    """Tell what of a dataset Dataset-JSON cannot hold."""
    for name, dtype in frame.schema.items():
        if dtype.is_float() and frame[name].is_infinite().any():
            yield f"{name} holds an infinite number"
        elif _data_type(dtype) is None:
            yield f"{name} is {dtype}, which Dataset-JSON does not have"


def write_dataset_json(
    frame: pl.DataFrame,
    path: Path,
    *,
    name: str,
    label: str,
    labels: Mapping[str, str],
    keys: Sequence[str],
    created: datetime,
) -> None:
    """Write a .json, .ndjson or .dsjc file; dates as text to be held as numbers, as SAS does."""
    columns = []
    for each, dtype in frame.schema.items():
        kind = _data_type(dtype)
        column: dict[str, Any] = {"itemOID": f"IT.{name}.{each}", "name": each}
        column |= {"label": labels.get(each, each), "dataType": kind}
        if kind == "string":
            column["length"] = frame[each].cast(pl.String).str.len_chars().max() or 1
        if kind in CALENDAR:
            column |= {"targetDataType": "integer", "displayFormat": CALENDAR[kind][2]}
        if each in keys:
            column["keySequence"] = keys.index(each) + 1
        columns.append(column)
    about = {
        "datasetJSONCreationDateTime": created.strftime("%Y-%m-%dT%H:%M:%S"),
        "datasetJSONVersion": VERSION,
        "itemGroupOID": f"IG.{name}",
        "records": frame.height,
        "name": name,
        "label": label,
        "columns": columns,
    }
    calendar = [
        pl.col(each).dt.strftime(CALENDAR[kind][1])
        for each, dtype in frame.schema.items()
        if (kind := _data_type(dtype)) in CALENDAR
    ]
    plain = frame.with_columns(calendar).with_columns(cs.float().fill_nan(None))
    lines = [_compact(row) for row in plain.iter_rows()]
    if path.suffix.lower() == ".json":
        rows = ",\n".join(lines)
        path.write_text(f'{_compact(about)[:-1]},"rows":[\n{rows}\n]}}\n', encoding="utf-8")
        return
    content = "\n".join([_compact(about), *lines, ""]).encode()
    path.write_bytes(zlib.compress(content) if path.suffix.lower() == ".dsjc" else content)


def _data_type(dtype: pl.DataType) -> str | None:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "double"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "string"
    plain = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime", pl.Time: "time"}
    return plain.get(type(dtype))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

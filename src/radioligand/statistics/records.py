# SPDX-License-Identifier: Apache-2.0
"""What every result can do besides hold its numbers: turn into a frame, and show itself.

Statistics know arrays alone, so polars is imported only where a frame is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import polars as pl

SHOWN = 10  # rows of a table in a notebook
PAIRS = {"log_likelihood": ("null", "fitted"), "quartiles": ("first", "third")}
INTERVAL = "_interval"  # ends the name of every other pair of numbers


class Record:
    """A result; its class says along which field its rows run, if it has more than one.

    `rows` is that field; others of its shape are columns, except those named `apart`, whose
    length is equal by chance alone. Fields named `wide` have a column for each of `labels`.
    """

    __slots__ = ()
    _rows: ClassVar[str | None] = None
    _apart: ClassVar[tuple[str, ...]] = ()
    _wide: ClassVar[tuple[str, ...]] = ()
    _labels: ClassVar[str | None] = None

    def __init_subclass__(
        cls,
        *,
        rows: str | None = None,
        apart: tuple[str, ...] = (),
        wide: tuple[str, ...] = (),
        labels: str | None = None,
    ) -> None:
        """Keep what the header of the class says; a dataclass with slots is made twice."""
        if rows is not None:
            cls._rows, cls._apart, cls._wide, cls._labels = rows, apart, wide, labels

    def to_frame(self) -> pl.DataFrame:
        """Return the result as a polars frame: its arrays as columns, single numbers repeated.

        A result without arrays is one row. Pairs are two columns (``log_likelihood_null``,
        ``psi_lower``), results inside this one have its name before theirs, labels of groups are
        one text. Matrices, and arrays of another length, stay attributes.
        """
        import polars as pl

        columns, constants = parts(self)
        height = len(next(iter(columns.values()))) if columns else 1
        arrays = [pl.Series(name, values) for name, values in columns.items()]
        repeated = [
            pl.Series(name, [value]).new_from_index(0, height) for name, value in constants.items()
        ]
        return pl.DataFrame([*arrays, *repeated])

    def _repr_html_(self) -> str:
        """Return a table of the arrays, cut to ten rows, and one of the single numbers."""
        columns, constants = parts(self)
        told = [f"<strong>{escape(type(self).__name__)}</strong>"]
        if constants:
            told.append(table([[name, shown(one)] for name, one in constants.items()]))
        if columns:
            height = len(next(iter(columns.values())))
            first = (values[:SHOWN] for values in columns.values())
            body = [[shown(one) for one in row] for row in zip(*first, strict=True)]
            told.append(table(body, head=list(columns)))
            if height > SHOWN:
                told.append(f"<p>{SHOWN} of {height} rows</p>")
        return f"<div>{''.join(told)}</div>"


class Values(Record):
    """A result of few numbers, which unpacks like a tuple: ``estimate, lower, upper = ...``."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        """Give the values in the order of their names."""
        return (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


def parts(record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of a record, arrays or lists, and the single values beside them."""
    along = None if record._rows is None else np.shape(plain(getattr(record, record._rows)))
    columns: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    for field in fields(record):  # type: ignore[arg-type]
        name, value = field.name, getattr(record, field.name)
        if name in record._wide:
            for label, column in zip(labels_of(record, value), value.T, strict=True):
                columns[f"{name}_{label}"] = column
        elif along and name not in record._apart and np.shape(plain(value)) == along:
            columns[name] = one_type(value) if isinstance(value, tuple) else value.ravel()
        else:
            constants |= dict(single(name, value))
    return columns, constants


def plain(value: Any) -> Any:
    """Return a tuple of labels as an array of one dimension, whatever they are."""
    if isinstance(value, tuple):
        return np.fromiter(value, dtype=object, count=len(value))
    return value if isinstance(value, np.ndarray) else np.asarray(None)


def labels_of(record: Record, value: Any) -> Iterator[str]:
    """Name the columns of a table by the labels of the record, or by number from 1."""
    if record._labels is None:
        yield from map(str, range(1, value.shape[1] + 1))
    else:
        yield from map(str, getattr(record, record._labels))


def one_type(values: tuple[Any, ...]) -> list[Any]:
    """Return labels, as text if they are of several types or are pairs."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 or tuple in kinds:
        return [None if value is None else text(value) for value in values]
    return list(values)


def text(value: Any) -> str:
    """Return a label as text; the parts of a tuple with commas between."""
    return ", ".join(map(text, value)) if isinstance(value, tuple) else str(value)


def single(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give the columns of one value; none for a matrix, a function, or what is not there."""
    if isinstance(value, Record):
        inside, constants = parts(value)
        if not inside:
            yield from ((f"{name}_{own}", one) for own, one in constants.items())
    elif isinstance(value, tuple) and value and all(isinstance(one, Record) for one in value):
        for number, one in enumerate(value, start=1):
            yield from single(f"{name}_{number}", one)
    elif isinstance(value, tuple) and (name in PAIRS or name.endswith(INTERVAL)):
        stem, words = name.removesuffix(INTERVAL), PAIRS.get(name, ("lower", "upper"))
        yield from zip((f"{stem}_{word}" for word in words), map(float, value), strict=True)
    elif isinstance(value, tuple) and value != (None,):
        yield name, text(value)
    elif isinstance(value, (str, bool, int, float, np.generic)):
        yield name, value.item() if isinstance(value, np.generic) else value


def shown(value: Any) -> str:
    """Return a value as a reader of a notebook wants it: six digits, and nothing for none."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def table(rows: list[list[str]], *, head: list[str] | None = None) -> str:
    """Return rows of text as an HTML table."""

    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    top = f"<thead>{line(head, 'th')}</thead>" if head else ""
    return f"<table>{top}<tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"

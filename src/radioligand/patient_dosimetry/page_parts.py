# SPDX-License-Identifier: Apache-2.0
"""What the pages of doses are made of: numbered tables and figures, cells, columns."""

import math
from collections.abc import Sequence
from itertools import count

from markupsafe import Markup

from radioligand.report.document import Part
from radioligand.report.tables import Body, Cell, Column, Table, cell


class Numbers:
    """Numbers of tables and figures, in reading order."""

    def __init__(self) -> None:
        """Begin at 1."""
        self.tables, self.figures = count(1), count(1)

    def table(self, name: str, title: str, body: Body, who: str = "") -> Part:
        number = f"Table {next(self.tables)}"
        made = Table(name, f"{number}: {title}", who, body, (), notice="")
        return Part(name, number, title, who, made)

    def figure(self, name: str, title: str, drawn: str, who: str = "") -> Part:
        number = f"Figure {next(self.figures)}"
        return Part(name, number, title, who, svg=Markup(drawn))


def cells(*texts: str) -> tuple[Cell, ...]:
    """One cell a text."""
    return tuple(cell(text) for text in texts)


def columns(heads: Sequence[str]) -> tuple[Column, ...]:
    """One column a head."""
    return tuple(Column(head) for head in heads)


def number_text(value: float | None, digits: int = 4) -> str:
    """So many digits, nothing for what is not known."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}g}"

# SPDX-License-Identifier: Apache-2.0
"""Tables and figures of a page, numbered in reading order, and the table that ends each page."""

from collections.abc import Mapping
from itertools import count

from markupsafe import Markup

from radioligand.report.document import Part, Section
from radioligand.report.tables import Body, Column, Row, Table, cell


class Numbers:
    """Hands out the next number of a table or a figure."""

    def __init__(self) -> None:
        """Begin at 1."""
        self._table, self._figure = count(1), count(1)

    def table(
        self, name: str, title: str, body: Body, *, population: str = "", sortable: bool = False
    ) -> Part:
        """Return the next table."""
        number = f"Table {next(self._table)}"
        table = Table(name, f"{number}: {title}", population, body, (), notice="")
        return Part(name, number, title, population, table, sortable=sortable)

    def figure(
        self,
        name: str,
        title: str,
        svg: str,
        *,
        population: str = "",
        footnotes: tuple[str, ...] = (),
    ) -> Part:
        """Return the next figure, of an SVG whose texts are escaped."""
        number = f"Figure {next(self._figure)}"
        return Part(
            *(name, number, title, population), svg=Markup(svg), footnotes=footnotes, kind="forest"
        )


def provenance_section(provenance: Mapping[str, object], numbers: Numbers) -> Section:
    """Tell what a page was made from; a table of versions is one row."""
    rows = []
    for name, value in provenance.items():
        told = (
            ", ".join(f"{key} {each}" for key, each in value.items())
            if isinstance(value, Mapping)
            else str(value)
        )
        rows.append(Row(name, (cell(told),)))
    body = Body("What", (Column("Value"),), tuple(rows))
    table = numbers.table("provenance", "What this page was made from", body)
    return Section("section-provenance", "Provenance", (table,))

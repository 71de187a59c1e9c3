# SPDX-License-Identifier: Apache-2.0
"""A table as a record, each cell with the numbers behind it; written as CSV here."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markupsafe import Markup, escape

from radioligand.report import formatting
from radioligand.report.contents import Arm
from radioligand.report.lookup import Number, Numbers, View

# Spelt out under a table in which they occur.
ABBREVIATIONS = {
    "CI": "confidence interval",
    "HR": "hazard ratio",
    "IQR": "interquartile range",
    "NA": "not applicable",
    "NE": "not estimated",
}


class Cell(NamedTuple):
    """What is printed, the numbers of the results frame it was printed from, columns it spans.

    `link` is the anchor of another row or display of the page.
    """

    text: str
    numbers: tuple[Number, ...] = ()
    columns: int = 1
    link: str = ""

    @property
    def trace(self) -> dict[str, str]:
        """Where the numbers come from, as attributes of the cell: full precision, no rounding."""
        first = self.numbers[0]
        arms = dict.fromkeys(each.arm for each in self.numbers if each.arm)
        methods = dict.fromkeys(each.method for each in self.numbers if each.method)
        return {
            "analysis": first.analysis,
            "dataset": first.dataset or "",
            "where": first.where or "",
            "arm": "; ".join(arms),
            "statistic": "; ".join(each.statistic for each in self.numbers),
            "value": "; ".join(_exact(each) for each in self.numbers),
            "method": "; ".join(methods),
        }

    @property
    def attributes(self) -> Markup:
        """The trace as HTML attributes, and once more as a title for a reader without scripts."""
        told = {name: escape(words) for name, words in self.trace.items() if words}
        data = "".join(f' data-{name}="{words}"' for name, words in told.items())
        title = "\n".join(f"{name}: {words}" for name, words in told.items())
        return Markup(f'{data} title="{title}"')


class Row(NamedTuple):
    """One row: its label, how far it is set in, its cells; a heading has none.

    `anchor` is the name by which a cell may link to it.
    """

    label: str
    cells: tuple[Cell, ...] = ()
    indent: int = 0
    anchor: str = ""

    @property
    def is_heading(self) -> bool:
        return not self.cells


class Column(NamedTuple):
    """The head of a column; neighbours of one group stand under a common head."""

    label: str
    group: str = ""


class Body(NamedTuple):
    """What a builder makes: heads and rows. `notes` say how the numbers are printed."""

    stub: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


class Table(NamedTuple):
    """A table as it stands in the report."""

    name: str
    title: str
    population: str
    body: Body
    footnotes: tuple[str, ...]
    notice: str  # that the data are simulated; "" where they are not

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Common heads and how many columns stand under each; empty if no column has one."""
        heads: list[tuple[str, int]] = []
        for column in self.body.columns:
            if heads and heads[-1][0] == column.group:
                heads[-1] = (column.group, heads[-1][1] + 1)
            else:
                heads.append((column.group, 1))
        return tuple(heads) if any(column.group for column in self.body.columns) else ()

    @property
    def blocks(self) -> tuple[tuple[Row, ...], ...]:
        """Rows in blocks, each under its heading."""
        blocks: list[list[Row]] = [[]]
        for row in self.body.rows:
            if row.is_heading and blocks[-1]:
                blocks.append([])
            blocks[-1].append(row)
        return tuple(tuple(block) for block in blocks if block)

    @property
    def abbreviations(self) -> str:
        """Abbreviations that occur in the table, spelt out."""
        texts = [self.title, *(column.label for column in self.body.columns), *self.body.notes]
        for row in self.body.rows:
            texts += [row.label, *(cell.text for cell in row.cells)]
        return spelt_out(texts)

    @property
    def csv(self) -> str:
        """The table as CSV: heads, rows, and a last row saying that the data are simulated.

        It opens with a byte order mark, without which Excel misreads dashes. A text that a
        spreadsheet would take for a formula is quoted by an apostrophe.
        """
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        heads = (" | ".join(filter(None, column[::-1])) for column in self.body.columns)
        writer.writerow([_harmless(self.body.stub), *map(_harmless, heads)])
        for row in self.body.rows:
            cells = [text for cell in row.cells for text in _spread(cell)]
            cells += [""] * (len(self.body.columns) - len(cells))
            writer.writerow([_harmless("  " * row.indent + row.label), *map(_harmless, cells)])
        if self.notice:
            writer.writerow([self.notice, *[""] * len(self.body.columns)])
        return "\ufeff" + file.getvalue()


def spelt_out(texts: Iterable[str]) -> str:
    """Return the abbreviations that occur in the texts, each with its words."""
    found = set(re.findall(r"[A-Za-z]+", " ".join(texts)))
    return " ".join(f"{short}={words}." for short, words in ABBREVIATIONS.items() if short in found)


def _exact(number: Number) -> str:
    return formatting.full(number.value) if number.value is not None else number.text or "NE"


def _spread(cell: Cell) -> Iterator[str]:
    yield cell.text
    yield from [""] * (cell.columns - 1)


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "@", "-") else text


def cell(text: str, *numbers: Number | None, columns: int = 1) -> Cell:
    """Return a cell of this text and of those of the numbers that are there."""
    return Cell(text, tuple(number for number in numbers if number is not None), columns)


def value_of(number: Number | None) -> float | None:
    """Return the value, None if there is no such number."""
    return None if number is None else number.value


def as_percent(number: Number | None, *, fraction: bool = False) -> float | None:
    """Return the value as 0 to 100: by its unit, and without one as a fraction if `fraction`."""
    if number is None or number.value is None:
        return None
    is_fraction = fraction if not number.unit else number.unit not in ("%", "percent")
    return 100 * number.value if is_fraction else number.value


def count_cell(count: Number | None, percent: Number | None) -> Cell:
    """Return '81 (54%)', or the reason why there is no count."""
    if count is None or count.value is None:
        return cell((count and count.text) or formatting.NOT_APPLICABLE, count)
    shown = formatting.count_percent(count.value, as_percent(percent))
    return cell(shown, count, percent)


def estimate_cell(
    estimate: Number | None,
    lower: Number | None,
    upper: Number | None,
    *,
    decimals: int,
    columns: int = 1,
) -> Cell:
    """Return '0.276 (0.182–0.418)', or the reason why it could not be estimated."""
    if estimate is None:
        return cell(formatting.NOT_APPLICABLE, columns=columns)
    if estimate.value is None and estimate.text not in (None, "", formatting.NOT_ESTIMATED):
        return cell(str(estimate.text), estimate, columns=columns)
    values = (estimate.value, value_of(lower), value_of(upper))
    shown = formatting.with_interval(*values, decimals=decimals)
    if lower is None and upper is None:
        shown = formatting.rounded(estimate.value, decimals)
    return cell(shown, estimate, lower, upper, columns=columns)


def p_cell(number: Number | None, *, columns: int = 1) -> Cell:
    """Return the p value, or the reason why there is none."""
    if number is None:
        return cell(formatting.NOT_APPLICABLE, columns=columns)
    told = number.text if number.value is None else None
    return cell(told or formatting.p_value(number.value), number, columns=columns)


def arm_column(arm: Arm, numbers: Numbers) -> Column:
    """Return the head of an arm's column: its label and size."""
    size = numbers.find("n", arm=arm.id)
    return Column(arm.label if size is None else f"{arm.label} (n={formatting.count(size.value)})")


def indents(view: View) -> dict[str, str]:
    """Return the heading under which each variable is set in."""
    return {each: head for head, group in view.display.groups.items() for each in group}

# SPDX-License-Identifier: Apache-2.0
"""Published against recomputed, on the terminal and as a page."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from radioligand.cli.main_job import versions
from radioligand.evidence import Published, Reproduced, counted, read_published, reproduce
from radioligand.evidence.page import published_page
from radioligand.io.documents import published_hashes
from radioligand.io.outputs import MARK, check_output, write_folder

STYLES = {"match": "green", "alternative": "yellow", "no match": "bold red"}


def reproduced(study: str | None) -> tuple[tuple[Reproduced, ...], Published]:
    """Recompute the shipped rows of a study, or of all."""
    published = read_published()
    return reproduce(published, studies=(study,) if study else ()), published


def as_json(rows: Sequence[Reproduced]) -> str:
    """The rows as a JSON list."""
    return json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False)


def write_page(rows: Sequence[Reproduced], published: Published, *, out: Path) -> Path:
    """Write the page, its tables and the rows into a folder; return the page's path."""
    check_output(out)
    provenance = published_hashes() | versions()
    page = published_page(rows, published, provenance=provenance)
    files = {
        "index.html": page.index_html,
        "results.json": as_json(rows) + "\n",
        **{f"tables/{name}": text for name, text in page.tables.items()},
        MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
    }
    write_folder(out, files)
    return out / "index.html"


def tell(rows: Sequence[Reproduced], published: Published, *, console: Console) -> None:
    """Print the rows in groups, the conflicts, and how many rows match."""
    titles = {study.id: study.title for study in published.studies}
    for study, of_study in groupby(rows, key=lambda row: row.study):
        console.rule(titles[study])
        for _, group in groupby(of_study, key=lambda row: row.id.rpartition(".")[0]):
            console.print(_table(tuple(group)))
    console.rule("Where papers differ")
    console.print(_conflicts(published, {row.paper for row in rows}))
    for kind in ("direct", "consistency"):
        found = counted(row for row in rows if row.kind == kind)
        told = ", ".join(f"{number} {verdict}" for verdict, number in found.items())
        console.print(f"{kind}: {told}")


def _table(rows: Sequence[Reproduced]) -> Table:
    """A group; the method stands in the title if all its rows share one."""
    found = counted(rows)
    methods, reasons = {row.method for row in rows}, dict.fromkeys(row.reason for row in rows)
    shared = f": {rows[0].method}" if len(methods) == 1 else ""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found.items() if number)
    table = Table(
        title=Text(f"{rows[0].group} ({rows[0].id.rpartition('.')[0]}){shared}", "bold"),
        caption=Text("\n".join((counts, *filter(None, reasons)))),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    heads = ("number", "made from", "published", "recomputed", "verdict", "method")
    for head in heads[:-1] if shared else heads:
        table.add_column(head, overflow="fold", min_width=16 if head == "number" else None)
    for row in rows:
        verdict = Text(row.verdict, STYLES[row.verdict])
        if row.weak:
            verdict.append(", weak", "dim")
        numbers = map(Text, (row.says, row.made_from, row.published, row.recomputed))
        table.add_row(*numbers, verdict, *(() if shared else (Text(row.method),)))
    return table


def _conflicts(published: Published, papers: set[str]) -> Table:
    table = Table(show_lines=True)
    for head in ("what", "values", "why"):
        table.add_column(head, overflow="fold")
    for conflict in published.conflicts_of(papers):
        values = [
            f"{one.value}: {published.paper(one.paper).short}, {one.place}"
            + (f", {one.cutoff}" if one.cutoff else "")
            + (f", {one.reviewer}" if one.reviewer != "none" else "")
            for one in conflict.statements
        ]
        table.add_row(*map(Text, (conflict.what, "\n".join(values), conflict.why)))
    return table

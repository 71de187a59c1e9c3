# SPDX-License-Identifier: Apache-2.0
"""From the plain tables of the documents to records, or to every fault at once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, get_args

from radioligand.evidence.methods import METHODS, Input, Method
from radioligand.evidence.printing import NUMBER, numbers_in
from radioligand.evidence.records import (
    Alternative,
    Conflict,
    Group,
    Kind,
    Paper,
    Published,
    Reviewer,
    Row,
    Statement,
    Study,
)
from radioligand.io.documents import DocumentError
from radioligand.protocol import Fault

REVIEWERS, KINDS = get_args(Reviewer), get_args(Kind)
INHERITED = ("paper", "place", "cutoff", "reviewer", "kind", "method")  # by rows of their group
NOTHING: Mapping[str, Any] = {}


class PublishedError(DocumentError):
    """Documents of published results break their rules; `faults` holds every one of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        """List all `faults`."""
        self.faults = faults
        lines = [f"Published results: {len(faults)} fault{'s' if len(faults) != 1 else ''}."]
        for fault in faults:
            lines += [f"  {fault.path}: {fault.says}.", f"    {fault.mend}"]
        super().__init__("\n".join(lines))


def parse_published(documents: Mapping[str, Mapping[str, Any]]) -> Published:
    """Turn the tables of all documents, by file name, into one record.

    `papers.toml` lists the papers, `conflicts.toml` the conflicts; each other is a study. Raises
    PublishedError that holds every fault of every document.
    """
    faults: list[Fault] = []
    papers = _papers(_Table("papers.toml", documents.get("papers.toml", NOTHING), faults))
    known = tuple(paper.id for paper in papers)
    contents = _Table("conflicts.toml", documents.get("conflicts.toml", NOTHING), faults)
    conflicts = _conflicts(contents, known)
    studies = tuple(
        _study(_Table(name, content, faults), known)
        for name, content in documents.items()
        if name not in ("papers.toml", "conflicts.toml")
    )
    rows = [row.id for study in studies for group in study.groups for row in group.rows]
    for kind, ids in (
        ("paper", list(known)),
        ("study", [study.id for study in studies]),
        ("row", rows),
        ("conflict", [conflict.id for conflict in conflicts]),
    ):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        faults += [
            Fault(one, f"{ids.count(one)} entries are {kind} {one!r}", "Give each its own id.")
            for one in twice
        ]
    if faults:
        raise PublishedError(tuple(faults))
    studies = tuple(sorted(studies, key=lambda study: known.index(first_paper(study))))
    return Published(papers=papers, studies=studies, conflicts=conflicts)


def first_paper(study: Study) -> str:
    """Return the paper of the first row; studies stand in the order of their papers."""
    return next(row.paper for group in study.groups for row in group.rows)


class _Table:
    """One table of a document: what is taken is checked, what nobody took is a fault."""

    def __init__(self, path: str, content: Any, faults: list[Fault]) -> None:
        self.path, self.faults = path, faults
        self.content = dict(content) if isinstance(content, Mapping) else {}
        self.taken: set[str] = set()
        if not isinstance(content, Mapping):
            self.fault("", f"is no table: {content!r}", "Write a table.")

    def fault(self, key: str, says: str, mend: str) -> None:
        self.faults.append(Fault(f"{self.path}.{key}" if key else self.path, says, mend))

    def inherit(self, content: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        """Take over those of the keys that are not here."""
        self.content = {key: content[key] for key in keys if key in content} | self.content

    def take(self, key: str) -> Any:
        self.taken.add(key)
        return self.content.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value.strip():
            return value
        if value is None:
            self.fault(key, "this key is required and missing", "Add it.")
        else:
            self.fault(key, f"is no text: {value!r}", "Write it in quotes, and not empty.")
        return ""

    def choice(self, key: str, known: tuple[str, ...], default: str | None = None) -> Any:
        value = self.text(key, default)
        if value and value not in known:
            close = get_close_matches(value, known, n=1)
            mend = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
            self.fault(key, f"{value!r} is not a choice here", mend)
        return value

    def day(self, key: str) -> date | None:
        value = self.take(key)
        if type(value) is date:
            return value
        if value != "none":
            says = "this key is required and missing" if value is None else f"is no day: {value!r}"
            self.fault(key, says, 'Write it as 2023-07-20, or "none".')
        return None

    def tables(self, key: str) -> Iterator["_Table"]:
        """Take a list of tables; each is spoken of by its id."""
        value = self.take(key)
        if not isinstance(value, list | tuple):
            says = "this key is required and missing" if value is None else f"is no list: {value!r}"
            self.fault(key, says, "Give a list of tables.")
            return
        for place, one in enumerate(value):
            name = one.get("id", place) if isinstance(one, Mapping) else place
            yield _Table(f"{self.path}.{key}[{name}]", one, self.faults)

    def inputs(self, method: Method) -> Mapping[str, Any]:
        """Take the inputs of a method, each of its type."""
        table = _Table(f"{self.path}.inputs", self.take("inputs") or NOTHING, self.faults)
        found = {}
        for name, kind in method.inputs.items():
            value = table.take(name)
            if value is None and name in method.optional:
                continue
            if value is None or not ACCEPTS[kind](value):
                says = "is missing" if value is None else f"is {value!r}"
                table.fault(
                    name, f"{says}; the method takes {WORDS[kind]}", "Give what was printed."
                )
            found[name] = tuple(value) if isinstance(value, list) else value
        table.done()
        return found

    def done(self) -> None:
        """Tell of every key that nobody took."""
        for key in self.content:
            if key not in self.taken:
                close = get_close_matches(key, self.taken, n=1)
                mend = f"Did you mean {close[0]!r}? " if close else ""
                self.fault(key, "unknown key", f"{mend}Known: {', '.join(sorted(self.taken))}.")


def _papers(document: _Table) -> tuple[Paper, ...]:
    found = []
    for table in document.tables("papers"):
        found.append(Paper(table.text("id"), table.text("short"), table.text("citation")))
        table.done()
    document.done()
    return tuple(found)


def _conflicts(document: _Table, papers: tuple[str, ...]) -> tuple[Conflict, ...]:
    found = []
    for table in document.tables("conflicts"):
        statements = tuple(_statement(one, papers) for one in table.tables("statements"))
        conflict = Conflict(
            id=table.text("id"),
            what=table.text("what"),
            why=table.text("why"),
            statements=statements,
        )
        if len({one.value for one in statements}) < 2:
            table.fault("statements", "fewer than two values differ", "Give both sides, or none.")
        found.append(conflict)
        table.done()
    document.done()
    return tuple(found)


def _statement(table: _Table, papers: tuple[str, ...]) -> Statement:
    statement = Statement(
        value=table.text("value"),
        paper=table.choice("paper", papers),
        place=table.text("place"),
        cutoff=table.day("cutoff"),
        reviewer=table.choice("reviewer", REVIEWERS, "none"),
    )
    table.done()
    return statement


def _study(document: _Table, papers: tuple[str, ...]) -> Study:
    head = _Table(f"{document.path}.study", document.take("study") or NOTHING, document.faults)
    study_id, title = head.text("id"), head.text("title")
    head.done()
    groups = tuple(_group(table, study_id, papers) for table in document.tables("groups"))
    document.done()
    if not any(group.rows for group in groups):
        document.fault("groups", "there is no row", "Give a row.")
    return Study(id=study_id, title=title, groups=groups)


def _group(table: _Table, study: str, papers: tuple[str, ...]) -> Group:
    group_id, title = table.text("id"), table.text("title")
    table.taken |= set(INHERITED)
    rows = []
    for one in table.tables("rows"):
        one.inherit(table.content, INHERITED)
        rows.append(_row(one, f"{study}.{group_id}", papers))
    table.done()
    return Group(id=group_id, title=title, rows=tuple(rows))


def _row(table: _Table, before: str, papers: tuple[str, ...]) -> Row:
    name = table.choice("method", tuple(METHODS))
    method, published = METHODS.get(name), table.text("published")
    inputs = table.inputs(method) if method else {}
    row = Row(
        id=f"{before}.{table.text('id')}",
        says=table.text("says"),
        paper=table.choice("paper", papers),
        place=table.text("place"),
        cutoff=table.day("cutoff"),
        reviewer=table.choice("reviewer", REVIEWERS, "none"),
        kind=table.choice("kind", KINDS, "direct"),
        method=name,
        inputs=inputs,
        published=published,
        alternatives=tuple(_alternatives(table, published)),
        reason=table.text("reason", ""),
    )
    table.taken.add("inputs")
    _check_form(table, method, published)
    table.done()
    return row


def _alternatives(row: _Table, published: str) -> Iterator[Alternative]:
    row.taken.add("alternatives")
    if "alternatives" not in row.content:
        return
    for table in row.tables("alternatives"):
        name = table.choice("method", tuple(METHODS))
        if name in METHODS:
            table.inherit(row.content, ("inputs",))
            yield Alternative(name, table.inputs(METHODS[name]))
            _check_form(table, METHODS[name], published)
        table.done()


def _check_form(table: _Table, method: Method | None, published: str) -> None:
    """A published text holds as many numbers as the method gives."""
    seen = len(numbers_in(published))
    if method and method.gives and published and seen != method.gives:
        says = f"{published!r} holds {seen} numbers; the method gives {method.gives}"
        table.fault("published", says, "Give the text as printed, or another method.")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and bool(NUMBER.fullmatch(value)) and value[0] not in "<>≤≥"


def _all(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list | tuple) and len(value) > 0 and all(map(accepts, value))
    )


ACCEPTS: Mapping[Input, Callable[[Any], bool]] = {
    "count": _is_count,
    "counts": _all(_is_count),
    "number": _is_number,
    "numbers": _all(_is_number),
    "tables": _all(_all(_all(_is_count))),
    "day": lambda value: type(value) is date,
}
WORDS: Mapping[Input, str] = {
    "count": "a whole number, 0 or more",
    "counts": "a list of whole numbers",
    "number": 'a number as printed, in quotes ("22.8")',
    "numbers": 'a list of numbers as printed, in quotes (["22.8", "8.5"])',
    "tables": "a list of tables, arms in rows, with and without the event in columns",
    "day": "a day (2023-07-20)",
}

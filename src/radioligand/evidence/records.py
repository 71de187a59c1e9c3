# SPDX-License-Identifier: Apache-2.0
"""What a document of published results holds: papers, studies, their rows, and conflicts.

A snapshot is a paper's cutoff and reviewer. Every number keeps its own; none are pooled.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

Reviewer = Literal["central", "local", "none"]
Kind = Literal["direct", "consistency"]


class Paper(NamedTuple):
    """A source: `short` is how a row names it."""

    id: str
    short: str
    citation: str


class Alternative(NamedTuple):
    """Another method that may give what was printed, perhaps from other inputs of the paper."""

    method: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published number, as printed, with the printed numbers that it follows from.

    `cutoff` is the data cutoff, None where no patients were followed. `reviewer` tells who read
    the images the number rests on, "none" where it rests on none. `reason` says why the standard
    method does not give it.
    """

    id: str
    says: str
    paper: str
    place: str
    cutoff: date | None
    reviewer: Reviewer
    kind: Kind
    method: str
    inputs: Mapping[str, Any]
    published: str
    alternatives: tuple[Alternative, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that stand together in a paper."""

    id: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One document: a trial, an analysis or an evidence table, with its groups of rows."""

    id: str
    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one paper says on a matter on which papers differ."""

    value: str
    paper: str
    place: str
    cutoff: date | None
    reviewer: Reviewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A matter on which papers, or places of one paper, differ; `why` says what explains it."""

    id: str
    what: str
    why: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All documents together."""

    papers: tuple[Paper, ...]
    studies: tuple[Study, ...]
    conflicts: tuple[Conflict, ...]

    def paper(self, paper_id: str) -> Paper:
        """Return the paper of that id."""
        return next(paper for paper in self.papers if paper.id == paper_id)

    def conflicts_of(self, papers: Collection[str]) -> tuple[Conflict, ...]:
        """Return the conflicts on which one of those papers has a say."""
        return tuple(
            conflict
            for conflict in self.conflicts
            if any(one.paper in papers for one in conflict.statements)
        )
